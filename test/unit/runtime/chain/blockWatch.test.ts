import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type LogFolder, logFolder } from "../../../support/logFolder.ts";
import { booked, openWatch, WatchedChain, type Watching } from "./watchedChain.ts";

/*
 * Goal: the books hold every log of the chain that stands, once, and none that does not: whatever endpoints, re-orgs
 * and restarts do. Method: a chain of our own under a watch on a real log.
 */

let folder: LogFolder;
let watching: Watching | null = null;
const minute = 60_000;

beforeEach(() => {
  folder = logFolder();
});
afterEach(async () => {
  await watching?.harness.close();
  watching = null;
  folder[Symbol.dispose]();
});

async function open(chain: WatchedChain, options: Parameters<typeof openWatch>[2] = {}): Promise<Watching> {
  await watching?.harness.close();
  watching = await openWatch(folder.path, chain, options);
  return watching;
}

const events = ({ harness }: Watching) => harness.recorded.map(({ event }) => event.type);

describe("the walk", () => {
  test("a fresh data folder begins at the head, and sees what comes behind it", async () => {
    const chain = new WatchedChain();
    chain.mine(1);
    const start = chain.head;
    const now = await open(chain);
    await now.watch.advance(chain.look(0));
    chain.mine(2);
    chain.mine();
    chain.mine(1);
    await now.watch.advance(chain.look(1), { now: true });
    expect(booked(now)).toEqual([...chain.logsAfter(start)]);
    expect(now.told).toEqual([["logs", chain.logsAfter(start)]]);
    expect(events(now)).toEqual(["WatchStarted", "BlocksSeen"]);
    expect(now.watch.block).toBe(chain.head);
  });

  // Method: go-livepeer needs a second block to see the first, and forgets what it read when a range is cut short.
  test("chain check 35: head 100 is the start, 101 is read when it comes, and neither it nor 102 twice", async () => {
    const chain = new WatchedChain();
    chain.mine(1);
    const start = chain.head;
    const now = await open(chain);
    await now.watch.advance(chain.look(0), { now: true });
    expect(booked(now)).toEqual([]);
    chain.mine(1);
    await now.watch.advance(chain.look(1), { now: true });
    expect(booked(now)).toEqual([...chain.logsAfter(start)]);
    expect(booked(now)).toHaveLength(1);
    chain.mine(1);
    await now.watch.advance(chain.look(2), { now: true });
    await now.watch.advance(chain.look(3), { now: true });
    expect(booked(now)).toEqual([...chain.logsAfter(start)]);
    expect(booked(now)).toHaveLength(2);
  });

  test("a place that the operator names is where it begins", async () => {
    const chain = new WatchedChain();
    for (let index = 0; index < 9; index++) chain.mine(1);
    const now = await open(chain, { startBlock: 1_004n });
    await now.watch.advance(chain.look(0));
    expect(booked(now)).toEqual([...chain.logsAfter(1_004n)]);
    expect(booked(now)).toHaveLength(5);
  });

  test("while nothing is under way it asks every four minutes, and at once when asked to", async () => {
    const chain = new WatchedChain();
    const now = await open(chain);
    for (let second = 0; second <= 1_200; second += 12) {
      chain.mine();
      await now.watch.advance(chain.look(second * 1_000));
    }
    expect(chain.asked).toHaveLength(5);
    chain.mine();
    await now.watch.advance(chain.look(1_201_000), { now: true });
    expect(chain.asked).toHaveLength(6);
  });

  // A day of an idle Arbitrum: the log of events must not grow with the chain.
  test("empty blocks are written down about once an hour", async () => {
    const chain = new WatchedChain();
    const now = await open(chain);
    for (let minutes = 0; minutes <= 24 * 60; minutes += 2) {
      chain.mineMany(1);
      await now.watch.advance(chain.look(minutes * minute));
    }
    expect(events(now).filter((type) => type === "BlocksSeen").length).toBeWithin(22, 26);
  });

  test("a restart reads again what was not written, and tells nothing twice", async () => {
    const chain = new WatchedChain();
    let now = await open(chain);
    await now.watch.advance(chain.look(0));
    chain.mine(1);
    await now.watch.advance(chain.look(1), { now: true });
    chain.mineMany(50);
    await now.watch.advance(chain.look(2), { now: true });
    const [, written] = chain.asked.at(-2) ?? [0n, 0n];
    now = await open(chain);
    chain.mine(1);
    await now.watch.advance(chain.look(3));
    expect(chain.asked.at(-1)).toEqual([written + 1n, chain.head]);
    expect(now.told).toEqual([["logs", chain.logsAfter(written)]]);
    expect(booked(now)).toEqual([...chain.logsAfter(1_000n)]);
  });

  test("many logs become several events, none of which cuts a block in two", async () => {
    const chain = new WatchedChain();
    const now = await open(chain);
    await now.watch.advance(chain.look(0));
    for (let block = 0; block < 6; block++) chain.mine(90);
    await now.watch.advance(chain.look(1), { now: true });
    const sizes = now.told.map(([, logs]) => (logs as readonly unknown[]).length);
    expect(sizes).toEqual([270, 270]);
    expect(booked(now)).toEqual([...chain.logsAfter(1_000n)]);
  });
});

