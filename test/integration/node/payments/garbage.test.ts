import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { segmentData } from "../../../../src/demo/gatewayClient.ts";
import { connectHttp2, http2Call } from "../../../../src/demo/http2Call.ts";
import {
  type Payment,
  PaymentSchema,
  PriceInfoSchema,
  SegDataSchema,
} from "../../../../src/protocol/gen/lp_rpc_pb.ts";
import { segmentMessage } from "../../../../src/protocol/segmentCredentials.ts";
import {
  auditMoney,
  everyTicketWins,
  type MoneyWorld,
  type OnchainNode,
  openMoneyWorld,
  openOnchainNode,
  recordedPayments,
  wonTickets,
} from "../../../support/onchainNode.ts";
import { signPersonalMessage } from "../../../support/signatures.ts";
import { TicketSession } from "../../../support/gatewayTickets.ts";

/*
 * Goal: payments of random bytes, and good ones with random damage, do nothing but be refused: the node lives, each
 * answer comes in time, memory stays where it was, and what was credited are tickets that were good.
 *
 * Method: good payments of three tickets are damaged in a dozen ways. The seed of the damage is printed. A long run:
 * `REPRISE_GARBAGE_PAYMENTS=100000 bun test …`.
 */

const count = Number(process.env["REPRISE_GARBAGE_PAYMENTS"] ?? 3_000);
/** Far more than an answer takes: a stalled machine is no leak, an answer that waits for a time limit is. */
const answerMsMax = 20_000;
/** What a long run may add to the heap, beside the log's own cache. */
const heapGrowthMax = 32 * 1024 * 1024;
const atOnce = 16;

setDefaultTimeout(60_000 + count * 20);

let world: MoneyWorld;
let node: OnchainNode;
beforeAll(async () => {
  world = await openMoneyWorld();
  node = await openOnchainNode(world, { flags: [...everyTicketWins, "-maxGatewayLoss", `${10n ** 18n}`] });
});
afterAll(() => world[Symbol.asyncDispose]());

/** Mulberry32: good enough to break things, and the same again for the same seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

type Random = ReturnType<typeof randomOf>;

function bytesOf(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random(256));
}

const int64s = [0n, 1n, -1n, 1_200n, -1_200n, 2n ** 63n - 1n, -(2n ** 63n)];

/** Damage to the message itself. */
const damages: readonly ((payment: Payment, random: Random) => void)[] = [
  ({ ticketParams }, random) => {
    const fields = [
      "recipient",
      "faceValue",
      "winProb",
      "recipientRandHash",
      "seed",
      "expirationBlock",
    ] as const;
    const field = fields[random(fields.length)] ?? "seed";
    if (ticketParams !== undefined) ticketParams[field] = bytesOf(random, random(70));
  },
  (payment, random) => {
    payment.sender = bytesOf(random, random(64));
  },
  (payment, random) => {
    const pick = () => int64s[random(int64s.length)] ?? 0n;
    payment.expectedPrice = create(PriceInfoSchema, { pricePerUnit: pick(), pixelsPerUnit: pick() });
  },
  (payment) => {
    delete payment.expirationParams;
  },
  (payment) => {
    delete payment.ticketParams;
  },
  (payment) => {
    delete payment.expectedPrice;
  },
  ({ expirationParams }, random) => {
    if (expirationParams === undefined) return;
    expirationParams.creationRound = int64s[random(int64s.length)] ?? 0n;
    expirationParams.creationRoundBlockHash = bytesOf(random, random(66));
  },
  ({ ticketSenderParams }, random) => {
    for (const ticket of ticketSenderParams) {
      ticket.senderNonce = random(2 ** 32);
      if (random(2) === 0) ticket.sig = bytesOf(random, random(130));
    }
  },
  (payment, random) => {
    const [first] = payment.ticketSenderParams;
    if (first !== undefined) payment.ticketSenderParams = Array.from({ length: random(300) }, () => first);
  },
];

