import type { Counter, Gauge, Histogram, MetricsRegistry } from "./metrics.ts";

/** Metrics that only Reprise has. Seconds and bytes, as Prometheus asks for. */
export type RepriseMetrics = {
  /** Time from the first event of a batch to the end of its commit. */
  readonly commitSeconds: Histogram;
  /** Events in one commit. */
  readonly batchEvents: Histogram;
  readonly eventsAppended: Counter;
  /** Segments that ended without renditions; label `reason`. */
  readonly segmentsFailed: Counter;
  /** Sessions and segments that were not admitted; label `reason`. */
  readonly refusals: Counter;
  /** Segments accepted and not yet ended. */
  readonly segmentsOpen: Gauge;
  /** Segments that wait for a worker. */
  readonly segmentsQueued: Gauge;
  /** From the last byte of a segment to its answer, without the codec: our own part. */
  readonly segmentOverheadSeconds: Histogram;
  readonly workers: Gauge;
  /** Workers that ended unasked; label `cause`. */
  readonly workersLost: Counter;
  readonly capacityPixelsPerSecond: Gauge;
  /** Resident memory; label `process`: `orchestrator` or `workers`. */
  readonly residentBytes: Gauge;
};

/** Registers the `reprise_*` metrics. */
export function createRepriseMetrics(registry: MetricsRegistry): RepriseMetrics {
  const family = (name: string, help: string, labels: readonly string[] = []) => ({
    name: `reprise_${name}`,
    help,
    labels,
  });
  const latencyBounds = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5];
  return {
    commitSeconds: registry.histogram(
      family("log_commit_seconds", "Time from the first event of a batch to its durable commit"),
      latencyBounds,
    ),
    batchEvents: registry.histogram(
      family("log_batch_events", "Events in one commit"),
      [2, 5, 10, 20, 50, 100, 200, 500, 1_000],
    ),
    eventsAppended: registry.counter(family("log_events_total", "Events made durable")),
    segmentsFailed: registry.counter(
      family("segments_failed_total", "Segments that ended without renditions", ["reason"]),
    ),
    refusals: registry.counter(
      family("refusals_total", "Sessions and segments that were not admitted", ["reason"]),
    ),
    segmentsOpen: registry.gauge(family("segments_open", "Segments accepted and not yet ended")),
    segmentsQueued: registry.gauge(family("segments_queued", "Segments that wait for a worker")),
    segmentOverheadSeconds: registry.histogram(
      family("segment_overhead_seconds", "Time of a segment in the node without the codec"),
      latencyBounds,
    ),
    workers: registry.gauge(family("workers", "Transcode worker processes that run")),
    workersLost: registry.counter(
      family("workers_lost_total", "Transcode workers that ended unasked", ["cause"]),
    ),
    capacityPixelsPerSecond: registry.gauge(
      family("capacity_pixels_per_second", "Encoded pixels per second that this node can deliver"),
    ),
    residentBytes: registry.gauge(family("resident_memory_bytes", "Resident memory", ["process"])),
  };
}
