import { describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { PriceInfoSchema } from "../../../../src/protocol/gen/lp_rpc_pb.ts";
import {
  adjustedPrice,
  estimatedUnits,
  expressiblePrice,
  isSufficient,
  jobFee,
  type Price,
  priceInfoOf,
  priceOfInfo,
} from "../../../../src/protocol/price.ts";
import { capabilityPrices } from "../../../../src/protocol/priceList.ts";
import {
  add,
  compare,
  isPositive,
  multiply,
  ONE,
  rational,
  subtract,
  ZERO,
} from "../../../../src/protocol/rational.ts";
import { ticketValue } from "../../../../src/protocol/ticket.ts";
import { winProbability } from "../../../../src/protocol/ticketParams.ts";
import { naiveEstimatedPixels, naiveTicketCount } from "../../../support/naiveMoney.ts";
import { vectors } from "../vectors.ts";
import { fraction, fractionOrNull, type VectorFraction } from "./money.ts";

/*
 * Goal: prices and fees are those of the reference node wherever it asks for anything at all, and never less.
 * Method: recorded cases, worked example E8, and properties against the definitions.
 */

const int64Max = 2n ** 63n - 1n;

type PriceCase = {
  readonly price: VectorFraction | null;
  readonly fixedToPrice: VectorFraction;
  readonly toFixed: string;
  readonly toInt64: VectorFraction | null;
  readonly toInt64Error: string | null;
};

describe("price on the wire", () => {
  test("recorded prices in thousandths, but for those that the peer makes free or cuts", () => {
    let deviations = 0;
    // Below a thousandth of a wei the peer works for nothing.
    const tiny = [
      "1/5000",
      "999/1000000",
      "1/2000",
      `1/${10n ** 30n}`,
      "9999999999999999999999999/10000000000000000000000000000",
    ];
    const freeAtPeer = new Set(tiny);
    // Above 9.2 × 10¹⁵ wei the peer asks for no more than that.
    const cutAtPeer = new Set([
      ...["9223372036854775807/1", "9223372036854775808/1", "1152921504606846976/125", "9223372036854776/1"],
      ...[`${10n ** 30n}/1`, "36893488147419103233/2"],
    ]);
    for (const vector of vectors<PriceCase>("ev", "price")) {
      if (vector.price === null || vector.price.num.startsWith("-")) continue;
      const price = fraction(vector.price);
      const found = adjustedPrice(price, ONE, true);
      const name = `${vector.price.num}/${vector.price.den}`;
      if (freeAtPeer.has(name)) {
        expect(vector.toFixed).toBe("0");
        expect(found).toEqual(rational(1n, 1000n));
      } else if (cutAtPeer.has(name)) {
        expect(vector.toFixed).toBe(String(int64Max));
        expect(found).toEqual(expressiblePrice(price));
        expect(compare(found, fraction(vector.fixedToPrice))).toBe(1);
      } else expect([name, found]).toEqual([name, fraction(vector.fixedToPrice)]);
      deviations += freeAtPeer.has(name) || cutAtPeer.has(name) ? 1 : 0;
    }
    expect(deviations).toBe(freeAtPeer.size + cutAtPeer.size);
  });

  test("recorded prices in whole wei, as the list by capability has them", () => {
    for (const vector of vectors<PriceCase>("ev", "price")) {
      if (vector.price === null || vector.price.num.startsWith("-")) continue;
      const price = fraction(vector.price);
      const [info] = capabilityPrices({ transcode: null, capabilities: { 27: { m: price } } }, null);
      if (info === undefined) throw new Error("no entry");
      const listed = rational(info.pricePerUnit, info.pixelsPerUnit);
      const peer = fractionOrNull(vector.toInt64);
      if (peer === null) {
        // The peer drops a price that does not fit into int64 with an error; ours is the highest that does.
        expect(vector.toInt64Error).toBe("price cannot be converted to int64");
        expect(listed).toEqual(rational(int64Max));
      } else if (peer.numerator === 0n) {
        // The peer lists a price below 1 wei as free.
        expect(compare(listed, price) >= 0 && isPositive(listed) === isPositive(price)).toBe(true);
      } else expect(listed).toEqual(peer);
    }
  });

  test("a price whose numbers fit is written as it is, any other one as the closest one above it", () => {
    const number = fc.oneof(fc.bigInt({ min: 1n, max: 2n ** 63n }), fc.bigInt({ min: 1n, max: 2n ** 130n }));
    fc.assert(
      fc.property(number, number, (numerator, denominator) => {
        const price = rational(numerator, denominator);
        const { pricePerUnit, pixelsPerUnit } = priceInfoOf(price);
        expect(pricePerUnit > 0n && pricePerUnit <= int64Max).toBe(true);
        expect(pixelsPerUnit > 0n && pixelsPerUnit <= int64Max).toBe(true);
        const written = rational(pricePerUnit, pixelsPerUnit);
        expect(written).toEqual(expressiblePrice(price));
        if (compare(price, rational(int64Max)) > 0) expect(written).toEqual(rational(int64Max));
        else expect(compare(written, price) >= 0).toBe(true);
        if (price.numerator <= int64Max && price.denominator <= int64Max) expect(written).toEqual(price);
        // Rounding adds less than one part of the denominator, which is as large as the wire allows.
        const step = rational(1n, pixelsPerUnit);
        if (compare(price, rational(int64Max)) < 0) {
          expect(compare(subtract(written, price), step) < 0 || pixelsPerUnit === 1n).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
    expect(priceInfoOf(ZERO)).toMatchObject({ pricePerUnit: 0n, pixelsPerUnit: 1n });
    expect(() => priceInfoOf(rational(-1n, 2n))).toThrow("not below 0");
  });

  test("a price that we wrote is read back", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: int64Max }),
        fc.bigInt({ min: 1n, max: int64Max }),
        (wei, pixels) => {
          const price = rational(wei, pixels);
          expect(priceOfInfo(priceInfoOf(price))).toEqual({ type: "price", price });
        },
      ),
    );
  });

  test("recorded readings of a price; negative ones are refused", () => {
    type ReadCase = {
      readonly pricePerUnit: string;
      readonly pixelsPerUnit: string;
      readonly price: VectorFraction | null;
      readonly error: string | null;
      readonly priceInfo?: null;
    };
    for (const vector of vectors<ReadCase>("ev", "ratPriceInfo")) {
      if (vector.priceInfo === null) continue;
      const { pricePerUnit, pixelsPerUnit } = vector;
      const read = priceOfInfo(
        create(PriceInfoSchema, { pricePerUnit: BigInt(pricePerUnit), pixelsPerUnit: BigInt(pixelsPerUnit) }),
      );
      const wrap = (text: string) => `invalid expected price sent with payment err="${text}"`;
      if (vector.price === null) expect(read).toEqual({ type: "invalid", text: wrap(vector.error ?? "") });
      else if (vector.price.num.startsWith("-")) {
        expect(read).toEqual({ type: "invalid", text: wrap("price per unit is negative") });
      } else expect(read).toEqual({ type: "price", price: fraction(vector.price) });
    }
  });

  test("payments check 16: no price and a price for 0 pixels have the peer's texts", () => {
    expect(priceOfInfo(undefined)).toEqual({
      type: "invalid",
      text: 'invalid expected price sent with payment err="expected price is nil"',
    });
    const free = create(PriceInfoSchema, { pricePerUnit: 1n });
    expect(priceOfInfo(free)).toEqual({
      type: "invalid",
      text: 'invalid expected price sent with payment err="pixels per unit is 0"',
    });
  });
});