describe("endpoints", () => {
  test("chain check 37: a range that is too large is halved, and the bound is found once", async () => {
    const chain = new WatchedChain();
    const now = await open(chain, { startBlock: 1_000n });
    chain.rangeMax = 10n;
    for (let index = 0; index < 300; index++) chain.mine(index % 7 === 0 ? 1 : 0);
    for (let tick = 0; tick < 30; tick++) await now.watch.advance(chain.look(tick));
    expect(booked(now)).toEqual([...chain.logsAfter(1_000n)]);
    const refused = chain.asked.filter(([from, to]) => to - from >= 10n);
    expect(refused.length).toBeLessThan(12);
    const last = chain.asked.slice(-5, -1).map(([from, to]) => to - from + 1n);
    expect(last).toEqual([10n, 10n, 10n, 10n]);
  });

  test("chain check 37: what fails is asked again from the same place, with the words that the endpoint used", async () => {
    const chain = new WatchedChain();
    const now = await open(chain);
    await now.watch.advance(chain.look(0));
    chain.mine(1);
    chain.mood = "failed";
    await now.watch.advance(chain.look(1), { now: true });
    chain.mood = "no-hash";
    await now.watch.advance(chain.look(2));
    chain.mood = "good";
    // Without being told to: it knows that it is behind.
    await now.watch.advance(chain.look(3));
    expect(now.troubles).toEqual([
      "Logs of 1001 to 1001 cannot be read: 429",
      "The hash of block 1000 cannot be read.",
      null,
    ]);
    expect(booked(now)).toHaveLength(1);
  });

  test("a range that lacks what a receipt showed is read again until it is whole", async () => {
    const chain = new WatchedChain();
    const now = await open(chain);
    await now.watch.advance(chain.look(0));
    chain.mine(2);
    const [log] = chain.logsAfter(1_000n);
    if (log === undefined) throw new Error();
    now.watch.note(chain.receiptOf(log));
    chain.mood = "incomplete";
    await now.watch.advance(chain.look(1));
    expect([booked(now).length, now.incomplete.length]).toEqual([0, 1]);
    chain.mood = "good";
    await now.watch.advance(chain.look(2));
    expect(booked(now)).toEqual([...chain.logsAfter(1_000n)]);
  });

  test("a receipt is believed when no endpoint ever shows its logs, unless its block is gone", async () => {
    const chain = new WatchedChain();
    const now = await open(chain);
    await now.watch.advance(chain.look(0));
    chain.mine(1);
    const [log] = chain.logsAfter(1_000n);
    if (log === undefined) throw new Error();
    now.watch.note(chain.receiptOf(log));
    now.watch.note({ ...chain.receiptOf(log), hash: "0xaa", blockHash: "0xbb" });
    chain.mood = "incomplete";
    for (let tick = 1; tick < 6; tick++) await now.watch.advance(chain.look(tick));
    expect(booked(now)).toEqual([log]);
    expect(now.incomplete.length).toBe(4);
  });

  test("a receipt that comes after its range was read brings the watch back, and nobody hears of a re-org", async () => {
    const chain = new WatchedChain();
    const now = await open(chain);
    await now.watch.advance(chain.look(0));
    chain.mood = "incomplete";
    chain.mine(1);
    chain.mineMany(20_000);
    await now.watch.advance(chain.look(1), { now: true });
    expect(now.watch.block).toBe(chain.head);
    chain.mood = "good";
    const [log] = chain.logsAfter(1_000n);
    if (log === undefined) throw new Error();
    now.watch.note(chain.receiptOf(log));
    await now.watch.advance(chain.look(2));
    expect(booked(now)).toEqual([log]);
    expect(now.told).toEqual([["logs", [log]]]);
    // The same receipt again is no news.
    now.watch.note(chain.receiptOf(log));
    const asked = chain.asked.length;
    await now.watch.advance(chain.look(3));
    expect(chain.asked.length).toBe(asked);
  });

  test("a head that falls back for a moment undoes nothing; a chain that is another one does", async () => {
    const chain = new WatchedChain();
    const now = await open(chain);
    await now.watch.advance(chain.look(0));
    chain.mine(1);
    await now.watch.advance(chain.look(1), { now: true });
    chain.reorganise(2);
    chain.mineMany(1);
    await now.watch.advance(chain.look(5 * minute));
    await now.watch.advance(chain.look(10 * minute));
    expect(booked(now)).toHaveLength(1);
    await now.watch.advance(chain.look(15 * minute));
    expect(booked(now)).toHaveLength(0);
    expect(now.told.at(-1)).toEqual(["undone", 1_000n]);
    chain.mine(1);
    await now.watch.advance(chain.look(16 * minute), { now: true });
    expect(booked(now)).toEqual([...chain.logsAfter(1_000n)]);
  });
});

