import { parseAccount } from "../config/accountText.ts";
import { floor, multiply, rational } from "../protocol/rational.ts";
import { parseDecimal } from "../protocol/decimal.ts";
import type { Hex } from "../shared/brand.ts";

/* What people write on a command line, read exactly; and amounts as people read them. Pure. */

/** A value, or why the text is none. */
export type Parsed<Value> =
  { readonly type: "ok"; readonly value: Value } | { readonly type: "bad"; readonly text: string };

/** 1 LPT and 1 ETH are 10¹⁸ wei. */
export const weiPerUnit = 10n ** 18n;

/** More than there will ever be of either: a slip of the pen. 10¹² units. */
const unitsMax = 10n ** 12n;

/**
 * An amount: `100`, `0.5` (of LPT or ETH), or `12wei`. Exact; more than 18 decimals, signs and exponents are refused.
 *
 * @returns wei
 */
export function parseAmount(text: string): Parsed<bigint> {
  const bad = (why: string): Parsed<bigint> => ({
    type: "bad",
    text: `\`${shown(text)}\` is no amount: ${why}.`,
  });
  const match = /^(\d{1,40})(?:\.(\d{1,40}))?(wei)?$/.exec(text);
  if (match === null) return bad("write it like 100, 0.5 or 12wei");
  const [, whole = "", fraction = "", unit] = match;
  if (unit === "wei") {
    if (fraction !== "") return bad("there is no fraction of a wei");
    return bounded(text, BigInt(whole));
  }
  const digits = fraction.replace(/0+$/, "");
  if (digits.length > 18) return bad("it has more than 18 decimals");
  return bounded(text, BigInt(whole) * weiPerUnit + BigInt(digits.padEnd(18, "0")));
}

function bounded(text: string, wei: bigint): Parsed<bigint> {
  if (wei <= unitsMax * weiPerUnit) return { type: "ok", value: wei };
  return { type: "bad", text: `\`${shown(text)}\` is more than there is of it.` };
}

/**
 * A percentage from 0 to 100 as parts per million: `0.57` is 5,700. The contracts keep four decimals; finer ones are
 * refused rather than cut, and so is what go-livepeer makes of 0.57 (5,699, by way of a float).
 *
 * Source: chain sheet 3.2, check 12.
 */
export function parsePercent(text: string): Parsed<bigint> {
  const digits = text.endsWith("%") ? text.slice(0, -1) : text;
  const value = /^[\d.]+$/.test(digits) && digits.length <= 40 ? parseDecimal(digits) : null;
  if (value === null)
    return { type: "bad", text: `\`${shown(text)}\` is no percentage: write it like 10 or 0.57.` };
  const parts = multiply(value, rational(10_000n));
  if (parts.denominator !== 1n) {
    return {
      type: "bad",
      text: `\`${shown(text)}\` is too fine: the contract keeps four decimals of a percent.`,
    };
  }
  if (parts.numerator > partsPerMillion) {
    return { type: "bad", text: `\`${shown(text)}\` is more than 100 percent.` };
  }
  return { type: "ok", value: floor(parts) };
}

/** All of it, in the scale of the BondingManager. */
export const partsPerMillion = 1_000_000n;

/** A lock, a proposal or another number of at most 256 bits. */
export function parseNumber(what: string, text: string): Parsed<bigint> {
  const value = /^\d{1,78}$/.test(text) ? BigInt(text) : null;
  if (value !== null && value < 1n << 256n) return { type: "ok", value };
  return { type: "bad", text: `\`${shown(text)}\` is no ${what}: it is a whole number.` };
}

/** An account or contract: 40 digits, whose checksum must be right when it has one. Never the zero address. */
export function parseAddress(text: string): Parsed<Hex> {
  const parsed = parseAccount(text);
  return parsed.type === "account"
    ? { type: "ok", value: parsed.hex }
    : { type: "bad", text: `\`${shown(text)}\` is no address: ${parsed.reason}.` };
}

/** `100 LPT (100000000000000000000 wei)`. */
export function amountText(wei: bigint, unit: "LPT" | "ETH"): string {
  return `${unitText(wei)} ${unit} (${wei} wei)`;
}

/** Wei as whole units with all decimals that count: exact. */
export function unitText(wei: bigint): string {
  const size = wei < 0n ? -wei : wei;
  const fraction = String(size % weiPerUnit)
    .padStart(18, "0")
    .replace(/0+$/, "");
  return `${wei < 0n ? "-" : ""}${size / weiPerUnit}${fraction === "" ? "" : `.${fraction}`}`;
}

/** Parts per million as a percentage: 5,700 is `0.57 %`. */
export function percentText(parts: bigint): string {
  return `${scaledText(parts, 4)} %`;
}

/** A whole number of 10⁻ᵈ units, exact: `scaledText(5_700n, 4)` is `0.57`. */
export function scaledText(value: bigint, decimals: number): string {
  const unit = 10n ** BigInt(decimals);
  const fraction = String(value % unit)
    .padStart(decimals, "0")
    .replace(/0+$/, "");
  return `${value / unit}${fraction === "" ? "" : `.${fraction}`}`;
}

/** Text of an operator for a message: not as long as an argument may be. */
function shown(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
