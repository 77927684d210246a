import type { ChainLook } from "../runtime/chainPorts.ts";
import type { UnixMs } from "../shared/brand.ts";
import type { Counter, Gauge, Histogram, MetricsRegistry } from "./metrics.ts";
import { gweiOf, numberOf } from "./moneyNumbers.ts";

/** Metrics of what the node does on its chain. Only Reprise has them. Gwei, LPT, seconds. */
export type SpendingMetrics = {
  /** Transactions that are neither confirmed nor displaced; label `purpose`. */
  readonly transactionsOpen: Gauge;
  /** Labels `purpose`, `outcome`: `confirmed`, `reverted`, `cancelled`, `displaced`. */
  readonly transactionsEnded: Counter;
  /** Attempts that were signed; labels `purpose`, `kind`: `first`, `raise`, `cancel`. */
  readonly transactionAttempts: Counter;
  /** Attempts that no endpoint took; label `cause`. */
  readonly transactionRefusals: Counter;
  /** What gas has cost, of confirmed transactions; label `purpose`. */
  readonly transactionFeesGwei: Counter;
  /** From the plan to the block that holds it. */
  readonly transactionMinedSeconds: Histogram;
  /** Rounds that ended; label `outcome`: `rewarded`, `missed`, `not-due`. */
  readonly rewardsEnded: Counter;
  /** LPT that our rewards brought, after the treasury's part: with the part of the delegators. */
  readonly rewardsLpt: Counter;
  /** LPT that missed rewards would have brought, by their forecasts. */
  readonly rewardsMissedLpt: Counter;
  /** Logs of the contracts that concern us; label `name`. */
  readonly chainLogs: Counter;
  /** With `-redeemerAddr`: winning tickets that the redeemer has not acknowledged, and those that it has. */
  readonly ticketsWaiting: Gauge;
  readonly ticketsEntrusted: Gauge;
  /** 1 while it answers, or was not needed yet; else 0. */
  readonly redeemerUsable: Gauge;
  /** Re-orgs that took back what was seen. */
  readonly reorgs: Counter;
  /** The last block up to which logs are in the books. */
  readonly watchBlock: Gauge;
  readonly round: Gauge;
  readonly roundInitialized: Gauge;
  /** 1 while the orchestrator is in the active set, else 0. */
  readonly orchestratorActive: Gauge;
  readonly stakeLpt: Gauge;
  /** Label `account`. */
  readonly gasBalanceGwei: Gauge;
  readonly gasRunwayDays: Gauge;
  readonly baseFeeGwei: Gauge;
  readonly rewardDueSeconds: Gauge;
  /** Label `endpoint`: host and place in the list, without path and key. */
  readonly endpointUsable: Gauge;
  /** Label `endpoint`. */
  readonly endpointRequests: Counter;
  /** Label `endpoint`: share of the last requests, 0 to 1. */
  readonly endpointErrorRate: Gauge;
  /** Label `endpoint`. */
  readonly endpointSeconds: Gauge;
  /** Label `endpoint`: blocks behind the highest head of all. */
  readonly endpointLagBlocks: Gauge;
};

/** Registers the metrics. */
export function createSpendingMetrics(registry: MetricsRegistry): SpendingMetrics {
  const family = (name: string, help: string, ...labels: readonly string[]) => ({
    name: `reprise_${name}`,
    help,
    labels,
  });
  return {
    ...transactionMetrics(registry, family),
    rewardsEnded: registry.counter(
      family("rewards_total", "Rounds that ended, by what became of the reward", "outcome"),
    ),
    rewardsLpt: registry.counter(
      family("rewards_lpt_total", "LPT minted for us and our delegators, after the treasury's part"),
    ),
    rewardsMissedLpt: registry.counter(
      family("rewards_missed_lpt_total", "LPT that missed rewards would have brought"),
    ),
    chainLogs: registry.counter(
      family("chain_logs_total", "Logs of Livepeer's contracts that concern us", "name"),
    ),
    ticketsWaiting: registry.gauge(
      family("redeemer_tickets_waiting", "Winning tickets that the redeemer has not acknowledged"),
    ),
    ticketsEntrusted: registry.gauge(
      family("redeemer_tickets_entrusted", "Winning tickets that the redeemer has acknowledged"),
    ),
    redeemerUsable: registry.gauge(
      family("redeemer_usable", "Whether the redeemer answers, as far as is known: 1 or 0"),
    ),
    reorgs: registry.counter(family("chain_reorgs_total", "Re-orgs that took back what was seen")),
    watchBlock: registry.gauge(family("watch_block", "Block up to which logs are in the books")),
    round: registry.gauge(family("round", "Round of the protocol by the block number")),
    roundInitialized: registry.gauge(family("round_initialized", "The last round that was initialised")),
    orchestratorActive: registry.gauge(
      family("orchestrator_active", "Whether the orchestrator is in the active set: 1 or 0"),
    ),
    stakeLpt: registry.gauge(family("stake_lpt", "Stake of the orchestrator with its delegators")),
    gasBalanceGwei: registry.gauge(
      family("gas_balance_gwei", "ETH of the accounts that pay for transactions", "account"),
    ),
    gasRunwayDays: registry.gauge(
      family("gas_runway_days", "Days for which the ETH for gas lasts at the present pace"),
    ),
    baseFeeGwei: registry.gauge(family("base_fee_gwei", "Base fee of the chain, per gas")),
    rewardDueSeconds: registry.gauge(
      family("reward_due_seconds", "Time for which the reward of this round is due; 0 when it is not"),
    ),
    ...endpointMetrics(registry, family),
  };
}

