import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { checksumHex } from "../../../../src/protocol/account.ts";
import { encodeBase64 } from "../../../../src/protocol/base64.ts";
import { PaymentSchema } from "../../../../src/protocol/gen/lp_rpc_pb.ts";
import { bigintOfBytes, minimalBytes } from "../../../../src/protocol/integerBytes.ts";
import { toBinary } from "@bufbuild/protobuf";
import { multiply, rational, subtract } from "../../../../src/protocol/rational.ts";
import {
  auditMoney,
  everyTicketWins,
  type MoneyWorld,
  nodeAccount,
  type OnchainNode,
  openMoneyWorld,
  openOnchainNode,
} from "../../../support/onchainNode.ts";
import { again, paramsOf, tryPayment } from "../../../support/paymentTrials.ts";
import { profileOf, tinySegment } from "../../../support/nodeSegments.ts";
import type { PaidSubmission, PayingGateway, RequestTricks } from "../../../support/payingGateway.ts";

/*
 * Goal: every row of the validation tables (payments sheet 3.2 to 3.5) over the wire: status, text, credit, nonces
 * and winners. Method: one node on a chain, on which every ticket wins; each test has a gateway of its own and counts
 * what its payments changed in the node and in the log.
 */

setDefaultTimeout(120_000);

let world: MoneyWorld;
let node: OnchainNode;
beforeAll(async () => {
  world = await openMoneyWorld();
  node = await openOnchainNode(world, { flags: [...everyTicketWins, "-maxGatewayLoss", `${10n ** 18n}`] });
});
afterAll(async () => {
  try {
    expect(node.fatal).toEqual([]);
    await auditMoney(node.dataDir);
  } finally {
    await world[Symbol.asyncDispose]();
  }
});

const nothing = { creditedTickets: "0", nonces: [], winners: 0, account: null };
const badRand = { ...nothing, status: 400, text: "invalid recipientRand for ticket recipientRandHash" };
const priceError = (what: string) => `invalid expected price sent with payment err="${what}"`;

async function opened(): Promise<{ gateway: PayingGateway; name: string; send: typeof send }> {
  const gateway = await node.gateway();
  const info = await gateway.open();
  const send = (tricks: RequestTricks, manifestId?: string) =>
    tryPayment(node, gateway, info, tricks, manifestId);
  return { gateway, name: checksumHex(gateway.account), send };
}
declare function send(tricks: RequestTricks, manifestId?: string): ReturnType<typeof tryPayment>;

test("a good payment: all credited, all nonces taken, winners kept, price fixed, fresh params", async () => {
  const { gateway, send } = await opened();
  const first = await send({ nonces: [1, 2, 3] });
  expect(first).toMatchObject({ status: 200, creditedTickets: "3", nonces: [1, 2, 3], winners: 3 });
  expect(first.account).toMatchObject({ price: "1200", tickets: 3, winners: 3, reserved: 0 });
  const before = paramsOf(gateway.info);
  expect(first.info?.ticketParams?.recipientRandHash).toEqual(before.recipientRandHash);
  const second = await send({ nonces: [4] });
  expect(second.info?.ticketParams?.seed).not.toEqual(first.info?.ticketParams?.seed);
});

describe("the price that the payment names", () => {
  const rows = [
    ["payments check 16: none", { price: null }, priceError("expected price is nil")],
    [
      "payments check 16: for 0 pixels",
      { price: { pricePerUnit: 1_200n, pixelsPerUnit: 0n } },
      priceError("pixels per unit is 0"),
    ],
    [
      "below 0",
      { price: { pricePerUnit: -1_200n, pixelsPerUnit: 1n } },
      priceError("price per unit is negative"),
    ],
    [
      "below 0 by its pixels",
      { price: { pricePerUnit: 1_200n, pixelsPerUnit: -1n } },
      priceError("price per unit is negative"),
    ],
    ["zero", { price: { pricePerUnit: 0n, pixelsPerUnit: 1n } }, badRand.text],
    ["absurd", { price: { pricePerUnit: 2n ** 63n - 1n, pixelsPerUnit: 1n } }, badRand.text],
    ["the smallest of all", { price: { pricePerUnit: 1n, pixelsPerUnit: 2n ** 63n - 1n } }, badRand.text],
    [
      "the lowest int64",
      { price: { pricePerUnit: -(2n ** 63n), pixelsPerUnit: -(2n ** 63n) } },
      badRand.text,
    ],
    ["half of ours", { price: { pricePerUnit: 600n, pixelsPerUnit: 1n } }, badRand.text],
  ] as const satisfies readonly (readonly [string, RequestTricks, string])[];

  test.each(rows)("%s is refused, nothing is credited", async (_, tricks, text) => {
    const { send } = await opened();
    expect(await send({ nonces: [1, 2], ...tricks })).toMatchObject({ ...nothing, status: 400, text });
  });

  test("payments check 13: the same fraction in other words is accepted", async () => {
    const { send } = await opened();
    const doubled = await send({ nonces: [1], price: { pricePerUnit: 2_400n, pixelsPerUnit: 2n } });
    expect(doubled).toMatchObject({ status: 200, creditedTickets: "1" });
    // Two minus signs are one price, for the reference node too.
    const negated = await send({ nonces: [2], price: { pricePerUnit: -1_200n, pixelsPerUnit: -1n } });
    expect(negated).toMatchObject({ status: 200, creditedTickets: "1" });
  });
});

