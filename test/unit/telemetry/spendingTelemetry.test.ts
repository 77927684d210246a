import { describe, expect, test } from "bun:test";
import type { StreamId } from "../../../src/events/envelope.ts";
import type { ChainLook } from "../../../src/runtime/chainPorts.ts";
import { EventTelemetry } from "../../../src/telemetry/eventTelemetry.ts";
import { createLivepeerMetrics } from "../../../src/telemetry/livepeerMetrics.ts";
import { createLogger, createVerbosity } from "../../../src/telemetry/logger.ts";
import { createMetricsRegistry } from "../../../src/telemetry/metrics.ts";
import { createRepriseMetrics } from "../../../src/telemetry/repriseMetrics.ts";
import { gasRunwayDays, showLook, showRewardDue } from "../../../src/telemetry/spendingMetrics.ts";
import { noTracer } from "../../../src/telemetry/tracing.ts";
import type { Fields } from "../actors/given.ts";
import { wonTicket } from "../ledger/moneyFolder.ts";

/*
 * Goal: an operator sees what the node does on its chain, under the names that dashboards of go-livepeer know where
 * there are such. Method: events as the host hands them on; then the text of `/metrics` and every log line.
 */

type Line = Readonly<Record<string, unknown>> & { readonly level: string; readonly msg: string };

function setUp() {
  const registry = createMetricsRegistry({ baseLabels: {} });
  const lines: Line[] = [];
  const reprise = createRepriseMetrics(registry);
  const telemetry = new EventTelemetry({
    livepeer: createLivepeerMetrics({
      ...{ registry, isPerStream: false, isClientIpLabelled: false, maxSessions: 1, version: "v" },
      runtime: { name: "bun", version: "1", operatingSystem: "linux" },
    }),
    reprise,
    logger: createLogger({
      verbosity: createVerbosity(6),
      format: "json",
      write: (line) => lines.push(JSON.parse(line) as Line),
      nowMs: () => 0,
    }),
    tracer: noTracer,
  });
  let seq = 0;
  const record = (stream: StreamId, event: Fields, atMs = 0): void => {
    seq += 1;
    telemetry.onRecorded({
      ...{ seq, stream, version: seq, schemaVersion: 1, atMs, correlationId: "c", causationId: "test" },
      ...{ traceId: null, event },
    });
  };
  const series = (part: string): readonly string[] =>
    registry
      .expose()
      .split("\n")
      .filter((line) => !line.startsWith("#") && line.includes(part));
  const words = (level: string) => lines.filter((line) => line.level === level).map(({ msg }) => msg);
  return { telemetry, reprise, record, series, lines, words };
}

const account = `0x${"0a".repeat(20)}`;
const planned = (purpose: string) => ({
  type: "TransactionPlanned",
  ...{ purpose, subject: "1 ticket", tickets: [], round: null, chainId: 1n, from: account, nonce: 1 },
  ...{ to: account, value: 0n, data: "0x", gasLimit: 1n, feeMax: null },
});
const signed = (hash: string, kind: string) => ({
  type: "TransactionSigned",
  ...{ hash, raw: "0x5ec7e7", kind, feeCap: 10n ** 9n, tip: null },
});
const mined = (hash: string, isSuccess = true) => ({
  type: "TransactionMined",
  ...{ hash, block: 5n, blockHash: "0xbb", isSuccess, gasUsed: 200_000n, gasPrice: 10n ** 7n },
});
const confirmed = (hash: string) => ({ type: "TransactionConfirmed", hash, block: 5n, fee: 2n * 10n ** 12n });

