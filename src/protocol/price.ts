import { create } from "@bufbuild/protobuf";
import { assert } from "../shared/assert.ts";
import { type PriceInfo, PriceInfoSchema } from "./gen/lp_rpc_pb.ts";
import { INT64_MAX } from "./integerBytes.ts";
import { paymentTexts } from "./paymentTexts.ts";
import type { RenditionProfile } from "./profile.ts";
import {
  ceiling,
  compare,
  isNegative,
  isZero,
  multiply,
  ONE,
  type Rational,
  rational,
  subtract,
} from "./rational.ts";

/*
 * Prices and fees. Source: payments sheet 4.2, 4.3.
 */

/** Wei per unit: an output pixel, a second, a generated pixel. 0 = free; never below 0. */
export type Price = Rational;

/** A price as a peer sent it, or why it is none. */
export type ReadPrice =
  { readonly type: "price"; readonly price: Price } | { readonly type: "invalid"; readonly text: string };

/**
 * What a price is multiplied by so that it pays for redeeming its tickets too: 1 + cost / face value, that is
 * 1.01 at the usual face value.
 *
 * @param faceValue - wei; 0 where nothing is sold
 * @param txCost - wei to redeem one ticket
 */
export function priceOverhead(faceValue: bigint, txCost: bigint): Rational {
  if (txCost === 0n || faceValue === 0n) return ONE;
  return rational(faceValue + txCost, faceValue);
}

/**
 * The price to ask for. Adjusted prices have thousandths of a wei, rounded down as gateways know it.
 *
 * The result can always be written to the wire. Unlike the peer's, a price above 0 never becomes 0, and one that
 * has too many digits for thousandths is rounded up instead of being cut to 9.2 × 10¹⁵ wei.
 *
 * @param isAdjusted - `-autoAdjustPrice`
 */
export function adjustedPrice(base: Price, overhead: Rational, isAdjusted: boolean): Price {
  if (!isAdjusted || isZero(base)) return expressiblePrice(base);
  const price = multiply(base, overhead);
  const thousandths = (price.numerator * THOUSAND) / price.denominator;
  if (thousandths === 0n) return rational(1n, THOUSAND);
  return thousandths > INT64_MAX ? expressiblePrice(price) : rational(thousandths, THOUSAND);
}

/**
 * The price itself when both its numbers fit into int64, else the next higher one that does. Only above
 * 2⁶³ − 1 wei for one unit, which is more than nine ETH, the highest price of the wire stands for it.
 *
 * Bind this price, not the one you started from, into ticket params: it is what the gateway sends back.
 */
export function expressiblePrice(price: Price): Price {
  assert(!isNegative(price), "A price is not below 0.");
  if (price.numerator <= INT64_MAX && price.denominator <= INT64_MAX) return price;
  const highest = rational(INT64_MAX);
  if (compare(price, highest) >= 0) return highest;
  // The largest denominator that leaves room for the numerator gives the closest price.
  let denominator = (INT64_MAX * price.denominator) / price.numerator;
  if (denominator > INT64_MAX) denominator = INT64_MAX;
  return rational(ceiling(multiply(price, rational(denominator))), denominator);
}

/** The price as a gateway gets it. A price above 0 never becomes 0, see `expressiblePrice`. */
export function priceInfoOf(price: Price): PriceInfo {
  const { numerator, denominator } = expressiblePrice(price);
  return create(PriceInfoSchema, { pricePerUnit: numerator, pixelsPerUnit: denominator });
}

/**
 * Reads a price that a gateway sent. Two negative numbers make a positive price, as they do for the peer.
 *
 * @returns the price, or the text of the refusal: none sent, for 0 pixels, or below 0
 */
export function priceOfInfo(info: PriceInfo | undefined): ReadPrice {
  if (info === undefined) return { type: "invalid", text: paymentTexts.priceMissing };
  if (info.pixelsPerUnit === 0n) return { type: "invalid", text: paymentTexts.pixelsZero };
  const price = rational(info.pricePerUnit, info.pixelsPerUnit);
  if (isNegative(price)) return { type: "invalid", text: paymentTexts.priceNegative };
  return { type: "price", price };
}

/**
 * What units cost at a price, in wei. Exact.
 *
 * @param units - not below 0
 */
export function jobFee(units: bigint, price: Price): Rational {
  assert(units >= 0n, "Nobody is paid for less than no work.");
  return multiply(rational(units), price);
}

/**
 * Whether a gateway's balance allows more work: what is left of it beside the work under way is worth a ticket.
 *
 * @param balance - wei; null when the gateway has none here
 * @param reserved - wei for work under way, see `estimatedUnits`
 * @param asked - wei: at least the value of a ticket
 */
export function isSufficient(balance: Rational | null, reserved: Rational, asked: Rational): boolean {
  return balance !== null && compare(subtract(balance, reserved), asked) >= 0;
}

/**
 * The pixels for which a gateway pays ahead for a segment, without the 2 % that it adds. We reserve the fee for
 * them while a segment is under way, so the figure must never be above the gateway's own one: odd profiles count
 * as nothing.
 *
 * @param durationMs - of the segment, as its credentials state it
 * Source: payments sheet 3.6.
 */
export function estimatedUnits(
  profiles: readonly Pick<RenditionProfile, "width" | "height" | "fps" | "fpsDen">[],
  durationMs: number,
): bigint {
  assert(Number.isSafeInteger(durationMs), "A duration has whole milliseconds.");
  if (durationMs <= 0) return 0n;
  const seconds = ceilingOfQuotient(BigInt(durationMs), 1000n);
  let units = 0n;
  for (const { width, height, fps, fpsDen } of profiles) {
    if (width <= 0 || height <= 0 || fps < 0 || fpsDen < 0) continue;
    const framesPerSecond =
      fps === 0 ? PASSTHROUGH_FPS : ceilingOfQuotient(BigInt(fps), BigInt(fpsDen === 0 ? 1 : fpsDen));
    units += BigInt(width) * BigInt(height) * framesPerSecond * seconds;
  }
  return units;
}

const THOUSAND = 1000n;
/** What a gateway takes for the frames a second of a rendition that keeps the source's. */
const PASSTHROUGH_FPS = 60n;

function ceilingOfQuotient(value: bigint, divisor: bigint): bigint {
  return (value + divisor - 1n) / divisor;
}
