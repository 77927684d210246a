import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { rmSync } from "node:fs";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { checksumHex } from "../../../src/protocol/account.ts";
import { TicketSchema } from "../../../src/protocol/gen/lp_rpc_pb.ts";
import { encodeQueuedTicket, redeemerPaths } from "../../../src/protocol/redeemer.ts";
import { runLedger } from "../../../src/ledger/ledgerCommand.ts";
import { rowsOf, tickets } from "../../unit/ledger/moneyFolder.ts";
import { eventually } from "../../support/eventually.ts";
import { recordedEvents, verifyLog } from "../../support/nodeLog.ts";
import { temporaryDir } from "../../support/nodeFixture.ts";
import {
  freshKey,
  type MoneyWorld,
  nodeAccount,
  openMoneyWorld,
  wonTickets,
} from "../../support/onchainNode.ts";
import {
  openRedeemer,
  queueTicket,
  redeemerAccount,
  type TestRedeemer,
  winnerOf,
} from "../../support/redeemerFixture.ts";

/*
 * Goal: what an orchestrator hands over is durable before it is acknowledged, is redeemed once and for its recipient,
 * and nothing that cannot be redeemed gets in. Method: a whole redeemer on a development chain; the test is the
 * orchestrator, on real connections.
 */

setDefaultTimeout(120_000);

let world: MoneyWorld;
beforeAll(async () => {
  // All in one round, however many blocks the tests mine.
  world = await openMoneyWorld({ roundLength: 1_000n });
});
afterAll(() => world[Symbol.asyncDispose]());

const typesOf = (dataDir: string, hash: string): readonly string[] =>
  recordedEvents(dataDir)
    .filter(({ stream }) => stream === `ticket:${hash}`)
    .map(({ event }) => event.type);

const until = (what: string, dataDir: string, hash: string, type: string): Promise<unknown> =>
  eventually(what, async () => {
    await world.chain.mine(1);
    // A block now and then: the round must outlast the test.
    await Bun.sleep(50);
    return typesOf(dataDir, hash).includes(type) ? true : null;
  });

