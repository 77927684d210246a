import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { RoundEvent } from "../../../src/events/round.ts";
import type { TicketEvent } from "../../../src/events/ticket.ts";
import type { TransactionEvent } from "../../../src/events/transaction.ts";
import type { SeenLog } from "../../../src/events/watch.ts";
import { type LogFolder, logFolder } from "../../support/logFolder.ts";
import { meddle, readRows } from "../../support/logRows.ts";
import { MoneyWriter, startMs, wonTicket } from "../ledger/moneyFolder.ts";

/*
 * Goal: the tables of what comes from the chain say after every single event what the events say. Method: events
 * through the real journal, read back through the reader that the node uses.
 */

let folder: LogFolder;
let writer: MoneyWriter;

beforeEach(async () => {
  folder = logFolder();
  writer = await MoneyWriter.open(folder.path);
});
afterEach(async () => {
  await writer.close();
  folder[Symbol.dispose]();
});

const account = `0x${"0a".repeat(20)}` as const;
const [hashA, hashB] = [`0x${"aa".repeat(32)}`, `0x${"bb".repeat(32)}`] as const;

/** Adds an event and returns what its row is then. */
async function after<Row>(
  stream: `${string}:${string}`,
  event: TicketEvent | TransactionEvent | RoundEvent,
  read: () => Row,
): Promise<Row> {
  writer.atMs += 1;
  writer.add(stream, event);
  await writer.log.journal.committed();
  return read();
}

describe("tickets", () => {
  test("on their way to the chain, back, and there", async () => {
    const { hash, won } = wonTicket();
    writer.add(`ticket:${hash}`, won);
    const step = (event: TicketEvent) =>
      after(`ticket:${hash}`, event, () => {
        const row = writer.log.reader.ticket(hash);
        return [row?.state, row?.transactionId, row?.txHash, row?.paidAmount, row?.cause, row?.text];
      });
    const transaction = `${account}/7`;
    expect(await step({ type: "RedemptionPostponed", cause: "gas-price", text: "2 gwei" })).toEqual([
      ...["won", null, null, null, "gas-price", "2 gwei"],
    ]);
    expect(await step({ type: "RedemptionSubmitted", transaction })).toEqual([
      ...["submitted", transaction, null, null, null, null],
    ]);
    expect(await step({ type: "RedemptionReturned", transaction, cause: "reverted", text: "no" })).toEqual([
      ...["won", null, null, null, "reverted", "no"],
    ]);
    expect(await step({ type: "RedemptionSubmitted", transaction: `${account}/8` })).toEqual([
      ...["submitted", `${account}/8`, null, null, null, null],
    ]);
    const paid = { type: "TicketPaid", transaction: `${account}/8`, txHash: hashA } as const;
    expect(await step({ ...paid, block: 5n, amount: 3n })).toEqual([
      ...["paid", `${account}/8`, hashA, "3", null, null],
    ]);
    expect(writer.log.reader.ticket(hash)?.paidBlock).toBe("5");
    expect(await step({ type: "TicketUnpaid", block: 5n })).toEqual([
      ...["submitted", `${account}/8`, null, null, null, null],
    ]);
    expect(
      await step({ type: "TicketPaid", transaction: null, txHash: hashB, block: 6n, amount: null }),
    ).toEqual([...["paid", null, hashB, null, null, null]]);
    expect(writer.log.reader.openTickets()).toHaveLength(1);
    // What somebody else redeemed is free again when that is undone.
    expect((await step({ type: "TicketUnpaid", block: 6n }))[0]).toBe("won");
    await step({ type: "TicketPaid", transaction: null, txHash: hashB, block: 6n, amount: null });
    expect(await step({ type: "TicketRedeemed", txHash: null, round: 3701n })).toEqual([
      ...["redeemed", null, hashB, null, null, null],
    ]);
    expect(writer.log.reader.openTickets()).toEqual([]);
  });

  test("that the broker refuses, and that the operator holds", async () => {
    const [first, second] = [wonTicket({ number: 1 }), wonTicket({ number: 2 })];
    for (const { hash, won } of [first, second]) writer.add(`ticket:${hash}`, won);
    writer.atMs += 1;
    writer.add(`ticket:${first.hash}`, { type: "TicketRefused", text: "ticket is expired", loss: 9n });
    writer.add(`ticket:${second.hash}`, { type: "TicketHeld", isHeld: true });
    await writer.log.journal.committed();
    const { reader } = writer.log;
    expect(reader.ticket(first.hash)).toMatchObject({
      ...{ state: "refused", text: "ticket is expired", loss: "9", endedMs: startMs + 1 },
    });
    expect(reader.tickets({ states: ["refused", "expired"] }).map(({ hash }) => hash)).toEqual([first.hash]);
    expect(reader.openTickets()).toEqual([expect.objectContaining({ hash: second.hash, held: 1 })]);
    writer.add(`ticket:${second.hash}`, { type: "TicketHeld", isHeld: false });
    await writer.log.journal.committed();
    expect(reader.ticket(second.hash)?.held).toBe(0);
  });
});