describe("transactions", () => {
  test("are counted by purpose and end, failed and cancelled ones too, with what they cost", () => {
    const { record, series, words } = setUp();
    const walk = (nonce: number, purpose: string, events: readonly Fields[]): void => {
      record(`transaction:${account}/${nonce}`, planned(purpose));
      for (const event of events) record(`transaction:${account}/${nonce}`, event, 20_000);
    };
    walk(1, "redeem", [signed("0x01", "first"), mined("0x01"), confirmed("0x01")]);
    walk(2, "reward", [signed("0x02", "first"), mined("0x02", false), confirmed("0x02")]);
    walk(3, "redeem", [signed("0x03", "first"), signed("0x04", "cancel"), mined("0x04"), confirmed("0x04")]);
    walk(4, "operator", [signed("0x05", "first"), { type: "TransactionDisplaced", mined: 5 }]);
    walk(5, "redeem", [
      signed("0x06", "first"),
      { type: "TransactionRefused", hash: "0x06", cause: "underpriced", text: "" },
    ]);
    expect(series("reprise_transactions_total")).toEqual([
      'reprise_transactions_total{outcome="cancelled",purpose="redeem"} 1',
      'reprise_transactions_total{outcome="confirmed",purpose="redeem"} 1',
      'reprise_transactions_total{outcome="displaced",purpose="operator"} 1',
      'reprise_transactions_total{outcome="reverted",purpose="reward"} 1',
    ]);
    expect(series("reprise_transactions_fees_gwei_total")).toEqual([
      'reprise_transactions_fees_gwei_total{purpose="redeem"} 4000',
      'reprise_transactions_fees_gwei_total{purpose="reward"} 2000',
    ]);
    expect(series("reprise_transactions_open")).toContain('reprise_transactions_open{purpose="redeem"} 1');
    expect(series("reprise_transactions_refusals_total")).toEqual([
      'reprise_transactions_refusals_total{cause="underpriced"} 1',
    ]);
    expect(series("reprise_transactions_mined_seconds_count")).toEqual([
      "reprise_transactions_mined_seconds_count 3",
    ]);
    expect(words("error")).toEqual([
      "A transaction was reverted",
      "Another transaction used a nonce of ours up",
    ]);
  });

  test("those of an earlier life are taken up, and no signed bytes reach a log line", () => {
    const { telemetry, record, series, lines } = setUp();
    telemetry.resumeTransactions([
      {
        ...{ id: `${account}/9`, purpose: "reward", subject: "round 1", plannedMs: 0 },
        ...{ isSuccess: 1, cancelHash: "0x09" },
      },
    ]);
    expect(series("reprise_transactions_open")).toEqual(['reprise_transactions_open{purpose="reward"} 1']);
    record(`transaction:${account}/9`, signed("0x0a", "raise"));
    record(`transaction:${account}/9`, confirmed("0x09"));
    expect(series("reprise_transactions_total")).toEqual([
      'reprise_transactions_total{outcome="cancelled",purpose="reward"} 1',
    ]);
    expect(series("reprise_transactions_open")).toEqual(['reprise_transactions_open{purpose="reward"} 0']);
    expect(JSON.stringify(lines)).not.toContain("5ec7e7");
  });
});

describe("rounds", () => {
  test("a reward that came, one that was missed, and every failed call", () => {
    const { record, series, words } = setUp();
    const lpt = 10n ** 18n;
    const minted = { type: "RewardMined", transaction: null, txHash: null, block: 5n, treasury: null };
    record("round:1", { ...minted, amount: 300n * lpt });
    record("round:1", { type: "RewardUndone", block: 5n });
    record("round:1", { ...minted, amount: 315n * lpt });
    record("round:1", { type: "RewardConfirmed", block: 5n });
    record("round:2", { type: "RewardReturned", transaction: "a/1", cause: "reverted", text: "" });
    record("round:2", { type: "RewardMissed", cause: "late", text: "no block", forecast: 350n * lpt });
    record("round:3", { type: "RewardNotDue", cause: "inactive" });
    expect(series("reprise_rewards")).toEqual([
      "reprise_rewards_lpt_total 315",
      "reprise_rewards_missed_lpt_total 350",
      'reprise_rewards_total{outcome="missed"} 1',
      'reprise_rewards_total{outcome="not-due"} 1',
      'reprise_rewards_total{outcome="rewarded"} 1',
    ]);
    expect(series("livepeer_reward_call_errors")).toEqual(["livepeer_reward_call_errors 2"]);
    expect(words("error")).toEqual([
      "A call of the reward came to nothing",
      "The reward of a round was missed",
    ]);
  });
});

