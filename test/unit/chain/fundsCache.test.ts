import { describe, expect, test } from "bun:test";
import { FundsCache } from "../../../src/chain/fundsCache.ts";
import type { ReadFunds } from "../../../src/chain/fundsReader.ts";
import { toHex } from "../../../src/protocol/bytes.ts";
import type { SenderFunds } from "../../../src/runtime/ports.ts";
import type { Hex } from "../../../src/shared/brand.ts";

/*
 * Goal: known gateways are served from memory whatever happens, and made-up accounts push nobody out. Method: the
 * test owns the monotonic clock, the round and the answers of the chain.
 */

const empty: ReadFunds = { deposit: 0n, reserve: 0n, claimedInRound: 0n, claimedByUs: 0n, withdrawRound: 0n };
const rich: ReadFunds = {
  deposit: 50n,
  reserve: 100n,
  claimedInRound: 8n,
  claimedByUs: 3n,
  withdrawRound: 0n,
};

function account(index: number): Uint8Array {
  const bytes = new Uint8Array(20);
  new DataView(bytes.buffer).setUint32(16, index);
  return bytes;
}

function open(seed: ReadonlyMap<Hex, SenderFunds> = new Map()) {
  const world = {
    atMs: 0,
    round: 10n as bigint | null,
    chain: new Map<Hex, ReadFunds>(),
    isDown: false,
    reads: [] as { sender: Hex; isKnown: boolean }[],
    told: [] as SenderFunds[],
  };
  const cache = new FundsCache({
    read: async (sender, isKnown) => {
      world.reads.push({ sender: toHex(sender), isKnown });
      return world.isDown ? null : (world.chain.get(toHex(sender)) ?? empty);
    },
    round: () => world.round,
    nowMs: () => 1_700_000_000_000 + world.atMs,
    monotonicMs: () => world.atMs,
    seed,
    onFunds: (_sender, funds) => world.told.push(funds),
  });
  return { cache, world };
}

/** Lets everything run that waits for promises only. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

test("unknown funds are null at once, are read once for all who ask, and are then known", async () => {
  const { cache, world } = open();
  world.chain.set(toHex(account(1)), rich);
  expect(cache.peek(account(1))).toBeNull();
  const [first, second] = await Promise.all([cache.read(account(1)), cache.read(account(1))]);
  expect(first).toEqual({ ...rich, readAtMs: 1_700_000_000_000 });
  expect(second).toEqual(first);
  expect(cache.peek(account(1))).toEqual(first);
  expect(world.reads).toEqual([{ sender: toHex(account(1)), isKnown: false }]);
});

test("after 15 s the old value is served at once, and read again behind it", async () => {
  const { cache, world } = open();
  world.chain.set(toHex(account(1)), rich);
  await cache.read(account(1));
  world.chain.set(toHex(account(1)), { ...rich, deposit: 7n });
  world.atMs = 15_000;
  expect((await cache.read(account(1)))?.deposit).toBe(50n);
  world.atMs = 15_001;
  expect(cache.peek(account(1))?.deposit).toBe(50n);
  await settle();
  expect(cache.peek(account(1))?.deposit).toBe(7n);
  expect(world.reads.length).toBe(2);
  expect(world.told.map((funds) => funds.deposit)).toEqual([50n, 7n]);
});

test("in an outage the last value is served, retried every 5 s only, and `read` says null", async () => {
  const { cache, world } = open();
  world.chain.set(toHex(account(1)), rich);
  await cache.read(account(1));
  world.isDown = true;
  world.atMs = 20_000;
  expect(await cache.read(account(1))).toBeNull();
  for (let access = 0; access < 100; access++) {
    expect(cache.peek(account(1))?.reserve).toBe(100n);
    await settle();
  }
  expect(world.reads.length).toBe(2);
  world.atMs = 25_000;
  expect(cache.peek(account(1))?.reserve).toBe(100n);
  await settle();
  expect(world.reads.length).toBe(3);
});

test("a new round: nothing is claimed in it, and the funds are read again however fresh", async () => {
  const { cache, world } = open();
  world.chain.set(toHex(account(1)), rich);
  await cache.read(account(1));
  world.round = 11n;
  world.isDown = true;
  expect(cache.peek(account(1))).toMatchObject({ reserve: 100n, claimedInRound: 0n, claimedByUs: 0n });
  await settle();
  expect(world.reads.length).toBe(2);
});

test("what an earlier life knew is served as it was, and read again", async () => {
  const seeded: SenderFunds = { ...rich, readAtMs: 5 };
  const { cache, world } = open(new Map([[toHex(account(1)), seeded]]));
  world.chain.set(toHex(account(1)), rich);
  expect(cache.peek(account(1))).toEqual(seeded);
  await settle();
  expect(world.reads).toEqual([{ sender: toHex(account(1)), isKnown: true }]);
  expect(cache.peek(account(1))?.readAtMs).toBe(1_700_000_000_000);
  // Nothing but the time differs: that is no news.
  expect(world.told).toEqual([]);
});

describe("accounts without funds", () => {
  test("are known for 30 s, and nobody is told of them", async () => {
    const { cache, world } = open();
    expect(await cache.read(account(1))).toMatchObject(empty);
    world.atMs = 30_000;
    expect(cache.peek(account(1))).toMatchObject(empty);
    await settle();
    world.atMs = 60_001;
    expect(cache.peek(account(1))).toBeNull();
    expect(world.told).toEqual([]);
  });

  test("push no funded gateway out, and do not pile up", async () => {
    const { cache, world } = open();
    world.chain.set(toHex(account(1)), rich);
    await cache.read(account(1));
    for (let index = 2; index < 5_002; index++) await cache.read(account(index));
    expect(cache.size).toBe(1_001);
    expect(cache.peek(account(1))?.deposit).toBe(50n);
  });

  test("a gateway that took everything back becomes one, and that is news; so is its return", async () => {
    const { cache, world } = open();
    world.chain.set(toHex(account(1)), rich);
    await cache.read(account(1));
    world.chain.delete(toHex(account(1)));
    world.atMs = 16_000;
    expect((await cache.read(account(1)))?.deposit).toBe(0n);
    world.chain.set(toHex(account(1)), rich);
    world.atMs = 32_000;
    expect((await cache.read(account(1)))?.deposit).toBe(50n);
    expect(world.told.map((funds) => funds.deposit)).toEqual([50n, 0n, 50n]);
  });
});

test("of more than 10,000 funded gateways those used last are kept", async () => {
  const { cache, world } = open();
  for (let index = 0; index <= 10_000; index++) {
    world.chain.set(toHex(account(index)), rich);
    await cache.read(account(index));
    cache.peek(account(0));
  }
  expect(cache.size).toBe(10_000);
  expect(cache.peek(account(0))).not.toBeNull();
  expect(cache.peek(account(1))).toBeNull();
});

test("chain check 16 (do better): whoever asks waits a bounded time; the read goes on for the next one", async () => {
  const { promise, resolve } = Promise.withResolvers<typeof rich | null>();
  const told: SenderFunds[] = [];
  const cache = new FundsCache({
    ...{ read: () => promise, round: () => 1n, nowMs: () => 0, monotonicMs: () => 0, seed: new Map() },
    ...{ waitMaxMs: 10, onFunds: (_sender, funds) => told.push(funds) },
  });
  expect(await cache.read(account(1))).toBeNull();
  resolve(rich);
  expect(await cache.read(account(1))).toMatchObject(rich);
  expect(told.length).toBe(1);
});
