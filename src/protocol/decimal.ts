import { type Rational, rational } from "./rational.ts";

/*
 * Numbers as operators write them, read exactly. Source: vectors eth-units.json, operator-flags.json.
 */

/** Longest text that is taken for a number. */
const NUMBER_CHARS_MAX = 400;
/** Powers of ten beyond this are slips of the pen, and would only eat memory. */
const EXPONENT_MAX = 400;

/**
 * Reads a decimal number such as `12`, `-0.5`, `.5` or `1e12`; null for anything else.
 */
export function parseDecimal(text: string): Rational | null {
  if (text.length > NUMBER_CHARS_MAX) return null;
  const match = /^([+-]?)(?:(\d+)\.?(\d*)|\.(\d+))(?:[eE]([+-]?\d+))?$/.exec(text);
  if (match === null) return null;
  const [, sign, whole = "", fraction = "", bareFraction = "", exponentText = "0"] = match;
  const decimals = fraction + bareFraction;
  const exponent = Number(exponentText) - decimals.length;
  if (Math.abs(Number(exponentText)) > EXPONENT_MAX) return null;
  const digits = BigInt(whole + decimals) * (sign === "-" ? -1n : 1n);
  return exponent >= 0
    ? rational(digits * 10n ** BigInt(exponent))
    : rational(digits, 10n ** BigInt(-exponent));
}

/**
 * Reads an integer of any size with an optional sign, decimal digits only; null for anything else. So go
 * `-ticketEV`, `-maxFaceValue` and the amounts of the operator port.
 */
export function parseInteger(text: string): bigint | null {
  if (text.length > NUMBER_CHARS_MAX || !/^[+-]?\d+$/.test(text)) return null;
  return text.startsWith("+") ? BigInt(text.slice(1)) : BigInt(text);
}
