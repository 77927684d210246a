import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { secp256k1 } from "@noble/curves/secp256k1";
import { bytes as bytesOfHex, vectors } from "../../../unit/protocol/vectors.ts";
import { fitBytes, toHex } from "../../../../src/protocol/bytes.ts";
import {
  type Payment,
  PaymentSchema,
  type TicketExpirationParams,
} from "../../../../src/protocol/gen/lp_rpc_pb.ts";
import { bigintOfBytes, minimalBytes } from "../../../../src/protocol/integerBytes.ts";
import { formatRational, multiply, rational, subtract, ZERO } from "../../../../src/protocol/rational.ts";
import type { RandInput } from "../../../../src/protocol/recipientRand.ts";
import { isWinner, ticketHash, type TicketTerms, ticketValue } from "../../../../src/protocol/ticket.ts";
import {
  chainClock,
  type DeskFixture,
  type DeskOutcome,
  PaymentHouse,
  richFunds,
} from "../../../support/paymentDeskFixture.ts";
import {
  accountOfPrivateKey,
  isPersonalSignatureOf,
  signPersonalMessage,
} from "../../../support/signatures.ts";

/*
 * Goal: every payment that was recorded at the reference node gets the same answer and the same credit here, but
 * for the rows where that node gives money or work away.
 *
 * Method: the recorded parameters carry a MAC of that node, which nobody else can check. So each row is translated:
 * the parameters that the row starts from are issued by our own MAC, the hash of the recorded payment becomes ours
 * where it was the issued one, good signatures are made anew and bad ones stay bad. Everything else, every altered
 * byte, stays as recorded.
 */

let house: PaymentHouse;
beforeAll(async () => {
  house = await PaymentHouse.open();
});
afterAll(() => house[Symbol.asyncDispose]());

type Fraction = { readonly num: string; readonly den: string };

type PaymentVector = {
  readonly name: string;
  readonly unsafe: boolean;
  readonly offchain?: boolean;
  readonly senderPrivateKey: string;
  readonly recipient: string;
  readonly lastInitializedRound: string;
  readonly recipientActivationRound: string;
  readonly recipientDeactivationRound: string;
  readonly lastSeenL1Block: string;
  readonly paymentBytes: string;
  readonly balanceBefore: Fraction;
  readonly error: string | null;
  readonly balanceAfter: Fraction | null;
  readonly ticketsCredited: number;
  readonly fixedPriceAfter: Fraction | null;
};

/** What all recorded params said before a row changed them. */
const issued = {
  faceValue: 1_200_000_000_000_000n,
  winProb: 771947261582107969490473233391252719021799897770937093596383896000000000n,
  expirationBlock: 21_000_040n,
  price: rational(1_212n),
};

/** Where we answer otherwise, and why. Rows that are not named here get the recorded answer. */
type Deviation = { readonly error: string | null; readonly price?: string | null };
const badRand = "invalid recipientRand for ticket recipientRandHash";
const deviations: Readonly<Record<string, Deviation>> = {
  // A payment that proves nothing fixes no price.
  "all fatal: price differs by one": { error: badRand, price: null },
  "first ticket bad: nothing credited": { error: "invalid ticket signature", price: null },
  "params expired: not credited": { error: "TicketParams expired", price: null },
  "params but no tickets": { error: null, price: null },
  "expiration params only inside ticket_params (field 7) are not read": { error: badRand, price: null },
  "last byte of win prob (zero) moved into the expiration block: leading zero is dropped, MAC differs": {
    error: badRand,
    price: null,
  },
  // The peer crashes.
  "expiration params missing: real code panics, answer 400 instead": {
    error: "invalid payment: expiration params are missing",
    price: null,
  },
  // The peer writes its memory into the text.
  "sender missing but params present": { error: "Could not find Sender for payment: sender is empty" },
  // The peer fixes a price of 0 for whoever sends no ticket.
  "no ticket params: success, session price pinned to 0": { error: null, price: null },
  "empty payment": {
    error: 'invalid expected price sent with payment err="expected price is nil"',
    price: null,
  },
  // Work at the price of the payer. Ours is the price that was agreed.
  "no ticket params and pinned price stays": { error: null, price: null },
};