describe("payments check 48", () => {
  let redeemer: TestRedeemer;
  beforeAll(async () => {
    redeemer = await openRedeemer(world);
    await eventually("the chain is known", () =>
      redeemer.running.money.chain.clock() === null ? null : true,
    );
  });
  afterAll(() => redeemer[Symbol.asyncDispose]());

  test("payments check 48: a ticket of another recipient is refused with the exact text", async () => {
    const client = redeemer.connect();
    const before = wonTickets(redeemer.dataDir);
    const other = new Uint8Array(20).fill(0xab);
    const { bytes } = await winnerOf(world.chain, await world.fundedKey(), { recipient: other });
    const answer = await queueTicket(client, bytes);
    expect(answer).toMatchObject({
      status: 7,
      message: `invalid ticket recipient 0x${"ab".repeat(20)}, expected ${checksumHex(nodeAccount)}`,
    });
    const none = fromBinary(TicketSchema, bytes);
    if (none.ticketParams !== undefined) none.ticketParams.recipient = new Uint8Array(0);
    expect(await queueTicket(client, toBinary(TicketSchema, none))).toMatchObject({
      status: 7,
      message: `invalid ticket recipient 0x, expected ${checksumHex(nodeAccount)}`,
    });
    expect(wonTickets(redeemer.dataDir)).toEqual(before);
  });

  test("payments check 48: an empty message, or one that lacks a part, is InvalidArgument, and the process lives", async () => {
    const client = redeemer.connect();
    const before = wonTickets(redeemer.dataDir);
    const { bytes } = await winnerOf(world.chain, await world.fundedKey());
    const without = (...fields: readonly ("ticketParams" | "senderParams" | "expirationParams")[]) => {
      const message = fromBinary(TicketSchema, bytes);
      for (const field of fields) delete message[field];
      return toBinary(TicketSchema, message);
    };
    const messages = [
      new Uint8Array(0),
      toBinary(TicketSchema, create(TicketSchema)),
      ...[without("ticketParams"), without("senderParams"), without("expirationParams")],
      ...[new Uint8Array([0xff, 0xff, 0xff]), bytes.subarray(0, bytes.length - 1)],
    ];
    for (const message of messages) expect((await queueTicket(client, message)).status).toBe(3);
    expect(wonTickets(redeemer.dataDir)).toEqual(before);
    expect((await queueTicket(client, bytes)).status).toBe(0);
  });

  test("payments check 48: the same ticket twice is OK both times, and recorded once", async () => {
    const { bytes, hash } = await winnerOf(world.chain, await world.fundedKey());
    const answers = await Promise.all(
      [redeemer.connect(), redeemer.connect()].map((client) => queueTicket(client, bytes)),
    );
    expect(answers.map(({ status }) => status)).toEqual([0, 0]);
    expect((await queueTicket(redeemer.connect(), bytes)).status).toBe(0);
    expect(wonTickets(redeemer.dataDir).filter((won) => won === hash)).toHaveLength(1);
  });

  test("a ticket that can never be redeemed is InvalidArgument, each with its reason", async () => {
    const client = redeemer.connect();
    const key = await world.fundedKey();
    const before = wonTickets(redeemer.dataDir).length;
    const refusalOf = async (made: Awaited<ReturnType<typeof winnerOf>>): Promise<string> => {
      const { status, message } = await queueTicket(client, made.bytes);
      expect(status).toBe(3);
      return message;
    };
    const { chain } = world;
    expect(await refusalOf(await winnerOf(chain, key, { signer: freshKey() }))).toContain("signature");
    expect(await refusalOf(await winnerOf(chain, key, { winProb: 0n }))).toContain("does not win");
    expect(await refusalOf(await winnerOf(chain, key, { faceValue: 0n }))).toContain("face value");
    expect(await refusalOf(await winnerOf(chain, key, { creationRound: 1_000n }))).toContain("round 1000");
    const { ticket } = await winnerOf(chain, key);
    const strange = encodeQueuedTicket({ ...ticket, recipientRand: new Uint8Array(32).fill(9) });
    expect(await queueTicket(client, strange)).toMatchObject({ status: 3 });
    const late = encodeQueuedTicket({ ...ticket, expirationBlock: 1n << 200n });
    expect(await queueTicket(client, late)).toMatchObject({ status: 3 });
    expect(wonTickets(redeemer.dataDir)).toHaveLength(before);
  });

  test("nothing else is served at the port", async () => {
    const client = redeemer.connect();
    const status = async (path: string) => (await client.call(path, new Uint8Array(0))).status;
    expect(await status("/net.Orchestrator/GetOrchestrator")).toBe(12);
    expect(await status("/net.TicketRedeemer/Nothing")).toBe(12);
    const base = `https://127.0.0.1:${redeemer.port}`;
    const get = (path: string) => fetch(base + path, { tls: { rejectUnauthorized: false } });
    expect((await get("/segment")).status).toBe(404);
    expect((await get("/healthz")).status).toBe(200);
    const { host, port } = redeemer.running.operator.address;
    const ask = async (path: string) => (await fetch(`http://${host}:${port}${path}`)).text();
    expect([await ask("/IsRedeemer"), await ask("/IsOrchestrator")]).toEqual(["true", "false"]);
  });
});

