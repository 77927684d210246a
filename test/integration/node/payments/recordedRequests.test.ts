import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { create, fromBinary } from "@bufbuild/protobuf";
import type { PaymentAnswer, SegmentAnswer } from "../../../../src/demo/gatewayClient.ts";
import { encodeBase64 } from "../../../../src/protocol/base64.ts";
import {
  type OrchestratorInfo,
  PaymentResultSchema,
  PriceInfoSchema,
} from "../../../../src/protocol/gen/lp_rpc_pb.ts";
import { bigintOfBytes } from "../../../../src/protocol/integerBytes.ts";
import { formatRational, multiply, rational, subtract, ZERO } from "../../../../src/protocol/rational.ts";
import { eventually } from "../../../support/eventually.ts";
import { profileOf, tinySegment } from "../../../support/nodeSegments.ts";
import { openPaidNode, type PaidNode } from "../../../support/paidNode.ts";
import type { PayingGateway, RequestTricks } from "../../../support/payingGateway.ts";
import { Http2Client } from "../../../support/serverClients.ts";
import { vectors } from "../../../unit/protocol/vectors.ts";

/*
 * Goal: what gateways and cheats of the recordings sent gets the recorded answer over HTTP, on-chain; and gateway
 * and node agree on every fraction of a wei. Method: a whole node on a development chain; the gateway does in each
 * row what its name says, with the params of our node.
 */

setDefaultTimeout(120_000);

let paid: PaidNode;
let media: Uint8Array;
beforeAll(async () => {
  media = await tinySegment();
  paid = await openPaidNode();
});
afterAll(() => paid[Symbol.asyncDispose]());

type HttpVector = { readonly name: string; readonly status: number | null; readonly text: string | null };

/** What the gateway does in a recorded row, and our answer where it is another one. */
type Row = {
  readonly path: "/segment" | "/payment";
  readonly tricks: RequestTricks;
  /** Instead of the recorded one; the reference node gives work away there, or crashes. */
  readonly ours?: { readonly status: number; readonly text: string };
};

const free = { pricePerUnit: 0n, pixelsPerUnit: 1n };
const otherPrice = 'invalid expected price sent with payment err="not the price of this session"';
const rows: Readonly<Record<string, Row>> = {
  "no tickets and no balance": { path: "/segment", tricks: { count: 0 } },
  "bad ticket signature": { path: "/segment", tricks: { count: 1, badSignatures: [0] } },
  "fatal: price changed": {
    path: "/segment",
    tricks: { count: 1, price: { pricePerUnit: 1213n, pixelsPerUnit: 1n } },
  },
  "good, one ticket": { path: "/segment", tricks: { count: 1 } },
  "good, two tickets, content type mp4": { path: "/segment", tricks: { count: 2 } },
  "expected price without pixelsPerUnit and no tickets": {
    path: "/segment",
    tricks: { count: 0, price: { pricePerUnit: 1212n, pixelsPerUnit: 0n } },
    ours: { status: 400, text: 'invalid expected price sent with payment err="pixels per unit is 0"' },
  },
  "UNSAFE: no tickets, expected price 0: no balance needed (refuse when the own price is above 0); transcoder error":
    { path: "/segment", tricks: { count: 0, price: free }, ours: { status: 400, text: otherPrice } },
  "UNSAFE: price 0 expected, no tickets: free work in the real code (refuse when the own price is above 0)": {
    path: "/segment",
    tricks: { count: 0, price: free },
    ours: { status: 400, text: otherPrice },
  },
  "UNSAFE: negative expected price with valid tickets: real code does the work and adds the fee to the balance (refuse)":
    {
      path: "/segment",
      tricks: { count: 1, price: { pricePerUnit: -1212n, pixelsPerUnit: 1n } },
      ours: {
        status: 400,
        text: 'invalid expected price sent with payment err="price per unit is negative"',
      },
    },
  "no expected price at all and no tickets: real code works, then divides by zero after the 200 (answer 400 instead)":
    {
      path: "/segment",
      tricks: { count: 0, price: null },
      ours: { status: 400, text: 'invalid expected price sent with payment err="expected price is nil"' },
    },
  "tickets without expiration params: real code panics (answer 400 instead)": {
    path: "/segment",
    tricks: {
      count: 1,
      alter: (payment) => {
        delete payment.expirationParams;
      },
    },
    ours: { status: 400, text: "invalid payment: expiration params are missing" },
  },
  "payment good: credited to the manifest id, not the session": { path: "/payment", tricks: { count: 2 } },
  "payment without tickets": { path: "/payment", tricks: { count: 0 } },
  "payment bad ticket": { path: "/payment", tricks: { count: 1, badSignatures: [0] } },
};