describe("recorded payments", () => {
  const recorded = vectors<PaymentVector>("process-payment").filter(({ offchain }) => offchain !== true);

  test("no deviation is left over from a row that is gone", () => {
    const names = recorded.map(({ name }) => name);
    expect(Object.keys(deviations).filter((name) => !names.includes(name))).toEqual([]);
  });

  for (const vector of recorded) {
    test(`payments checks 12 to 20 and 25: ${vector.name}`, async () => {
      const round = BigInt(vector.lastInitializedRound);
      const desk = house.desk({
        recipient: bytesOfHex(vector.recipient),
        clock: chainClock({
          lastInitializedRound: round,
          l1Block: BigInt(vector.lastSeenL1Block),
          isRecipientActive:
            BigInt(vector.recipientActivationRound) <= round &&
            round < BigInt(vector.recipientDeactivationRound) &&
            vector.recipientActivationRound !== "-1",
          readAtMs: 1_700_000_000_000,
        }),
      });
      const before = await balanceBefore(desk, vector);
      const outcome = await desk.receive(translated(desk, vector));
      expect(house.faults).toEqual([]);
      if (vector.unsafe) {
        // Refused, nothing credited, no price fixed: the reference node pays for these.
        expect(outcome.error).toMatch(/invalid recipientRand|price per unit is negative/);
        expect(creditOf(outcome, before)).toBe("0");
        expect(outcome.price).toBeNull();
        return;
      }
      const expected = deviations[vector.name];
      expect(outcome.error).toBe(expected === undefined ? vector.error : expected.error);
      const credit =
        vector.balanceAfter === null
          ? ZERO
          : subtract(fraction(vector.balanceAfter), fraction(vector.balanceBefore));
      expect(creditOf(outcome, before)).toBe(formatRational(credit));
      expect(creditOf(outcome, before)).toBe(formatRational(creditFor(vector.ticketsCredited)));
      const price = vector.fixedPriceAfter === null ? null : formatRational(fraction(vector.fixedPriceAfter));
      const wanted = expected?.price === undefined ? price : expected.price;
      expect(outcome.price === null ? null : formatRational(outcome.price)).toBe(wanted);
    });
  }

  test("the rows start from the params that this test issues", () => {
    const [plain] = recorded;
    const payment = fromBinary(PaymentSchema, bytesOfHex(plain?.paymentBytes ?? ""));
    expect(bigintOfBytes(payment.ticketParams?.faceValue ?? new Uint8Array(0))).toBe(issued.faceValue);
    expect(bigintOfBytes(payment.ticketParams?.winProb ?? new Uint8Array(0))).toBe(issued.winProb);
    expect(bigintOfBytes(payment.ticketParams?.expirationBlock ?? new Uint8Array(0))).toBe(
      issued.expirationBlock,
    );
  });
});

/** A row that needs an earlier balance gets one: an honest payment of one ticket under other params. */
async function balanceBefore(desk: DeskFixture, vector: PaymentVector): Promise<DeskOutcome | null> {
  if (vector.balanceBefore.num === "0") return null;
  const payment = fromBinary(PaymentSchema, bytesOfHex(vector.paymentBytes));
  payment.ticketSenderParams.splice(1);
  if (payment.ticketParams !== undefined) payment.ticketParams.seed = new Uint8Array(32).fill(77);
  const first = await desk.receive(translated(desk, { ...vector, paymentBytes: hexOf(payment) }, true));
  expect(first.error).toBeNull();
  return first;
}

/** The recorded payment as a gateway would have made it from our params. */
function translated(desk: DeskFixture, vector: PaymentVector, isFresh = false): Payment {
  const payment = fromBinary(PaymentSchema, bytesOfHex(vector.paymentBytes));
  const { ticketParams, expirationParams } = payment;
  if (ticketParams === undefined) return payment;
  const privateKey = bytesOfHex(vector.senderPrivateKey);
  const said = expirationOf(expirationParams);
  // One row leaves round and hash where only the params have them; all others say in the payment what was issued.
  const isSaid = said.creationRound !== 0n || ticketParams.expirationParams === undefined;
  const expiration = isSaid ? said : expirationOf(ticketParams.expirationParams);
  const recordedTerms = termsOf(payment, said);
  const isGood = payment.ticketSenderParams.map(
    ({ senderNonce, sig }) =>
      isFresh || isPersonalSignatureOf(ticketHash(recordedTerms, senderNonce), sig, recordedTerms.sender),
  );
  ticketParams.recipientRandHash = desk.randHash({
    ...issued,
    seed: fitBytes(ticketParams.seed, 32),
    recipient: bytesOfHex(vector.recipient),
    sender: accountOfPrivateKey(privateKey),
    expiration,
  });
  const terms = termsOf(payment, said);
  for (const [index, params] of payment.ticketSenderParams.entries()) {
    params.sig = signPersonalMessage(ticketHash(terms, params.senderNonce), privateKey);
    if (isGood[index] === false) params.sig[63] = (params.sig[63] ?? 0) ^ 1;
  }
  return payment;
}

