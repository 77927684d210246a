import { describe, expect, test } from "bun:test";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { toHex, uint256Bytes } from "../../../../src/protocol/bytes.ts";
import { TicketParamsSchema } from "../../../../src/protocol/gen/lp_rpc_pb.ts";
import { multiply, ONE, rational, subtract, ZERO } from "../../../../src/protocol/rational.ts";
import { ticketValue } from "../../../../src/protocol/ticket.ts";
import {
  type FaceValueInput,
  faceValue,
  PARAMS_LIFETIME_BLOCKS,
  ticketExpiration,
  ticketOffer,
  ticketParamsMessage,
  winProbability,
} from "../../../../src/protocol/ticketParams.ts";
import { adjustedPrice, priceOverhead } from "../../../../src/protocol/price.ts";
import { isTakenByGateway, naiveFaceValue, naiveWinProb } from "../../../support/naiveMoney.ts";
import { bytes, vectors } from "../vectors.ts";
import { fraction, fractionOrNull, lowerHex, type VectorFraction } from "./money.ts";

/*
 * Goal: the params that we offer are those which the reference node would offer, always worth the wanted value,
 * and such as gateways take. Method: recorded cases, worked examples, a second reading of the rules.
 */

const RESERVE_TEXT = "insufficient sender reserve";
const ample = 10n ** 21n;
const redeemGasArbitrum = 1_200_000n;

type FaceValueCase = {
  readonly name: string;
  readonly ev: string;
  readonly redeemGas: number;
  readonly gasPrice: string | null;
  readonly maxFloat: string | null;
  readonly maxFloatError: string | null;
  readonly maxFaceValue: string | null;
  readonly txCost: string;
  readonly faceValue: string | null;
  readonly winProb: string | null;
  readonly error: string | null;
  readonly effectiveTxCostMultiplier: VectorFraction | null;
};

describe("face value", () => {
  for (const [index, vector] of vectors<FaceValueCase>("recipient-params", "faceValue").entries()) {
    test(`recorded face value ${index}: ${vector.name}`, () => {
      const input = inputOf(vector);
      expect(input.txCost).toBe(BigInt(vector.txCost));
      if (vector.maxFloatError !== null) {
        expect(() => faceValue(input)).toThrow(vector.maxFloatError);
        return;
      }
      if (vector.faceValue === null) {
        expect<unknown>(faceValue(input)).toEqual({ type: "refused", text: vector.error });
        return;
      }
      const value = BigInt(vector.faceValue);
      expect(faceValue(input)).toEqual({ type: "value", value });
      expect(String(winProbability(value, input.ticketEv))).toBe(vector.winProb ?? "");
      const multiplier = fractionOrNull(vector.effectiveTxCostMultiplier) ?? ZERO;
      const overhead = priceOverhead(value, input.txCost);
      expect(multiply(subtract(overhead, ONE), multiplier)).toEqual(overhead === ONE ? ZERO : ONE);
    });
  }

  test("payments check 5: the numbers of E6", () => {
    const of = (gasPrice: bigint, maxFloat = ample) =>
      valueAt({ txCost: redeemGasArbitrum * gasPrice, maxFloat });
    expect(of(10_000_000n)).toBe(1_200_000_000_000_000n);
    expect(of(0n)).toBe(800_000_000_000n);
    expect(of(100_000_000n, 3_000_000_000_000_000n)).toBe(3_000_000_000_000_000n);
    const overhead = priceOverhead(3_000_000_000_000_000n, redeemGasArbitrum * 100_000_000n);
    expect(overhead).toEqual(rational(104n, 100n));
    expect(adjustedPrice(rational(100n), overhead, true)).toEqual(rational(104n));
    expect(of(100_000_000n, 100_000_000_000_000n)).toBe(RESERVE_TEXT);
    expect(of(4_000_000_000n, 3_600_000_000_000_000n)).toBe(3_600_000_000_000_000n);
  });

  test("payments check 8: a reserve below one ticket's value is refused", () => {
    expect(valueAt({ txCost: 0n, maxFloat: 7_999_999_999n })).toBe(RESERVE_TEXT);
    expect(valueAt({ txCost: 0n, maxFloat: 8_000_000_000n })).toBe(8_000_000_000n);
    expect(valueAt({ txCost: 0n, maxFloat: -1n })).toBe(RESERVE_TEXT);
  });

  test("payments check 9: below the cost, the cost at 3 gwei is enough and a wei less is not", () => {
    const txCost = redeemGasArbitrum * 4_000_000_000n;
    const cheap = redeemGasArbitrum * 3_000_000_000n;
    expect(valueAt({ txCost, maxFloat: cheap + 1n })).toBe(cheap + 1n);
    expect(valueAt({ txCost, maxFloat: cheap })).toBe(cheap);
    expect(valueAt({ txCost, maxFloat: cheap - 1n })).toBe(RESERVE_TEXT);
  });

  test("payments check 10: a cap of 0 or less is none, a cap of 5 wei refuses everybody", () => {
    const txCost = 12_000_000_000_000n;
    expect(valueAt({ txCost, maxFaceValue: 0n })).toBe(txCost * 100n);
    expect(valueAt({ txCost, maxFaceValue: -1n })).toBe(txCost * 100n);
    expect(valueAt({ txCost, maxFaceValue: 5n })).toBe(RESERVE_TEXT);
  });

  test("every input gives what a second reading of the rules gives, and the reserve is asked once", () => {
    const wei = fc.bigInt({ min: 0n, max: 10n ** 19n });
    const signed = fc.bigInt({ min: -(10n ** 18n), max: 10n ** 19n });
    const gas = fc.constantFrom(350_000n, 1_200_000n);
    fc.assert(
      fc.property(
        wei,
        gas,
        fc.bigInt({ min: 1n, max: 10n ** 12n }),
        signed,
        signed,
        (txCost, redeemGas, ev, float, cap) => {
          let asked = 0;
          const maxFloat = () => {
            asked++;
            return float;
          };
          const found = faceValue({ txCost, redeemGas, ticketEv: ev, maxFaceValue: cap, maxFloat });
          expect(found.type === "value" ? found.value : null).toBe(
            naiveFaceValue(txCost, redeemGas, ev, float, cap),
          );
          expect(asked).toBe(1);
        },
      ),
      { numRuns: 500 },
    );
  });
});

