import { createLivepeerPaymentMetrics, type LivepeerPaymentMetrics } from "./livepeerPaymentMetrics.ts";
import type { MetricsRegistry } from "./metrics.ts";

/** What one segment is about, for the labels that `-metricsPerStream` and `-metricsClientIP` add. */
export type StreamLabels = {
  /** The manifest id of the stream; "" when unknown. */
  readonly manifestId: string;
  /** The gateway's address; "" when unknown. */
  readonly clientIp: string;
};

/** The `livepeer_*` metrics that an orchestrator records. Durations in seconds. */
export type LivepeerMetrics = LivepeerPaymentMetrics & {
  setMaxSessions(count: number): void;
  setCurrentSessions(count: number): void;
  /** Remote transcoders: how many, their advertised capacity and their load. */
  setTranscoders(state: { readonly number: number; readonly capacity: number; readonly load: number }): void;
  /** A segment passed credentials and payment; `durationS` is what the gateway says it lasts. */
  segmentEmerged(stream: StreamLabels, durationS: number): void;
  /** A segment's body was read. */
  segmentDownloaded(stream: StreamLabels, downloadS: number): void;
  /** A segment was transcoded into renditions with these profile names. */
  segmentTranscoded(profileNames: readonly string[], durationS: number, transcodeS: number): void;
  /** Pixels that an answer bills. */
  pixelsProcessed(stream: StreamLabels, pixels: number): void;
};

export type LivepeerMetricsOptions = {
  readonly registry: MetricsRegistry;
  readonly isPerStream: boolean;
  readonly isClientIpLabelled: boolean;
  readonly maxSessions: number;
  /** Our own version, for `livepeer_versions`. */
  readonly version: string;
  readonly runtime: { readonly name: string; readonly version: string; readonly operatingSystem: string };
};

const durationBounds = [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 10, 15, 20];
const downloadBounds = [0, 0.1, 0.15, 0.2, 0.5, 10];
const transcodeBounds = [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 10];
const scoreBounds = [...durationBounds, 40];

/**
 * The `node_id` label: the account as the operator typed it, a dash and the host name, or the host name alone.
 *
 * Source: go-livepeer cmd/livepeer/starter/starter.go, monitor set-up.
 */
export function nodeIdOf(accountText: string, hostName: string): string {
  return accountText === "" ? hostName : `${accountText}-${hostName}`;
}

/**
 * Registers the metrics and records what is there right after the start.
 *
 * Source: go-livepeer monitor/census.go; help texts and labels by recorded scrapes; operator sheet 4.2.
 */
export function createLivepeerMetrics(options: LivepeerMetricsOptions): LivepeerMetrics {
  const families = registerFamilies(options);
  const streamValues = (stream: StreamLabels) => (options.isPerStream ? [stream.manifestId] : []);
  const clientValues = (stream: StreamLabels) =>
    options.isClientIpLabelled
      ? [...streamValues(stream), stream.clientIp === "" ? "not_tracked" : stream.clientIp]
      : streamValues(stream);
  const metrics: LivepeerMetrics = {
    ...createLivepeerPaymentMetrics(options),
    setMaxSessions: (count) => families.maxSessions.set(count),
    setCurrentSessions: (count) => families.currentSessions.set(count),
    setTranscoders(state) {
      families.transcodersNumber.set(state.number);
      families.transcodersCapacity.set(state.capacity);
      families.transcodersLoad.set(state.load);
    },
    segmentEmerged(stream, durationS) {
      families.segmentEmerged.add(1, clientValues(stream));
      families.segmentDuration.observe(durationS, streamValues(stream));
    },
    segmentDownloaded(stream, downloadS) {
      families.segmentDownloaded.add(1, streamValues(stream));
      families.downloadTime.observe(downloadS, streamValues(stream));
    },
    segmentTranscoded(profileNames, durationS, transcodeS) {
      const values = [[...profileNames].sort().join(","), "trusted", "verified"];
      families.segmentTranscoded.add(1, values);
      families.transcodeTime.observe(transcodeS, values);
      if (transcodeS > 0) families.transcodeScore.observe(durationS / transcodeS, values);
    },
    pixelsProcessed: (stream, pixels) => families.milPixels.add(pixels / 1e6, clientValues(stream)),
  };
  recordStart(options, families, metrics);
  return metrics;
}

type Families = ReturnType<typeof registerFamilies>;

function registerFamilies({ registry, isPerStream, isClientIpLabelled }: LivepeerMetricsOptions) {
  const stream = isPerStream ? ["manifest_id"] : [];
  const client = isClientIpLabelled ? [...stream, "client_ip"] : stream;
  const transcode = ["profiles", "trusted", "verified"];
  const family = (name: string, help: string, labels: readonly string[] = []) => ({
    name: `livepeer_${name}`,
    help,
    labels,
  });
  return {
    versions: registry.gauge({
      ...family("versions", "Versions used by LivePeer node.", [
        "compiler",
        "goos",
        "goversion",
        "livepeerversion",
        "node_type",
      ]),
      hasOwnLabelsOnly: true,
    }),
    maxSessions: registry.gauge(family("max_sessions_total", "Max Sessions")),
    currentSessions: registry.gauge(
      family("current_sessions_total", "Number of streams currently transcoding"),
    ),
    successRate: registry.gauge(
      family("success_rate", "Number of transcoded segments divided on number of source segments"),
    ),
    transcodersNumber: registry.gauge(
      family("transcoders_number", "Number of transcoders currently connected to orchestrator"),
    ),
    transcodersCapacity: registry.gauge(
      family(
        "transcoders_capacity",
        "Total advertised capacity of transcoders currently connected to orchestrator",
      ),
    ),
    transcodersLoad: registry.gauge(
      family("transcoders_load", "Total load of transcoders currently connected to orchestrator"),
    ),
    segmentEmerged: registry.counter(
      family(
        "segment_source_emerged_unprocessed_total",
        "Raw number of segments emerged from segmenter.",
        client,
      ),
    ),
    segmentDuration: registry.histogram(
      family("source_segment_duration_seconds", "Source segment's duration", stream),
      durationBounds,
    ),
    segmentDownloaded: registry.counter(
      family("segment_transcoded_downloaded_total", "SegmentDownloaded", stream),
    ),
    downloadTime: registry.histogram(
      family("download_time_seconds", "Download time", stream),
      downloadBounds,
    ),
    segmentTranscoded: registry.counter(family("segment_transcoded_total", "SegmentTranscoded", transcode)),
    transcodeTime: registry.histogram(
      family("transcode_time_seconds", "TranscodeTime, seconds", transcode),
      transcodeBounds,
    ),
    transcodeScore: registry.histogram(
      family("transcode_score", "Ratio of source segment duration vs. transcode time", transcode),
      scoreBounds,
    ),
    milPixels: registry.counter(family("mil_pixels_processed", "Million pixels processed", client)),
  };
}

/** What go-livepeer shows before the first stream: dashboards and alerts rely on these series being there. */
function recordStart(options: LivepeerMetricsOptions, families: Families, metrics: LivepeerMetrics): void {
  const { runtime } = options;
  families.versions.set(1, [runtime.name, runtime.operatingSystem, runtime.version, options.version, "orch"]);
  metrics.setMaxSessions(options.maxSessions);
  metrics.setCurrentSessions(0);
  metrics.setTranscoders({ number: 0, capacity: 0, load: 0 });
  families.successRate.set(1);
}