describe("fees and balances", () => {
  test("payments check 27: recorded debits, exact; impossible ones are refused before the work", () => {
    type DebitCase = {
      readonly balanceBefore: VectorFraction;
      readonly pricePerUnit: number;
      readonly pixelsPerUnit: number;
      readonly pixels: string;
      readonly balanceAfter: VectorFraction;
      readonly error?: string;
    };
    for (const vector of vectors<DebitCase>("ev", "debitFees")) {
      const { pricePerUnit, pixelsPerUnit } = vector;
      const info =
        pricePerUnit === undefined
          ? undefined
          : create(PriceInfoSchema, {
              pricePerUnit: BigInt(pricePerUnit),
              pixelsPerUnit: BigInt(pixelsPerUnit),
            });
      const read = priceOfInfo(info);
      if (vector.error !== undefined || pricePerUnit < 0) {
        expect(read.type).toBe("invalid");
        continue;
      }
      if (read.type === "invalid") throw new Error(read.text);
      const fee = jobFee(BigInt(vector.pixels), read.price);
      expect(subtract(fraction(vector.balanceBefore), fee)).toEqual(fraction(vector.balanceAfter));
    }
    expect(subtract(ZERO, jobFee(396_288_000n, rational(1n, 5n)))).toEqual(rational(-79_257_600n));
    expect(() => jobFee(-1n, ONE)).toThrow();
  });

  test("payments check 26: recorded verdicts on balances; what is under way counts as spent", () => {
    type BalanceCase = {
      readonly balance?: VectorFraction | null;
      readonly ev: string;
      readonly ok: boolean;
    };
    for (const vector of vectors<BalanceCase>("ev", "sufficientBalance")) {
      if (vector.balance === undefined) continue;
      const balance = fractionOrNull(vector.balance);
      expect(isSufficient(balance, ZERO, rational(BigInt(vector.ev)))).toBe(vector.ok);
    }
    const ev = 8_000_000_000n;
    expect(isSufficient(rational(ev), ZERO, rational(ev))).toBe(true);
    expect(isSufficient(rational(ev), rational(1n, 10n ** 30n), rational(ev))).toBe(false);
    expect(isSufficient(rational(2n * ev), rational(ev), rational(ev))).toBe(true);
    expect(isSufficient(null, ZERO, ZERO)).toBe(false);
  });

  test("recorded balances: credits, debits and prices of many senders", () => {
    type Operation = {
      readonly op: "credit" | "debit" | "balance" | "reserve" | "fixedPrice" | "setFixedPrice";
      readonly sender: string;
      readonly manifestID: string;
      readonly amount: VectorFraction | null;
      readonly result: VectorFraction | null;
    };
    let compared = 0;
    for (const { ops } of vectors<{ readonly ops: readonly Operation[] }>("ev", "balances")) {
      const amounts = new Map<string, Price>();
      for (const { op, sender, manifestID, amount, result } of ops) {
        const key = `${sender} ${manifestID}`;
        const value = fractionOrNull(amount) ?? ZERO;
        const before = amounts.get(key) ?? ZERO;
        if (op === "credit") amounts.set(key, add(before, value));
        if (op === "debit") amounts.set(key, subtract(before, value));
        if ((op === "balance" || op === "reserve") && result !== null) {
          expect(before).toEqual(fraction(result));
          compared++;
        }
        // A gateway takes all it has out to pay from it.
        if (op === "reserve") amounts.set(key, ZERO);
      }
    }
    expect(compared).toBeGreaterThan(10);
  });

  test("recorded numbers of tickets that a gateway sends; one more is never needed, one less never enough", () => {
    type StageCase = Readonly<Record<"balance" | "minCredit" | "ev" | "newCredit", VectorFraction>> & {
      readonly numTickets: number;
    };
    for (const vector of vectors<StageCase>("ev", "stageUpdate")) {
      const pair = ({ num, den }: VectorFraction) => [BigInt(num), BigInt(den)] as const;
      const count = naiveTicketCount(pair(vector.balance), pair(vector.minCredit), pair(vector.ev));
      expect(Number(count)).toBe(vector.numTickets);
      expect(multiply(rational(count), fraction(vector.ev))).toEqual(fraction(vector.newCredit));
    }
  });
});

