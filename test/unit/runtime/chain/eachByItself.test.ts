import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { TicketSnapshot } from "../../../../src/actors/ticket/decide.ts";
import { RedemptionDesk } from "../../../../src/runtime/chain/redemptionDesk.ts";
import { RoundKeeper } from "../../../../src/runtime/chain/roundKeeper.ts";
import type { OpenTransaction } from "../../../../src/runtime/chain/transactionTypes.ts";
import type { ChainLog, ChainLook } from "../../../../src/runtime/chainPorts.ts";
import type { Hex } from "../../../../src/shared/brand.ts";
import { type LogFolder, logFolder } from "../../../support/logFolder.ts";
import { formerly, hashOf, lookAt, openSpending, type Spending, us } from "./scriptedDesk.ts";

/*
 * Goal: each transaction is followed by itself, whatever cannot be known of another; and what was meant to be done by a
 * transaction that nobody has the key of any more gets done. Method: the desks on a real log, and endpoints that say
 * what the test wants.
 */

let folder: LogFolder;
let spending: Spending;
let block = 200n;

beforeEach(async () => {
  folder = logFolder();
  spending = await openSpending(folder.path);
  block = 200n;
});
afterEach(async () => {
  await spending.harness.close();
  expect(spending.harness.faults).toEqual([]);
  folder[Symbol.dispose]();
});

const committed = () => spending.harness.host.committed();
const story = (stream: string): readonly string[] =>
  spending.harness.recorded.filter((row) => row.stream === stream).map(({ event }) => event.type);

async function send(value: bigint): Promise<string> {
  const planned = await spending.transactions.plan(
    {
      ...{ purpose: "operator", subject: "a test", from: us, call: { to: us, data: "0x", value } },
      ...{ gasLimit: 100_000n, feeMax: null, round: null, tickets: [] },
    },
    lookAt(100n),
  );
  if (planned.type === "refused") throw new Error(planned.text);
  await committed();
  return planned.id;
}

/** Of the account; the newest. */
function sentBy(account: Hex): OpenTransaction {
  const found = spending.transactions.open().findLast(({ context }) => context.from === account);
  if (found === undefined) throw new Error(`${account} has sent nothing.`);
  return found;
}

const hashOfLast = (id: string): Hex =>
  spending.transactions
    .open()
    .find((open) => open.id === id)
    ?.context.attempts.at(-1)?.hash ?? "0x";

/** Looks at the chain, twelve seconds and some blocks later each time. */
async function looks(
  count: number,
  take: (look: ChainLook) => Promise<void> = async () => {},
  changes: Partial<ChainLook> = {},
): Promise<void> {
  for (let look = 0; look < count; look += 1) {
    block += 10n;
    spending.clock.ms += 12_000;
    const now = lookAt(block, changes);
    await spending.transactions.tick(now);
    await take(now);
    await committed();
  }
}

describe("a receipt that cannot be read", () => {
  test("holds up no other transaction, and is read when it can be", async () => {
    const [bad, good] = [await send(1n), await send(2n)];
    const { endpoints } = spending;
    endpoints.unreadable.add(hashOfLast(bad));
    endpoints.agreedUnreadable.add(hashOfLast(bad));
    const badHash = hashOfLast(bad);
    endpoints.mined = 2;
    endpoints.mine(badHash, 210n);
    endpoints.mine(hashOfLast(good), 210n);
    await looks(8);
    expect(story(`transaction:${good}`).slice(2)).toEqual(["TransactionMined", "TransactionConfirmed"]);
    // Not known is not gone.
    expect(story(`transaction:${bad}`).slice(2)).toEqual([]);
    endpoints.unreadable.clear();
    endpoints.agreedUnreadable.clear();
    await looks(2);
    expect(story(`transaction:${bad}`).slice(2)).toEqual(["TransactionMined", "TransactionConfirmed"]);
  });

  test("does not keep its transaction from being raised while its nonce is unused", async () => {
    const id = await send(1n);
    spending.endpoints.unreadable.add(hashOfLast(id));
    await looks(30);
    expect(sentBy(us).context.attempts.length).toBeGreaterThan(1);
  });

  test("does not hide a nonce behind it that nobody uses", async () => {
    const bad = await send(1n);
    const { endpoints } = spending;
    const hash = hashOfLast(bad);
    endpoints.unreadable.add(hash);
    endpoints.agreedUnreadable.add(hash);
    endpoints.mine(hash, 150n);
    // Somebody else's transaction waits in the pool when the next one is made, and then is gone.
    endpoints.mined = 1;
    endpoints.pending = 2;
    expect(await send(2n)).toBe(`${us}/2`);
    endpoints.pending = 1;
    await looks(15);
    expect(spending.transactions.open().map(({ context }) => context.subject)).toContain(
      "nothing, to fill nonce 1",
    );
  });

  test("of one that is mined neither undoes nor confirms it; two endpoints who can read it do", async () => {
    const id = await send(1n);
    const { endpoints } = spending;
    const hash = hashOfLast(id);
    endpoints.mined = 1;
    endpoints.mine(hash, 210n);
    await looks(1);
    endpoints.unreadable.add(hash);
    endpoints.agreedUnreadable.add(hash);
    await looks(8);
    expect(story(`transaction:${id}`).slice(2)).toEqual(["TransactionMined"]);
    endpoints.agreedUnreadable.clear();
    await looks(1);
    expect(story(`transaction:${id}`).slice(2)).toEqual(["TransactionMined", "TransactionConfirmed"]);
  });
});

