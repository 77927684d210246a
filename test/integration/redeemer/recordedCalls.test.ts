import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { fromHex } from "../../../src/protocol/bytes.ts";
import { redeemerPaths } from "../../../src/protocol/redeemer.ts";
import { eventually } from "../../support/eventually.ts";
import { type MoneyWorld, openMoneyWorld } from "../../support/onchainNode.ts";
import { openRedeemer, type TestRedeemer } from "../../support/redeemerFixture.ts";
import type { Http2Client } from "../../support/serverClients.ts";
import vectors from "../../vectors/redeemer.json";

/*
 * Goal: the calls that were recorded between go-livepeer's orchestrator and its redeemer mean the same to ours, except
 * where theirs takes what can never be redeemed, or dies. Method: the recorded bytes, one after the other, to a redeemer
 * for the recorded recipient, with the recorded round and the recorded sender's funds.
 */

setDefaultTimeout(120_000);

const recipient = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const invalidArgument = 3;

/** Status of ours where it is another one on purpose. */
const different: Readonly<Record<string, number>> = {
  "QueueTicket, recipient of 22 bytes (last 20 count), altered signature": invalidArgument,
  // Idempotent: an orchestrator that was not told tries again.
  "QueueTicket, the ticket O has already queued": 0,
  "QueueTicket, altered signature (not verified here)": invalidArgument,
  "QueueTicket, the same once more": invalidArgument,
  "QueueTicket, no signature": invalidArgument,
  "QueueTicket, no recipient rand": invalidArgument,
  "QueueTicket, no face value": invalidArgument,
  "QueueTicket, params expired at block 1": invalidArgument,
  "QueueTicket, creation round in the future": invalidArgument,
  "QueueTicket, sender without funds": invalidArgument,
  "QueueTicket without ticket_params": invalidArgument,
};

let world: MoneyWorld;
let redeemer: TestRedeemer;
let client: Http2Client;
beforeAll(async () => {
  world = await openMoneyWorld();
  await world.chain.setActive(recipient, true);
  await world.chain.setRound(5n);
  redeemer = await openRedeemer(world, { flags: ["-ethOrchAddr", recipient] });
  const round = () => redeemer.running.money.chain.clock()?.lastInitializedRound;
  await eventually("the round is known", () => (round() === 5n ? true : null));
  client = redeemer.connect();
});
afterAll(async () => {
  await redeemer[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

const calls = vectors.cases.filter(({ name }) => name.startsWith("QueueTicket"));
const unfunded = vectors.cases.filter(
  ({ name, answer }) => name.startsWith("MaxFloat") && answer.max_float === "0x",
);

test("no case is left out", () => {
  expect([calls.length, unfunded.length]).toEqual([13, 3]);
  const names = new Set(calls.map(({ name }) => name));
  expect(Object.keys(different).filter((name) => !names.has(name))).toEqual([]);
});

test.each(calls.map((call) => [call.name, call] as const))("payments 7.9: %s", async (name, call) => {
  const answer = await client.call(
    redeemerPaths.queueTicket,
    fromHex(call.requestBytes) ?? new Uint8Array(0),
  );
  expect(answer.status).toBe(different[name] ?? call.answer.status);
  if (name in different) return;
  expect(answer.message).toBe(call.answer.message ?? "");
});

test.each(unfunded.map((call) => [call.name, call] as const))("payments 7.9: %s", async (_, call) => {
  const answer = await client.call(redeemerPaths.maxFloat, fromHex(call.requestBytes) ?? new Uint8Array(0));
  expect([answer.status, answer.value?.length]).toEqual([0, 0]);
});