/** One header. */
function garbage(good: Uint8Array, random: Random): string {
  const kind = random(6);
  if (kind === 0) return Buffer.from(bytesOf(random, random(400))).toString("base64");
  if (kind === 1) {
    const text = Buffer.from(bytesOf(random, random(300))).toString("latin1");
    return text.replace(/[^\x21-\x7e]/g, "%");
  }
  if (kind === 2) {
    const damaged = Uint8Array.from(good);
    for (let flips = 1 + random(8); flips > 0; flips -= 1) damaged[random(damaged.length)] = random(256);
    return Buffer.from(damaged).toString("base64");
  }
  if (kind === 3) return Buffer.from(good.subarray(0, random(good.length))).toString("base64");
  const payment = fromBinary(PaymentSchema, good);
  for (let times = 1 + random(2); times > 0; times -= 1) damages[random(damages.length)]?.(payment, random);
  return Buffer.from(toBinary(PaymentSchema, payment)).toString("base64");
}

test(`${count} payments of garbage: each is answered in time, nothing leaks, nothing is given away`, async () => {
  const seed = Number(process.env["REPRISE_GARBAGE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  const random = randomOf(seed);
  const privateKey = await world.fundedKey();
  const gateway = world.gateway(node.serviceUri, privateKey);
  const info = await gateway.open();
  const clock = { lastSeenL1Block: 0n, lastRound: 1n, lastRoundHash: new Uint8Array(32).fill(1) };
  const good = toBinary(PaymentSchema, new TicketSession(info).payment(3, { privateKey, clock }));
  const segment = segmentData({
    ...{ authToken: info.authToken, manifestId: "garbage", seq: 0 },
    ...{ media: new Uint8Array(0), durationMs: 0, profiles: [] },
  });
  const { manifestId, seq, hash } = segment;
  segment.sig = signPersonalMessage(segmentMessage({ manifestId, seq, hash, profiles: [] }), privateKey);
  const credentials = Buffer.from(toBinary(SegDataSchema, segment)).toString("base64");
  const connection = await connectHttp2(node.serviceUri, 30_000);
  const statuses = new Map<number, number>();
  let slowestMs = 0;
  let heapBefore = 0;
  let sent = 0;
  const lane = async (): Promise<void> => {
    while (sent < count) {
      sent += 1;
      if (sent === Math.floor(count / 3)) heapBefore = heapBytes();
      const header = garbage(good, random);
      const startedMs = performance.now();
      const headers = { "livepeer-segment": credentials, "livepeer-payment": header };
      const request = { method: "POST", path: "/payment", headers, body: null } as const;
      const { status } = await http2Call(connection, request, { timeoutMs: 60_000, answerBytesMax: 100_000 });
      slowestMs = Math.max(slowestMs, performance.now() - startedMs);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  connection.destroy();
  const grownBytes = heapBytes() - heapBefore;
  console.log(
    `garbage: seed ${seed}, slowest ${slowestMs.toFixed(0)} ms, heap ${grownBytes} bytes`,
    statuses,
  );

  expect(node.fatal).toEqual([]);
  expect({
    seed,
    statuses: [...statuses.keys()].filter((status) => ![200, 400, 402, 403].includes(status)),
  }).toEqual({
    seed,
    statuses: [],
  });
  expect(slowestMs).toBeLessThan(answerMsMax);
  expect(grownBytes).toBeLessThan(heapGrowthMax);
  // What was credited under these params are nonces whose signatures were good: those of the three tickets.
  const credited = recordedPayments(node.dataDir).reduce((sum, payment) => sum + payment.creditedTickets, 0);
  expect(credited).toBeLessThanOrEqual(3);
  expect(wonTickets(node.dataDir).length).toBeLessThanOrEqual(3);
  gateway.use(info);
  const { answer } = await gateway.sendPayment("after", gateway.ev, { nonces: [1_000_000] });
  expect(answer.type).toBe("answer");
  await auditMoney(node.dataDir);
});

function heapBytes(): number {
  Bun.gc(true);
  return process.memoryUsage().heapUsed;
}
