import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { RedemptionDesk } from "../../../../src/runtime/chain/redemptionDesk.ts";
import { RoundKeeper } from "../../../../src/runtime/chain/roundKeeper.ts";
import type { ChainLook, Receipt } from "../../../../src/runtime/chainPorts.ts";
import type { Hex } from "../../../../src/shared/brand.ts";
import { roomierGas } from "../../../../src/runtime/chain/gasRoom.ts";
import { operatorTransactions, transactionState } from "../../../../src/start/operatorTransactions.ts";
import { type LogFolder, logFolder } from "../../../support/logFolder.ts";
import { formerly, gwei, hashOf, lookAt, openSpending, type Spending, us } from "./scriptedDesk.ts";

/*
 * Goal: what ends for ever does not end because one endpoint lies, and no transaction holds up those behind it for
 * ever. Method: the desks on a real log, and endpoints that say what the test wants.
 */

let folder: LogFolder;
let spending: Spending;

beforeEach(async () => {
  folder = logFolder();
  spending = await openSpending(folder.path);
});
afterEach(async () => {
  await spending.harness.close();
  expect(spending.harness.faults).toEqual([]);
  folder[Symbol.dispose]();
});

const events = (): readonly string[] => spending.harness.recorded.map(({ event }) => event.type);

async function tick(look: ChainLook): Promise<void> {
  await spending.transactions.tick(look);
  await spending.harness.host.committed();
}

/** Plans a transaction of an operator and hands it to the chain; its id. */
async function send(value = 1n): Promise<string> {
  const planned = await spending.transactions.plan(
    {
      ...{ purpose: "operator", subject: "a test", from: us, call: { to: us, data: "0x", value } },
      ...{ gasLimit: 100_000n, feeMax: null, round: null, tickets: [] },
    },
    lookAt(100n),
  );
  if (planned.type === "refused") throw new Error(planned.text);
  await spending.harness.host.committed();
  return planned.id;
}

const attempts = () => spending.transactions.open()[0]?.context.attempts ?? [];
const lastHash = (): Hex => attempts().at(-1)?.hash ?? "0x";

