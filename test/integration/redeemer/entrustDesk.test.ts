import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { allKinds } from "../../../src/actors/allKinds.ts";
import type { TicketCommand, TicketSnapshot } from "../../../src/actors/ticket/decide.ts";
import { allViews } from "../../../src/events/log/openLog.ts";
import type {
  ChainLook,
  EntrustableTicket,
  EntrustAnswer,
  Redeemer,
} from "../../../src/runtime/chainPorts.ts";
import { EntrustDesk } from "../../../src/runtime/chain/entrustDesk.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import { type HostHarness, openHost, until } from "../../support/hostHarness.ts";
import { type LogFolder, logFolder } from "../../support/logFolder.ts";
import { moneyEffects } from "../../replay/moneyWalk.ts";
import { winTicket } from "../../unit/actors/moneyFacts.ts";

/*
 * Goal: what is owed to a redeemer follows from the log alone, and is paid in the right order and at the right pace.
 * Method: the real log with its writer thread; the redeemer and the clock are the test's.
 */

const name = "redeemer.example:8935";
const round = 3_000n;

/** Answers as told; counts what is under way. */
class ToldRedeemer implements Redeemer {
  readonly name: string;
  readonly got: EntrustableTicket[] = [];
  readonly asked: Hex[] = [];
  underWay = 0;
  mostUnderWay = 0;
  reply: (ticket: EntrustableTicket) => EntrustAnswer | Promise<EntrustAnswer> = () => ({ type: "taken" });

  constructor(called = name) {
    this.name = called;
  }

  async entrust(ticket: EntrustableTicket): Promise<EntrustAnswer> {
    this.got.push(ticket);
    this.underWay += 1;
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
    await Promise.resolve();
    const answer = await this.reply(ticket);
    this.underWay -= 1;
    return answer;
  }

  maxFloat(sender: Hex): Promise<bigint | null> {
    this.asked.push(sender);
    return Promise.resolve(1n);
  }
}

let folder: LogFolder;
let harness: HostHarness;
let redeemer: ToldRedeemer;
let desk: EntrustDesk;
let nowMs: number;
let troubles: (string | null)[];
let used: (hashes: readonly Hex[]) => readonly boolean[] | null;
let seenUsed: Hex[];
let faults: unknown[];

beforeEach(async () => {
  folder = logFolder();
  nowMs = 1_000_000;
  [troubles, seenUsed, faults] = [[], [], []];
  used = (hashes) => hashes.map(() => false);
  redeemer = new ToldRedeemer();
  await open();
});
afterEach(async () => {
  await desk.close();
  await harness.close();
  folder[Symbol.dispose]();
  expect(faults).toEqual([]);
  expect(harness.faults).toEqual([]);
});

async function open(): Promise<void> {
  harness = await openHost({
    ...{ dataDir: folder.path, kinds: allKinds, effects: moneyEffects, views: allViews.views },
  });
  desk = new EntrustDesk({
    ...{ host: harness.host, reader: harness.reader, redeemer, monotonicMs: () => nowMs },
    desk: { areTicketsUsed: (hashes) => Promise.resolve(used(hashes)) },
    onUsed: (hash) => seenUsed.push(hash),
    onTrouble: (trouble) => troubles.push(trouble?.reason ?? null),
    onFault: (error) => faults.push(error),
  });
}

async function restart(): Promise<void> {
  await desk.close();
  await harness.close();
  await open();
}

const hashOf = (number: number): Hex => `0x${number.toString(16).padStart(64, "0")}`;

function give(hash: Hex, command: TicketCommand): void {
  const origin = { correlationId: `ticket:${hash}`, causationId: "test" };
  expect(harness.host.execute("ticket", hash, command, origin).type).toBe("accepted");
}

function win(number: number, changes: Partial<typeof winTicket> = {}): Hex {
  give(hashOf(number), { ...winTicket, ...changes });
  return hashOf(number);
}

function contextOf(hash: Hex): TicketSnapshot["context"] | null {
  return (harness.host.snapshot("ticket", hash) as TicketSnapshot | null)?.context ?? null;
}

const isEntrusted = (hash: Hex): boolean => contextOf(hash)?.entrusted !== null;
const deliveries = (hash: Hex): number => redeemer.got.filter((ticket) => ticket.hash === hash).length;

/** Lets time pass and everything that is due by then happen. */
async function pass(ms: number): Promise<void> {
  nowMs += ms;
  desk.poke();
  await settled();
}

/** Until nobody is told of anything any more. */
async function settled(): Promise<void> {
  await until(() => desk.underWay === 0, "all calls have ended");
  await harness.host.committed();
}

