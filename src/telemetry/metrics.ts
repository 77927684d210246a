import { assert } from "../shared/assert.ts";
import { printGoNumber } from "./goNumber.ts";

/** Values of a family's labels, in the order in which the family names them. */
export type LabelValues = readonly string[];

/** Goes up only: `livepeer_segment_transcoded_total`, `livepeer_mil_pixels_processed`. */
export type Counter = {
  /** Adds `amount` (at least 0; not a number or less is ignored) to the series of these label values. */
  add(amount: number, labelValues?: LabelValues): void;
};

/** The last value counts. */
export type Gauge = { set(value: number, labelValues?: LabelValues): void };

/** Counts values by size. A value equal to a bound falls into the next bucket, as in OpenCensus. */
export type Histogram = { observe(value: number, labelValues?: LabelValues): void };

export type FamilyOptions = {
  readonly name: string;
  readonly help: string;
  /** Label names, in any order; the exposition sorts them. */
  readonly labels?: readonly string[];
  /** Leaves the labels that every series has (`node_id`, `node_type`) out. */
  readonly hasOwnLabelsOnly?: boolean;
};

export type MetricsRegistry = {
  counter(options: FamilyOptions): Counter;
  gauge(options: FamilyOptions): Gauge;
  /** `bounds` in any order; zeros and doubles are dropped, as OpenCensus' exporter does. */
  histogram(options: FamilyOptions, bounds: readonly number[]): Histogram;
  /** Runs before each exposition: sets gauges that are read rather than recorded. */
  beforeCollect(read: () => void): void;
  /** Everything that is registered, recorded or not, by name: for the reference page. */
  families(): readonly (FamilyOptions & { readonly type: string })[];
  /** The whole text in Prometheus format 0.0.4. Families and series are sorted; unrecorded ones are absent. */
  expose(): string;
};

export type RegistryOptions = {
  /** Labels of every series, such as `node_id`. */
  readonly baseLabels: Readonly<Record<string, string>>;
};

/** Content type of {@link MetricsRegistry.expose}. */
export const expositionContentType = "text/plain; version=0.0.4; charset=utf-8";

/**
 * Most series of one family. Labels like `manifest_id` come from peers: past this, samples go to one series whose
 * own labels all say `other`, so that nobody can fill the memory with names.
 */
const seriesPerFamilyMax = 1_000;

/** Longest label value. Source: go.opencensus.io tag/validate.go; there the sample is lost, here it is cut. */
const labelCharactersMax = 255;

type Series = {
  readonly labelText: string;
  readonly sortKey: string;
  value: number;
  readonly buckets: Float64Array | null;
};

type Family = {
  readonly type: "counter" | "gauge" | "histogram";
  readonly options: FamilyOptions;
  readonly bounds: readonly number[];
  readonly series: Map<string, Series>;
};

/**
 * Metrics with the exposition that go-livepeer's Prometheus users know.
 *
 * Recording is a map look-up and an addition; all text work happens at the scrape and when a series is new.
 *
 * Source: go-livepeer monitor/census.go InitCensus; OpenCensus 0.24 with its Prometheus exporter 0.4.2; operator
 * sheet 4.1.
 */
export function createMetricsRegistry(options: RegistryOptions): MetricsRegistry {
  const families = new Map<string, Family>();
  const readers: (() => void)[] = [];
  const addFamily = (
    type: Family["type"],
    familyOptions: FamilyOptions,
    bounds: readonly number[],
  ): Family => {
    assert(
      /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(familyOptions.name),
      `\`${familyOptions.name}\` is no metric name.`,
    );
    assert(!families.has(familyOptions.name), `The metric \`${familyOptions.name}\` exists twice.`);
    const family: Family = { type, options: familyOptions, bounds, series: new Map() };
    families.set(familyOptions.name, family);
    return family;
  };
  const seriesOf = (family: Family, labelValues: LabelValues): Series =>
    findSeries(family, labelValues, options.baseLabels);
  return {
    counter(familyOptions) {
      const family = addFamily("counter", familyOptions, []);
      return {
        add(amount, labelValues = []) {
          // A counter that falls looks like a restart to Prometheus; 0 makes the series appear.
          if (amount >= 0) seriesOf(family, labelValues).value += amount;
        },
      };
    },
    gauge(familyOptions) {
      const family = addFamily("gauge", familyOptions, []);
      return {
        set(value, labelValues = []) {
          seriesOf(family, labelValues).value = value;
        },
      };
    },
    histogram(familyOptions, bounds) {
      const kept = [...new Set(bounds)].filter((bound) => bound !== 0).sort((a, b) => a - b);
      const family = addFamily("histogram", familyOptions, kept);
      return {
        observe(value, labelValues = []) {
          if (Number.isNaN(value)) return;
          const series = seriesOf(family, labelValues);
          series.value += value;
          if (series.buckets !== null) countValue(series.buckets, kept, value);
        },
      };
    },
    beforeCollect(read) {
      readers.push(read);
    },
    families: () =>
      [...families.values()]
        .map((family) => ({ ...family.options, type: family.type }))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    expose() {
      for (const read of readers) read();
      const sorted = [...families.values()].sort((a, b) => (a.options.name < b.options.name ? -1 : 1));
      return sorted.map(exposeFamily).join("");
    },
  };
}

