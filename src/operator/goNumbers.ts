import { parseDecimal } from "../protocol/decimal.ts";
import { type Rational, rational } from "../protocol/rational.ts";

/** Longest text that is read. */
const charactersMax = 200;

/**
 * A rational number as the operator port takes it: `5`, `+5`, `0.5`, `1e12`, `1/3`, `0x10`, `1_000`. Null for
 * anything else. Hexadecimal fractions and binary exponents, which Go reads too, are not taken.
 *
 * Source: Go math/big Rat.SetString; recorded `/setPriceForBroadcaster` rows.
 */
export function parseGoRational(text: string): Rational | null {
  if (text.length > charactersMax) return null;
  const slash = text.indexOf("/");
  if (slash >= 0) {
    const numerator = parseInteger(text.slice(0, slash));
    const below = text.slice(slash + 1);
    const denominator = /^\d/.test(below) ? parseInteger(below) : null;
    if (numerator === null || denominator === null || denominator === 0n) return null;
    return rational(numerator, denominator);
  }
  if (/^[+-]?0[xXoObB]/.test(text)) {
    const value = parseInteger(text);
    return value === null ? null : rational(value);
  }
  if (!text.includes("_")) return parseDecimal(text);
  // An underscore may stand between two digits.
  return /^_|_$|(?<!\d)_|_(?!\d)/.test(text) ? null : parseDecimal(text.replaceAll("_", ""));
}

/** Go's base-0 form: a prefix `0x`, `0o`, `0b` or a bare `0` (octal), underscores between digits. */
function parseInteger(text: string): bigint | null {
  const match = /^([+-]?)(0[xX]_?|0[oO]_?|0[bB]_?|0_?(?=\d))?([0-9a-fA-F]+(?:_[0-9a-fA-F]+)*)$/.exec(text);
  if (match === null) return null;
  const [, sign = "", prefixText = "", digitsText = ""] = match;
  const prefix = prefixText.toLowerCase().replace("_", "");
  const digits = digitsText.replaceAll("_", "");
  const allowed = prefix === "" ? /^\d+$/ : prefix === "0x" ? /^[0-9a-f]+$/i : /^[0-7]+$/;
  if (!(prefix === "0b" ? /^[01]+$/ : allowed).test(digits)) return null;
  const value = BigInt(`${prefix === "0" ? "0o" : prefix}${digits}`);
  return sign === "-" ? -value : value;
}
