import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import * as integers from "../../../../src/protocol/integerBytes.ts";
import * as exact from "../../../../src/protocol/rational.ts";
import {
  hexField,
  isSameFraction,
  minimalHex,
  type NaiveFraction,
  naiveCeiling,
  naiveProduct,
  naiveSum,
} from "../../../support/naiveMoney.ts";
import { plainHex, uint256Bytes } from "../../../../src/protocol/bytes.ts";
import { bytes } from "../vectors.ts";

/*
 * Goal: fractions are exact and in lowest terms whatever one does with them. Method: every operation is compared
 * with schoolbook fractions that are never reduced, over numbers of up to 300 bits.
 */

const someInteger = fc.bigInt({ min: -(2n ** 300n), max: 2n ** 300n });
const someDenominator = someInteger.filter((value) => value !== 0n);
const someFraction = fc.tuple(someInteger, someDenominator);

describe("rational", () => {
  test("sums, differences, products and quotients are those of schoolbook fractions, in lowest terms", () => {
    fc.assert(
      fc.property(someFraction, someFraction, (left, right) => {
        const [a, b] = [ours(left), ours(right)];
        expectSame(exact.add(a, b), naiveSum(left, right));
        expectSame(exact.subtract(a, b), naiveSum(left, [-right[0], right[1]]));
        expectSame(exact.multiply(a, b), naiveProduct(left, right));
        if (right[0] !== 0n) expectSame(exact.divide(a, b), naiveProduct(left, [right[1], right[0]]));
        expectSame(exact.negate(a), [-left[0], left[1]]);
      }),
    );
  });

  test("adding and taking away leaves what was there", () => {
    fc.assert(
      fc.property(someFraction, someFraction, (left, right) => {
        const [a, b] = [ours(left), ours(right)];
        expect(exact.subtract(exact.add(a, b), b)).toEqual(a);
      }),
    );
  });

  test("comparisons see the smallest difference", () => {
    fc.assert(
      fc.property(someFraction, someFraction, (left, right) => {
        const [a, b] = [ours(left), ours(right)];
        const difference = exact.subtract(a, b).numerator;
        const sign = difference === 0n ? 0 : difference < 0n ? -1 : 1;
        expect<number>(exact.compare(a, b)).toBe(sign);
        expect(exact.isEqual(a, b)).toBe(sign === 0);
      }),
    );
    const value = exact.rational(8_000_000_000n);
    const justBelow = exact.subtract(value, exact.rational(1n, 10n ** 30n));
    expect(exact.compare(justBelow, value)).toBe(-1);
    expect(exact.compare(value, justBelow)).toBe(1);
    expect(exact.compare(value, exact.rational(16_000_000_000n, 2n))).toBe(0);
  });

  test("floor and ceiling enclose a value, also below 0", () => {
    fc.assert(
      fc.property(someFraction, (value) => {
        expect(exact.ceiling(ours(value))).toBe(naiveCeiling(value));
        expect(exact.floor(ours(value))).toBe(-naiveCeiling([-value[0], value[1]]));
      }),
    );
    expect([exact.floor(exact.rational(-7n, 2n)), exact.ceiling(exact.rational(-7n, 2n))]).toEqual([
      -4n,
      -3n,
    ]);
    expect([exact.floor(exact.rational(7n, 2n)), exact.ceiling(exact.rational(7n, 2n))]).toEqual([3n, 4n]);
  });

  test("signs", () => {
    const signs = (value: exact.Rational) => [
      exact.isNegative(value),
      exact.isZero(value),
      exact.isPositive(value),
    ];
    expect(signs(exact.rational(-1n, 3n))).toEqual([true, false, false]);
    expect(signs(exact.rational(1n, -3n))).toEqual([true, false, false]);
    expect(signs(exact.ZERO)).toEqual([false, true, false]);
    expect(signs(exact.ONE)).toEqual([false, false, true]);
    expect(exact.rational(0n, -7n)).toEqual(exact.ZERO);
  });

  test("texts are read back, and only those", () => {
    fc.assert(
      fc.property(someFraction, (value) => {
        const some = ours(value);
        expect(exact.parseRational(exact.formatRational(some))).toEqual(some);
      }),
    );
    expect(exact.formatRational(exact.rational(7n, 3n))).toBe("7/3");
    expect(exact.formatRational(exact.rational(-10n, 2n))).toBe("-5");
    expect(exact.parseRational("4/6")).toEqual(exact.rational(2n, 3n));
    const bad = [
      "",
      "/",
      "1/",
      "/2",
      "1/0",
      "1/-2",
      "+1",
      "1.5",
      " 1",
      "1 ",
      "1e3",
      "0x1",
      "--1",
      "1/2/3",
      "1\n",
    ];
    for (const text of [...bad, "9".repeat(100_001)]) expect(exact.parseRational(text)).toBeNull();
  });

  test("a denominator of 0 is a bug, not a number", () => {
    expect(() => exact.rational(1n, 0n)).toThrow("denominator other than 0");
    expect(() => exact.divide(exact.ONE, exact.ZERO)).toThrow("denominator other than 0");
  });
});

describe("integers on the wire", () => {
  test("payments check 14: minimal bytes have no zeros in front and are read back, zeros or not", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: integers.UINT256_MAX }), fc.nat(20), (value, zeros) => {
        const minimal = integers.minimalBytes(value);
        expect(plainHex(minimal)).toBe(minimalHex(value));
        expect(integers.bigintOfBytes(minimal)).toBe(value);
        const padded = Uint8Array.from([...Array(zeros).fill(0), ...minimal]);
        expect(integers.bigintOfBytes(padded)).toBe(value);
        expect(integers.withoutLeadingZeros(padded)).toEqual(minimal);
        expect(plainHex(uint256Bytes(value))).toBe(hexField(value, 32));
      }),
    );
    expect(integers.minimalBytes(0n)).toEqual(new Uint8Array(0));
    expect(integers.bigintOfBytes(bytes("0x00").subarray(1))).toBe(0n);
    expect(() => integers.minimalBytes(-1n)).toThrow("negative");
  });

  test("bytes that lie in the middle of other bytes are read as they are", () => {
    const outer = Uint8Array.from({ length: 60 }, (_, index) => index + 1);
    for (const length of [0, 1, 7, 8, 9, 16, 31, 32]) {
      const inner = outer.subarray(5, 5 + length);
      expect(integers.bigintOfBytes(inner)).toBe(BigInt(`0x0${plainHex(inner)}`));
    }
  });
});

function ours([numerator, denominator]: NaiveFraction): exact.Rational {
  return exact.rational(numerator, denominator);
}

function expectSame(value: exact.Rational, naive: NaiveFraction): void {
  const { numerator, denominator } = value;
  expect(isSameFraction([numerator, denominator], naive)).toBe(true);
  expect(denominator > 0n).toBe(true);
  expect(commonDivisor(numerator < 0n ? -numerator : numerator, denominator)).toBe(1n);
}

function commonDivisor(a: bigint, b: bigint): bigint {
  return b === 0n ? a : commonDivisor(b, a % b);
}