function expirationOf(params: TicketExpirationParams | undefined): TicketTerms["expiration"] {
  return {
    creationRound: params?.creationRound ?? 0n,
    creationRoundBlockHash: fitBytes(params?.creationRoundBlockHash ?? new Uint8Array(0), 32),
  };
}

function termsOf(payment: Payment, expiration: TicketTerms["expiration"]): TicketTerms {
  const params = payment.ticketParams;
  const field = (value: Uint8Array | undefined): Uint8Array => value ?? new Uint8Array(0);
  return {
    recipient: fitBytes(field(params?.recipient), 20),
    sender: fitBytes(payment.sender, 20),
    faceValue: bigintOfBytes(field(params?.faceValue)),
    winProb: bigintOfBytes(field(params?.winProb)),
    recipientRandHash: fitBytes(field(params?.recipientRandHash), 32),
    expiration,
  };
}

function creditOf(after: DeskOutcome, before: DeskOutcome | null): string {
  return formatRational(subtract(after.balance ?? ZERO, before?.balance ?? ZERO));
}

function creditFor(tickets: number) {
  return multiply(ticketValue(issued.faceValue, issued.winProb), rational(BigInt(tickets)));
}

function fraction({ num, den }: Fraction) {
  return rational(BigInt(num), BigInt(den));
}

function hexOf(payment: Payment): string {
  return toHex(toBinary(PaymentSchema, payment));
}

type ReceiveStep = {
  readonly op: "receive" | "receive-range";
  readonly note: string;
  readonly lastSeenL1Block: string;
  readonly senderNonce: number;
  readonly from: number;
  readonly to: number;
  /** What the ticket, or the payment around it, says other than the params. */
  readonly changes?: Readonly<Record<string, string>> & { readonly price?: Fraction };
  readonly error: string | null;
};

type ReceiveVector = {
  readonly name: string;
  readonly senderPrivateKey: string;
  readonly recipient: string;
  readonly price: Fraction;
  readonly lastInitializedRound: string;
  readonly senderWithdrawRound: string;
  readonly senderInfoError: string | null;
  readonly params: Readonly<Record<string, string>>;
  readonly steps: readonly ReceiveStep[];
};

/** Steps that we answer otherwise; the text is ours. */
const stepDeviations: Readonly<Record<string, string>> = {
  "price negated: same MAC message, price sign is not bound":
    'invalid expected price sent with payment err="price per unit is negative"',
  // Nonces of expired params are forgotten at once: the second reason to refuse is left.
  "seen is reported before expired": "TicketParams expired",
};

/** The L1 clock of the node never goes back; what would happen then is the clock's business, not the desk's. */
const impossibleSteps: readonly string[] = ["L1 went back; nonce 3 was consumed"];

describe("recorded sequences of tickets", () => {
  for (const vector of vectors<ReceiveVector>("ticket-receive")) {
    test(`payments checks 17 to 22: ${vector.name}`, async () => {
      const readAtMs = 1_700_000_000_000;
      const round = BigInt(vector.lastInitializedRound);
      const isReadable = vector.senderInfoError === null;
      const desk = house.desk({
        recipient: bytesOfHex(vector.recipient),
        clock: chainClock({ lastInitializedRound: round, readAtMs }),
        funds: isReadable ? richFunds(readAtMs, BigInt(vector.senderWithdrawRound)) : null,
      });
      const winners = new Set<string>();
      for (const step of vector.steps.filter(({ note }) => !impossibleSteps.includes(note))) {
        desk.chain.clock = { ...desk.chain.clock, l1Block: BigInt(step.lastSeenL1Block) };
        const { payment, terms, rand } = singleTickets(desk, vector, step);
        const outcome = await desk.receive(payment);
        const error = stepDeviations[step.note] ?? step.error;
        const text = isReadable ? error : error?.replace("stub rpc failure", "the chain cannot be read");
        expect([step.note, step.senderNonce, outcome.error]).toEqual([
          step.note,
          step.senderNonce,
          text ?? null,
        ]);
        // The reference node draws, and keeps what wins, whenever signature and secret number are right.
        const isDrawn = error === null || /senderNonce|TicketParams expired/.test(error);
        for (const { senderNonce, sig } of isDrawn ? payment.ticketSenderParams : []) {
          if (isWinner(sig, rand, terms.winProb)) winners.add(toHex(ticketHash(terms, senderNonce)));
        }
      }
      expect(desk.wonTickets()).toEqual([...winners]);
      expect(house.faults).toEqual([]);
    });
  }

  test("enough of them win to notice a winner that is lost or kept twice", async () => {
    const vector = vectors<ReceiveVector>("ticket-receive").find(({ name }) => name.includes("tickets win"));
    if (vector === undefined) throw new Error("no such vector");
    const probability = Number((BigInt(vector.params["winProb"] ?? "0") * 100n) >> 256n);
    expect(probability).toBeGreaterThan(30);
    // Seed and key are fixed, so the number of winners is too.
    const desk = house.desk({ recipient: bytesOfHex(vector.recipient) });
    let count = 0;
    for (const step of vector.steps) {
      const { payment, terms, rand } = singleTickets(desk, vector, step);
      for (const { sig } of payment.ticketSenderParams) if (isWinner(sig, rand, terms.winProb)) count += 1;
    }
    expect(count).toBeGreaterThan(3);
    expect(count).toBeLessThan(vector.steps.length);
  });
});