function lookOf(lastInitialized: bigint, l1Block = winTicket.expirationBlock): ChainLook {
  return { l1Block, round: { lastInitialized, current: lastInitialized } } as unknown as ChainLook;
}

describe("what is owed", () => {
  test("a winner is handed over with all that the broker wants to see, once it is durable, and then no more", async () => {
    const hash = win(1);
    // Nothing of it is on the disk yet.
    desk.poke();
    await settled();
    const { type: _, account: _account, source: _source, lastValidRound: _last, ...terms } = winTicket;
    expect(redeemer.got).toEqual([{ ...terms, hash }]);
    expect(contextOf(hash)?.entrusted).toEqual({ redeemer: name, round: null });
    await pass(3_600_000);
    expect(deliveries(hash)).toBe(1);
    expect(desk.counts()).toEqual({ waiting: 0, entrusted: 1 });
  });

  test("a held one stays here until it is let go", async () => {
    const hash = win(1);
    give(hash, { type: "HoldTicket", isHeld: true });
    await pass(0);
    expect(redeemer.got).toEqual([]);
    expect(desk.counts()).toEqual({ waiting: 0, entrusted: 0 });
    give(hash, { type: "HoldTicket", isHeld: false });
    await pass(0);
    expect(isEntrusted(hash)).toBe(true);
  });

  test("payments check 50: a restart owes what was not acknowledged, and nothing else", async () => {
    const [taken, kept] = [win(1), win(2)];
    redeemer.reply = ({ hash }) =>
      hash === taken ? { type: "taken" } : { type: "silent", text: "the connection was lost" };
    await pass(0);
    expect([isEntrusted(taken), isEntrusted(kept)]).toEqual([true, false]);
    redeemer.reply = () => ({ type: "taken" });
    await restart();
    await pass(0);
    expect(isEntrusted(kept)).toBe(true);
    expect(deliveries(taken)).toBe(1);
  });

  test("another redeemer knows nothing of what the first one has", async () => {
    const hash = win(1);
    await pass(0);
    redeemer = new ToldRedeemer("other.example:8935");
    await restart();
    expect(desk.counts()).toEqual({ waiting: 1, entrusted: 0 });
    await pass(0);
    expect(contextOf(hash)?.entrusted?.redeemer).toBe("other.example:8935");
  });

  test("many at once: eight calls at a time, those first that end first", async () => {
    const hashes = Array.from({ length: 50 }, (_, index) =>
      win(index + 1, { senderNonce: index, lastValidRound: round + BigInt(index % 3) }),
    );
    await pass(0);
    expect(hashes.every(isEntrusted)).toBe(true);
    expect(redeemer.got).toHaveLength(50);
    expect(redeemer.mostUnderWay).toBe(8);
    const order = redeemer.got.map(({ senderNonce }) => senderNonce % 3);
    expect(order).toEqual(order.toSorted((left, right) => left - right));
  });

  test("one whose last round is over is not worth a call", async () => {
    await desk.tick(lookOf(round + 5n));
    win(1, { lastValidRound: round + 1n });
    await pass(0);
    expect(redeemer.got).toEqual([]);
  });
});

describe("a refusal", () => {
  test("payments check 50: a refused one waits by itself, ever longer up to a minute, and stands in nobody's way", async () => {
    const bad = win(1);
    redeemer.reply = ({ hash }) =>
      hash === bad ? { type: "refused", text: "invalid ticket recipient (code 7)" } : { type: "taken" };
    await pass(0);
    const others = [2, 3, 4].map((number) => win(number));
    await pass(0);
    expect(others.every(isEntrusted)).toBe(true);
    expect(troubles).toEqual([]);
    for (const [index, waitMs] of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000].entries()) {
      expect(deliveries(bad)).toBe(index + 1);
      await pass(waitMs - 1);
      expect(deliveries(bad)).toBe(index + 1);
      await pass(1);
    }
    expect(harness.reader.ticket(bad)).toMatchObject({
      ...{ state: "won", cause: "redeemer" },
      text: "The redeemer refuses it: invalid ticket recipient (code 7)",
    });
    const causes = harness.recorded.filter(({ event }) => event.type === "RedemptionPostponed");
    expect(causes).toHaveLength(1);
    redeemer.reply = () => ({ type: "taken" });
    await pass(60_000);
    await harness.host.committed();
    expect(harness.reader.ticket(bad)).toMatchObject({ redeemer: name, cause: null, text: null });
  });
});