describe("transactions", () => {
  test("the receipt of one endpoint does not confirm one", async () => {
    await send();
    const { endpoints } = spending;
    endpoints.mine(lastHash(), 100n);
    endpoints.agreedReceipts = new Map<Hex, Receipt>();
    await tick(lookAt(100n));
    await tick(lookAt(200n));
    expect(events()).toContain("TransactionMined");
    expect(events()).not.toContain("TransactionConfirmed");
    endpoints.agreedReceipts = null;
    await tick(lookAt(201n));
    expect(events()).toContain("TransactionConfirmed");
  });

  test("one of which one endpoint knows no receipt is not displaced while two know it", async () => {
    await send();
    const { endpoints } = spending;
    const receipt = endpoints.mine(lastHash(), 100n);
    endpoints.receipts.clear();
    endpoints.agreedReceipts = new Map([[receipt.hash, receipt]]);
    endpoints.mined = 1;
    for (let look = 0n; look < 5n; look++) await tick(lookAt(200n + look));
    expect(events()).not.toContain("TransactionDisplaced");
    expect(events()).toContain("TransactionMined");
  });

  test("a nonce of which everybody says that another transaction used it is given up", async () => {
    await send();
    spending.endpoints.mined = 1;
    for (let look = 0n; look < 5n; look++) await tick(lookAt(200n + look));
    expect(events()).toContain("TransactionDisplaced");
  });

  test("a nonce that was displaced and is missing again is filled, and the log goes on", async () => {
    await send();
    const { endpoints, clock } = spending;
    endpoints.mined = 1;
    for (let look = 0n; look < 5n; look++) await tick(lookAt(200n + look));
    await send();
    // The re-org takes the foreign transaction away.
    endpoints.mined = 0;
    for (let look = 0n; look < 3n; look++) {
      await tick(lookAt(300n + look));
      clock.ms += 130_000;
    }
    const ids = spending.transactions.open().map(({ id }) => id);
    expect(ids).toEqual([`${us}/0.2`, `${us}/1`]);
  });

  test("an endpoint that counts thousands in its pool makes no gap", async () => {
    spending.endpoints.pending = 5_000;
    expect(send()).rejects.toThrow("5000 transactions of the account wait");
    await Bun.sleep(0);
    spending.endpoints.pending = 3;
    expect(await send()).toBe(`${us}/3`);
  });

  test("fees of one that hangs for two days stay within ten times the price", async () => {
    await send();
    for (let look = 0n; look < 600n; look++) {
      spending.clock.ms += 300_000;
      await tick(lookAt(200n + look));
    }
    const highest = attempts().at(-1)?.feeCap;
    expect(highest).toBeGreaterThan(10n * gwei);
    expect(highest).toBeLessThanOrEqual(20n * gwei);
    expect(attempts().length).toBeLessThan(30);
  });

  test("an account that runs dry does not raise what it could pay once it has money again", async () => {
    await send();
    spending.endpoints.outcome = { type: "refused", cause: "no-gas-money", text: "insufficient funds" };
    const poor = { balances: new Map([[us, 1n]]) };
    for (let look = 0n; look < 100n; look++) {
      spending.clock.ms += 300_000;
      await tick(lookAt(200n + look, poor));
    }
    expect(attempts()).toHaveLength(1);
    spending.endpoints.outcome = { type: "sent" };
    spending.clock.ms += 300_000;
    await tick(lookAt(400n));
    expect(spending.endpoints.broadcasts.at(-1)).toBe(lastHash());
  });

  test("one that no node takes gives its nonce free, and its operator is not told that it went well", async () => {
    const id = await send();
    const { endpoints, clock } = spending;
    endpoints.outcome = { type: "refused", cause: "other", text: "exceeds block gas limit" };
    for (let look = 0n; look < 4n; look++) {
      clock.ms += 301_000;
      await tick(lookAt(200n + look));
    }
    expect(attempts().at(-1)?.kind).toBe("cancel");
    endpoints.mine(lastHash(), 210n);
    endpoints.mined = 1;
    await tick(lookAt(210n));
    expect(transactionState(spending.harness.reader, id)).toMatchObject({ state: "mined", isSuccess: false });
  });

  test("one that no node takes gives its nonce free at the operator's maximum too", async () => {
    spending.feeMax = gwei;
    await send();
    const { endpoints, clock } = spending;
    endpoints.outcome = { type: "refused", cause: "other", text: "exceeds block gas limit" };
    for (let look = 0n; look < 5n; look++) {
      clock.ms += 301_000;
      await tick(lookAt(200n + look));
    }
    expect(attempts().map(({ kind, feeCap }) => [kind, feeCap])).toEqual([
      ["first", gwei],
      ["cancel", gwei],
    ]);
  });

  test("a transaction that hangs is not shouted at all endpoints three times a minute for hours", async () => {
    await send();
    for (let look = 0n; look < 300n; look++) {
      spending.clock.ms += 12_000;
      await tick(lookAt(200n + look));
    }
    // An hour.
    expect(spending.endpoints.broadcasts.length).toBeLessThan(100);
  });
});

describe("orders of an operator", () => {
  test("a chain that cannot be read for a moment is looked at again", async () => {
    const { harness, transactions } = spending;
    const looks: (ReturnType<typeof lookAt> | null)[] = [null, null, lookAt(100n), null, null, null, null];
    let breaths = 0;
    const orders = operatorTransactions({
      ...{ token: "", transactions, reader: harness.reader, account: us },
      look: async () => looks.shift() ?? null,
      committed: () => harness.host.committed(),
      onPlanned: () => {},
      sleep: async () => {
        breaths += 1;
      },
    });
    const call = { from: null, to: us, data: "0xAB" as Hex, value: 5n, gasLimit: null, subject: "transfer" };
    expect(await orders.submit(call)).toMatchObject({ type: "submitted" });
    expect(breaths).toBe(2);
    expect(await orders.submit({ ...call, value: 6n })).toEqual({
      type: "refused",
      text: "The chain cannot be read now.",
    });
    expect(looks).toEqual([]);
  });

  test("the same call is not sent a second time while the first is not mined", async () => {
    const { harness, transactions, endpoints } = spending;
    const orders = operatorTransactions({
      ...{ token: "", transactions, reader: harness.reader, account: us },
      look: async () => lookAt(100n),
      committed: () => harness.host.committed(),
      onPlanned: () => {},
    });
    const call = { from: null, to: us, data: "0xAB" as Hex, value: 5n, gasLimit: null, subject: "transfer" };
    const first = await orders.submit(call);
    expect(first.type).toBe("submitted");
    expect(await orders.submit(call)).toMatchObject({ type: "refused" });
    expect(await orders.submit({ ...call, value: 6n })).toMatchObject({ type: "submitted" });
    endpoints.mine(lastHash(), 100n);
    await tick(lookAt(100n));
    expect(await orders.submit(call)).toMatchObject({ type: "submitted" });
  });
});