/** The tickets of one step in a payment of their own, made from our params with the step's changes. */
function singleTickets(desk: DeskFixture, vector: ReceiveVector, step: ReceiveStep) {
  const { changes = {}, senderNonce } = step;
  const { params } = vector;
  const privateKey = bytesOfHex(vector.senderPrivateKey);
  const offered = offerOf(
    { ...params, recipient: vector.recipient },
    accountOfPrivateKey(privateKey),
    vector.price,
  );
  const said = { ...params, recipient: vector.recipient, ...(changes as Readonly<Record<string, string>>) };
  const sender =
    changes["sender"] === undefined ? offered.sender : bytesOfHex(changes["sender"].toLowerCase());
  const claimed = offerOf(said, sender, changes.price ?? vector.price);
  const recipientRandHash =
    changes["recipientRandHash"] === undefined
      ? desk.randHash(offered)
      : bytesOfHex(changes["recipientRandHash"]);
  const terms: TicketTerms = { ...claimed, recipientRandHash };
  const nonces =
    step.op === "receive-range"
      ? Array.from({ length: step.to - step.from + 1 }, (_, index) => step.from + index)
      : [senderNonce];
  const payment = create(PaymentSchema, {
    sender,
    ticketParams: {
      recipient: claimed.recipient,
      faceValue: minimalBytes(claimed.faceValue),
      winProb: minimalBytes(claimed.winProb),
      recipientRandHash,
      seed: minimalBytes(bigintOfBytes(claimed.seed)),
      expirationBlock: minimalBytes(claimed.expirationBlock),
    },
    expirationParams: claimed.expiration,
    ticketSenderParams: nonces.map((nonce) => ({
      senderNonce: nonce,
      sig: badly(step.note, signPersonalMessage(ticketHash(terms, nonce), privateKey)),
    })),
    expectedPrice: priceMessage(changes.price ?? vector.price, step.note),
  });
  return { payment, terms, rand: desk.rand(offered) };
}

function offerOf(said: Readonly<Record<string, string>>, sender: Uint8Array, price: Fraction): RandInput {
  const integer = (name: string): bigint => BigInt(said[name] ?? "0");
  return {
    seed: fitBytes(minimalBytes(integer("seed")), 32),
    recipient: bytesOfHex((said["recipient"] ?? "").toLowerCase()),
    sender,
    faceValue: integer("faceValue"),
    winProb: integer("winProb"),
    expirationBlock: integer("expirationBlock"),
    price: fraction(price),
    expiration: {
      creationRound: integer("creationRound"),
      creationRoundBlockHash: bytesOfHex(said["creationRoundBlockHash"] ?? ""),
    },
  };
}

/** The signature as the note of a step wants it. */
function badly(note: string, signature: Uint8Array): Uint8Array {
  const bad = Uint8Array.from(signature);
  if (note === "bad signature") bad[63] = (bad[63] ?? 0) ^ 1;
  if (note === "v 0/1") bad[64] = (bad[64] ?? 0) - 27;
  if (note === "high s") {
    const s = secp256k1.CURVE.n - bigintOfBytes(bad.subarray(32, 64));
    bad.set(fitBytes(minimalBytes(s), 32), 32);
    bad[64] = 55 - (bad[64] ?? 0);
  }
  return bad;
}

/** One row names the same price by other numbers; the recording keeps only its lowest terms. */
function priceMessage({ num, den }: Fraction, note: string) {
  const factor = note.includes("other fraction 2424/2") ? 2n : 1n;
  return { pricePerUnit: BigInt(num) * factor, pixelsPerUnit: BigInt(den) * factor };
}
