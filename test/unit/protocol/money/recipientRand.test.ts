import { describe, expect, test } from "bun:test";
import { keccak_256 } from "@noble/hashes/sha3";
import fc from "fast-check";
import { pureHmacSha256 } from "../../../../src/protocol/authToken.ts";
import { plainHex, toHex, uint256Bytes } from "../../../../src/protocol/bytes.ts";
import { maxWinProb, auxData } from "../../../../src/protocol/ticket.ts";
import { PaymentSchema } from "../../../../src/protocol/gen/lp_rpc_pb.ts";
import { claimedRand, readPayment } from "../../../../src/protocol/payment.ts";
import { rational } from "../../../../src/protocol/rational.ts";
import { type RandInput, recipientRand, recipientRandHash } from "../../../../src/protocol/recipientRand.ts";
import { messageDecoder } from "../../../../src/protocol/wire.ts";
import { peerRandMessage } from "../../../support/naiveMoney.ts";
import { bytes, vectors } from "../vectors.ts";
import { fraction, lowerHex, type VectorFraction } from "./money.ts";

/*
 * Goal: nobody can change any term of an offer and keep its number. Method: each field is changed alone; the
 * message under the MAC is looked at; the recorded forgeries that the reference node takes are shown to be
 * forgeries there and to be refused here.
 */

const secret = new Uint8Array(32).fill(9);

describe("recipientRand", () => {
  test("payments check 2: the published hash is that of the number in 32 bytes", () => {
    const rand = recipientRand(secret, usual, pureHmacSha256);
    expect(rand).toHaveLength(32);
    expect(recipientRandHash(rand)).toEqual(keccak_256(rand));
    expect(recipientRand(secret, usual, pureHmacSha256)).toEqual(rand);
    expect(recipientRand(secret.with(0, 1), usual, pureHmacSha256)).not.toEqual(rand);
    const e2 = bytes("40390693d701b20384943e74350b9a8e0b23e30a5acf6c5dc7c87224676bd0fb");
    expect(plainHex(recipientRandHash(e2))).toBe(
      "9a322f46bf481e6c9ad7eca35f20345890ea16b5e9f1f14aa8296f0054cd8cc2",
    );
  });

  const changes: Readonly<Record<string, Partial<RandInput>>> = {
    seed: { seed: uint256Bytes(8n) },
    recipient: { recipient: new Uint8Array(20).fill(3) },
    sender: { sender: new Uint8Array(20).fill(3) },
    "face value": { faceValue: 1_200_000_000_000_001n },
    "win probability": { winProb: 1n },
    "expiration block": { expirationBlock: 21_000_041n },
    price: { price: rational(1213n) },
    "price per pixels": { price: rational(1212n, 5n) },
    "sign of the price": { price: rational(-1212n) },
    round: { expiration: { creationRound: 3701n, creationRoundBlockHash: new Uint8Array(32).fill(4) } },
    "block hash": {
      expiration: { creationRound: 3700n, creationRoundBlockHash: new Uint8Array(32).fill(5) },
    },
  };
  for (const [field, change] of Object.entries(changes)) {
    const check = field === "sender" ? "payments check 12" : "payments check 13";
    test(`${check}: another ${field} gives another number`, () => {
      const other = recipientRand(secret, { ...usual, ...change }, pureHmacSha256);
      expect(other).not.toEqual(recipientRand(secret, usual, pureHmacSha256));
    });
  }

  test("payments check 13: 2/2 is the price 1/1", () => {
    const [one, two] = [rational(1n, 1n), rational(2n, 2n)];
    expect(recipientRand(secret, { ...usual, price: two }, pureHmacSha256)).toEqual(
      recipientRand(secret, { ...usual, price: one }, pureHmacSha256),
    );
  });

  test("two inputs share a message only when they are the same input", () => {
    const uint256 = fc.oneof(fc.bigInt({ min: 0n, max: 300n }), fc.bigInt({ min: 0n, max: maxWinProb }));
    const array = (length: number) =>
      fc.oneof(fc.constant(new Uint8Array(length)), fc.uint8Array({ minLength: length, maxLength: length }));
    const price = fc
      .tuple(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n }), fc.bigInt({ min: 1n, max: 2n ** 63n }))
      .map(([numerator, denominator]) => rational(numerator, denominator));
    const input = fc.record({
      seed: array(32),
      recipient: array(20),
      sender: array(20),
      faceValue: uint256,
      winProb: uint256,
      expirationBlock: uint256,
      price,
      expiration: fc.record({
        creationRound: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
        creationRoundBlockHash: array(32),
      }),
    });
    fc.assert(
      fc.property(input, input, (left, right) => {
        const [a, b] = [messageOf(left), messageOf(right)];
        expect(a).toHaveLength(b.length);
        expect(plainHex(a) === plainHex(b)).toBe(Bun.deepEquals(left, right));
        // Bytes moved over a border: the peer's message stays the same, ours never does.
        const moved = {
          ...left,
          faceValue: (left.faceValue << 8n) % 2n ** 256n,
          winProb: left.winProb >> 8n,
        };
        if (!Bun.deepEquals(moved, left)) expect(messageOf(moved)).not.toEqual(a);
      }),
      { numRuns: 500 },
    );
  });

  test("fields that do not fit are bugs", () => {
    const bad: readonly Partial<RandInput>[] = [
      { seed: new Uint8Array(31) },
      { recipient: new Uint8Array(0) },
      { sender: new Uint8Array(32) },
      { faceValue: 2n ** 256n },
      { winProb: -1n },
      { expirationBlock: 2n ** 256n },
      { price: { numerator: 2n ** 256n, denominator: 1n } },
      { expiration: { creationRound: -1n, creationRoundBlockHash: new Uint8Array(32) } },
      { expiration: { creationRound: 1n, creationRoundBlockHash: new Uint8Array(20) } },
    ];
    for (const change of bad) expect(() => messageOf({ ...usual, ...change })).toThrow();
    expect(() => recipientRand(new Uint8Array(31), usual, pureHmacSha256)).toThrow();
    expect(() => recipientRandHash(new Uint8Array(31))).toThrow();
  });
});

