import type { AttemptFees, ChainLook } from "../runtime/chainPorts.ts";

/*
 * What an attempt to have a transaction mined may offer, in wei per gas. A maximum that the operator set is never
 * offered more than: not by the first attempt and not by the last. Source: chain sheet 7.1, 7.4.
 */

/** The prices of the moment, wei per gas; `baseFee` null on a chain without EIP-1559. */
export type FeeLook = Pick<ChainLook, "baseFee" | "gasPrice" | "tip">;

/**
 * Fees of a first attempt: room for the base fee to double, and the tip. With a maximum the room shrinks to it.
 *
 * Differs from go-livepeer, which leaves the tip out of the cap when there is a maximum and then fails where the tip
 * is above twice the base fee, and which offers the whole maximum as the gas price of a legacy transaction, which
 * would be paid.
 *
 * @param feeMax - wei per gas; null = none
 * @returns "above-max": what a block asks for now is more than the maximum, so that sending would only wait
 */
export function firstFees(look: FeeLook, feeMax: bigint | null): AttemptFees | "above-max" {
  const { baseFee, gasPrice, tip } = look;
  const due = baseFee === null ? gasPrice : larger(gasPrice, baseFee + tip);
  if (feeMax !== null && due > feeMax) return "above-max";
  if (baseFee === null) return { cap: gasPrice, tip: null };
  const cap = 2n * baseFee + tip;
  return { cap: feeMax === null ? cap : smaller(cap, feeMax), tip };
}

/**
 * Fees of an attempt that replaces `previous`: both numbers grow by an eighth at least, and to what a first attempt
 * would offer now. Nodes want a tenth more on both, and more than before even where a tenth of it is nothing, as with
 * the tip of zero on Arbitrum.
 *
 * Differs from go-livepeer, which raises by 11 % of the old numbers whatever the prices are now, turns legacy
 * transactions into others, and compares `(cap − tip) / 2 + tip` with the maximum: its cap may be nearly twice as much.
 *
 * @returns "at-max": the maximum leaves no room for a replacement that nodes would take
 */
export function raisedFees(
  previous: AttemptFees,
  look: FeeLook,
  feeMax: bigint | null,
): AttemptFees | "at-max" {
  const least = bump(previous.cap, 9n, 8n);
  if (feeMax !== null && least > feeMax) return "at-max";
  const within = (wanted: bigint) => (feeMax === null ? wanted : smaller(wanted, feeMax));
  if (previous.tip === null) return { cap: within(larger(least, look.gasPrice)), tip: null };
  const tip = larger(bump(previous.tip, 9n, 8n), look.tip);
  const cap = within(larger(larger(least, 2n * (look.baseFee ?? 0n) + look.tip), tip));
  // A tip of the moment must not undo what the maximum allows; the one that nodes want must be had.
  if (bump(previous.tip, 9n, 8n) > cap) return "at-max";
  return { cap, tip: smaller(tip, cap) };
}

/**
 * `value` × numerator / denominator, rounded up, and always more than `value`. go-livepeer's replacements take
 * 111/100.
 *
 * Source: chain sheet 7.4, check 28.
 */
export function bump(value: bigint, numerator = 111n, denominator = 100n): bigint {
  return larger((value * numerator + denominator - 1n) / denominator, value + 1n);
}

function larger(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}

function smaller(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}