const sender: Hex = `0x${"51".repeat(20)}`;
const faceValue = 10n ** 18n;

/** A ticket that has won. */
function win(name: string): Hex {
  const hash = hashOf(name);
  const command = {
    ...{ type: "WinTicket", sender, recipient: us, faceValue, winProb: 1n, senderNonce: 1 },
    ...{ recipientRandHash: hashOf("h"), recipientRand: hashOf("r"), sig: `0x${"00".repeat(65)}` },
    ...{ creationRound: 9n, creationRoundBlockHash: hashOf("b"), expirationBlock: 900n, lastValidRound: 11n },
    ...{ account: null, source: "payment" },
  };
  const origin = { correlationId: "test", causationId: "test" };
  expect(spending.harness.host.execute("ticket", hash, command, origin).type).toBe("accepted");
  return hash;
}

/** What the broker logs when it pays the ticket. */
function paidLogs(transaction: Hex, at: bigint): readonly ChainLog[] {
  const base = { block: at, blockHash: hashOf(`block ${at}`), transaction, account: sender, other: us };
  return [
    { ...base, index: 0, name: "WinningTicketTransfer", amounts: [faceValue], text: null },
    {
      ...{ ...base, index: 1, name: "WinningTicketRedeemed", text: null },
      amounts: [faceValue, 1n, 1n, BigInt(hashOf("r"))],
    },
  ];
}

/** A life of the node in which `from` redeems. */
function openRedemption(from: Hex): RedemptionDesk {
  const { harness, endpoints, transactions, clock } = spending;
  return new RedemptionDesk({
    ...{ host: harness.host, reader: harness.reader, desk: endpoints.desk, transactions, from },
    ...{ redeemGas: 200_000n, feeMax: () => null, confirmations: 5, monotonicMs: () => clock.ms },
    onOpened: () => {},
    onEnded: () => {},
  });
}

/** A ticket in a transaction of a redeemer whose key is gone; and the desk of the next life. */
async function leftBehind(): Promise<{ ticket: Hex; id: string; hash: Hex; desk: RedemptionDesk }> {
  const ticket = win("a ticket");
  await committed();
  const before = openRedemption(formerly);
  await looks(2, (look) => before.tick(look));
  const { id } = sentBy(formerly);
  spending.accounts.splice(spending.accounts.indexOf(formerly), 1);
  return { ticket, id, hash: hashOfLast(id), desk: openRedemption(us) };
}

const stateOf = (ticket: Hex): unknown =>
  (spending.harness.host.snapshot("ticket", ticket) as TicketSnapshot | null)?.value ?? null;