const planned: TransactionEvent = {
  type: "TransactionPlanned",
  ...{ purpose: "redeem", subject: "1 ticket", tickets: [hashA], round: 3701n, chainId: 42_161n },
  ...{
    from: account,
    nonce: 7,
    to: account,
    value: 2n ** 70n,
    data: "0x01",
    gasLimit: 400_000n,
    feeMax: null,
  },
};
const signed = (hash: `0x${string}`, kind: "first" | "raise" | "cancel"): TransactionEvent => ({
  type: "TransactionSigned",
  ...{ hash, raw: "0x02", kind, feeCap: 1n, tip: null },
});
const mined: TransactionEvent = {
  type: "TransactionMined",
  ...{ hash: hashB, block: 12n, blockHash: hashA, isSuccess: false, gasUsed: 200_000n, gasPrice: 10n ** 7n },
};

describe("transactions", () => {
  test("from the plan to the end, with a re-org between", async () => {
    const id = `${account}/7`;
    const step = (event: TransactionEvent) =>
      after(`transaction:${id}`, event, () => writer.log.reader.transaction(id));
    expect(await step(planned)).toEqual({
      ...{ id, state: "planned", purpose: "redeem", subject: "1 ticket", tickets: JSON.stringify([hashA]) },
      ...{ round: "3701", chainId: "42161", from: account, nonce: 7, to: account, value: `${2n ** 70n}` },
      ...{ gasLimit: "400000", attempts: 0, hash: null, cancelHash: null, refusal: null, refusalText: null },
      ...{ block: null, isSuccess: null, gasUsed: null, gasPrice: null, fee: null },
      ...{ plannedMs: startMs + 1, minedMs: null, endedMs: null },
    });
    expect(await step(signed(hashA, "first"))).toMatchObject({ state: "sent", hash: hashA, attempts: 1 });
    const refusal = { type: "TransactionRefused", hash: hashA, cause: "underpriced", text: "low" } as const;
    expect(await step(refusal)).toMatchObject({ state: "sent", refusal: "underpriced", refusalText: "low" });
    expect(await step(signed(hashB, "cancel"))).toMatchObject({
      ...{ hash: hashB, cancelHash: hashB, attempts: 2, refusal: null, refusalText: null },
    });
    const cost = { block: "12", isSuccess: 0, gasUsed: "200000", gasPrice: "10000000", fee: "2000000000000" };
    expect(await step(mined)).toMatchObject({ state: "mined", ...cost, minedMs: startMs + 5 });
    expect(
      await step({ type: "TransactionUndone", hash: hashB, block: 12n, blockHash: hashA }),
    ).toMatchObject({
      ...{ state: "sent", block: null, isSuccess: null, gasUsed: null, gasPrice: null, fee: null },
      ...{ minedMs: null, hash: hashB },
    });
    await step(mined);
    const confirmed = {
      type: "TransactionConfirmed",
      hash: hashB,
      block: 12n,
      fee: 2n * 10n ** 12n,
    } as const;
    expect(await step(confirmed)).toMatchObject({ state: "confirmed", ...cost, endedMs: startMs + 8 });
  });

  test("are found by state, purpose and time, the newest first", async () => {
    for (const [nonce, purpose] of [
      [1, "reward"],
      [2, "redeem"],
      [3, "redeem"],
    ] as const) {
      writer.atMs += 10;
      writer.add(`transaction:${account}/${nonce}`, { ...planned, nonce, purpose } as TransactionEvent);
    }
    writer.add(`transaction:${account}/2`, signed(hashA, "first"));
    writer.add(`transaction:${account}/2`, { type: "TransactionDisplaced", mined: 3 });
    await writer.log.journal.committed();
    const nonces = (filter: Parameters<typeof writer.log.reader.transactions>[0]) =>
      writer.log.reader.transactions(filter).map(({ nonce }) => nonce);
    expect(nonces({})).toEqual([3, 2, 1]);
    expect(nonces({ states: ["displaced"] })).toEqual([2]);
    expect(nonces({ purpose: "redeem", limit: 1 })).toEqual([3]);
    expect(nonces({ fromMs: startMs + 20, toMs: startMs + 30 })).toEqual([2]);
    expect(writer.log.reader.transaction("nobody/1")).toBeNull();
  });
});