describe("what is fatal", () => {
  test("payments check 15: another recipient", async () => {
    const { send } = await opened();
    const trial = await send({
      nonces: [1],
      alterParams: (params) => {
        params.recipient = new Uint8Array(20).fill(7);
      },
    });
    expect(trial).toMatchObject({ ...nothing, status: 400, text: "invalid ticket recipient" });
  });

  test("payments check 15, chain check 40: our recipient is inactive", async () => {
    const { send } = await opened();
    await world.chain.setActive(nodeAccount, false);
    const clock = () => node.running.money?.chain.clock();
    try {
      await node.until("the node knows that it is inactive", () => clock()?.isRecipientActive === false);
      const text = `orchestrator ${checksumHex(nodeAccount)} is inactive in round 1, cannot process payments`;
      expect(await send({ nonces: [1] })).toMatchObject({ ...nothing, status: 400, text });
    } finally {
      await world.chain.setActive(nodeAccount, true);
      await node.until("the node is active again", () => clock()?.isRecipientActive === true);
    }
    // Nothing of it was used up.
    expect(await send({ nonces: [1] })).toMatchObject({ status: 200, creditedTickets: "1" });
  });

  test("payments check 12: params that were made for another gateway", async () => {
    const honest = await opened();
    const thief = await node.gateway();
    const own = await thief.open();
    const stolen = { ...own, ticketParams: paramsOf(honest.gateway.info) };
    expect(await tryPayment(node, thief, stolen, { nonces: [1] })).toMatchObject(badRand);
  });

  test("payments check 12: another gateway's account in the payment", async () => {
    const { send, gateway } = await opened();
    const victim = await node.gateway();
    const trial = await send({
      nonces: [1],
      alter: (payment) => {
        payment.sender = victim.account;
      },
    });
    expect(trial).toMatchObject({ status: 403, text: "ErrSegSig", winners: 0 });
    expect(node.account(victim, "trial")).toBeNull();
    expect(node.account(gateway, "trial")).toBeNull();
  });

  test("no sender at all", async () => {
    const { send } = await opened();
    const trial = await send({
      nonces: [1],
      alter: (payment) => {
        payment.sender = new Uint8Array(0);
      },
    });
    expect(trial).toMatchObject({ ...nothing, status: 403, text: "ErrSegSig" });
  });

  test("another session's token: made for another gateway, or by nobody", async () => {
    const { send, gateway } = await opened();
    const other = await node.gateway();
    const { authToken } = await other.open();
    if (authToken === undefined) throw new Error("no token");
    expect(await send({ nonces: [1], authToken })).toMatchObject({ status: 403, text: "invalid auth token" });
    const made = { ...authToken, token: new Uint8Array(32) };
    const forged = await send({ nonces: [1], authToken: made });
    expect(forged).toMatchObject({ status: 403, text: "invalid auth token" });
    expect(node.account(gateway, "trial")).toBeNull();
  });

  test("payments check 18: what is fatal uses up no nonce, and no ticket behind it is looked at", async () => {
    const { send } = await opened();
    const forged = await send({
      nonces: [1, 2, 3],
      alterParams: (params) => {
        params.faceValue = minimalBytes(bigintOfBytes(params.faceValue) + 1n);
      },
    });
    expect(forged).toMatchObject(badRand);
    const honest = await send({ nonces: [1, 2, 3] });
    expect(honest).toMatchObject({ status: 200, creditedTickets: "3", nonces: [1, 2, 3], winners: 3 });
  });

  test("payments check 25: no expiration params: refused, and the node serves on", async () => {
    const { send } = await opened();
    const trial = await send({
      nonces: [1],
      alter: (payment) => {
        delete payment.expirationParams;
      },
    });
    const text = "invalid payment: expiration params are missing";
    expect(trial).toMatchObject({ ...nothing, status: 400, text });
    expect(await send({ nonces: [1] })).toMatchObject({ status: 200 });
  });

  test.each(["faceValue", "winProb", "expirationBlock", "seed"] as const)(
    "%s of more than 32 bytes",
    async (field) => {
      const { send } = await opened();
      const trial = await send({
        nonces: [1],
        alter: ({ ticketParams }) => {
          if (ticketParams !== undefined) ticketParams[field] = new Uint8Array(33).fill(1);
        },
      });
      expect(trial).toMatchObject({ ...nothing, status: 400 });
      expect(trial.text).toMatch(/^invalid payment: .+ has more than 32 bytes$/);
    },
  );
});

