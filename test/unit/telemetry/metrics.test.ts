import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import vectors from "../../vectors/operator-metrics.json";
import { printGoNumber } from "../../../src/telemetry/goNumber.ts";
import { createLivepeerMetrics, nodeIdOf } from "../../../src/telemetry/livepeerMetrics.ts";
import { createMetricsRegistry } from "../../../src/telemetry/metrics.ts";
import { addProcessMetrics, cpuSecondsOf, residentBytesOf } from "../../../src/telemetry/processMetrics.ts";
import { createRepriseMetrics } from "../../../src/telemetry/repriseMetrics.ts";

type Case = {
  readonly id: string;
  readonly kind: string;
  readonly name?: string;
  readonly labels?: readonly string[];
  readonly labelsWithMetricsPerStream?: readonly string[];
  readonly labelsWithMetricsClientIP?: readonly string[];
  readonly lines?: readonly string[];
};
const cases = vectors.cases as readonly Case[];

function setUp(flags: { readonly perStream?: boolean; readonly clientIp?: boolean } = {}) {
  const registry = createMetricsRegistry({ baseLabels: { node_id: "{hostname}", node_type: "orch" } });
  const metrics = createLivepeerMetrics({
    registry,
    isPerStream: flags.perStream ?? false,
    isClientIpLabelled: flags.clientIp ?? false,
    maxSessions: 10,
    version: "undefined",
    runtime: { name: "gc", version: "{goVersion}", operatingSystem: "linux" },
  });
  return { registry, metrics };
}

const linesOf = (id: string): readonly string[] => cases.find((one) => one.id === id)?.lines ?? [];
const stream = { manifestId: "m1", clientIp: "127.0.0.1" };

describe("numbers as Go prints them", () => {
  // Every number that a real node printed in the recorded scrapes.
  const recorded = new Set(
    cases
      .flatMap((one) => one.lines ?? [])
      .flatMap((line) => (line.startsWith("#") ? [] : [line.split(" ").at(-1) ?? ""])),
  );
  for (const text of recorded) {
    test(text, () => expect(printGoNumber(Number(text))).toBe(text));
  }
  test("exponents from 10⁶ on and below 10⁻⁴", () => {
    const printed = [
      1e6, 999_999, 1.38e7, 1e-6, 0.0001, 0.00009, 1e21, -2e6, 0.5, 1.3333333333333333e9, 100_000,
    ];
    expect(printed.map(printGoNumber)).toEqual([
      "1e+06",
      "999999",
      "1.38e+07",
      "1e-06",
      "0.0001",
      "9e-05",
      "1e+21",
      "-2e+06",
      "0.5",
      "1.3333333333333333e+09",
      "100000",
    ]);
    expect([Number.NaN, Infinity, -Infinity].map(printGoNumber)).toEqual(["NaN", "+Inf", "-Inf"]);
  });
  test("every double comes back", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(Number(printGoNumber(value))).toBe(value);
      }),
    );
  });
});