describe("rounds", () => {
  const opened: RoundEvent = {
    type: "RoundOpened",
    startBlock: 100n,
    length: 6_377n,
    rewardCut: null,
    feeShare: null,
  };
  const transaction = `${account}/9`;

  test("from the first sight to the reward, with everything that can come between", async () => {
    const step = (event: RoundEvent) => after("round:4253", event, () => writer.log.reader.round(4253n));
    expect(await step(opened)).toEqual({
      ...{ round: "4253", state: "opened", startBlock: "100", length: "6377", initializationId: null },
      ...{ forecast: null, transactionId: null, txHash: null, block: null, amount: null, treasury: null },
      ...{ cause: null, text: null, openedMs: startMs + 1, endedMs: null },
    });
    expect(await step({ type: "InitializationSubmitted", transaction })).toMatchObject({
      ...{ state: "opened", initializationId: transaction },
    });
    expect(await step({ type: "InitializationReturned", transaction, cause: "first" })).toMatchObject({
      ...{ initializationId: null },
    });
    expect(await step({ type: "RoundInitialized", l1Block: 101n })).toMatchObject({ state: "initialized" });
    expect(await step({ type: "RewardDue", forecast: 350n })).toMatchObject({
      state: "due",
      forecast: "350",
    });
    expect(await step({ type: "RewardPostponed", cause: "fee", text: "high" })).toMatchObject({
      ...{ state: "due", cause: "fee", text: "high" },
    });
    const submitted = { type: "RewardSubmitted", transaction, path: "own" } as const;
    expect(await step(submitted)).toMatchObject({
      ...{ state: "submitted", transactionId: transaction, cause: null, text: null },
    });
    const returned = { type: "RewardReturned", transaction, cause: "reverted", text: "gas" } as const;
    expect(await step(returned)).toMatchObject({
      ...{ state: "due", transactionId: null, cause: "reverted", text: "gas" },
    });
    // A re-org of the start of the round changes nothing about a reward that is due.
    expect(await step({ type: "RoundInitialized", l1Block: 103n })).toMatchObject({ state: "due" });
    const minted = { type: "RewardMined", transaction, txHash: hashA, block: 7n, amount: 315n } as const;
    expect(await step({ ...minted, treasury: 35n })).toMatchObject({
      ...{ state: "mined", transactionId: transaction, txHash: hashA, block: "7", amount: "315" },
      ...{ treasury: "35", cause: null, text: null },
    });
    expect(await step({ type: "RewardUndone", block: 7n })).toMatchObject({
      ...{ state: "due", transactionId: null, txHash: null, block: null, amount: null, treasury: null },
    });
    await step({ ...minted, treasury: null });
    expect(await step({ type: "RewardConfirmed", block: 8n })).toMatchObject({
      ...{ state: "confirmed", block: "8", amount: "315", endedMs: startMs + 13 },
    });
  });

  test("without a reward, and in the order of their numbers", async () => {
    for (const round of ["999", "1000", "1001"]) writer.add(`round:${round}`, opened);
    writer.add("round:999", { type: "RewardDue", forecast: 4n });
    writer.add("round:999", { type: "RewardMissed", cause: "late", text: "no block", forecast: null });
    writer.add("round:1000", { type: "RewardMissed", cause: "unreadable", text: "down", forecast: 5n });
    writer.add("round:1001", { type: "RewardNotDue", cause: "inactive" });
    await writer.log.journal.committed();
    const rows = writer.log.reader.rounds();
    expect(rows.map(({ round, state, cause, forecast }) => [round, state, cause, forecast])).toEqual([
      ["1001", "not-due", "inactive", null],
      ["1000", "missed", "unreadable", "5"],
      ["999", "missed", "late", "4"],
    ]);
    expect(writer.log.reader.rounds(1).map(({ round }) => round)).toEqual(["1001"]);
    expect(writer.log.reader.round(5n)).toBeNull();
  });
});

