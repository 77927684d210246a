import { parseDecimal } from "./decimal.ts";
import { isPositive, type Rational, rational } from "./rational.ts";

/*
 * Prices as operators write them. Source: payments sheet 4.4; vectors eth-units.json.
 */

/** An amount in a currency, or why the text is none. */
export type PriceText =
  | { readonly type: "amount"; readonly amount: Rational; readonly currency: string }
  | { readonly type: "invalid"; readonly text: string };

/** A number of pixels, or why the text is none. */
export type PixelsText =
  { readonly type: "pixels"; readonly pixels: bigint } | { readonly type: "invalid"; readonly text: string };

/**
 * Reads the text of `-pricePerUnit`: digits, perhaps decimals, perhaps a currency right behind them (`0.13USD`).
 * No currency means wei.
 *
 * `1e18`, which the peer takes for 1 in the currency `e18`, is refused.
 */
export function parsePriceText(text: string): PriceText {
  const match = /^(\d+(?:\.\d+)?)([A-z][A-z0-9]*)?$/.exec(text);
  const amount = match === null ? null : parseDecimal(match[1] ?? "");
  if (match === null || amount === null) {
    return invalid(`price must be in the format of <price><currency>, provided ${text}`);
  }
  const currency = match[2] ?? "";
  if (/^e\d+$/i.test(currency)) {
    return invalid(`price must be written without an exponent, provided ${text}`);
  }
  return { type: "amount", amount, currency };
}

/**
 * Reads the text of `-pixelsPerUnit`: a whole number above 0, also as `1e12`, `0x10` or `4/2`.
 */
export function parsePixelsText(text: string): PixelsText {
  const pixels = wholeNumber(text);
  if (pixels === null) return invalid(`must be a valid integer, provided ${text}`);
  return pixels > 0n ? { type: "pixels", pixels } : invalid(`must be > 0, provided ${text}`);
}

/**
 * The price of one pixel, in the currency of `amount`.
 *
 * @param pixels - above 0
 */
export function pricePerPixel(amount: Rational, pixels: Rational): Rational {
  return rational(amount.numerator * pixels.denominator, amount.denominator * pixels.numerator);
}

function wholeNumber(text: string): bigint | null {
  if (/^0x[0-9a-f]{1,64}$/i.test(text)) return BigInt(text);
  const [numeratorText = "", denominatorText, ...rest] = text.split("/");
  const numerator = parseDecimal(numeratorText);
  if (numerator === null || rest.length > 0) return null;
  if (denominatorText === undefined) return wholeOf(numerator);
  const denominator = parseDecimal(denominatorText);
  return denominator === null || !isPositive(denominator)
    ? null
    : wholeOf(pricePerPixel(numerator, denominator));
}

function wholeOf(value: Rational): bigint | null {
  return value.denominator === 1n ? value.numerator : null;
}

function invalid(text: string): { readonly type: "invalid"; readonly text: string } {
  return { type: "invalid", text };
}