type EstimateCase = {
  readonly durationSeconds: number;
  readonly profiles:
    readonly { readonly resolution: string; readonly fps: number; readonly fpsDen: number }[] | null;
  readonly price: VectorFraction | null;
  readonly multiplier102AsFloatRat: VectorFraction;
  readonly fee: VectorFraction | null;
  readonly error: string | null;
};

describe("estimated units", () => {
  test("recorded estimates of a gateway, without its 2 %", () => {
    let compared = 0;
    for (const vector of vectors<EstimateCase>("ev", "gatewayFeeEstimate")) {
      if (vector.fee === null || vector.price === null) continue;
      const profiles = (vector.profiles ?? []).map(({ resolution, fps, fpsDen }) => {
        const [width = 0, height = 0] = resolution.split("x").map(Number);
        return { width, height, fps, fpsDen };
      });
      const units = estimatedUnits(profiles, Math.floor(vector.durationSeconds * 1000));
      const fee = jobFee(units, fraction(vector.price));
      expect(multiply(fee, fraction(vector.multiplier102AsFloatRat))).toEqual(fraction(vector.fee));
      compared++;
    }
    expect(compared).toBe(7);
  });

  test("never more than a gateway prepaid for any profile and duration that the wire can carry", () => {
    const size = fc.integer({ min: -5, max: 8192 });
    const rate = fc.integer({ min: -5, max: 240_000 });
    const profile = fc.record({
      width: size,
      height: size,
      fps: rate,
      fpsDen: fc.integer({ min: -2, max: 1001 }),
    });
    const seconds = fc.double({ min: 0, max: 400, noNaN: true });
    fc.assert(
      fc.property(fc.array(profile, { maxLength: 5 }), seconds, (profiles, duration) => {
        const units = estimatedUnits(profiles, Math.floor(duration * 1000));
        const usual = profiles.filter(
          ({ width, height, fps, fpsDen }) => width > 0 && height > 0 && fps >= 0 && fpsDen >= 0,
        );
        expect(units <= naiveEstimatedPixels(usual, duration)).toBe(true);
        // In whole milliseconds, as credentials state them, both agree.
        const whole = Math.floor(duration * 1000);
        expect(units).toBe(naiveEstimatedPixels(usual, whole / 1000));
      }),
      { numRuns: 500 },
    );
    expect(estimatedUnits([{ width: 640, height: 360, fps: 0, fpsDen: 0 }], 1)).toBe(640n * 360n * 60n);
    expect(estimatedUnits([{ width: 640, height: 360, fps: 30, fpsDen: 1 }], 0)).toBe(0n);
    expect(estimatedUnits([{ width: 640, height: 360, fps: 30, fpsDen: 1 }], -1)).toBe(0n);
    expect(estimatedUnits([], 2000)).toBe(0n);
  });

  test("payments check 26: what a gateway pays ahead covers what is reserved for its segment, and more", () => {
    const ev = 8_000_000_000n;
    const winProb = winProbability(ev * 1000n, ev);
    const ticket = ticketValue(ev * 1000n, winProb);
    const profile = fc.record({
      width: fc.integer({ min: 16, max: 4096 }),
      height: fc.integer({ min: 16, max: 4096 }),
      fps: fc.integer({ min: 0, max: 120 }),
      fpsDen: fc.constantFrom(0, 1),
    });
    const price = fc.bigInt({ min: 1n, max: 200n }).map((wei) => rational(wei, 1000n));
    fc.assert(
      fc.property(fc.array(profile, { minLength: 1, maxLength: 3 }), price, (profiles, perPixel) => {
        const pixels = naiveEstimatedPixels(profiles, 2);
        const estimate = multiply(jobFee(pixels, perPixel), rational(2296835809958953n, 2251799813685248n));
        const minCredit = compare(estimate, ticket) < 0 ? ticket : estimate;
        const pair = (value: Price) => [value.numerator, value.denominator] as const;
        const count = naiveTicketCount([0n, 1n], pair(minCredit), pair(ticket));
        const reserved = jobFee(estimatedUnits(profiles, 2000), perPixel);
        const one = multiply(rational(count), ticket);
        expect(compare(one, reserved)).toBe(1);
        // Two segments at once: the second one, paid ahead too, is let in beside the first.
        expect(isSufficient(add(one, one), reserved, rational(ev))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });
});