describe("re-orgs", () => {
  test("what is above the last common checkpoint is undone and read again", async () => {
    const chain = new WatchedChain();
    const now = await open(chain);
    for (let tick = 0; tick < 10; tick++) {
      await now.watch.advance(chain.look(tick), { now: true });
      chain.mine(1);
    }
    await now.watch.advance(chain.look(10), { now: true });
    chain.reorganise(3);
    for (let block = 0; block < 5; block++) chain.mine(1);
    await now.watch.advance(chain.look(11), { now: true });
    expect(now.told.slice(-2)).toEqual([
      ["undone", 1_007n],
      ["logs", chain.logsAfter(1_007n)],
    ]);
    expect(booked(now)).toEqual([...chain.logsAfter(1_000n)]);
  });

  test("one deeper than everything that is remembered begins at the oldest place", async () => {
    const chain = new WatchedChain();
    chain.mineMany(3);
    const now = await open(chain);
    for (let tick = 0; tick < 100; tick++) {
      await now.watch.advance(chain.look(tick), { now: true });
      chain.mine(1);
    }
    chain.reorganise(103);
    for (let block = 0; block < 120; block++) chain.mine(1);
    for (let tick = 100; tick < 104; tick++) await now.watch.advance(chain.look(tick), { now: true });
    expect(now.told).toContainEqual(["undone", 1_003n]);
    expect(booked(now)).toEqual([...chain.logsAfter(1_003n)]);
  });

  // The place behind which a range was read may be gone between two questions.
  test("one that happens while a range is read leaves nothing of the old chain behind", async () => {
    const chain = new WatchedChain();
    const now = await open(chain);
    await now.watch.advance(chain.look(0));
    chain.mine(1);
    await now.watch.advance(chain.look(1), { now: true });
    chain.mine(1);
    const look = chain.look(2);
    chain.onAsked = () => {
      chain.onAsked = () => {};
      chain.reorganise(2);
      chain.mine(2);
      chain.mine(2);
    };
    await now.watch.advance(look, { now: true });
    await now.watch.advance(chain.look(3), { now: true });
    expect(booked(now)).toEqual([...chain.logsAfter(1_000n)]);
  });

  // Random lives: blocks, re-orgs of any depth, bad endpoints, restarts, receipts. In the end the endpoint is good.
  test("whatever happens, the books become the chain", async () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ kind: fc.constant("mine" as const), count: fc.nat({ max: 3 }) }) },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant("empty" as const), count: fc.nat({ max: 40 }) }),
      },
      { weight: 5, arbitrary: fc.record({ kind: fc.constant("advance" as const), count: fc.nat() }) },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant("reorganise" as const), count: fc.nat({ max: 60 }) }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const), count: fc.constant(0) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("mood" as const), count: fc.nat({ max: 3 }) }) },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant("bound" as const), count: fc.integer({ min: 1, max: 30 }) }),
      },
    );
    const moods = ["good", "failed", "no-hash", "good"] as const;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        using own = logFolder();
        const chain = new WatchedChain();
        let now = await openWatch(own.path, chain);
        let atMs = 0;
        await now.watch.advance(chain.look(atMs));
        for (const { kind, count } of steps) {
          atMs += 12_000;
          if (kind === "mine") chain.mine(count);
          else if (kind === "empty") chain.mineMany(count);
          else if (kind === "reorganise") {
            chain.reorganise(Math.min(count, Number(chain.head - chain.first)));
            chain.mine(1);
          } else if (kind === "mood") chain.mood = moods[count] ?? "good";
          else if (kind === "bound") chain.rangeMax = BigInt(count);
          else if (kind === "restart") {
            await now.harness.close();
            now = await openWatch(own.path, chain);
          } else await now.watch.advance(chain.look(atMs), { now: true });
        }
        chain.mood = "good";
        chain.rangeMax = 1_000n;
        for (let tick = 0; tick < 6; tick++) {
          chain.mine(1);
          atMs += 700_000;
          await now.watch.advance(chain.look(atMs), { now: true });
        }
        expect(booked(now)).toEqual([...chain.logsAfter(chain.first)]);
        expect(now.harness.faults).toEqual([]);
        await now.harness.close();
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});