describe("logs of the chain", () => {
  const log = (block: bigint, index: number, fields: Partial<SeenLog> = {}): SeenLog => ({
    ...{ block, index, blockHash: hashA, transaction: hashB, name: "Reward", account },
    ...{ other: null, amounts: [2n ** 200n], text: null, ...fields },
  });

  test("stay until a re-org takes them, and come back in the order of the chain", async () => {
    const { reader } = writer.log;
    writer.add("watch:own", {
      type: "WatchStarted",
      chainId: 1n,
      recipient: account,
      block: 1n,
      blockHash: hashA,
    });
    const seen = { type: "BlocksSeen", from: 2n, toHash: hashA } as const;
    const logs = [
      log(3n, 2),
      log(3n, 10, { name: "Bond", other: account, amounts: [], text: "x" }),
      log(9n, 0),
    ];
    writer.add("watch:own", { ...seen, to: 9n, logs });
    await writer.log.journal.committed();
    expect([...reader.chainLogs()].map(({ block, index }) => [block, index])).toEqual([
      [3, 2],
      [3, 10],
      [9, 0],
    ]);
    expect(reader.lastChainLog()).toEqual({
      ...{ block: 9, index: 0, blockHash: hashA, txHash: hashB, name: "Reward", account, other: null },
      ...{ amounts: [2n ** 200n], text: null, seq: 2, atMs: startMs },
    });
    expect(reader.lastChainLog("Bond")?.index).toBe(10);
    expect([
      ...reader.chainLogs({ names: ["Bond"], txHash: hashB, fromBlock: 3n, toBlock: 3n }),
    ]).toHaveLength(1);
    writer.add("watch:own", { type: "BlocksUndone", block: 3n, blockHash: hashA });
    writer.add("watch:own", { ...seen, from: 4n, to: 8n, logs: [log(8n, 1, { blockHash: hashB })] });
    await writer.log.journal.committed();
    expect([...reader.chainLogs()].map(({ block }) => block)).toEqual([3, 3, 8]);
    expect([...reader.chainLogs({ txHash: hashA })]).toEqual([]);
  });

  test("more of them than a page come back whole, and a rebuild makes the same table", async () => {
    const logs = Array.from({ length: 2_345 }, (_, index) => log(BigInt(2 + Math.floor(index / 7)), index));
    writer.add("watch:own", { type: "BlocksSeen", from: 2n, to: 999n, toHash: hashA, logs });
    await writer.log.journal.committed();
    expect([...writer.log.reader.chainLogs()]).toHaveLength(2_345);
    await writer.close();
    const kept = readRows(folder.path, "SELECT * FROM chain_logs");
    meddle(folder.path, "UPDATE views SET view_version = 0", "DELETE FROM chain_logs");
    writer = await MoneyWriter.open(folder.path);
    expect(readRows(folder.path, "SELECT * FROM chain_logs")).toEqual(kept);
  });
});