describe("the log knows a reward on its way of an account", () => {
  test("that calls rewards no more: nobody waits for it", async () => {
    const { transactions, endpoints, harness } = spending;
    endpoints.word = { current: 10n, lastInitialized: 10n, lastReward: 9n };
    await transactions.plan(
      {
        ...{
          purpose: "reward",
          subject: "a test",
          from: formerly,
          call: { to: us, data: "0x01", value: 0n },
        },
        ...{ gasLimit: 100_000n, feeMax: null, round: 9n, tickets: [] },
      },
      lookAt(100n),
    );
    await openKeeper().tick(lookAt(101n));
    await harness.host.committed();
    const froms = transactions.open().map(({ context }) => context.from);
    expect(froms.toSorted()).toEqual([us, formerly].toSorted());
  });
});

describe("the gas of what failed", () => {
  test("grows by half each time and stays within a block", () => {
    expect([0, 1, 2, 4, 9].map((failures) => roomierGas(100n, failures))).toEqual([
      ...[100n, 150n, 200n, 300n, 300n],
    ]);
    expect(roomierGas(20_000_000n, 2)).toBe(30_000_000n);
    expect(roomierGas(31_000_000n, 2)).toBe(31_000_000n);
  });
});

/** A ticket that has won, of a sender. */
function win(name: string, lastValidRound = 11n): Hex {
  const hash = hashOf(name);
  const ticket = {
    ...{ sender: `0x${"51".repeat(20)}`, recipient: us, faceValue: 10n ** 18n, winProb: 1n, senderNonce: 1 },
    ...{ recipientRandHash: hashOf("h"), recipientRand: hashOf("r"), sig: `0x${"00".repeat(65)}` },
    ...{ creationRound: 9n, creationRoundBlockHash: hashOf("b"), expirationBlock: 900n, lastValidRound },
    ...{ account: null, source: "payment" },
  };
  const origin = { correlationId: "test", causationId: "test" };
  const command = { type: "WinTicket", ...ticket };
  expect(spending.harness.host.execute("ticket", hash, command, origin).type).toBe("accepted");
  return hash;
}

function openRedemption(): RedemptionDesk {
  const { harness, endpoints, transactions, clock } = spending;
  return new RedemptionDesk({
    ...{ host: harness.host, reader: harness.reader, desk: endpoints.desk, transactions, from: us },
    ...{ redeemGas: 200_000n, feeMax: () => null, confirmations: 5, monotonicMs: () => clock.ms },
    onOpened: () => {},
    onEnded: () => {},
  });
}

/** A round later, as the look says. */
function later(block: bigint, round: bigint): ChainLook {
  const look = lookAt(block);
  return { ...look, round: { ...look.round, current: round, lastInitialized: round } };
}

describe("tickets", () => {
  test("a ticket does not expire on the word of one endpoint", async () => {
    win("a ticket");
    await spending.harness.host.committed();
    const desk = openRedemption();
    spending.endpoints.word = { current: 10n, lastInitialized: 10n, lastReward: 9n };
    await desk.tick(later(200n, 40n));
    await desk.tick(later(300n, 40n));
    expect(events()).not.toContain("TicketExpired");
    spending.endpoints.word = { current: 40n, lastInitialized: 40n, lastReward: 9n };
    await desk.tick(later(301n, 40n));
    expect(events()).toContain("TicketExpired");
  });

  test("a ticket is not refused for ever on the word of one endpoint", async () => {
    win("a ticket");
    await spending.harness.host.committed();
    const desk = openRedemption();
    const no = { type: "reverts", reason: "invalid signature over ticket hash" } as const;
    spending.endpoints.simulation = no;
    spending.endpoints.agreedSimulation = { type: "runs" };
    const pass = async (): Promise<void> => {
      for (let look = 0n; look < 40n; look++) {
        spending.clock.ms += 12_000;
        await desk.tick(lookAt(200n + look));
      }
    };
    await pass();
    expect(events()).not.toContain("TicketRefused");
    spending.endpoints.agreedSimulation = null;
    await pass();
    expect(events()).toContain("TicketRefused");
  });

  test("tickets of a sender without funds are asked about ever less often", async () => {
    win("a ticket");
    await spending.harness.host.committed();
    const desk = openRedemption();
    spending.endpoints.payable = { ...spending.endpoints.payable, deposit: 0n };
    const day = 7_200;
    for (let look = 0; look < day; look++) {
      spending.clock.ms += 12_000;
      await desk.tick(lookAt(200n + BigInt(look)));
    }
    expect(spending.endpoints.asked.length).toBeLessThan(400);
    expect(desk.wakeInMs(lookAt(9_000n), 12_000)).toBeNull();
  });

  test("an account without gas money simulates its tickets ever less often", async () => {
    win("a ticket");
    await spending.harness.host.committed();
    const desk = openRedemption();
    for (let look = 0; look < 7_200; look++) {
      spending.clock.ms += 12_000;
      await desk.tick(lookAt(200n + BigInt(look), { balances: new Map([[us, 0n]]) }));
    }
    expect(spending.endpoints.asked.length).toBeLessThan(1_000);
  });

  // Winners are to be redeemed within 10 s of the block that makes them due: no look may come late for nothing.
  test("a due ticket is looked at when it has waited for company, not at the pace of looks", async () => {
    win("a ticket");
    await spending.harness.host.committed();
    const desk = openRedemption();
    await desk.tick(lookAt(200n));
    spending.clock.ms += 1_500;
    const leftMs = desk.wakeInMs(lookAt(200n), 12_000) ?? 0;
    expect(leftMs).toBeWithin(1, 3_000);
    spending.clock.ms += leftMs;
    expect(desk.wakeInMs(lookAt(200n), 12_000)).toBe(3_000);
  });

  test("while nothing can be redeemed nobody is in a hurry", async () => {
    win("a ticket");
    await spending.harness.host.committed();
    const desk = openRedemption();
    expect(desk.wakeInMs(lookAt(200n), 12_000)).toBe(3_000);
    expect(desk.wakeInMs(lookAt(200n, { isPaused: true }), 12_000)).toBeNull();
    const { round } = lookAt(200n);
    expect(desk.wakeInMs(lookAt(200n, { round: { ...round, current: 11n } }), 12_000)).toBeNull();
  });
});