function countValue(buckets: Float64Array, bounds: readonly number[], value: number): void {
  let index = 0;
  while (index < bounds.length && value >= (bounds[index] ?? 0)) index++;
  buckets[index] = (buckets[index] ?? 0) + 1;
}

function findSeries(
  family: Family,
  labelValues: LabelValues,
  baseLabels: Readonly<Record<string, string>>,
): Series {
  // A separator that no label value can hold: values are cut down to printable ASCII when a series is made, and
  // the key holds them as given.
  const key = labelValues.length === 1 ? (labelValues[0] ?? "") : labelValues.join("\u0000");
  const known = family.series.get(key);
  if (known !== undefined) return known;
  const isFull = family.series.size >= seriesPerFamilyMax;
  const labels = family.options.labels ?? [];
  if (isFull && labelValues.some((value) => value !== "other")) {
    return findSeries(
      family,
      labels.map(() => "other"),
      baseLabels,
    );
  }
  const own = labels.map((name, index) => [name, cleanLabel(labelValues[index] ?? "")] as const);
  const base = family.options.hasOwnLabelsOnly ? [] : Object.entries(baseLabels);
  const pairs = [...base, ...own].sort(([a], [b]) => (a < b ? -1 : 1));
  const series: Series = {
    labelText: pairs.map(([name, value]) => `${name}="${escapeLabel(value)}"`).join(","),
    sortKey: pairs.map(([, value]) => value).join("\u0000"),
    value: 0,
    buckets: family.type === "histogram" ? new Float64Array(family.bounds.length + 1) : null,
  };
  family.series.set(key, series);
  return series;
}

/** Printable ASCII, at most 255 characters: more than that OpenCensus refuses. */
function cleanLabel(text: string): string {
  return text.slice(0, labelCharactersMax).replaceAll(/[^\x20-\x7e]/g, "?");
}

function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"');
}

function exposeFamily(family: Family): string {
  if (family.series.size === 0) return "";
  const { name, help } = family.options;
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} ${family.type}`];
  const all = [...family.series.values()].sort((a, b) => (a.sortKey < b.sortKey ? -1 : 1));
  for (const series of all) {
    if (series.buckets === null) {
      const braces = series.labelText === "" ? "" : `{${series.labelText}}`;
      lines.push(`${name}${braces} ${printGoNumber(series.value)}`);
    } else {
      lines.push(...histogramLines(name, series, series.buckets, family.bounds));
    }
  }
  return `${lines.join("\n")}\n`;
}

function histogramLines(
  name: string,
  series: Series,
  buckets: Float64Array,
  bounds: readonly number[],
): readonly string[] {
  const prefix = series.labelText === "" ? "" : `${series.labelText},`;
  const lines: string[] = [];
  let total = 0;
  for (const [index, count] of buckets.entries()) {
    total += count;
    const bound = bounds[index] ?? Number.POSITIVE_INFINITY;
    lines.push(`${name}_bucket{${prefix}le="${printGoNumber(bound)}"} ${printGoNumber(total)}`);
  }
  const braces = series.labelText === "" ? "" : `{${series.labelText}}`;
  lines.push(
    `${name}_sum${braces} ${printGoNumber(series.value)}`,
    `${name}_count${braces} ${printGoNumber(total)}`,
  );
  return lines;
}
