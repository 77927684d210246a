import { describe, expect, test } from "bun:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { encodeBase64 } from "../../../src/protocol/base64.ts";
import {
  OrchestratorInfoSchema,
  PaymentSchema,
  PriceInfoSchema,
  type TicketParams,
  TicketParamsSchema,
} from "../../../src/protocol/gen/lp_rpc_pb.ts";
import { minimalBytes } from "../../../src/protocol/integerBytes.ts";
import { compare, rational } from "../../../src/protocol/rational.ts";
import { ticketHash } from "../../../src/protocol/ticket.ts";
import {
  defaultGatewayLimits,
  estimatedFee,
  paramsFault,
  priceFault,
  ticketCount,
  TicketSession,
} from "../../support/gatewayTickets.ts";
import { accountOfPrivateKey, isPersonalSignatureOf } from "../../support/signatures.ts";
import { bytes, vectors } from "../protocol/vectors.ts";

/*
 * Goal: the gateway that the payment tests pay with is the reference gateway, byte for byte. Method: its recorded
 * payment headers and verdicts.
 */

type ParamsVector = {
  readonly recipient: string;
  readonly faceValue: string;
  readonly winProb: string;
  readonly recipientRandHash: string;
  readonly seed: string;
  readonly expirationBlock: string;
  readonly creationRound: string | null;
  readonly creationRoundBlockHash: string | null;
};

type HeaderVector = {
  readonly name: string;
  readonly senderPrivateKey: string;
  readonly numTickets: number;
  readonly onChain: boolean;
  readonly params: ParamsVector;
  readonly gatewayLastRound: string;
  readonly gatewayLastRoundHash: string;
  readonly header: string;
  readonly error: string | null;
  /** Where the recorded header was too long to keep: its ends. */
  readonly firstThree?: readonly unknown[];
};

const richFunds = { deposit: 10n ** 18n, reserve: 10n ** 18n, withdrawRound: 0n };

describe("recorded payment headers", () => {
  const recorded = vectors<HeaderVector>("payment-header", "header").filter(({ onChain }) => onChain);
  for (const vector of recorded) {
    test(`payments check 55 (gateway): ${vector.name}`, () => {
      const made = headerOf(vector);
      if (vector.error !== null) expect(made).toEqual({ error: vector.error });
      else if (vector.header.length > 0) expect(made).toEqual({ header: vector.header });
      else expect("header" in made && made.header.length).toBeGreaterThan(9_000);
    });
  }

  test("headers of 100 and 600 tickets have the recorded lengths", () => {
    const lengths = recorded.flatMap((vector) => {
      const made = vector.firstThree === undefined ? null : headerOf(vector);
      return made !== null && "header" in made ? [made.header.length] : [];
    });
    expect(lengths).toEqual([9_744, 57_708]);
  });
});

type ValidateVector = {
  readonly name: string;
  readonly faceValue: string;
  readonly winProb: string;
  readonly expirationBlock: string;
  readonly gatewayLastSeenL1Block: string;
  readonly gatewayRound: string;
  readonly deposit: string;
  readonly reserve: string;
  readonly withdrawRound: string;
  readonly maxTicketEV: string;
  readonly maxTotalEV: string;
  readonly depositMultiplier: number;
  readonly error: string | null;
};

describe("recorded verdicts on params", () => {
  for (const vector of vectors<ValidateVector>("payment-header", "gatewayValidateParams")) {
    test(vector.name, () => {
      const params = create(TicketParamsSchema, {
        faceValue: minimalBytes(BigInt(vector.faceValue)),
        winProb: minimalBytes(BigInt(vector.winProb)),
        expirationBlock: minimalBytes(BigInt(vector.expirationBlock)),
      });
      const fault = paramsFault(params, 1, {
        funds: {
          deposit: BigInt(vector.deposit),
          reserve: BigInt(vector.reserve),
          withdrawRound: BigInt(vector.withdrawRound),
        },
        clock: {
          lastSeenL1Block: BigInt(vector.gatewayLastSeenL1Block),
          lastRound: BigInt(vector.gatewayRound),
          lastRoundHash: new Uint8Array(32),
        },
        limits: {
          maxTicketEv: BigInt(vector.maxTicketEV),
          maxTotalEv: BigInt(vector.maxTotalEV),
          depositMultiplier: BigInt(vector.depositMultiplier),
        },
      });
      expect(fault).toBe(vector.error);
    });
  }
});

describe("tickets by the balance", () => {
  const ev = rational(8_000_000_001n, 1n);
  const cases: readonly (readonly [fee: bigint, balance: bigint, count: number])[] = [
    [0n, 0n, 1],
    [8_000_000_001n, 0n, 1],
    [8_000_000_002n, 0n, 2],
    [8_000_000_002n, 1n, 1],
    [8_000_000_002n, 8_000_000_002n, 0],
    [1n, 8_000_000_001n, 0],
    [1n, 8_000_000_000n, 1],
    [80_000_000_010n, -8_000_000_001n, 11],
  ];
  for (const [fee, balance, count] of cases) {
    test(`fee ${fee}, balance ${balance}: ${count}`, () => {
      expect(ticketCount(rational(fee), rational(balance), ev)).toBe(count);
    });
  }

  test("tickets worth nothing are not sent", () => {
    expect(ticketCount(rational(5n), rational(0n), rational(0n))).toBe(0);
  });

  test("a fee counts started frames and seconds, 60 frames for an unknown rate, and two percent", () => {
    const fixed = { width: 640, height: 360, fps: 30_000, fpsDen: 1_001 };
    const open = { width: 320, height: 180, fps: 0, fpsDen: 0 };
    const pixels = 640n * 360n * 30n * 3n + 320n * 180n * 60n * 3n;
    const fee = estimatedFee([fixed, open], 2_001, rational(7n, 3n));
    expect(compare(fee, rational(pixels * 102n * 7n, 300n))).toBe(0);
  });
});