describe("tickets in a transaction of a key that is gone", () => {
  test("are broadcast on from the log, waited for five minutes, then sent by the key that is there", async () => {
    const { ticket, id, hash, desk } = await leftBehind();
    const before = spending.endpoints.broadcasts.length;
    await looks(20, (look) => desk.tick(look));
    expect(spending.transactions.open().map(({ context }) => context.from)).toEqual([formerly]);
    expect(spending.endpoints.broadcasts.slice(before)).toContain(hash);
    await looks(8, (look) => desk.tick(look));
    expect(story(`ticket:${ticket}`)).toEqual([
      ...["TicketWon", "RedemptionSubmitted", "RedemptionReturned", "RedemptionSubmitted"],
    ]);
    const second = sentBy(us);
    expect(second.context.tickets).toEqual([ticket]);
    const secondHash = hashOfLast(second.id);
    spending.endpoints.minedOf.set(us, 1);
    spending.endpoints.mine(secondHash, block, true, paidLogs(secondHash, block));
    await looks(3, (look) => desk.tick(look));
    expect(story(`ticket:${ticket}`).slice(-2)).toEqual(["TicketPaid", "TicketRedeemed"]);
    expect(story(`transaction:${id}`).slice(2)).toEqual([]);
  });

  test("nobody hurries, shouts or asks for one that has become useless; its late receipt is still noted", async () => {
    const { ticket, id, hash, desk } = await leftBehind();
    await looks(28, (look) => desk.tick(look));
    const second = hashOfLast(sentBy(us).id);
    spending.endpoints.minedOf.set(us, 1);
    spending.endpoints.mine(second, block, true, paidLogs(second, block));
    await looks(5, (look) => desk.tick(look));
    const { asked, broadcasts } = spending.endpoints;
    const before = { asked: asked.length, broadcasts: broadcasts.length };
    await looks(300, (look) => desk.tick(look));
    expect(asked.length - before.asked).toBeLessThanOrEqual(7);
    expect(broadcasts.length).toBe(before.broadcasts);
    expect(spending.transactions.wakeInMs()).toBeNull();
    spending.endpoints.minedOf.set(formerly, 1);
    spending.endpoints.mine(hash, block, false);
    await looks(60, (look) => desk.tick(look));
    expect(story(`transaction:${id}`).slice(2)).toEqual(["TransactionMined", "TransactionConfirmed"]);
    expect(story(`ticket:${ticket}`).slice(-2)).toEqual(["TicketPaid", "TicketRedeemed"]);
  });

  test("one behind a nonce that is missing keeps nobody busy", async () => {
    await leftBehind();
    spending.endpoints.mined = -1;
    await looks(10);
    expect(spending.transactions.wakeInMs()).toBeNull();
  });

  test("are paid by it when a block takes it after all, and the second attempt comes to nothing", async () => {
    const { ticket, hash, desk } = await leftBehind();
    await looks(28, (look) => desk.tick(look));
    const second = sentBy(us);
    spending.endpoints.minedOf.set(formerly, 1);
    spending.endpoints.mine(hash, block, true, paidLogs(hash, block));
    // Some time later the other one: the broker drops the ticket.
    spending.endpoints.minedOf.set(us, 1);
    spending.endpoints.mine(hashOfLast(second.id), block + 5n, false);
    await looks(60, (look) => desk.tick(look));
    expect(stateOf(ticket)).toBeNull();
    const paid = spending.harness.recorded.flatMap(({ event }) =>
      event.type === "TicketPaid" ? [event] : [],
    );
    expect(paid).toMatchObject([{ txHash: hash, amount: faceValue }]);
    expect(spending.transactions.open()).toEqual([]);
  });

  test("found used right before they are sent again: the receipt says by which of ours, and for how much", async () => {
    const { ticket, hash, desk } = await leftBehind();
    // Something else stands in the way until then.
    const isPaused = { isPaused: true };
    await looks(28, (look) => desk.tick(look), isPaused);
    expect(stateOf(ticket)).toBe("won");
    spending.endpoints.simulation = { type: "reverts", reason: "ticket is used" };
    await looks(1, (look) => desk.tick(look));
    await looks(1, (look) => desk.tick(look));
    expect(stateOf(ticket)).toBe("won");
    spending.endpoints.minedOf.set(formerly, 1);
    spending.endpoints.mine(hash, block, true, paidLogs(hash, block));
    await looks(1, (look) => desk.tick(look));
    expect(stateOf(ticket)).toBe("paid");
    expect(spending.harness.recorded.map(({ event }) => event)).toContainEqual(
      expect.objectContaining({ type: "TicketPaid", txHash: hash, amount: faceValue }),
    );
  });

  test("are free at once when something else has used its nonce up, for good", async () => {
    const { ticket, id, desk } = await leftBehind();
    spending.endpoints.minedOf.set(formerly, 1);
    await looks(6, (look) => desk.tick(look));
    expect(story(`transaction:${id}`).at(-1)).toBe("TransactionDisplaced");
    expect(sentBy(us).context.tickets).toEqual([ticket]);
  });

  test("are not free while the chain does not say whether its nonce is used", async () => {
    const { ticket, desk } = await leftBehind();
    const { desk: chain } = spending.endpoints;
    const { nonces } = chain;
    Object.assign(chain, { nonces: async () => null });
    await looks(40, (look) => desk.tick(look));
    expect(stateOf(ticket)).toBe("submitted");
    Object.assign(chain, { nonces });
    await looks(2, (look) => desk.tick(look));
    expect(sentBy(us).context.tickets).toEqual([ticket]);
  });

  test("are waited for anew when a block held it and a re-org took it back", async () => {
    const { ticket, hash, desk } = await leftBehind();
    await looks(28, async () => {});
    spending.endpoints.minedOf.set(formerly, 1);
    spending.endpoints.mine(hash, block, true, paidLogs(hash, block));
    // Nobody confirms it for a while.
    spending.endpoints.agreedUnreadable.add(hash);
    await looks(30, (look) => desk.tick(look));
    expect(stateOf(ticket)).toBe("paid");
    spending.endpoints.minedOf.set(formerly, 0);
    spending.endpoints.receipts.clear();
    Object.assign(spending.endpoints.desk, { blockHash: async () => hashOf("another block") });
    await looks(20, (look) => desk.tick(look));
    expect(stateOf(ticket)).toBe("submitted");
    expect(spending.transactions.open().map(({ context }) => context.from)).toEqual([formerly]);
    await looks(8, (look) => desk.tick(look));
    expect(sentBy(us).context.tickets).toEqual([ticket]);
  });

  test("of a key that is there nothing is let go, however long it takes", async () => {
    const ticket = win("a ticket");
    await committed();
    const desk = openRedemption(formerly);
    await looks(100, (look) => desk.tick(look));
    expect(stateOf(ticket)).toBe("submitted");
    expect(spending.transactions.open()).toHaveLength(1);
  });
});