test("a ticket is redeemed for its recipient, and the redeemer pays the gas", async () => {
  const dataDir = temporaryDir();
  {
    await using redeemer = await openRedeemer(world, { dataDir });
    const { bytes, ticket, hash } = await winnerOf(world.chain, await world.fundedKey());
    const fees = await world.chain.feesOf(nodeAccount);
    expect((await queueTicket(redeemer.connect(), bytes)).status).toBe(0);
    expect(typesOf(dataDir, hash)[0]).toBe("TicketWon");
    await until("it is redeemed", dataDir, hash, "TicketRedeemed");
    expect(await world.chain.feesOf(nodeAccount)).toBe(fees + ticket.terms.faceValue);
    const [planned] = recordedEvents(dataDir).filter(({ event }) => event.type === "TransactionPlanned");
    expect(planned?.stream).toStartWith(`transaction:0x${Buffer.from(redeemerAccount).toString("hex")}/`);
    expect(redeemer.fatal).toEqual([]);
    // It comes again, as from an orchestrator that lost its memory.
    expect((await queueTicket(redeemer.connect(), bytes)).status).toBe(0);
    expect(typesOf(dataDir, hash).filter((type) => type === "TicketWon")).toHaveLength(1);
  }
  await verifyLog(dataDir);
  // The books of its folder are right, and the commands of any other folder work on it.
  const lines: string[] = [];
  const print = (line: string): void => void lines.push(line);
  const code = await runLedger(["--dataDir", dataDir, "--check"], { print, printError: print });
  if (code !== 0) throw new Error(lines.join("\n"));
  const listed = await rowsOf<{ readonly state: string }>(
    tickets("list", "--dataDir", dataDir, "--json", "--state", "all"),
  );
  expect(listed.map(({ state }) => state)).toContain("redeemed");
  rmSync(dataDir, { recursive: true, force: true });
});

test("what was taken in before a restart is redeemed after it, without any call", async () => {
  const dataDir = temporaryDir();
  const { bytes, ticket, hash } = await winnerOf(world.chain, await world.fundedKey());
  const later = encodeQueuedTicket({ ...ticket, expirationBlock: ticket.expirationBlock + 20n });
  expect(bytes.length).toBeGreaterThan(0);
  {
    await using redeemer = await openRedeemer(world, { dataDir });
    expect((await queueTicket(redeemer.connect(), later)).status).toBe(0);
  }
  expect(typesOf(dataDir, hash)).toEqual(["TicketWon"]);
  {
    await using _ = await openRedeemer(world, { dataDir });
    await until("it is redeemed", dataDir, hash, "TicketRedeemed");
  }
  rmSync(dataDir, { recursive: true, force: true });
});

test("senders that cannot pay get a little room, and one that can is not kept out by them", async () => {
  await using redeemer = await openRedeemer(world);
  await eventually("the chain is known", () => (redeemer.running.money.chain.clock() === null ? null : true));
  const client = redeemer.connect();
  const poor = freshKey();
  const answers = [];
  for (let count = 0; count < 103; count += 1) {
    answers.push(await queueTicket(client, (await winnerOf(world.chain, poor)).bytes));
  }
  expect(answers.filter(({ status }) => status === 0)).toHaveLength(100);
  expect(answers.at(-1)).toMatchObject({ status: 8 });
  const { bytes } = await winnerOf(world.chain, await world.fundedKey());
  expect((await queueTicket(client, bytes)).status).toBe(0);
});

test("half frames, huge messages and cut calls leave the redeemer at work", async () => {
  await using redeemer = await openRedeemer(world);
  const client = redeemer.connect();
  const path = redeemerPaths.queueTicket;
  const huge = Buffer.alloc(5 + 4 * 1024 * 1024);
  huge.writeUInt32BE(huge.length - 5, 1);
  expect((await client.callRaw(path, huge)).status).toBe(8);
  expect((await redeemer.connect().callRaw(path, Buffer.from([0, 0, 0]))).status).toBe(13);
  expect((await redeemer.connect().callRaw(path, Buffer.from([0, 0, 0, 1, 0, 7]))).status).toBe(13);
  const cut = redeemer.connect().open({
    ...{ ":method": "POST", ":path": path, "content-type": "application/grpc" },
  });
  cut.write(Buffer.from([0, 0]));
  cut.close(8);
  const { bytes } = await winnerOf(world.chain, await world.fundedKey());
  expect((await queueTicket(redeemer.connect(), bytes)).status).toBe(0);
  expect(redeemer.fatal).toEqual([]);
});
