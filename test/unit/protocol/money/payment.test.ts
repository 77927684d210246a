import { describe, expect, test } from "bun:test";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { checksumHex } from "../../../../src/protocol/account.ts";
import { pureHmacSha256 } from "../../../../src/protocol/authToken.ts";
import { fitBytes, toHex, uint256Bytes } from "../../../../src/protocol/bytes.ts";
import { type Payment, PaymentSchema } from "../../../../src/protocol/gen/lp_rpc_pb.ts";
import { readPaymentHeader } from "../../../../src/protocol/headers.ts";
import { minimalBytes } from "../../../../src/protocol/integerBytes.ts";
import {
  claimedRand,
  PAYMENT_TICKETS_MAX,
  type PaymentClaim,
  readPayment,
  type TicketClaim,
  ticketTerms,
} from "../../../../src/protocol/payment.ts";
import { inactiveText, nonceSeenText, tooManyNoncesText } from "../../../../src/protocol/paymentTexts.ts";
import { rational } from "../../../../src/protocol/rational.ts";
import { type RandInput, recipientRand, recipientRandHash } from "../../../../src/protocol/recipientRand.ts";
import { ticketHash } from "../../../../src/protocol/ticket.ts";
import { ticketParamsMessage } from "../../../../src/protocol/ticketParams.ts";
import { messageDecoder } from "../../../../src/protocol/wire.ts";
import { isPersonalSignatureOf, signPersonalMessage } from "../../../support/signatures.ts";
import { bytes, vectors } from "../vectors.ts";

/*
 * Goal: what real gateways send is read as they mean it, and nothing that anybody sends gets further than its
 * bounds. Method: recorded headers of a real gateway, built a second time from their params; all recorded
 * payments; each field of a good payment spoilt alone.
 */

type HeaderCase = {
  readonly name: string;
  readonly senderPrivateKey: string;
  readonly sender: string;
  readonly numTickets: number;
  readonly params: Readonly<
    Record<"recipient" | "faceValue" | "winProb" | "recipientRandHash" | "seed" | "expirationBlock", string>
  > & { readonly creationRound: string | null; readonly creationRoundBlockHash: string | null };
  readonly gatewayLastRound: string;
  readonly gatewayLastRoundHash: string;
  readonly header: string;
};

