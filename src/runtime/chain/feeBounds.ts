import { firstFees } from "../../protocol/fees.ts";
import type { ChainLook } from "../chainPorts.ts";

/** Without a maximum of the operator no attempt offers more than so many times what a first one would offer now. */
const runawayFactor = 10n;

/** Wei per gas that is offered in no case; null while nothing is known to measure it by. */
export function runawayOf(look: ChainLook): bigint | null {
  const fees = firstFees(look, null);
  return fees === "above-max" || fees.cap === 0n ? null : fees.cap * runawayFactor;
}

/** The smaller of two limits; null is none. */
export function lower(left: bigint | null, right: bigint | null): bigint | null {
  return left === null || right === null ? (left ?? right) : smaller(left, right);
}

/** The smaller of two amounts. */
export function smaller(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}