describe("silence", () => {
  test("payments check 50: while nobody answers one call is made at a time, ever more rarely, and it is said once", async () => {
    redeemer.reply = () => ({ type: "silent", text: "Connection refused" });
    const hashes = Array.from({ length: 12 }, (_, index) => win(index + 1));
    await pass(0);
    expect(troubles).toEqual(["Connection refused"]);
    expect(desk.trouble).toBe("Connection refused");
    const first = redeemer.got.length;
    expect(first).toBe(8);
    // The four that were not tried are each a reason to try a second later; then the pauses double.
    for (let number = 0; number < 4; number++) await pass(1_000);
    expect(redeemer.got.length).toBe(first + 4);
    await pass(30_000);
    const before = redeemer.got.length;
    for (let second = 0; second < 600; second++) await pass(1_000);
    expect(redeemer.got.length - before).toBeGreaterThanOrEqual(9);
    expect(redeemer.got.length - before).toBeLessThanOrEqual(12);
    expect(troubles).toHaveLength(1);
    redeemer.reply = () => ({ type: "taken" });
    await pass(60_000);
    expect(troubles).toEqual(["Connection refused", null]);
    expect(hashes.every(isEntrusted)).toBe(true);
    expect(harness.recorded.filter(({ event }) => event.type === "RedemptionPostponed")).toEqual([]);
  });

  test("a winner that is new is a reason to try again within a second", async () => {
    redeemer.reply = () => ({ type: "silent", text: "no answer" });
    const old = win(1);
    await pass(0);
    for (const waitMs of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000]) await pass(waitMs);
    redeemer.reply = () => ({ type: "taken" });
    const fresh = win(2);
    await pass(1_000);
    expect([isEntrusted(fresh), isEntrusted(old)]).toEqual([true, true]);
  });

  test("payments check 50: a ticket over which the redeemer hangs holds up no other", async () => {
    const bad = win(1);
    const hang = Promise.withResolvers<EntrustAnswer>();
    redeemer.reply = ({ hash }) => (hash === bad ? hang.promise : { type: "taken" });
    desk.poke();
    await until(() => deliveries(bad) === 1);
    nowMs += 10;
    const others = Array.from({ length: 20 }, (_, index) => win(index + 2));
    desk.poke();
    await until(() => others.every(isEntrusted), "the others are handed over");
    hang.resolve({ type: "silent", text: "no answer in 8000 ms" });
    await settled();
    expect(troubles).toEqual([]);
    redeemer.reply = () => ({ type: "taken" });
    await pass(1_000);
    expect(isEntrusted(bad)).toBe(true);
  });

  test("closing waits for nobody's disk, and what was under way is owed again", async () => {
    const hash = win(1);
    desk.poke();
    await desk.close();
    expect(isEntrusted(hash)).toBe(false);
    await restart();
    await pass(0);
    expect(isEntrusted(hash)).toBe(true);
  });
});

describe("the chain's word", () => {
  test("once a round what is not used is handed over anew, and a used one is told; nobody is asked twice in a minute", async () => {
    await desk.tick(lookOf(round));
    const [unused, gone] = [win(1, { lastValidRound: round + 3n }), win(2, { lastValidRound: round + 3n })];
    await pass(0);
    expect(contextOf(unused)?.entrusted).toEqual({ redeemer: name, round });
    used = (hashes) => hashes.map((hash) => hash === gone);
    await desk.tick(lookOf(round + 1n));
    await settled();
    expect(seenUsed).toEqual([gone]);
    expect([deliveries(unused), deliveries(gone)]).toEqual([2, 1]);
    expect(contextOf(unused)?.entrusted).toEqual({ redeemer: name, round: round + 1n });
    expect(redeemer.asked).toEqual([winTicket.sender]);
    for (let times = 0; times < 10; times++) {
      await desk.tick(lookOf(round + 2n));
      await pass(5_900);
    }
    expect(deliveries(unused)).toBe(2);
    await pass(1_000);
    await desk.tick(lookOf(round + 2n));
    await settled();
    expect(deliveries(unused)).toBe(3);
    // In the same round it has it.
    await pass(60_000);
    await desk.tick(lookOf(round + 2n));
    await settled();
    expect(deliveries(unused)).toBe(3);
  });

  test("a chain that does not say is asked again, and nothing is believed meanwhile", async () => {
    const hash = win(1, { lastValidRound: round + 3n });
    await desk.tick(lookOf(round));
    await settled();
    used = () => null;
    await pass(60_000);
    await desk.tick(lookOf(round + 1n));
    await settled();
    expect([deliveries(hash), seenUsed.length]).toEqual([1, 0]);
  });

  test("nobody is reminded of what is not due", async () => {
    win(1, { lastValidRound: round + 3n });
    await desk.tick(lookOf(round, winTicket.expirationBlock - 1n));
    await settled();
    await pass(60_000);
    await desk.tick(lookOf(round, winTicket.expirationBlock - 1n));
    expect(redeemer.asked).toEqual([]);
  });
});