type WinProbCase = {
  readonly name: string;
  readonly ev: string;
  readonly faceValue: string;
  readonly winProb: string;
  readonly ticketEV: VectorFraction;
  readonly quirk?: boolean;
};

describe("win probability", () => {
  test("recorded win probabilities, but for the two that the peer rounds down by mistake", () => {
    let quirks = 0;
    for (const vector of vectors<WinProbCase>("recipient-params", "winProb")) {
      const [value, ev] = [BigInt(vector.faceValue), BigInt(vector.ev)];
      const found = winProbability(value, ev);
      if (vector.quirk === true) {
        // The peer looks at the low 64 bits of the remainder only: its ticket is worth less than wanted.
        expect(found).toBe(BigInt(vector.winProb) + ev);
        expect(ticketValue(value, found).numerator).toBeGreaterThan(fraction(vector.ticketEV).numerator);
        quirks++;
        continue;
      }
      expect([vector.name, String(found)]).toEqual([vector.name, vector.winProb]);
      expect(ticketValue(value, found)).toEqual(fraction(vector.ticketEV));
    }
    expect(quirks).toBe(2);
  });

  test("payments check 5: the numbers of E5", () => {
    expect([100_000_000n, 777_000_000n, 10_001n].map((value) => String(winProbability(value, 5n)))).toEqual([
      "5789604461865809771178549250434395392663499233282028201972879200395660",
      "745122839364969082519761808292714979750772102095499125093034646125570",
      "57890255593098787833002192285115442382396752657554526567072084795477017120",
    ]);
  });

  test("payments check 6: the limits, and free work asks nobody for its reserve", () => {
    expect(winProbability(5n, 5n)).toBe(2n ** 256n - 1n);
    expect(winProbability(0n, 5n)).toBe(0n);
    const input = { ...inputWith({ txCost: 1n }), maxFloat: () => expect.unreachable() };
    for (const price of [ZERO, rational(-1n)]) {
      expect(ticketOffer(price, input)).toEqual({ type: "offer", faceValue: 0n, winProb: 0n });
    }
  });

  test("payments check 7: a ticket is always worth what is wanted, and less than a billionth of that more", () => {
    const wanted = fc.bigInt({ min: 1n, max: 10n ** 13n });
    fc.assert(
      fc.property(wanted, fc.bigInt({ min: 0n, max: 10n ** 22n }), (ev, above) => {
        const value = ev + above;
        const found = winProbability(value, ev);
        expect(found).toBe(naiveWinProb(value, ev));
        const max = 2n ** 256n - 1n;
        expect(value * found >= ev * max).toBe(true);
        expect(value * found * 10n ** 9n < ev * max * (10n ** 9n + 1n)).toBe(true);
        expect(found <= max).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

type GatewayCase = {
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
  readonly depositMultiplier: number;
  readonly error: string | null;
};

describe("what gateways take", () => {
  test("the rule of the tests is the recorded one", () => {
    for (const vector of vectors<GatewayCase>("payment-header", "gatewayValidateParams")) {
      const isTaken = isTakenByGateway({
        faceValue: BigInt(vector.faceValue),
        winProb: BigInt(vector.winProb),
        expirationBlock: BigInt(vector.expirationBlock),
        gatewayLastSeenL1Block: BigInt(vector.gatewayLastSeenL1Block),
        gatewayRound: BigInt(vector.gatewayRound),
        deposit: BigInt(vector.deposit),
        reserve: BigInt(vector.reserve),
        withdrawRound: BigInt(vector.withdrawRound),
        maxTicketEv: BigInt(vector.maxTicketEV),
        depositMultiplier: BigInt(vector.depositMultiplier),
      });
      expect([vector.name, isTaken]).toEqual([vector.name, vector.error === null]);
    }
  });

  test("an offer above the wanted value and within the deposit is taken by a gateway with default limits", () => {
    const gasPrice = fc.bigInt({ min: 0n, max: 10n ** 10n });
    fc.assert(
      fc.property(gasPrice, fc.bigInt({ min: 0n, max: 10n ** 18n }), (price, maxFloat) => {
        const input = inputWith({ txCost: redeemGasArbitrum * price, maxFloat });
        const offer = ticketOffer(rational(1n), input);
        fc.pre(offer.type === "offer" && offer.faceValue > input.ticketEv);
        if (offer.type !== "offer") return;
        const isTaken = isTakenByGateway({
          ...offer,
          expirationBlock: 21_000_000n + PARAMS_LIFETIME_BLOCKS,
          gatewayLastSeenL1Block: 21_000_000n,
          gatewayRound: 3700n,
          deposit: offer.faceValue,
          reserve: 1n,
          withdrawRound: 0n,
          maxTicketEv: 3_000_000_000_000n,
          depositMultiplier: 1n,
        });
        expect(isTaken).toBe(true);
      }),
    );
  });
});

type ParamsCase = FaceValueCase & {
  readonly recipient: string;
  readonly price: VectorFraction;
  readonly lastSeenL1Block: string;
  readonly lastInitializedRound: string;
  readonly lastInitializedL1BlockHash: string;
  readonly previousL1BlockHash: string;
  readonly seed: string;
  readonly expirationBlock: string;
  readonly creationRound: string;
  readonly creationRoundBlockHash: string;
  readonly recipientRandHash: string;
  readonly wire: string;
};

/** The peer publishes these; a gateway then puts in its own round and none of its payments fits. We offer nothing. */
const unusableRounds = [
  "both hashes zero",
  "round 0, zero hash: round becomes -1",
  "round 1, all hashes zero: no aux data",
];

describe("ticket params", () => {
  for (const [index, vector] of vectors<ParamsCase>("recipient-params", "ticketParams").entries()) {
    test(`recorded params ${index}: ${vector.name}`, () => {
      const expiration = ticketExpiration({
        lastInitializedRound: BigInt(vector.lastInitializedRound),
        roundBlockHash: bytes(vector.lastInitializedL1BlockHash),
        previousRoundBlockHash: bytes(vector.previousL1BlockHash),
      });
      if (unusableRounds.includes(vector.name)) {
        expect(expiration).toBeNull();
        return;
      }
      if (expiration === null) throw new Error("no round");
      const offerOf = () =>
        ticketOffer(fraction(vector.price), inputOf({ ...vector, txCost: "", maxFaceValue: null }));
      if (vector.maxFloatError !== null && vector.error !== null) {
        expect(offerOf).toThrow(vector.maxFloatError);
        return;
      }
      const offer = offerOf();
      if (offer.type === "refused") {
        expect<string | null>(offer.text).toBe(vector.error);
        return;
      }
      expect(String(offer.faceValue)).toBe(vector.faceValue ?? "");
      expect(String(offer.winProb)).toBe(vector.winProb ?? "");
      expect(String(expiration.creationRound)).toBe(vector.creationRound);
      expect(toHex(expiration.creationRoundBlockHash)).toBe(lowerHex(vector.creationRoundBlockHash));
      const expirationBlock = BigInt(vector.lastSeenL1Block) + PARAMS_LIFETIME_BLOCKS;
      expect(String(expirationBlock)).toBe(vector.expirationBlock);
      const message = ticketParamsMessage({
        recipient: bytes(vector.recipient),
        faceValue: offer.faceValue,
        winProb: offer.winProb,
        recipientRandHash: bytes(vector.recipientRandHash),
        seed: uint256Bytes(BigInt(vector.seed)),
        expirationBlock,
        expiration,
      });
      expect(toHex(toBinary(TicketParamsSchema, message))).toBe(lowerHex(vector.wire));
    });
  }

  test("payments check 11: without a hash of this round the previous round is named", () => {
    const [zero, hash] = [new Uint8Array(32), new Uint8Array(32).fill(7)];
    const of = (
      lastInitializedRound: bigint,
      roundBlockHash: Uint8Array,
      previousRoundBlockHash: Uint8Array,
    ) => ticketExpiration({ lastInitializedRound, roundBlockHash, previousRoundBlockHash });
    expect(of(3700n, zero, hash)).toEqual({ creationRound: 3699n, creationRoundBlockHash: hash });
    expect(of(3700n, hash, zero)).toEqual({ creationRound: 3700n, creationRoundBlockHash: hash });
    // A gateway takes round 0 for none at all.
    expect(of(1n, zero, hash)).toBeNull();
    expect(of(0n, hash, zero)).toEqual({ creationRound: 0n, creationRoundBlockHash: hash });
  });

  test("payments check 14: a seed with zeros in front loses them on the wire only", () => {
    const seed = uint256Bytes(0x0102n);
    const message = ticketParamsMessage({
      recipient: new Uint8Array(20).fill(1),
      faceValue: 0n,
      winProb: 256n,
      recipientRandHash: new Uint8Array(32).fill(2),
      seed,
      expirationBlock: 1n,
      expiration: { creationRound: 1n, creationRoundBlockHash: new Uint8Array(32).fill(3) },
    });
    const read = fromBinary(TicketParamsSchema, toBinary(TicketParamsSchema, message));
    expect(read.seed).toEqual(Uint8Array.of(1, 2));
    expect(read.faceValue).toHaveLength(0);
    expect(read.winProb).toEqual(Uint8Array.of(1, 0));
  });
});

function inputOf(vector: Omit<FaceValueCase, "effectiveTxCostMultiplier">): FaceValueInput {
  const { maxFloatError } = vector;
  return {
    txCost: BigInt(vector.redeemGas) * BigInt(vector.gasPrice ?? "0"),
    redeemGas: BigInt(vector.redeemGas),
    ticketEv: BigInt(vector.ev),
    maxFaceValue: BigInt(vector.maxFaceValue ?? "0"),
    maxFloat: () => {
      if (maxFloatError !== null) throw new Error(maxFloatError);
      return BigInt(vector.maxFloat ?? "0");
    },
  };
}

type Change = { readonly txCost: bigint; readonly maxFloat?: bigint; readonly maxFaceValue?: bigint };

function inputWith({ txCost, maxFloat = ample, maxFaceValue = 0n }: Change): FaceValueInput {
  return {
    txCost,
    redeemGas: redeemGasArbitrum,
    ticketEv: 8_000_000_000n,
    maxFaceValue,
    maxFloat: () => maxFloat,
  };
}

function valueAt(change: Change): bigint | string {
  const found = faceValue(inputWith(change));
  return found.type === "value" ? found.value : found.text;
}