describe("redemption", () => {
  test("what was redeemed by us counts once it is confirmed, and every failure is an error", () => {
    const { record, series } = setUp();
    const [ours, theirs, refused] = [1, 2, 3].map((number) => wonTicket({ number, faceValue: 10n ** 15n }));
    if (ours === undefined || theirs === undefined || refused === undefined) throw new Error();
    for (const { hash, won } of [ours, theirs, refused]) record(`ticket:${hash}`, won);
    record(`ticket:${ours.hash}`, { type: "RedemptionPostponed", cause: "gas-price", text: "" });
    record(`ticket:${ours.hash}`, { type: "RedemptionSubmitted", transaction: "a/1" });
    record(`ticket:${ours.hash}`, {
      type: "RedemptionReturned",
      transaction: "a/1",
      cause: "dropped",
      text: "",
    });
    const paid = { type: "TicketPaid", txHash: "0x01", block: 5n, amount: 1n };
    record(`ticket:${ours.hash}`, { ...paid, transaction: "a/2" });
    expect(series("livepeer_value_redeemed")).toEqual(["livepeer_value_redeemed 0"]);
    record(`ticket:${ours.hash}`, { type: "TicketRedeemed", txHash: "0x01", round: 1n });
    record(`ticket:${theirs.hash}`, { ...paid, transaction: null });
    record(`ticket:${theirs.hash}`, { type: "TicketRedeemed", txHash: "0x01", round: 1n });
    record(`ticket:${refused.hash}`, { type: "TicketRefused", text: "no", loss: 10n ** 15n });
    expect(series("livepeer_value_redeemed")).toEqual(["livepeer_value_redeemed 1e+06"]);
    expect(series("livepeer_ticket_redemption_errors")).toEqual(["livepeer_ticket_redemption_errors 2"]);
    expect(series("reprise_tickets_refused_gwei_total")).toEqual([
      "reprise_tickets_refused_gwei_total 1e+06",
    ]);
    expect(series("reprise_redemptions_postponed_total")).toEqual([
      'reprise_redemptions_postponed_total{cause="gas-price"} 1',
    ]);
    expect(series("reprise_tickets_open")).toEqual(["reprise_tickets_open 0", "reprise_tickets_open_gwei 0"]);
  });
});

describe("the chain", () => {
  test("logs and re-orgs are counted, and the last block is shown", () => {
    const { record, series } = setUp();
    const log = { block: 2n, blockHash: "0x", index: 0, transaction: "0x", name: "Reward", account };
    const logs = [{ ...log, other: null, amounts: [], text: null }];
    record("watch:own", { type: "BlocksSeen", from: 1n, to: 9n, toHash: "0x", logs });
    record("watch:own", { type: "BlocksUndone", block: 4n, blockHash: "0x" });
    expect(series("reprise_chain_logs_total")).toEqual(['reprise_chain_logs_total{name="Reward"} 1']);
    expect(series("reprise_chain_reorgs_total")).toEqual(["reprise_chain_reorgs_total 1"]);
    expect(series("reprise_watch_block")).toEqual(["reprise_watch_block 4"]);
  });

  test("a look shows the round, the standing and the gas money", () => {
    const { reprise, series } = setUp();
    const look = {
      ...{ baseFee: 10n ** 7n, balances: new Map([[account, 5n * 10n ** 16n]]) },
      round: { current: 4_254n, lastInitialized: 4_253n },
      orchestrator: { isActive: true, stake: 300_000n * 10n ** 18n },
    } as unknown as ChainLook;
    showLook(reprise.spending, look);
    showRewardDue(reprise.spending, 1_000, 61_000);
    expect(series("reprise_round")).toEqual(["reprise_round 4254", "reprise_round_initialized 4253"]);
    expect(series("reprise_orchestrator_active")).toEqual(["reprise_orchestrator_active 1"]);
    expect(series("reprise_stake_lpt")).toEqual(["reprise_stake_lpt 300000"]);
    expect(series("reprise_base_fee_gwei")).toEqual(["reprise_base_fee_gwei 0.01"]);
    expect(series("reprise_gas_balance_gwei")).toEqual([
      `reprise_gas_balance_gwei{account="${account}"} 5e+07`,
    ]);
    expect(series("reprise_reward_due_seconds")).toEqual(["reprise_reward_due_seconds 60"]);
    showRewardDue(reprise.spending, null, 62_000);
    expect(series("reprise_reward_due_seconds")).toEqual(["reprise_reward_due_seconds 0"]);
  });

  test("the runway is what is left at the pace of late; nothing spent has no end", () => {
    expect(gasRunwayDays(10n ** 17n, 7n * 10n ** 15n, 7)).toBeCloseTo(100, 9);
    expect(gasRunwayDays(0n, 1n, 7)).toBe(0);
    expect(gasRunwayDays(1n, 0n, 7)).toBeNull();
    expect(gasRunwayDays(1n, 1n, 0)).toBeNull();
  });
});