describe("what stops the credit only", () => {
  test("payments check 17: the second of three has a bad signature, the third wins", async () => {
    const { send } = await opened();
    const trial = await send({ nonces: [1, 2, 3], badSignatures: [1] });
    // The third is kept and its nonce is used up; a bad signature uses up nothing.
    expect(trial).toMatchObject({
      ...{ status: 400, text: "invalid ticket signature", creditedTickets: "1" },
      ...{ nonces: [1, 3], winners: 2 },
    });
    expect(await send({ nonces: [2] })).toMatchObject({ status: 200, creditedTickets: "1", winners: 1 });
  });

  test.each([64, 66, 0])("a signature of %d bytes", async (length) => {
    const { send } = await opened();
    const trial = await send({
      nonces: [1],
      alter: (payment) => {
        for (const ticket of payment.ticketSenderParams) {
          const sig = new Uint8Array(length);
          sig.set(ticket.sig.subarray(0, length));
          ticket.sig = sig;
        }
      },
    });
    expect(trial).toMatchObject({ ...nothing, status: 400, text: "invalid ticket signature" });
  });

  test("payments check 19: a nonce that comes again, in one payment and in the next", async () => {
    const { send, name } = await opened();
    const seen = (nonce: number) => `invalid ticket senderNonce: already seen sender=${name} nonce=${nonce}`;
    const twice = await send({ nonces: [7, 7, 8] });
    expect(twice).toMatchObject({
      ...{ status: 400, text: seen(7), creditedTickets: "1" },
      // The third wins and is kept, but nothing is credited behind the one that failed.
      ...{ nonces: [7, 8], winners: 2 },
    });
    const replayed = await send({ nonces: [7] });
    expect(replayed).toMatchObject({
      status: 400,
      text: seen(7),
      creditedTickets: "0",
      nonces: [],
      winners: 0,
    });
  });

  test("payments check 19: nonces in any order, the lowest and the highest", async () => {
    const { send } = await opened();
    const trial = await send({ nonces: [5, 3, 4, 0, 2 ** 32 - 1] });
    expect(trial).toMatchObject({ status: 200, creditedTickets: "5", nonces: [5, 3, 4, 0, 2 ** 32 - 1] });
  });

  test("payments check 19: the 601st nonce of one set of params, and not the 600th", async () => {
    const { send, name } = await opened();
    const nonces = Array.from({ length: 599 }, (_, index) => index + 1);
    expect(await send({ nonces })).toMatchObject({ status: 200, creditedTickets: "599", winners: 599 });
    expect(await send({ nonces: [600] })).toMatchObject({ status: 200, creditedTickets: "1" });
    const text = `invalid ticket senderNonce: too many values sender=${name} nonce=601`;
    const over = await send({ nonces: [601] });
    expect(over).toMatchObject({ status: 400, text, creditedTickets: "0", nonces: [] });
    // It won all the same, and a winner is never thrown away.
    expect(over.winners).toBe(1);
    const seen = await send({ nonces: [600] });
    expect(seen.text).toContain("already seen");
  });

  test("payments check 20: good until the block before the params expire, and not in it", async () => {
    const { send, gateway } = await opened();
    const { chain } = world;
    const end = bigintOfBytes(paramsOf(gateway.info).expirationBlock);
    await chain.mine(end - 1n - (await chain.blockNumber()));
    await node.knowsBlock(end - 1n);
    expect(await send({ nonces: [1] })).toMatchObject({ status: 200, creditedTickets: "1" });
    await chain.mine(1);
    await node.knowsBlock(end);
    const late = await send({ nonces: [2] });
    expect(late).toMatchObject({
      status: 400,
      text: "TicketParams expired",
      creditedTickets: "0",
      winners: 1,
    });
    // The nonce is used up, and so is what was said: the winner is not kept twice.
    const replayed = await send(again(late.payment));
    expect(replayed).toMatchObject({ status: 400, creditedTickets: "0", winners: 0 });
  });

  test("payments check 21: nonces of expired params are forgotten with the next payment", async () => {
    const { send } = await opened();
    expect(await send({ nonces: [1, 2, 3] })).toMatchObject({ status: 200 });
    await world.chain.mine(41);
    await node.knowsBlock(await world.chain.blockNumber());
    const next = await opened();
    expect(await next.send({ nonces: [9] })).toMatchObject({ status: 200 });
    expect(node.running.money?.money.nonces.size).toBe(1);
  });
});