describe("tricks", () => {
  const own = { privateKey: new Uint8Array(32).fill(1), clock: clockOf("5", `0x${"11".repeat(32)}`) };
  const info = () => infoOf(firstParams(), 1212n);

  test("altered params are signed as altered, a bad signature is nobody's, nonces go as told", () => {
    const session = new TicketSession(info());
    const payment = session.payment(2, own, {
      alterParams: (params) => {
        params.faceValue = minimalBytes(77n);
      },
      badSignatures: [1],
      nonces: [9, 9],
    });
    expect(payment.ticketParams?.faceValue).toEqual(minimalBytes(77n));
    expect(payment.ticketSenderParams.map(({ senderNonce }) => senderNonce)).toEqual([9, 9]);
    const terms = {
      recipient: payment.ticketParams?.recipient ?? new Uint8Array(0),
      sender: accountOfPrivateKey(own.privateKey),
      faceValue: 77n,
      winProb: BigInt(firstParams().winProb),
      recipientRandHash: payment.ticketParams?.recipientRandHash ?? new Uint8Array(0),
      expiration: {
        creationRound: payment.expirationParams?.creationRound ?? 0n,
        creationRoundBlockHash: payment.expirationParams?.creationRoundBlockHash ?? new Uint8Array(0),
      },
    };
    const hash = ticketHash(terms, 9);
    const isGood = payment.ticketSenderParams.map(({ sig }) =>
      isPersonalSignatureOf(hash, sig, terms.sender),
    );
    expect(isGood).toEqual([true, false]);
    // The params of the session are as they were, and its nonces were not used.
    const next = session.payment(1, own);
    expect(next.ticketSenderParams[0]?.senderNonce).toBe(1);
    expect(next.ticketParams?.faceValue).toEqual(minimalBytes(BigInt(firstParams().faceValue)));
  });

  test("another price, no price and another sender stand in the message", () => {
    const session = new TicketSession(info());
    const price = { pricePerUnit: 0n, pixelsPerUnit: 1n };
    expect(session.payment(0, own, { price }).expectedPrice?.pricePerUnit).toBe(0n);
    expect(session.payment(0, own, { price: null }).expectedPrice).toBeUndefined();
    const other = new Uint8Array(32).fill(2);
    expect(session.payment(1, own, { privateKey: other }).sender).toEqual(accountOfPrivateKey(other));
  });
});

/** What the gateway of a recorded header does. */
function headerOf(vector: HeaderVector): { readonly header: string } | { readonly error: string } {
  const clock = clockOf(vector.gatewayLastRound, vector.gatewayLastRoundHash);
  const { price, initialPrice } = pricesOf(vector.name);
  const fault = priceFault(price, initialPrice);
  if (fault !== null) return { error: fault };
  const params = paramsOf(vector.params);
  const own = { funds: richFunds, clock, limits: defaultGatewayLimits };
  const tickets = vector.numTickets === 0 ? null : paramsFault(params, vector.numTickets, own);
  if (tickets !== null) return { error: tickets };
  const info = create(OrchestratorInfoSchema, { ticketParams: params, ...(price && { priceInfo: price }) });
  const signer = { privateKey: bytes(vector.senderPrivateKey), clock };
  const payment = new TicketSession(info).payment(vector.numTickets, signer);
  return { header: encodeBase64(toBinary(PaymentSchema, payment)) };
}

/** The prices of the recorded situations, which their names tell. */
function pricesOf(name: string) {
  const price = (pricePerUnit: bigint, pixelsPerUnit = 1n) =>
    create(PriceInfoSchema, { pricePerUnit, pixelsPerUnit });
  const initialPrice = price(1_212n);
  if (name === "no price") return { price: undefined, initialPrice };
  if (name === "price 0") return { price: price(0n), initialPrice: undefined };
  if (name === "price denominator 0") return { price: price(1_212n, 0n), initialPrice };
  if (name === "price more than doubled") return { price: price(2_425n), initialPrice };
  if (name === "price exactly doubled") return { price: price(2_424n), initialPrice };
  return { price: initialPrice, initialPrice };
}

function paramsOf(vector: ParamsVector): TicketParams {
  const { creationRound, creationRoundBlockHash } = vector;
  return create(TicketParamsSchema, {
    recipient: bytes(vector.recipient),
    faceValue: minimalBytes(BigInt(vector.faceValue)),
    winProb: minimalBytes(BigInt(vector.winProb)),
    recipientRandHash: bytes(vector.recipientRandHash),
    seed: minimalBytes(BigInt(vector.seed)),
    expirationBlock: minimalBytes(BigInt(vector.expirationBlock)),
    ...(creationRound === null
      ? {}
      : {
          expirationParams: {
            creationRound: BigInt(creationRound),
            creationRoundBlockHash: bytes(creationRoundBlockHash ?? ""),
          },
        }),
  });
}

function firstParams(): ParamsVector {
  const [first] = vectors<HeaderVector>("payment-header", "header");
  if (first === undefined) throw new Error("no such vector");
  return first.params;
}

function infoOf(params: ParamsVector, pricePerUnit: bigint) {
  return create(OrchestratorInfoSchema, {
    ticketParams: paramsOf(params),
    priceInfo: create(PriceInfoSchema, { pricePerUnit, pixelsPerUnit: 1n }),
  });
}

function clockOf(round: string, hash: string) {
  return { lastSeenL1Block: 21_000_000n, lastRound: BigInt(round), lastRoundHash: bytes(hash) };
}