describe("payment headers of a real gateway", () => {
  for (const vector of vectors<HeaderCase>("payment-header", "header").filter(
    ({ header }) => header !== "",
  )) {
    const check = vector.numTickets === 600 ? "payments check 23: " : "";
    test(`${check}${vector.name}`, () => {
      const claim = claimOf(vector.header);
      expect(checksumHex(claim.sender)).toBe(vector.sender);
      if (vector.numTickets === 0) {
        expect(claim.tickets).toBeNull();
        return;
      }
      const { tickets } = claim;
      if (tickets === null) throw new Error("no tickets");
      const { params } = vector;
      const isReplaced =
        /^(0|)$/.test(params.creationRound ?? "") || /^0x0+$/.test(params.creationRoundBlockHash ?? "");
      expect<unknown>({
        recipient: checksumHex(tickets.recipient),
        faceValue: String(tickets.faceValue),
        winProb: String(tickets.winProb),
        recipientRandHash: toHex(tickets.recipientRandHash),
        seed: String(BigInt(toHex(tickets.seed))),
        expirationBlock: String(tickets.expirationBlock),
        creationRound: String(tickets.expiration.creationRound),
        creationRoundBlockHash: toHex(tickets.expiration.creationRoundBlockHash),
      }).toEqual({
        ...params,
        recipientRandHash: params.recipientRandHash.toLowerCase(),
        creationRound: isReplaced ? vector.gatewayLastRound : params.creationRound,
        creationRoundBlockHash: (isReplaced
          ? vector.gatewayLastRoundHash
          : (params.creationRoundBlockHash ?? "")
        ).toLowerCase(),
      });
      expect(tickets.senderParams.map(({ nonce }) => nonce)).toEqual(
        Array.from({ length: vector.numTickets }, (_, index) => index + 1),
      );
      expectGoodSignatures(tickets, claim.sender);
    });
  }

  test("built again from its params and key, a header is the same text", () => {
    for (const vector of vectors<HeaderCase>("payment-header", "header")) {
      if (vector.header === "" || vector.numTickets > 18 || vector.numTickets === 0) continue;
      const claim = claimOf(vector.header);
      const { tickets, price } = claim;
      if (tickets === null || price === null) throw new Error("no tickets");
      const { creationRound, creationRoundBlockHash } = tickets.expiration;
      const expiration = { creationRound, creationRoundBlockHash };
      const { expirationParams: _, ...ticketParams } = ticketParamsMessage(tickets);
      const payment = create(PaymentSchema, {
        ticketParams,
        sender: claim.sender,
        expirationParams: expiration,
        ticketSenderParams: tickets.senderParams.map(({ nonce }) => ({
          senderNonce: nonce,
          sig: signPersonalMessage(
            ticketHash(ticketTerms(tickets, claim.sender), nonce),
            bytes(vector.senderPrivateKey),
          ),
        })),
        expectedPrice: { pricePerUnit: price.numerator, pixelsPerUnit: price.denominator },
      });
      expect(Buffer.from(toBinary(PaymentSchema, payment)).toString("base64")).toBe(vector.header);
    }
  });

  test("payments check 24: no base64 and no protobuf are told apart", () => {
    expect(readPaymentHeader("!!")).toMatchObject({
      status: 402,
      text: expect.stringMatching(/^base64 decode error/),
    });
    expect(readPaymentHeader("Z2FyYmFnZSE=")).toMatchObject({
      status: 402,
      text: expect.stringMatching(/^protobuf unmarshal error/),
    });
  });
});

type PaymentCase = {
  readonly name: string;
  readonly error: string | null;
  readonly paymentBytes: string;
  readonly payment: { readonly ticket_params?: object; readonly expected_price?: object };
};

/** What the structure of a recorded payment gives; all other ones are claims. */
const structuralRefusals: Readonly<Record<string, string>> = {
  "no expected price": 'invalid expected price sent with payment err="expected price is nil"',
  "pixelsPerUnit 0": 'invalid expected price sent with payment err="pixels per unit is 0"',
  "sender missing but params present": "Could not find Sender for payment: sender is empty",
  "expiration params missing: real code panics, answer 400 instead":
    "invalid payment: expiration params are missing",
  "UNSAFE: negative price has the same MAC (real code accepts and later debits a negative fee; refuse it)":
    'invalid expected price sent with payment err="price per unit is negative"',
};

describe("recorded payments", () => {
  for (const vector of vectors<PaymentCase>("process-payment").filter(({ paymentBytes }) => paymentBytes)) {
    const refused = structuralRefusals[vector.name];
    test(`${refused === undefined ? "read" : "refused"}: ${vector.name}`, () => {
      const read = readPayment(paymentOf(vector.paymentBytes));
      if (refused !== undefined) {
        expect(read).toEqual({ type: "refused", status: 400, text: refused });
        const [start] = (vector.error ?? "").split(": <");
        // The peer's own words, where it has words.
        if (vector.error !== null && !vector.error.startsWith("panic"))
          expect(refused).toStartWith(start ?? "");
        return;
      }
      if (read.type === "refused") throw new Error(read.text);
      expect(read.tickets !== null).toBe(vector.payment.ticket_params !== undefined);
      expect(read.price !== null).toBe(vector.payment.expected_price !== undefined);
    });
  }

  test("every structural refusal is a recorded case", () => {
    const names = vectors<PaymentCase>("process-payment").map(({ name }) => name);
    expect(Object.keys(structuralRefusals).filter((name) => !names.includes(name))).toEqual([]);
  });

  test("payments check 15: the text for an inactive recipient, and those for nonces, are the recorded ones", () => {
    const errors = (pattern: RegExp) =>
      vectors<PaymentCase>("process-payment").filter(({ error }) => pattern.test(error ?? ""));
    for (const { error, paymentBytes } of errors(/is inactive/)) {
      const { tickets } = claimIn(paymentBytes);
      expect<string | null>(inactiveText(tickets?.recipient ?? new Uint8Array(20), 3700n)).toBe(error);
    }
    for (const { error, paymentBytes } of errors(/already seen/)) {
      expect<string | null>(nonceSeenText(claimIn(paymentBytes).sender, 1)).toBe(error);
    }
    expect(tooManyNoncesText(new Uint8Array(20), 4_294_967_295)).toBe(
      "invalid ticket senderNonce: too many values sender=0x0000000000000000000000000000000000000000 nonce=4294967295",
    );
  });
});