type RandCase = {
  readonly name: string;
  readonly secret: string;
  readonly seed: string;
  readonly sender: string;
  readonly faceValue: string;
  readonly winProb: string;
  readonly expirationBlock: string;
  readonly price: VectorFraction;
  readonly creationRound: string;
  readonly creationRoundBlockHash: string;
  readonly message: string;
  readonly recipientRand: string;
  readonly recipientRandHash: string;
};

describe("the peer's own number, which we only read about", () => {
  test("recorded numbers follow its construction, and their hashes ours", () => {
    for (const vector of vectors<RandCase>("recipient-params", "rand")) {
      const expiration = {
        creationRound: BigInt(vector.creationRound),
        creationRoundBlockHash: bytes(vector.creationRoundBlockHash),
      };
      const message = peerRandMessage({
        seed: BigInt(vector.seed),
        sender: plainHex(bytes(vector.sender)),
        faceValue: BigInt(vector.faceValue),
        winProb: BigInt(vector.winProb),
        expirationBlock: BigInt(vector.expirationBlock),
        price: [BigInt(vector.price.num), BigInt(vector.price.den)],
        aux: plainHex(auxData(expiration)),
      });
      expect(`0x${message}`).toBe(vector.message.toLowerCase());
      const rand = pureHmacSha256(bytes(vector.secret), bytes(message));
      expect(String(BigInt(toHex(rand)))).toBe(vector.recipientRand);
      expect(toHex(recipientRandHash(rand))).toBe(lowerHex(vector.recipientRandHash));
      const ours = inputOf(vector, expiration);
      expect(recipientRand(bytes(vector.secret), ours, pureHmacSha256)).not.toEqual(rand);
    }
  });

  test("payments check 13: the two recorded sets with one message have two messages here", () => {
    const pair = vectors<RandCase>("recipient-params", "rand").filter(({ name }) =>
      name.startsWith("undelimited"),
    );
    expect(pair.map(({ message }) => message)).toEqual(Array(2).fill(pair[0]?.message));
    const ours = pair.map((vector) =>
      inputOf(vector, {
        creationRound: BigInt(vector.creationRound),
        creationRoundBlockHash: bytes(vector.creationRoundBlockHash),
      }),
    );
    expect(new Set(ours.map((input) => plainHex(messageOf(input)))).size).toBe(2);
  });

  const forgeries = vectors<{
    readonly name: string;
    readonly unsafe: boolean;
    readonly paymentBytes: string;
  }>("process-payment").filter(({ unsafe }) => unsafe);
  for (const { name, paymentBytes } of forgeries) {
    test(`payments check 13: refused here, ${name}`, () => {
      const outcome = messageDecoder(PaymentSchema)(bytes(paymentBytes));
      if (outcome.type !== "message") throw new Error(outcome.text);
      const claim = readPayment(outcome.message);
      if (claim.type === "refused") {
        expect(name).toContain("negative price");
        expect(claim.status).toBe(400);
        return;
      }
      if (claim.tickets === null || claim.price === null) throw new Error("no tickets");
      const claimed = claimedRand(claim.tickets, claim.sender, claim.price);
      const offered = { ...claimed, ...offeredTerms };
      // The forgery works there: both sets have one message. Here they have two, so the hash is another one.
      expect(peerMessageOf(claimed)).toBe(peerMessageOf(offered));
      const hash = (input: RandInput) =>
        plainHex(recipientRandHash(recipientRand(secret, input, pureHmacSha256)));
      expect(hash(claimed)).not.toBe(hash(offered));
    });
  }
  test("the recorded forgeries are five", () => {
    expect(forgeries).toHaveLength(5);
  });
});

/** What the reference node had offered before the fields were moved. */
const offeredTerms = {
  faceValue: 1_200_000_000_000_000n,
  winProb: 771947261582107969490473233391252719021799897770937093596383896000000000n,
  expirationBlock: 21_000_040n,
  price: rational(1212n),
};

const usual: RandInput = {
  ...offeredTerms,
  seed: uint256Bytes(7n),
  recipient: new Uint8Array(20).fill(1),
  sender: new Uint8Array(20).fill(2),
  expiration: { creationRound: 3700n, creationRoundBlockHash: new Uint8Array(32).fill(4) },
};

/** What stands under the MAC. */
function messageOf(input: RandInput): Uint8Array {
  return recipientRand(secret, input, (_key, message) => message);
}

function peerMessageOf(input: RandInput): string {
  return peerRandMessage({
    ...input,
    seed: BigInt(toHex(input.seed)),
    sender: plainHex(input.sender),
    price: [input.price.numerator, input.price.denominator],
    aux: plainHex(auxData(input.expiration)),
  });
}

function inputOf(vector: RandCase, expiration: RandInput["expiration"]): RandInput {
  return {
    seed: uint256Bytes(BigInt(vector.seed)),
    recipient: new Uint8Array(20),
    sender: bytes(vector.sender),
    faceValue: BigInt(vector.faceValue),
    winProb: BigInt(vector.winProb),
    expirationBlock: BigInt(vector.expirationBlock),
    price: fraction(vector.price),
    expiration,
  };
}
