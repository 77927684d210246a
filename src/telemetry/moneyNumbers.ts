import type { Rational } from "../protocol/rational.ts";

/*
 * Amounts become floating point here and nowhere else: Prometheus knows no other numbers. Nothing is ever decided
 * from what these functions return.
 */

/**
 * Wei in gwei, the unit of every amount among the metrics.
 *
 * Source: go-livepeer monitor/census.go, conversion to gwei.
 */
export function gweiOf(wei: bigint): number {
  return numberOf({ numerator: wei, denominator: 1_000_000_000n });
}

/** An exact amount of wei in gwei. */
export function gweiOfRational(wei: Rational): number {
  return numberOf(wei) / 1e9;
}

/**
 * The double next to an exact fraction, to about the last bit, whatever the size of its two numbers. Infinite above
 * 1.8 × 10³⁰⁸, 0 below 10⁻³⁰⁰.
 */
export function numberOf({ numerator, denominator }: Rational): number {
  if (numerator === 0n) return 0;
  // Enough bits behind the point for a quotient of 64 significant ones.
  const shift = Math.min(1_000, Math.max(0, 64 + bitsOf(denominator) - bitsOf(numerator)));
  return Number((numerator << BigInt(shift)) / denominator) / 2 ** shift;
}

/** Bits of a number, at most three too many. */
function bitsOf(value: bigint): number {
  return 4 * (value < 0n ? -value : value).toString(16).length;
}
