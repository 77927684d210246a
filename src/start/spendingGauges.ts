import type { ChainRpc } from "../chain/chainRpc.ts";
import type { LogReader } from "../events/log/reader.ts";
import type { ChainLook } from "../runtime/chainPorts.ts";
import type { Hex, UnixMs } from "../shared/brand.ts";
import {
  gasRunwayDays,
  showLook,
  showRewardDue,
  type SpendingMetrics,
} from "../telemetry/spendingMetrics.ts";

export type SpendingGaugesParts = {
  readonly metrics: SpendingMetrics;
  readonly reader: LogReader;
  readonly rpc: Pick<ChainRpc, "states">;
  /** Who pays for redemption. */
  readonly payer: Hex;
  readonly look: () => ChainLook | null;
  readonly nowMs: () => UnixMs;
};

const dayMs = 86_400_000;
/** The pace of spending is that of the last week. */
const paceDays = 7;
/** How long a pace that was read stands. Milliseconds. */
const paceFreshMs = 600_000;

/** Shows what is read at a scrape: the chain, its endpoints, and how long the gas money lasts. */
export function spendingGauges({
  metrics,
  reader,
  rpc,
  payer,
  look,
  nowMs,
}: SpendingGaugesParts): () => void {
  const requests = new Map<string, number>();
  let pace = { gas: 0n, days: 0, atMs: Number.NEGATIVE_INFINITY };
  return () => {
    const now = nowMs();
    for (const state of rpc.states()) {
      const labels = [state.name];
      metrics.endpointUsable.set(state.state === "healthy" ? 1 : 0, labels);
      metrics.endpointErrorRate.set(state.errorRate, labels);
      if (state.latencyMs !== null) metrics.endpointSeconds.set(state.latencyMs / 1_000, labels);
      metrics.endpointRequests.add(state.requests - (requests.get(state.name) ?? 0), labels);
      requests.set(state.name, state.requests);
    }
    showLag(metrics, rpc);
    const last = look();
    if (last === null) return;
    showLook(metrics, last);
    const round = reader.round(last.round.current);
    const isDue = round?.state === "due" || round?.state === "submitted";
    showRewardDue(metrics, isDue ? round.openedMs : null, now);
    if (now - pace.atMs > paceFreshMs) pace = { ...gasPace(reader, payer, now), atMs: now };
    const price = last.baseFee === null ? last.gasPrice : last.baseFee + last.tip;
    const days = gasRunwayDays(last.balances.get(payer) ?? 0n, pace.gas * price, pace.days);
    if (days !== null) metrics.gasRunwayDays.set(days);
  };
}

function showLag(metrics: SpendingMetrics, rpc: Pick<ChainRpc, "states">): void {
  const heads = rpc
    .states()
    .flatMap(({ name, block }) => (block === null ? [] : [{ name, block: Number(block) }]));
  const highest = Math.max(0, ...heads.map(({ block }) => block));
  for (const { name, block } of heads) metrics.endpointLagBlocks.set(highest - block, [name]);
}

/** Gas that an account has used of late, and in how many days: since its first transaction, at most a week. */
function gasPace(
  reader: LogReader,
  payer: Hex,
  nowMs: UnixMs,
): { readonly gas: bigint; readonly days: number } {
  let gas = 0n;
  let firstMs = nowMs;
  for (const { from, gasUsed, plannedMs } of reader.transactions({ fromMs: nowMs - paceDays * dayMs })) {
    if (from !== payer || gasUsed === null) continue;
    gas += BigInt(gasUsed);
    if (plannedMs < firstMs) firstMs = plannedMs;
  }
  // An hour at least: two transactions in the first minute are no pace.
  return { gas, days: Math.max((nowMs - firstMs) / dayMs, 1 / 24) };
}