function openKeeper(rewardFrom: Hex, orchestrator: Hex, initializeFrom: Hex | null = null): RoundKeeper {
  const { harness, endpoints, transactions, clock } = spending;
  return new RoundKeeper({
    ...{ host: harness.host, reader: harness.reader, desk: endpoints.desk, transactions, orchestrator },
    ...{ rewardFrom, isRewardForced: true, initializeFrom, initializeDelayMs: 0 },
    ...{ monotonicMs: () => clock.ms, random: () => 0, confirmations: 5 },
  });
}

describe("what a transaction was for whose receipt cannot be read", () => {
  function hide(hash: Hex): void {
    spending.endpoints.unreadable.add(hash);
    spending.endpoints.agreedUnreadable.add(hash);
  }

  test("a reward: no later round waits for it, and it is waited for while its own round has one", async () => {
    const { endpoints } = spending;
    const { round, orchestrator } = lookAt(0n);
    endpoints.word = { current: 10n, lastInitialized: 10n, lastReward: 9n };
    const keeper = openKeeper(us, us);
    await looks(1, (look) => keeper.tick(look));
    hide(hashOfLast(sentBy(us).id));
    endpoints.mined = 1;
    const rewarded = { orchestrator: { ...orchestrator, lastRewardRound: 10n } };
    await looks(8, (look) => keeper.tick(look), rewarded);
    expect(story("round:10").at(-1)).toBe("RewardSubmitted");
    endpoints.word = { current: 11n, lastInitialized: 11n, lastReward: 10n };
    const next = { ...rewarded, round: { ...round, current: 11n, lastInitialized: 11n } };
    await looks(2, (look) => keeper.tick(look), next);
    expect(sentBy(us).context).toMatchObject({ purpose: "reward", round: 11n });
  });

  test("a reward that the chain does not show is due again", async () => {
    const { endpoints } = spending;
    endpoints.word = { current: 10n, lastInitialized: 10n, lastReward: 9n };
    const keeper = openKeeper(us, us);
    await looks(1, (look) => keeper.tick(look));
    hide(hashOfLast(sentBy(us).id));
    endpoints.mined = 1;
    await looks(8, (look) => keeper.tick(look));
    expect(story("round:10").slice(-2)).toEqual(["RewardReturned", "RewardSubmitted"]);
  });

  test("a ticket that it did not redeem goes out again", async () => {
    const ticket = win("a ticket");
    await committed();
    const desk = openRedemption(us);
    await looks(2, (look) => desk.tick(look));
    const { id } = sentBy(us);
    hide(hashOfLast(id));
    spending.endpoints.mined = 1;
    await looks(8, (look) => desk.tick(look));
    expect(sentBy(us).id).not.toBe(id);
    expect(sentBy(us).context.tickets).toEqual([ticket]);
  });

  test("a ticket that it redeemed is not sent again, and the receipt says what it brought, hours later", async () => {
    const ticket = win("a ticket");
    await committed();
    const desk = openRedemption(us);
    await looks(2, (look) => desk.tick(look));
    const hash = hashOfLast(sentBy(us).id);
    hide(hash);
    spending.endpoints.mined = 1;
    spending.endpoints.simulation = { type: "reverts", reason: "ticket is used" };
    await looks(600, (look) => desk.tick(look));
    expect(stateOf(ticket)).toBe("won");
    expect(spending.transactions.open()).toHaveLength(1);
    spending.endpoints.unreadable.clear();
    spending.endpoints.agreedUnreadable.clear();
    spending.endpoints.mine(hash, 210n, true, paidLogs(hash, 210n));
    await looks(10, (look) => desk.tick(look));
    expect(spending.harness.recorded.map(({ event }) => event)).toContainEqual(
      expect.objectContaining({ type: "TicketPaid", txHash: hash, amount: faceValue }),
    );
    expect(stateOf(ticket)).toBeNull();
  });
});