type FamilyOf = (
  name: string,
  help: string,
  ...labels: readonly string[]
) => { readonly name: string; readonly help: string; readonly labels: readonly string[] };

function transactionMetrics(registry: MetricsRegistry, family: FamilyOf) {
  return {
    transactionsOpen: registry.gauge(
      family("transactions_open", "Transactions that have not ended", "purpose"),
    ),
    transactionsEnded: registry.counter(
      family("transactions_total", "Transactions that have ended", "purpose", "outcome"),
    ),
    transactionAttempts: registry.counter(
      family("transactions_attempts_total", "Attempts that were signed", "purpose", "kind"),
    ),
    transactionRefusals: registry.counter(
      family("transactions_refusals_total", "Attempts that no endpoint took", "cause"),
    ),
    transactionFeesGwei: registry.counter(
      family("transactions_fees_gwei_total", "What gas has cost", "purpose"),
    ),
    transactionMinedSeconds: registry.histogram(
      family("transactions_mined_seconds", "Time from the plan of a transaction to its block"),
      [1, 2, 5, 10, 20, 60, 120, 300, 600, 1_800, 3_600],
    ),
  };
}

function endpointMetrics(registry: MetricsRegistry, family: FamilyOf) {
  return {
    endpointUsable: registry.gauge(
      family("rpc_endpoint_usable", "Whether an endpoint of the chain is used: 1 or 0", "endpoint"),
    ),
    endpointRequests: registry.counter(
      family("rpc_endpoint_requests_total", "HTTP requests to an endpoint of the chain", "endpoint"),
    ),
    endpointErrorRate: registry.gauge(
      family("rpc_endpoint_error_rate", "Share of the last requests to an endpoint that failed", "endpoint"),
    ),
    endpointSeconds: registry.gauge(
      family("rpc_endpoint_seconds", "Time of a request to an endpoint, mean of late", "endpoint"),
    ),
    endpointLagBlocks: registry.gauge(
      family("rpc_endpoint_lag_blocks", "Blocks behind the highest head of all endpoints", "endpoint"),
    ),
  };
}

/** Shows what one look at the chain said. */
export function showLook(metrics: SpendingMetrics, look: ChainLook): void {
  metrics.round.set(Number(look.round.current));
  metrics.roundInitialized.set(Number(look.round.lastInitialized));
  metrics.orchestratorActive.set(look.orchestrator.isActive ? 1 : 0);
  metrics.stakeLpt.set(lptOf(look.orchestrator.stake));
  if (look.baseFee !== null) metrics.baseFeeGwei.set(gweiOf(look.baseFee));
  for (const [account, wei] of look.balances) metrics.gasBalanceGwei.set(gweiOf(wei), [account]);
}

/** Shows what is in the hands of another node that redeems, and what is not yet. */
export function showEntrusted(
  metrics: SpendingMetrics,
  desk: {
    counts(): { readonly waiting: number; readonly entrusted: number };
    readonly trouble: string | null;
  },
): void {
  const { waiting, entrusted } = desk.counts();
  metrics.ticketsWaiting.set(waiting);
  metrics.ticketsEntrusted.set(entrusted);
  metrics.redeemerUsable.set(desk.trouble === null ? 1 : 0);
}

/** Shows since when the reward of the current round is due; null: it is not. */
export function showRewardDue(metrics: SpendingMetrics, sinceMs: UnixMs | null, nowMs: UnixMs): void {
  metrics.rewardDueSeconds.set(sinceMs === null ? 0 : Math.max(0, nowMs - sinceMs) / 1_000);
}

/**
 * Days for which `balance` lasts when `spent` wei went in the last `days`; null while nothing was spent. For people
 * and alerts: nothing is decided from it.
 */
export function gasRunwayDays(balance: bigint, spent: bigint, days: number): number | null {
  if (spent <= 0n || days <= 0) return null;
  return days * numberOf({ numerator: balance, denominator: spent });
}

/** LPT wei as LPT. */
export function lptOf(wei: bigint): number {
  return numberOf({ numerator: wei, denominator: 10n ** 18n });
}