describe("what a payment says", () => {
  test("payments checks 12 and 14: an echoed offer fits its number, whatever zeros its seed starts with", () => {
    const seeds = [usual.seed, uint256Bytes(1n), uint256Bytes(0n), uint256Bytes(2n ** 240n)];
    for (const seed of seeds) {
      const input = { ...usual, seed };
      const claim = readPayment(echo(input));
      if (claim.type === "refused" || claim.tickets === null || claim.price === null)
        throw new Error("no tickets");
      expect(claimedRand(claim.tickets, claim.sender, claim.price)).toEqual(input);
      const rand = recipientRand(
        secret,
        claimedRand(claim.tickets, claim.sender, claim.price),
        pureHmacSha256,
      );
      expect(recipientRandHash(rand)).toEqual(claim.tickets.recipientRandHash);
      const stranger = claimedRand(claim.tickets, new Uint8Array(20).fill(9), claim.price);
      expect(recipientRand(secret, stranger, pureHmacSha256)).not.toEqual(rand);
    }
  });

  test("payments check 13: 2/2 is the price 1/1, and two negative numbers a positive one", () => {
    const at = (pricePerUnit: bigint, pixelsPerUnit: bigint) => {
      const claim = readPayment(echo(usual, { expectedPrice: { pricePerUnit, pixelsPerUnit } }));
      return claim.type === "refused" ? claim.text : claim.price;
    };
    expect(at(2n, 2n)).toEqual(rational(1n));
    expect(at(-1212n, -1n)).toEqual(rational(1212n));
    expect(at(-(2n ** 63n), -1n)).toEqual(rational(2n ** 63n));
    expect(at(0n, -7n)).toEqual(rational(0n));
    const negative = 'invalid expected price sent with payment err="price per unit is negative"';
    expect([at(-1n, 1n), at(1n, -1n)]).toEqual([negative, negative]);
  });

  test("payments check 16: without tickets a price may be missing, but not be for 0 pixels", () => {
    const sender = new Uint8Array(20).fill(5);
    const none = readPayment(create(PaymentSchema, { sender }));
    expect(none).toEqual({ type: "claim", sender, price: null, tickets: null });
    const zero = readPayment(create(PaymentSchema, { sender, expectedPrice: { pricePerUnit: 1n } }));
    expect(zero).toMatchObject({ status: 400, text: expect.stringContaining("pixels per unit is 0") });
    const negative = readPayment(
      create(PaymentSchema, { sender, expectedPrice: { pricePerUnit: -1n, pixelsPerUnit: 1n } }),
    );
    expect(negative).toMatchObject({
      status: 400,
      text: expect.stringContaining("price per unit is negative"),
    });
    expect(readPayment(echo(usual, { expectedPrice: undefined }))).toMatchObject({
      status: 400,
      text: expect.stringContaining("expected price is nil"),
    });
  });

  test("payments check 25: tickets without expiration params are refused", () => {
    expect(readPayment(echo(usual, { expirationParams: undefined }))).toEqual({
      type: "refused",
      status: 400,
      text: "invalid payment: expiration params are missing",
    });
  });

  test("a round below 0 is refused", () => {
    const expirationParams = { creationRound: -1n, creationRoundBlockHash: new Uint8Array(32) };
    expect(readPayment(echo(usual, { expirationParams }))).toEqual({
      type: "refused",
      status: 400,
      text: "invalid payment: creation round is negative",
    });
  });

  const integers = {
    faceValue: "face value",
    winProb: "win probability",
    expirationBlock: "expiration block",
    seed: "seed",
  };
  for (const [field, name] of Object.entries(integers)) {
    test(`a ${name} of more than 32 bytes is refused, zeros in front do not count`, () => {
      const ticketParams = ticketParamsMessage({ ...usual, recipientRandHash: new Uint8Array(32) });
      const with32 = { ...ticketParams, [field]: new Uint8Array(40).fill(255, 8) };
      expect(readPayment(echo(usual, { ticketParams: with32 })).type).toBe("claim");
      const with33 = { ...ticketParams, [field]: new Uint8Array(33).fill(1, 0, 1) };
      expect(readPayment(echo(usual, { ticketParams: with33 }))).toEqual({
        type: "refused",
        status: 400,
        text: `invalid payment: ${name} has more than 32 bytes`,
      });
    });
  }

  test("accounts and hashes of another length are cropped in front or padded there", () => {
    const some = (length: number) => Uint8Array.from({ length }, (_, index) => index + 1);
    for (const [accountLength, hashLength] of [
      [3, 5],
      [20, 32],
      [32, 40],
    ] as const) {
      const ticketParams = {
        ...ticketParamsMessage({ ...usual, recipientRandHash: some(hashLength) }),
        recipient: some(accountLength),
      };
      const expirationParams = { creationRound: 1n, creationRoundBlockHash: some(hashLength) };
      const claim = readPayment(echo(usual, { ticketParams, expirationParams, sender: some(accountLength) }));
      if (claim.type === "refused" || claim.tickets === null) throw new Error("no tickets");
      expect(claim.sender).toEqual(fitBytes(some(accountLength), 20));
      expect(claim.tickets.recipient).toEqual(fitBytes(some(accountLength), 20));
      expect(claim.tickets.recipientRandHash).toEqual(fitBytes(some(hashLength), 32));
      expect(claim.tickets.expiration.creationRoundBlockHash).toEqual(fitBytes(some(hashLength), 32));
    }
  });

  test("nonces and signatures come as they are, in their order, up to the bound", () => {
    const ticketSenderParams = [
      { senderNonce: 4_294_967_295, sig: new Uint8Array(64) },
      { senderNonce: 0, sig: new Uint8Array(0) },
      { senderNonce: 4_294_967_295, sig: new Uint8Array(66).fill(1) },
    ];
    const claim = readPayment(echo(usual, { ticketSenderParams }));
    expect(claim.type === "claim" && claim.tickets?.senderParams).toEqual(
      ticketSenderParams.map(({ senderNonce, sig }) => ({ nonce: senderNonce, signature: sig })),
    );
    const many = (count: number) =>
      readPayment(
        echo(usual, { ticketSenderParams: Array.from({ length: count }, () => ({ senderNonce: 1 })) }),
      );
    expect(many(PAYMENT_TICKETS_MAX).type).toBe("claim");
    expect(many(PAYMENT_TICKETS_MAX + 1)).toEqual({
      type: "refused",
      status: 400,
      text: `invalid payment: ${PAYMENT_TICKETS_MAX + 1} tickets are too many`,
    });
  });

  test("no payment at all can make it throw, and a claim can always be hashed and bound", () => {
    const some = fc.uint8Array({ maxLength: 40 });
    const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    const payment = fc.record(
      {
        sender: some,
        ticketParams: fc.record({
          recipient: some,
          faceValue: some,
          winProb: some,
          recipientRandHash: some,
          seed: some,
          expirationBlock: some,
        }),
        expirationParams: fc.record({ creationRound: int64, creationRoundBlockHash: some }),
        ticketSenderParams: fc.array(
          fc.record({ senderNonce: fc.integer({ min: 0, max: 2 ** 32 - 1 }), sig: some }),
          { maxLength: 3 },
        ),
        expectedPrice: fc.record({ pricePerUnit: int64, pixelsPerUnit: int64 }),
      },
      { requiredKeys: [] },
    );
    let claims = 0;
    fc.assert(
      fc.property(payment, (fields) => {
        const read = readPayment(create(PaymentSchema, fields));
        if (read.type === "refused") {
          expect(read.status).toBe(400);
          return;
        }
        if (read.tickets === null) return;
        if (read.price === null) throw new Error("tickets without a price");
        claims++;
        const terms = ticketTerms(read.tickets, read.sender);
        for (const { nonce } of read.tickets.senderParams) expect(ticketHash(terms, nonce)).toHaveLength(32);
        const rand = recipientRand(
          secret,
          claimedRand(read.tickets, read.sender, read.price),
          pureHmacSha256,
        );
        expect(rand).toHaveLength(32);
      }),
      { numRuns: 2000 },
    );
    expect(claims).toBeGreaterThan(0);
  });
});