describe("recorded requests with payments", () => {
  const recorded = vectors<HttpVector>("http-segment");

  test("every row has its recording", () => {
    const names = recorded.map(({ name }) => name);
    expect(Object.keys(rows).filter((name) => !names.includes(name))).toEqual([]);
  });

  for (const [name, row] of Object.entries(rows)) {
    test(`payments checks 13, 16, 25, 54: ${name}`, async () => {
      const vector = recorded.find((each) => each.name === name);
      const recordedAnswer = { status: vector?.status ?? 0, text: vector?.text?.trimEnd() ?? null };
      const expected = row.ours ?? recordedAnswer;
      const gateway = paid.gateway({ isStubborn: true });
      await gateway.open();
      const { sessionId } = gateway.info.authToken ?? { sessionId: "" };
      const account = row.path === "/segment" ? sessionId : `mid-${sessionId}`;
      const answer =
        row.path === "/segment"
          ? (await gateway.sendSegment(submission(0), row.tricks)).answer
          : (await gateway.sendPayment(account, ZERO, row.tricks)).answer;
      expect(statusAndText(answer)).toEqual([expected.status, expected.text]);
      const credited = expected.status === 200 ? (row.tricks.count ?? 0) : 0;
      const credit = multiply(gateway.ev, rational(BigInt(credited)));
      const balance = subtract(credit, feeOf(answer));
      expect(formatRational(paid.balance(gateway, account) ?? ZERO)).toBe(formatRational(balance));
      // A payment beside segments is nothing to the session's own account.
      if (row.path === "/payment") expect(paid.balance(gateway, sessionId)).toBeNull();
    });
  }

  test("payment, GET: credited as with POST, and the answer holds fresh params", async () => {
    const gateway = paid.gateway();
    const before = await gateway.open();
    const empty = { manifestId: "mid-get", seq: 0, media: new Uint8Array(0), durationMs: 0, profiles: [] };
    const { header } = await gateway.makePayment(ZERO, { count: 1 });
    await using http2 = new Http2Client(paid.node.port);
    const answer = await http2.request({
      ":method": "GET",
      ":path": "/payment",
      "livepeer-payment": header,
      "livepeer-segment": encodeBase64(gateway.signSegment(empty)),
    });
    expect([answer.status, answer.headers["content-type"]]).toEqual([200, "application/octet-stream"]);
    const { info } = fromBinary(PaymentResultSchema, answer.body);
    expect(info?.ticketParams?.recipientRandHash).not.toEqual(before.ticketParams?.recipientRandHash);
    expect(info?.authToken).toEqual(before.authToken);
    expect(formatRational(paid.balance(gateway, "mid-get") ?? ZERO)).toBe(formatRational(gateway.ev));
  });

  test("an altered token is refused before the payment is read", async () => {
    const gateway = paid.gateway({ isStubborn: true });
    const { authToken } = await gateway.open();
    if (authToken === undefined) throw new Error("no token");
    const altered = { ...authToken, token: Uint8Array.from(authToken.token) };
    altered.token[0] = (altered.token[0] ?? 0) ^ 1;
    for (const { answer } of [
      await gateway.sendSegment(submission(0), { authToken: altered, count: 1 }),
      await gateway.sendPayment("mid", ZERO, { authToken: altered, count: 1 }),
    ]) {
      expect(statusAndText(answer)).toEqual([403, "invalid auth token"]);
    }
    expect(paid.balance(gateway, authToken.sessionId)).toBeNull();
  });
});