describe("what an off-chain orchestrator shows", () => {
  test("operator check 24: right after the start, byte for byte", () => {
    const { registry } = setUp();
    expect(registry.expose()).toBe(`${linesOf("scrape.offchain.start").join("\n")}\n`);
  });

  // The stream's own times differ from run to run: the recorded sums are put in, everything else must come out.
  test("after a stream through a remote transcoder, byte for byte", () => {
    const { registry, metrics } = setUp();
    const recorded = linesOf("scrape.offchain.streamed");
    const sumOf = (name: string) =>
      Number(
        recorded
          .find((line) => line.startsWith(`${name}_sum`))
          ?.split(" ")
          .at(-1),
      );
    metrics.setCurrentSessions(1);
    metrics.setTranscoders({ number: 1, capacity: 4, load: 0 });
    const profiles = ["P360p30fps16x9", "P240p30fps16x9"];
    for (let segment = 0; segment < 6; segment++) {
      metrics.segmentEmerged(stream, 2);
      metrics.segmentTranscoded(profiles, 2, segment === 0 ? 2 / 2.6 : 2 / 2.3);
      metrics.pixelsProcessed(stream, 19_958_400);
    }
    for (let read = 0; read < 12; read++)
      metrics.segmentDownloaded(stream, sumOf("livepeer_download_time_seconds") / 12);
    const withoutSums = (lines: readonly string[]) =>
      lines.filter((line) => !/_sum\{|_processed\{/.test(line));
    expect(withoutSums(registry.expose().trimEnd().split("\n"))).toEqual(withoutSums(recorded));
    const sum = (name: string) =>
      Number(
        registry
          .expose()
          .split("\n")
          .find((line) => line.startsWith(name))
          ?.split(" ")
          .at(-1),
      );
    expect(sum("livepeer_mil_pixels_processed")).toBeCloseTo(119.7504, 9);
    expect(sum("livepeer_source_segment_duration_seconds_sum")).toBe(12);
    expect(sum("livepeer_download_time_seconds_sum")).toBeCloseTo(0.025130613, 9);
  });

  // Names, types, help texts and label sets of every recorded family, with and without the labels per stream.
  test("operator check 26: label sets with -metricsPerStream and -metricsClientIP", () => {
    const variants = [
      { flags: {}, labelsOf: (one: Case) => one.labels },
      { flags: { perStream: true }, labelsOf: (one: Case) => one.labelsWithMetricsPerStream ?? one.labels },
      {
        flags: { perStream: true, clientIp: true },
        labelsOf: (one: Case) =>
          one.labelsWithMetricsClientIP ?? one.labelsWithMetricsPerStream ?? one.labels,
      },
    ];
    const families = cases.filter((one) => one.kind === "metric");
    expect(families.length).toBe(17);
    for (const { flags, labelsOf } of variants) {
      const { registry, metrics } = setUp(flags);
      metrics.segmentEmerged(stream, 2);
      metrics.segmentDownloaded(stream, 0.01);
      metrics.segmentTranscoded(["a"], 2, 1);
      metrics.pixelsProcessed(stream, 1e6);
      const lines = registry.expose().split("\n");
      for (const family of families) {
        const line =
          lines.find((one) => one.startsWith(`${family.name}{`) || one.startsWith(`${family.name}_sum{`)) ??
          "";
        const labels = [...line.matchAll(/[{,](\w+)="/g)].map((match) => match[1] ?? "");
        expect({ name: family.name, labels }).toEqual({
          name: family.name,
          labels: [...(labelsOf(family) ?? [])],
        });
      }
    }
  });

  test("operator check 25: a 2 s segment in 0.5 s", () => {
    const { registry, metrics } = setUp();
    metrics.segmentTranscoded(["P360p30fps16x9", "P240p30fps16x9"], 2, 0.5);
    const text = registry.expose();
    const labels =
      'node_id="{hostname}",node_type="orch",profiles="P240p30fps16x9,P360p30fps16x9",trusted="trusted",verified="verified"';
    expect(text).toContain(`livepeer_segment_transcoded_total{${labels}} 1\n`);
    expect(text).toContain(`livepeer_transcode_score_sum{${labels}} 4\n`);
    expect(text).toContain(`livepeer_transcode_score_bucket{${labels},le="4"} 0\n`);
    expect(text).toContain(`livepeer_transcode_score_bucket{${labels},le="4.5"} 1\n`);
  });

  test("an unknown client is `not_tracked`", () => {
    const { registry, metrics } = setUp({ perStream: true, clientIp: true });
    metrics.pixelsProcessed({ manifestId: "m", clientIp: "" }, 1);
    expect(registry.expose()).toContain(
      'livepeer_mil_pixels_processed{client_ip="not_tracked",manifest_id="m",',
    );
  });

  test("the node id is the account as typed and the host name", () => {
    expect(nodeIdOf("0xAb", "host")).toBe("0xAb-host");
    expect(nodeIdOf("", "host")).toBe("host");
  });
});

describe("the registry", () => {
  const empty = () => createMetricsRegistry({ baseLabels: {} });

  test("a series appears with its first value", () => {
    const registry = empty();
    const counter = registry.counter({ name: "c", help: "h", labels: ["l"] });
    registry.gauge({ name: "a", help: "h" });
    expect(registry.expose()).toBe("");
    counter.add(0, ["x"]);
    expect(registry.expose()).toBe('# HELP c h\n# TYPE c counter\nc{l="x"} 0\n');
  });

  test("zeros and doubles among bounds are dropped, and a value on a bound belongs to the next bucket", () => {
    const registry = empty();
    const histogram = registry.histogram({ name: "h", help: "h" }, [0, 0.1, 0.15, 0.2, 0.5, 0.1, 0.5, 10]);
    for (const value of [0.05, 0.1, 0.5, 11]) histogram.observe(value);
    expect(registry.expose().split("\n").slice(2, -1)).toEqual([
      'h_bucket{le="0.1"} 1',
      'h_bucket{le="0.15"} 2',
      'h_bucket{le="0.2"} 2',
      'h_bucket{le="0.5"} 2',
      'h_bucket{le="10"} 3',
      'h_bucket{le="+Inf"} 4',
      "h_sum 11.65",
      "h_count 4",
    ]);
  });

  test("a missing label is empty, a bad one is cleaned and cut", () => {
    const registry = empty();
    const gauge = registry.gauge({ name: "g", help: "h", labels: ["b", "a"] });
    gauge.set(1, ["x"]);
    gauge.set(2, ['q"\\\n\u00e9', "y".repeat(300)]);
    const lines = registry.expose().split("\n");
    expect(lines[2]).toBe('g{a="",b="x"} 1');
    expect(lines[3]).toBe(`g{a="${"y".repeat(255)}",b="q\\"\\\\??"} 2`);
  });

  test("a counter never falls, and values that are no numbers change nothing", () => {
    const registry = empty();
    const counter = registry.counter({ name: "c", help: "h" });
    counter.add(2);
    counter.add(-1);
    counter.add(Number.NaN);
    const histogram = registry.histogram({ name: "h", help: "h" }, [1]);
    histogram.observe(Number.NaN);
    expect(registry.expose()).toBe("# HELP c h\n# TYPE c counter\nc 2\n");
  });

  // Peers choose manifest ids: a million of them must not become a million series.
  test("series of one family are bounded; the rest goes to `other`", () => {
    const registry = createMetricsRegistry({ baseLabels: { node_id: "n" } });
    const counter = registry.counter({ name: "c", help: "h", labels: ["id"] });
    for (let id = 0; id < 5_000; id++) counter.add(1, [String(id)]);
    const lines = registry
      .expose()
      .split("\n")
      .filter((line) => line.startsWith("c{"));
    expect(lines.length).toBe(1_001);
    expect(lines).toContain('c{id="other",node_id="n"} 4000');
  });

  test("the same name twice, or a name that is none, is a bug", () => {
    const registry = empty();
    registry.gauge({ name: "g", help: "h" });
    expect(() => registry.gauge({ name: "g", help: "h" })).toThrow("exists twice");
    expect(() => registry.gauge({ name: "a b", help: "h" })).toThrow("no metric name");
  });

  test("recording is cheap: a million samples into a labelled histogram stay far below a second each µs", () => {
    const registry = empty();
    const histogram = registry.histogram(
      { name: "h", help: "h", labels: ["l"] },
      [0.1, 0.2, 0.5, 1, 2, 5, 10],
    );
    const labels = ["x"];
    const startMs = performance.now();
    for (let sample = 0; sample < 1_000_000; sample++) histogram.observe(sample % 12, labels);
    const microsecondsEach = ((performance.now() - startMs) * 1_000) / 1_000_000;
    // Measured 0.02 to 0.05 µs; the bound only catches a change of kind.
    expect(microsecondsEach).toBeLessThan(2);
  });
});

describe("process metrics", () => {
  test("show what dashboards expect, with growing CPU time", () => {
    const registry = createMetricsRegistry({ baseLabels: { node_id: "n" } });
    addProcessMetrics(registry, Date.now);
    const read = (name: string) => Number(registry.expose().match(new RegExp(`^${name} (.*)$`, "m"))?.[1]);
    expect(read("process_resident_memory_bytes")).toBeGreaterThan(10e6);
    expect(read("process_open_fds")).toBeGreaterThan(2);
    expect(read("process_max_fds")).toBeGreaterThan(2);
    expect(read("process_virtual_memory_bytes")).toBeGreaterThan(10e6);
    expect(Math.abs(read("process_start_time_seconds") - Date.now() / 1_000)).toBeLessThan(3_600);
    const before = read("process_cpu_seconds_total");
    const startMs = performance.now();
    while (performance.now() - startMs < 30);
    expect(read("process_cpu_seconds_total")).toBeGreaterThan(before);
  });

  test("read the memory and CPU time of another process, and null of one that is gone", () => {
    expect(residentBytesOf(process.pid) ?? 0).toBeGreaterThan(10e6);
    expect(cpuSecondsOf(process.pid) ?? -1).toBeGreaterThanOrEqual(0);
    expect(residentBytesOf(2 ** 30)).toBeNull();
    expect(cpuSecondsOf(2 ** 30)).toBeNull();
  });
});

test("our own metrics do not collide with anybody's names", () => {
  const registry = createMetricsRegistry({ baseLabels: {} });
  const reprise = createRepriseMetrics(registry);
  reprise.workersLost.add(1, ["hung"]);
  reprise.residentBytes.set(1, ["workers"]);
  expect(registry.expose()).toContain('reprise_workers_lost_total{cause="hung"} 1');
  for (const line of registry.expose().split("\n")) expect(line).toMatch(/^(# |reprise_|$)/);
});
