/*
 * The value grammar of Go's `flag` package, as far as an operator can see it: which texts are accepted, and the
 * two reasons ("parse error", "value out of range") that go-livepeer prints for the others.
 */

/** Why a text is not a value of its type, in the words that Go's `flag` package prints. */
export type BadValueReason = "parse error" | "value out of range";

export type ParsedValue<Value> =
  | { readonly type: "value"; readonly value: Value }
  | { readonly type: "bad"; readonly reason: BadValueReason };

const trueWords: ReadonlySet<string> = new Set(["1", "t", "T", "true", "TRUE", "True"]);
const falseWords: ReadonlySet<string> = new Set(["0", "f", "F", "false", "FALSE", "False"]);

/** Whether `text` is one of the twelve words that Go takes for a boolean. */
export function isBooleanWord(text: string): boolean {
  return trueWords.has(text) || falseWords.has(text);
}

export function parseGoBoolean(text: string): ParsedValue<boolean> {
  if (trueWords.has(text)) return { type: "value", value: true };
  if (falseWords.has(text)) return { type: "value", value: false };
  return bad("parse error");
}

const int64Max = 2n ** 63n - 1n;
const int64Min = -(2n ** 63n);

/**
 * A 64-bit integer in Go's base-0 form: `10`, `-3`, `0x1f`, `0o17`, `017` (octal), `0b1`, and `1_000` with an
 * underscore between digits or after the base prefix.
 */
export function parseGoInteger(text: string): ParsedValue<bigint> {
  const match = /^([+-]?)(0[xX]_?|0[oO]_?|0[bB]_?|0_?(?=[0-9]))?([0-9a-fA-F]+(?:_[0-9a-fA-F]+)*)$/.exec(text);
  if (match === null) return bad("parse error");
  const [, sign = "", prefix = "", digitsText = ""] = match;
  const digits = digitsText.replaceAll("_", "").toLowerCase();
  const base = baseOf(prefix);
  if (!base.digits.test(digits)) return bad("parse error");
  const magnitude = BigInt(`${base.literal}${digits}`);
  const value = sign === "-" ? -magnitude : magnitude;
  if (value > int64Max || value < int64Min) return bad("value out of range");
  return { type: "value", value };
}

function baseOf(prefix: string): { readonly literal: string; readonly digits: RegExp } {
  switch (prefix.toLowerCase().replace("_", "")) {
    case "":
      return { literal: "", digits: /^[0-9]+$/ };
    case "0x":
      return { literal: "0x", digits: /^[0-9a-f]+$/ };
    case "0b":
      return { literal: "0b", digits: /^[01]+$/ };
    default:
      return { literal: "0o", digits: /^[0-7]+$/ };
  }
}

/** A float as people write it (`0.3`, `1e3`, `.5`) or `inf` and `nan` in any case. Hexadecimal floats are not taken. */
export function parseGoFloat(text: string): ParsedValue<number> {
  if (/^[+-]?(?:inf|infinity)$/i.test(text)) {
    return { type: "value", value: text.startsWith("-") ? -Infinity : Infinity };
  }
  if (/^nan$/i.test(text)) return { type: "value", value: Number.NaN };
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) return bad("parse error");
  const value = Number(text);
  return Number.isFinite(value) ? { type: "value", value } : bad("value out of range");
}

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** A Go duration (`500ms`, `1m30s`, `-2h`, or a bare `0`), in milliseconds. A number without unit is refused. */
export function parseGoDuration(text: string): ParsedValue<number> {
  const sign = text.startsWith("-") ? -1 : 1;
  const body = text.replace(/^[+-]/, "");
  if (body === "0") return { type: "value", value: 0 };
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(body)) return bad("parse error");
  let totalMs = 0;
  for (const [, amount = "", unit = ""] of body.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    totalMs += Number(amount) * (unitMs[unit] ?? 0);
  }
  // Go keeps durations as 64-bit nanoseconds, about 292 years, and refuses more in the same words.
  return totalMs > 9_223_372_036_854 ? bad("parse error") : { type: "value", value: sign * totalMs };
}

/** A duration in the form in which Go prints it: `500ms`, `5s`, `5m0s`, `1h0m0s`, `0s`. */
export function printGoDuration(durationMs: number): string {
  const sign = durationMs < 0 ? "-" : "";
  const absMs = Math.abs(durationMs);
  if (absMs === 0) return "0s";
  if (absMs < 1_000) return `${sign}${absMs}ms`;
  const hours = Math.floor(absMs / 3_600_000);
  const minutes = Math.floor((absMs % 3_600_000) / 60_000);
  const seconds = (absMs % 60_000) / 1_000;
  if (hours > 0) return `${sign}${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${sign}${minutes}m${seconds}s` : `${sign}${seconds}s`;
}

function bad(reason: BadValueReason): ParsedValue<never> {
  return { type: "bad", reason };
}