describe("an honest gateway", () => {
  for (const segmentHttp of ["h2", "h1"] as const) {
    test(`payments check 55: both accounts agree over a session, ${segmentHttp}`, async () => {
      const gateway = paid.gateway({ segmentHttp });
      const { authToken } = await gateway.open();
      const counts: number[] = [];
      for (let seq = 0; seq < 5; seq += 1) {
        const { answer, sent } = await gateway.sendSegment(submission(seq));
        expect(statusAndText(answer)).toEqual([200, null]);
        counts.push(sent.ticketsSent);
        await agreed(gateway, authToken?.sessionId ?? "");
      }
      // The first has to pay; later ones live on what is left, and pay without tickets.
      expect(counts[0]).toBeGreaterThan(0);
      expect(counts).toContain(0);
      expect(gateway.refreshes).toBe(0);
    });

    for (const path of ["/segment", "/payment"] as const) {
      test(`payments check 23: 600 tickets on ${path} over ${segmentHttp}, and not one more`, async () => {
        const gateway = paid.gateway({ segmentHttp, isStubborn: true });
        const { authToken } = await gateway.open();
        const account = path === "/segment" ? (authToken?.sessionId ?? "") : `mid-${authToken?.sessionId}`;
        const send = async (tricks: RequestTricks) =>
          path === "/segment"
            ? gateway.sendSegment(submission(0), tricks)
            : gateway.sendPayment(account, ZERO, tricks);
        const { answer, sent } = await send({ count: 600 });
        expect(sent.header.length).toBeGreaterThan(57_000);
        expect(statusAndText(answer)).toEqual([200, null]);
        const credit = subtract(multiply(gateway.ev, rational(600n)), feeOf(answer));
        expect(formatRational(paid.balance(gateway, account) ?? ZERO)).toBe(formatRational(credit));
        const over = await send({ count: 601 });
        expect(over.answer).toMatchObject({ type: "refused", status: 400 });
        expect(statusAndText(over.answer)[1]).toMatch(/too many values .* nonce=601$/);
      });
    }
  }

  test("a new session is opened on params that run out, and for a token in its last tenth", async () => {
    const gateway = paid.gateway();
    const first = await gateway.open();
    await paid.chain.mine(39);
    await eventually("the node has seen the blocks", async () =>
      expirationOf(await gateway.discover()) > expirationOf(first) ? true : null,
    );
    const onParams = await gateway.sendSegment(submission(0));
    expect([gateway.refreshes, ...statusAndText(onParams.answer)]).toEqual([1, 200, null]);
    const token = gateway.info.authToken;
    // 27 of the 30 minutes.
    paid.node.advance(27 * 60_000 + 1);
    const onToken = await gateway.sendSegment(submission(1));
    expect([gateway.refreshes, ...statusAndText(onToken.answer)]).toEqual([2, 200, null]);
    expect(gateway.info.authToken?.sessionId).not.toBe(token?.sessionId);
    // The new session began with nothing.
    expect(onToken.sent.ticketsSent).toBeGreaterThan(0);
  });

  test("a price that has more than doubled is not paid any more", async () => {
    const gateway = paid.gateway();
    await gateway.open();
    const { sessionId } = gateway.info.authToken ?? { sessionId: "" };
    const dear = {
      ...gateway.info,
      priceInfo: create(PriceInfoSchema, { pricePerUnit: 2425n, pixelsPerUnit: 1n }),
    };
    gateway.use(dear);
    await expect(gateway.sendSegment(submission(0))).rejects.toThrow(
      "Orchestrator price has more than doubled",
    );
    expect(paid.balance(gateway, sessionId)).toBeNull();
  });
});

function expirationOf(info: OrchestratorInfo): bigint {
  return bigintOfBytes(info.ticketParams?.expirationBlock ?? new Uint8Array(0));
}

function submission(seq: number) {
  return {
    manifestId: "movie",
    seq,
    media,
    durationMs: 200,
    profiles: [profileOf({ width: 64, height: 36, fps: 30 })],
  };
}

function statusAndText(answer: SegmentAnswer | PaymentAnswer): readonly [number, string | null] {
  return answer.type === "refused" ? [answer.status, answer.text.trimEnd()] : [200, null];
}

/** Wei that the delivered renditions cost. */
function feeOf(answer: SegmentAnswer | PaymentAnswer) {
  if (answer.type === "refused" || !("times" in answer) || answer.result.result.case !== "data") return ZERO;
  return rational(answer.result.result.value.segments.reduce((sum, { pixels }) => sum + pixels * 1212n, 0n));
}

async function agreed(gateway: PayingGateway, account: string): Promise<void> {
  expect(formatRational(paid.balance(gateway, account) ?? ZERO)).toBe(formatRational(gateway.balance));
}