describe("a round whose transaction was sent by a key that is gone", () => {
  const orchestrator: Hex = `0x${"0d".repeat(20)}`;
  /** Whom the orchestrator has named to call its reward. */
  const calledBy = (rewardCaller: Hex): Partial<ChainLook> => ({
    orchestrator: { ...lookAt(0n).orchestrator, rewardCaller },
  });

  /** The reward of round 10 in a transaction of the former caller; and the keeper of the next life. */
  async function rewardLeftBehind(): Promise<{ id: string; hash: Hex; keeper: RoundKeeper }> {
    spending.endpoints.word = { current: 10n, lastInitialized: 10n, lastReward: 9n };
    const before = openKeeper(formerly, orchestrator);
    await looks(1, (look) => before.tick(look), calledBy(formerly));
    const { id } = sentBy(formerly);
    spending.accounts.splice(spending.accounts.indexOf(formerly), 1);
    return { id, hash: hashOfLast(id), keeper: openKeeper(us, orchestrator) };
  }

  test("gets its reward called by the key that is there, after five minutes", async () => {
    const { keeper } = await rewardLeftBehind();
    await looks(20, (look) => keeper.tick(look), calledBy(us));
    expect(story("round:10").at(-1)).toBe("RewardSubmitted");
    expect(spending.transactions.open()).toHaveLength(1);
    await looks(8, (look) => keeper.tick(look), calledBy(us));
    expect(story("round:10").slice(-3)).toEqual(["RewardSubmitted", "RewardReturned", "RewardSubmitted"]);
    expect(sentBy(us).context).toMatchObject({ purpose: "reward", round: 10n });
  });

  test("has it by the first one when a block takes that after all", async () => {
    const { id, hash, keeper } = await rewardLeftBehind();
    await looks(28, (look) => keeper.tick(look), calledBy(us));
    spending.endpoints.minedOf.set(formerly, 1);
    spending.endpoints.mine(hash, block);
    const { orchestrator: standing } = lookAt(0n);
    const rewarded = { orchestrator: { ...standing, rewardCaller: us, lastRewardRound: 10n } };
    await looks(60, (look) => keeper.tick(look), rewarded);
    expect(spending.harness.recorded.map(({ event }) => event)).toContainEqual(
      expect.objectContaining({ type: "RewardMined", transaction: id }),
    );
    expect(story("round:10").at(-1)).toBe("RewardConfirmed");
  });

  test("is started by the key that is there, after five minutes", async () => {
    const { round } = lookAt(0n);
    const unstarted = { ...calledBy(us), round: { ...round, current: 11n, lastInitialized: 10n } };
    spending.endpoints.word = { current: 11n, lastInitialized: 10n, lastReward: 9n };
    const before = openKeeper(us, orchestrator, formerly);
    await looks(1, (look) => before.tick(look), unstarted);
    expect(sentBy(formerly).context.purpose).toBe("initialize");
    spending.accounts.splice(spending.accounts.indexOf(formerly), 1);
    const keeper = openKeeper(us, orchestrator, us);
    await looks(20, (look) => keeper.tick(look), unstarted);
    expect(spending.transactions.open()).toHaveLength(1);
    await looks(8, (look) => keeper.tick(look), unstarted);
    expect(sentBy(us).context).toMatchObject({ purpose: "initialize", round: 11n });
  });
});
