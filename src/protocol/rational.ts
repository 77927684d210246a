import { assert } from "../shared/assert.ts";

/**
 * An exact fraction in lowest terms; the denominator is above 0. Expected values, prices and balances are such
 * fractions: money is never a float and never rounded on the way.
 */
export type Rational = { readonly numerator: bigint; readonly denominator: bigint };

/** Nothing. */
export const ZERO: Rational = { numerator: 0n, denominator: 1n };
/** The whole number 1. */
export const ONE: Rational = { numerator: 1n, denominator: 1n };

/**
 * Makes a fraction and brings it to lowest terms.
 *
 * @throws AssertionError for a denominator of 0
 */
export function rational(numerator: bigint, denominator = 1n): Rational {
  assert(denominator !== 0n, "A fraction needs a denominator other than 0.");
  if (denominator === 1n) return { numerator, denominator };
  const sign = denominator < 0n ? -1n : 1n;
  const divisor = sign * greatestCommonDivisor(numerator, denominator);
  return { numerator: numerator / divisor, denominator: denominator / divisor };
}

/** The sum. */
export function add(left: Rational, right: Rational): Rational {
  if (left.denominator === right.denominator) {
    return rational(left.numerator + right.numerator, left.denominator);
  }
  return rational(
    left.numerator * right.denominator + right.numerator * left.denominator,
    left.denominator * right.denominator,
  );
}

/** `left` less `right`. */
export function subtract(left: Rational, right: Rational): Rational {
  return add(left, negate(right));
}

/** The product. */
export function multiply(left: Rational, right: Rational): Rational {
  return rational(left.numerator * right.numerator, left.denominator * right.denominator);
}

/**
 * `left` divided by `right`.
 *
 * @throws AssertionError for a divisor of 0
 */
export function divide(left: Rational, right: Rational): Rational {
  return rational(left.numerator * right.denominator, left.denominator * right.numerator);
}

/** The value with the other sign. */
export function negate(value: Rational): Rational {
  return { numerator: -value.numerator, denominator: value.denominator };
}

/** −1 when `left` is the smaller one, 0 when both are equal, 1 when it is the larger one. */
export function compare(left: Rational, right: Rational): -1 | 0 | 1 {
  const difference = left.numerator * right.denominator - right.numerator * left.denominator;
  if (difference === 0n) return 0;
  return difference < 0n ? -1 : 1;
}

/** Whether both are the same number. */
export function isEqual(left: Rational, right: Rational): boolean {
  return left.numerator === right.numerator && left.denominator === right.denominator;
}

/** Whether the value is 0. */
export function isZero(value: Rational): boolean {
  return value.numerator === 0n;
}

/** Whether the value is above 0. */
export function isPositive(value: Rational): boolean {
  return value.numerator > 0n;
}

/** Whether the value is below 0. */
export function isNegative(value: Rational): boolean {
  return value.numerator < 0n;
}

/** The largest whole number that is not above the value. */
export function floor(value: Rational): bigint {
  const quotient = value.numerator / value.denominator;
  return value.numerator < 0n && quotient * value.denominator !== value.numerator ? quotient - 1n : quotient;
}

/** The smallest whole number that is not below the value. */
export function ceiling(value: Rational): bigint {
  return -floor(negate(value));
}

/** `7/3`, or `5` for whole numbers: the form in which events and logs hold a fraction. */
export function formatRational(value: Rational): string {
  return value.denominator === 1n ? `${value.numerator}` : `${value.numerator}/${value.denominator}`;
}

/** Reads what `formatRational` writes; null for anything else. */
export function parseRational(text: string): Rational | null {
  if (text.length > RATIONAL_CHARS_MAX) return null;
  const match = /^(-?\d+)(?:\/(\d+))?$/.exec(text);
  if (match === null) return null;
  const denominator = BigInt(match[2] ?? "1");
  return denominator === 0n ? null : rational(BigInt(match[1] ?? "0"), denominator);
}

/** Longest text that is read: far above two numbers of 256 bits and what sums of them come to. */
const RATIONAL_CHARS_MAX = 100_000;

/** Always at least 1 here, as one of the two is not 0. */
function greatestCommonDivisor(left: bigint, right: bigint): bigint {
  let a = left < 0n ? -left : left;
  let b = right < 0n ? -right : right;
  while (b !== 0n) [a, b] = [b, a % b];
  return a;
}