type PaymentFields = Exclude<MessageInitShape<typeof PaymentSchema>, Payment>;

const secret = new Uint8Array(32).fill(7);

const usual: RandInput = {
  seed: new Uint8Array(32).fill(6),
  recipient: new Uint8Array(20).fill(1),
  sender: new Uint8Array(20).fill(2),
  faceValue: 1_200_000_000_000_000n,
  winProb: 771947261582107969490473233391252719021799897770937093596383896000000000n,
  expirationBlock: 21_000_040n,
  price: rational(1212n, 5n),
  expiration: { creationRound: 3700n, creationRoundBlockHash: new Uint8Array(32).fill(4) },
};

/** A gateway's payment for an offer of ours, through the wire, with some fields changed. */
function echo(input: RandInput, change: PaymentFields = {}): Payment {
  const hash = recipientRandHash(recipientRand(secret, input, pureHmacSha256));
  const payment = create(PaymentSchema, {
    ticketParams: ticketParamsMessage({ ...input, recipientRandHash: hash }),
    sender: input.sender,
    expirationParams: input.expiration,
    ticketSenderParams: [{ senderNonce: 1, sig: minimalBytes(5n) }],
    expectedPrice: { pricePerUnit: input.price.numerator, pixelsPerUnit: input.price.denominator },
    ...change,
  });
  return decoded(toBinary(PaymentSchema, payment));
}

