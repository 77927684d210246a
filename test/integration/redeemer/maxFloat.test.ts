import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { encodeMaxFloatRequest, readMaxFloat, redeemerPaths } from "../../../src/protocol/redeemer.ts";
import { eventually } from "../../support/eventually.ts";
import { freshKey, type MoneyWorld, openMoneyWorld } from "../../support/onchainNode.ts";
import {
  monitor,
  openRedeemer,
  queueTicket,
  type TestRedeemer,
  winnerOf,
} from "../../support/redeemerFixture.ts";
import type { Http2Client } from "../../support/serverClients.ts";
import { accountOfPrivateKey } from "../../support/signatures.ts";

/*
 * Goal: an orchestrator knows at any time what the funds of a gateway cover, and its streams cost the redeemer nothing
 * that they do not need. Method: a whole redeemer on a development chain; the test is the orchestrator.
 */

setDefaultTimeout(120_000);

const oneEth = 10n ** 18n;

let world: MoneyWorld;
beforeAll(async () => {
  world = await openMoneyWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

async function openKnowing(): Promise<TestRedeemer> {
  const redeemer = await openRedeemer(world);
  await eventually("the chain is known", () => (redeemer.running.money.chain.clock() === null ? null : true));
  return redeemer;
}

async function maxFloatOf(client: Http2Client, sender: Uint8Array): Promise<bigint> {
  const { status, value } = await client.call(redeemerPaths.maxFloat, encodeMaxFloatRequest(sender));
  expect(status).toBe(0);
  const read = readMaxFloat(value ?? new Uint8Array(0));
  if (read.type === "unreadable") throw new Error(read.text);
  return read.maxFloat;
}

/** The share of one ETH of reserve that is ours: the pool of a development chain claims to hold ten. */
const share = oneEth / 10n;

test("MaxFloat is what the sender's reserve covers, and nothing for a stranger or no sender", async () => {
  await using redeemer = await openKnowing();
  const client = redeemer.connect();
  const account = accountOfPrivateKey(await world.fundedKey());
  expect(await maxFloatOf(client, account)).toBe(share);
  const word = new Uint8Array(32);
  word.set(account, 12);
  expect(await maxFloatOf(client, word)).toBe(share);
  expect(await maxFloatOf(client, accountOfPrivateKey(freshKey()))).toBe(0n);
  expect(await maxFloatOf(client, new Uint8Array([1, 2, 3]))).toBe(0n);
  const { status, value } = await client.call(redeemerPaths.maxFloat, new Uint8Array(0));
  expect([status, value?.length]).toEqual([0, 0]);
});

test("MaxFloat is Internal while the chain cannot be read, and the redeemer takes tickets all the same", async () => {
  const { bytes } = await winnerOf(world.chain, await world.fundedKey());
  world.chain.rpc.fault = { type: "cut" };
  try {
    await using redeemer = await openRedeemer(world);
    const client = redeemer.connect();
    const request = encodeMaxFloatRequest(new Uint8Array(20).fill(7));
    const answer = await client.call(redeemerPaths.maxFloat, request);
    expect(answer.status).toBe(13);
    expect(answer.message).toContain("the chain cannot be read");
    expect((await queueTicket(client, bytes)).status).toBe(0);
  } finally {
    world.chain.rpc.fault = { type: "none" };
  }
});

test("payments check 49: nothing at first, one update for each change of what is pending", async () => {
  await using redeemer = await openKnowing();
  const client = redeemer.connect();
  const key = await world.fundedKey();
  const account = accountOfPrivateKey(key);
  expect(await maxFloatOf(client, account)).toBe(share);
  const [own, other] = [account, accountOfPrivateKey(await world.fundedKey())].map((sender) =>
    monitor(client, encodeMaxFloatRequest(sender)),
  );
  if (own === undefined || other === undefined) throw new Error("There are two.");
  await Promise.all([own.opened, other.opened]);
  await world.chain.mine(3);
  const { money } = redeemer.running;
  const seen = (await world.chain.blockNumber()) - 1n;
  await eventually("looks at the chain", () => ((money.chain.clock()?.l1Block ?? 0n) >= seen ? true : null));
  expect(own.updates).toEqual([]);
  await world.chain.holdMining();
  try {
    // Nothing is mined: the ticket stays on its way. The deposit covers it more than three times over.
    const faceValue = oneEth / 100n;
    expect((await queueTicket(client, (await winnerOf(world.chain, key, { faceValue })).bytes)).status).toBe(
      0,
    );
    await eventually("one update", () => (own.updates.length > 0 ? true : null));
    expect(own.updates).toEqual([share]);
  } finally {
    await world.chain.automine();
  }
  await world.chain.mine(2);
  await eventually("another one when it is mined", () => (own.updates.length > 1 ? true : null));
  expect(own.updates).toEqual([share, share]);
  expect(other.updates).toEqual([]);
  own.cancel();
  other.cancel();
});

test("what is pending beyond a third of the deposit comes off", async () => {
  await using redeemer = await openKnowing();
  const client = redeemer.connect();
  const key = await world.fundedKey(oneEth / 10n, oneEth);
  const account = accountOfPrivateKey(key);
  expect(await maxFloatOf(client, account)).toBe(share);
  const stream = monitor(client, encodeMaxFloatRequest(account));
  await stream.opened;
  await world.chain.holdMining();
  try {
    const faceValue = oneEth / 20n;
    expect((await queueTicket(client, (await winnerOf(world.chain, key, { faceValue })).bytes)).status).toBe(
      0,
    );
    await eventually("one update", () => (stream.updates.length > 0 ? true : null));
    expect(stream.updates).toEqual([share - faceValue]);
    expect(await maxFloatOf(client, account)).toBe(share - faceValue);
  } finally {
    await world.chain.automine();
    await world.chain.mine(1);
  }
  stream.cancel();
});

test("payments check 49: a client that cancels, or goes, frees its subscription", async () => {
  await using redeemer = await openKnowing();
  const { floats } = redeemer.running;
  const [client, gone] = [redeemer.connect(), redeemer.connect()];
  const message = encodeMaxFloatRequest(new Uint8Array(20).fill(3));
  const streams = [monitor(client, message), monitor(client, message), monitor(gone, message)];
  await Promise.all(streams.map(({ opened }) => opened));
  expect(floats.size).toBe(3);
  streams[0]?.cancel();
  await eventually("one is free", () => (floats.size === 2 ? true : null));
  gone.session.destroy();
  await eventually("two are free", () => (floats.size === 1 ? true : null));
  streams[1]?.cancel();
  await eventually("all are free", () => (floats.size === 0 ? true : null));
});

test("a redeemer that stops ends its streams with OK", async () => {
  const redeemer = await openKnowing();
  const client = redeemer.connect();
  const stream = monitor(client, encodeMaxFloatRequest(new Uint8Array(20).fill(3)));
  await stream.opened;
  await redeemer.running.drain();
  expect(await stream.ended).toBe(0);
  await redeemer[Symbol.asyncDispose]();
});

test("10,000 subscriptions: the surplus is refused, and tickets still come through", async () => {
  await using redeemer = await openKnowing();
  const { floats } = redeemer.running;
  const statuses: (number | null)[] = [];
  const clients = Array.from({ length: 5 }, () => redeemer.connect());
  for (const client of clients) {
    const opened = Array.from({ length: 2_000 }, (_, index) => {
      const sender = new Uint8Array(20);
      new DataView(sender.buffer).setUint32(16, index);
      const stream = monitor(client, encodeMaxFloatRequest(sender));
      void stream.ended.then((status) => statuses.push(status));
      return stream.opened;
    });
    await Promise.all(opened);
  }
  await eventually("the surplus is refused", () => (statuses.length >= 10_000 - 2_048 ? true : null));
  expect(floats.size).toBe(2_048);
  expect(new Set(statuses)).toEqual(new Set([8]));
  const { bytes } = await winnerOf(world.chain, await world.fundedKey());
  for (const client of clients) expect((await queueTicket(client, bytes)).status).toBe(0);
  for (const client of clients) client.session.destroy();
  await eventually("all are free", () => (floats.size === 0 ? true : null));
  expect(redeemer.fatal).toEqual([]);
});
