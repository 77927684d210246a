import type { UnixMs } from "../shared/brand.ts";
import type { Counter, Gauge, Histogram, MetricsRegistry } from "./metrics.ts";
import { createSpendingMetrics, type SpendingMetrics } from "./spendingMetrics.ts";

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
  /** Winning tickets that are neither redeemed nor expired. */
  readonly ticketsOpen: Gauge;
  /** Face value of those: what is lost when nobody redeems them. Gwei. */
  readonly ticketsOpenGwei: Gauge;
  /** Face value of winning tickets that expired unredeemed. Gwei. */
  readonly ticketsExpiredGwei: Counter;
  /** Face value of winning tickets that the broker will never take. Gwei. */
  readonly ticketsRefusedGwei: Counter;
  /** Times that a due ticket could not be redeemed; label `cause`. */
  readonly redemptionsPostponed: Counter;
  /** Tickets whose signatures were checked; label `result`, see {@link countVerdicts}. */
  readonly ticketsVerified: Counter;
  /** Nonces of parameters that may still be used. */
  readonly noncesRemembered: Gauge;
  /** Accounts with a balance, a debt or a fixed price. */
  readonly accountsOpen: Gauge;
  /** 1 when the last reading of the chain succeeded, else 0. */
  readonly chainReadable: Gauge;
  /** Since the last reading that succeeded. */
  readonly chainReadAgeSeconds: Gauge;
  /** What the node does on its chain. */
  readonly spending: SpendingMetrics;
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
    ticketsOpen: registry.gauge(
      family("tickets_open", "Winning tickets that are neither redeemed nor expired"),
    ),
    ticketsOpenGwei: registry.gauge(family("tickets_open_gwei", "Face value of open winning tickets")),
    ticketsExpiredGwei: registry.counter(
      family("tickets_expired_gwei_total", "Face value of winning tickets that nobody redeemed in time"),
    ),
    ticketsRefusedGwei: registry.counter(
      family("tickets_refused_gwei_total", "Face value of winning tickets that the broker never takes"),
    ),
    redemptionsPostponed: registry.counter(
      family("redemptions_postponed_total", "Times that a due ticket could not be redeemed", ["cause"]),
    ),
    ticketsVerified: registry.counter(
      family("tickets_verified_total", "Tickets whose signatures were checked", ["result"]),
    ),
    noncesRemembered: registry.gauge(
      family("nonces_remembered", "Ticket nonces that may not come a second time"),
    ),
    accountsOpen: registry.gauge(
      family("accounts_open", "Accounts of gateways with a balance, a debt or a fixed price"),
    ),
    chainReadable: registry.gauge(
      family("chain_readable", "Whether the last reading of the chain succeeded: 1 or 0"),
    ),
    chainReadAgeSeconds: registry.gauge(
      family("chain_read_age_seconds", "Time since the chain was last read with success"),
    ),
    spending: createSpendingMetrics(registry),
  };
}

/** Words for the bytes of `TicketVerifier.verify`, by their value. */
const verdictWords = ["bad_signature", "loses", "wins"] as const;

/** Counts what the verifier found: a byte a ticket, 0 = bad signature, 1 = good and loses, 2 = good and wins. */
export function countVerdicts({ ticketsVerified }: RepriseMetrics, verdicts: Uint8Array): void {
  const counts = [0, 0, 0];
  for (const verdict of verdicts) counts[verdict] = (counts[verdict] ?? 0) + 1;
  for (const [index, word] of verdictWords.entries()) {
    const count = counts[index] ?? 0;
    if (count > 0) ticketsVerified.add(count, [word]);
  }
}

/** Shows how well the chain can be read. `readAtMs` is the last good reading; null when there never was one. */
export function showChain(
  { chainReadable, chainReadAgeSeconds }: RepriseMetrics,
  chain: { readonly trouble: string | null; readonly readAtMs: UnixMs | null },
  nowMs: UnixMs,
): void {
  chainReadable.set(chain.trouble === null && chain.readAtMs !== null ? 1 : 0);
  if (chain.readAtMs !== null) chainReadAgeSeconds.set(Math.max(0, nowMs - chain.readAtMs) / 1_000);
}