function decoded(input: Uint8Array): Payment {
  const outcome = messageDecoder(PaymentSchema)(input);
  if (outcome.type === "malformed") throw new Error(outcome.text);
  return outcome.message;
}

function paymentOf(hex: string): Payment {
  return decoded(bytes(hex));
}

function claimIn(hex: string): PaymentClaim {
  const read = readPayment(paymentOf(hex));
  if (read.type === "refused") throw new Error(read.text);
  return read;
}

function claimOf(header: string): PaymentClaim {
  const read = readPaymentHeader(header);
  if (read.type === "refused") throw new Error(read.text);
  const claim = readPayment(read.payment);
  if (claim.type === "refused") throw new Error(claim.text);
  return claim;
}

/** All signatures up to 18, of longer payments the first and the last ones: each takes a millisecond here. */
function expectGoodSignatures(tickets: TicketClaim, sender: Uint8Array): void {
  const { senderParams } = tickets;
  const chosen =
    senderParams.length > 18 ? [...senderParams.slice(0, 9), ...senderParams.slice(-9)] : senderParams;
  for (const { nonce, signature } of chosen) {
    const hash = ticketHash(ticketTerms(tickets, sender), nonce);
    expect(isPersonalSignatureOf(hash, signature, sender)).toBe(true);
  }
}