describe("headers", () => {
  async function postHeader(header: string, path: string): Promise<{ status: number; text: string }> {
    const response = await fetch(`${node.serviceUri}${path}`, {
      method: "POST",
      headers: { "livepeer-payment": header, "livepeer-segment": "" },
      tls: { rejectUnauthorized: false },
    });
    return { status: response.status, text: await response.text() };
  }

  test.each(["/payment", "/segment"])("payments check 24: no base64, no protobuf, at %s", async (path) => {
    const noBase64 = await postHeader("!!", path);
    expect(noBase64).toMatchObject({ status: 402 });
    expect(noBase64.text).toStartWith("base64 decode error");
    const noMessage = await postHeader(encodeBase64(new Uint8Array([0xff, 0xff, 0xff])), path);
    expect(noMessage).toMatchObject({ status: 402 });
    expect(noMessage.text).toStartWith("protobuf unmarshal error");
  });

  test.each(["h1", "h2"] as const)(
    "payments check 23: 600 tickets in a header over %s",
    async (segmentHttp) => {
      const gateway = await node.gateway({ segmentHttp });
      const info = await gateway.open();
      const nonces = Array.from({ length: 600 }, (_, index) => index);
      const trial = await tryPayment(node, gateway, info, { nonces });
      const header = encodeBase64(toBinary(PaymentSchema, trial.payment));
      expect(header.length).toBeGreaterThan(55_000);
      expect(trial).toMatchObject({ status: 200, creditedTickets: "600", winners: 600 });
    },
  );
});

describe("a segment without tickets", () => {
  async function submission(): Promise<PaidSubmission> {
    return {
      manifestId: "movie",
      seq: 0,
      media: await tinySegment(),
      durationMs: 200,
      profiles: [profileOf()],
    };
  }
  const free = { pricePerUnit: 0n, pixelsPerUnit: 1n };

  test("payments check 26: no balance at all", async () => {
    const { gateway } = await opened();
    const { answer } = await gateway.sendSegment(await submission(), { count: 0 });
    expect(answer).toMatchObject({ type: "refused", status: 400, text: "Insufficient balance\n" });
    expect(node.account(gateway)).toBeNull();
  });

  test.each([
    ["for nothing", free],
    ["for less than nothing", { pricePerUnit: -5n, pixelsPerUnit: 1n }],
    ["without a price", null],
    ["for 0 pixels", { pricePerUnit: 5n, pixelsPerUnit: 0n }],
  ])("payments check 54: the payer asks for work %s: refused", async (_, price) => {
    const { gateway } = await opened();
    const { answer } = await gateway.sendSegment(await submission(), { count: 0, price });
    expect(answer).toMatchObject({ type: "refused", status: 400 });
    expect(node.account(gateway)).toBeNull();
  });

  test("payments checks 54 and 55: with a balance only the session's own price is served", async () => {
    const { gateway } = await opened();
    const session = gateway.info.authToken?.sessionId ?? "";
    await gateway.sendPayment(session, gateway.ev, { count: 3 });
    const { info } = gateway;
    for (const price of [
      free,
      { pricePerUnit: 1n, pixelsPerUnit: 1n },
      { pricePerUnit: 1_201n, pixelsPerUnit: 1n },
    ]) {
      gateway.use(info);
      const { answer } = await gateway.sendSegment(await submission(), { count: 0, price });
      const text = priceError("not the price of this session");
      expect(answer).toMatchObject({ type: "refused", status: 400, text: `${text}\n` });
      expect(node.account(gateway)).toMatchObject({ price: "1200", reserved: 0 });
    }
    gateway.use(info);
    const { answer } = await gateway.sendSegment(await submission(), { count: 0 });
    if (answer.type !== "answer") throw new Error(answer.text);
    const { result } = answer.result;
    const pixels =
      result.case === "data" ? result.value.segments.reduce((sum, each) => sum + each.pixels, 0n) : 0n;
    expect(pixels).toBeGreaterThan(0n);
    // Debited at our price for exactly what was delivered.
    const left = node.account(gateway)?.balance;
    const credit = gateway.ev;
    expect(left).toEqual(
      subtract(multiply(credit, rational(3n)), multiply(rational(1_200n), rational(pixels))),
    );
  });
});