function openKeeper(): RoundKeeper {
  const { harness, endpoints, transactions, clock } = spending;
  return new RoundKeeper({
    ...{ host: harness.host, reader: harness.reader, desk: endpoints.desk, transactions, orchestrator: us },
    ...{ rewardFrom: us, isRewardForced: true, initializeFrom: null, initializeDelayMs: 0 },
    ...{ monotonicMs: () => clock.ms, random: () => 0, confirmations: 5 },
  });
}

describe("rounds", () => {
  test("a reward is not given up on the word of one endpoint, and called when it was a lie", async () => {
    const keeper = openKeeper();
    const { endpoints } = spending;
    endpoints.word = { current: 10n, lastInitialized: 10n, lastReward: 9n };
    const poor = { balances: new Map([[us, 0n]]) };
    await keeper.tick(lookAt(100n, poor));
    await spending.harness.host.committed();
    for (let block = 200n; block < 230n; block += 10n) await keeper.tick(later(block, 12n));
    expect(events()).not.toContain("RewardMissed");
    await keeper.tick(lookAt(300n));
    expect(events()).toContain("RewardSubmitted");
  });

  test("a reward that nobody confirms does not keep the next one waiting", async () => {
    const keeper = openKeeper();
    const { endpoints, transactions, harness } = spending;
    endpoints.word = { current: 10n, lastInitialized: 10n, lastReward: 9n };
    await keeper.tick(lookAt(100n));
    await harness.host.committed();
    endpoints.mine(lastHash(), 101n);
    endpoints.agreedReceipts = new Map<Hex, Receipt>();
    await tick(lookAt(101n));
    endpoints.word = { current: 11n, lastInitialized: 11n, lastReward: 9n };
    for (const block of [200n, 210n]) {
      await tick(later(block, 11n));
      await keeper.tick(later(block, 11n));
    }
    const rewards = transactions.open().filter(({ context }) => context.purpose === "reward");
    expect(rewards.map(({ state, context }) => [state, context.round])).toEqual([
      ["mined", 10n],
      ["sent", 11n],
    ]);
  });

  test("a reward that one endpoint shows as called is not believed for ever", async () => {
    const keeper = openKeeper();
    const { endpoints } = spending;
    endpoints.word = { current: 10n, lastInitialized: 10n, lastReward: 9n };
    const honest = lookAt(100n);
    const lie = (block: bigint): ChainLook => ({
      ...lookAt(block),
      orchestrator: { ...honest.orchestrator, lastRewardRound: 10n },
    });
    await keeper.tick(lie(100n));
    await keeper.tick(lie(110n));
    expect(events()).not.toContain("RewardConfirmed");
    await keeper.tick(lookAt(120n));
    expect(events()).toContain("RewardSubmitted");
  });
});
