import { checksumHex } from "../protocol/account.ts";
import { fromHex, toHex } from "../protocol/bytes.ts";
import type { Hex } from "../shared/brand.ts";
import type { Mistake } from "./mistake.ts";

/** An account or contract address as an operator wrote it. */
export type ParsedAccount =
  { readonly type: "account"; readonly hex: Hex } | { readonly type: "bad"; readonly reason: string };

/**
 * Reads 40 hexadecimal digits, with or without `0x`. Capitals among small letters are a checksum (EIP-55) and must
 * be right: one wrong digit would send money to nobody.
 *
 * go-livepeer takes any text: it pads or cuts it to some address.
 */
export function parseAccount(text: string): ParsedAccount {
  const digits = text.startsWith("0x") || text.startsWith("0X") ? text.slice(2) : text;
  const bytes = digits.length === 40 ? fromHex(digits) : null;
  if (bytes === null) return { type: "bad", reason: "it is not 0x and 40 hexadecimal digits" };
  const isMixed = /[a-f]/.test(digits) && /[A-F]/.test(digits);
  if (isMixed && checksumHex(bytes) !== `0x${digits}`) {
    return {
      type: "bad",
      reason: "the checksum in its capital letters is wrong, a digit was probably mistyped",
    };
  }
  if (bytes.every((byte) => byte === 0)) return { type: "bad", reason: "it is the zero address" };
  return { type: "account", hex: toHex(bytes) };
}

/** Reads the address behind a flag; a bad one becomes a mistake and null. */
export function readAccount(flag: string, text: string, mistakes: Mistake[]): Hex | null {
  const parsed = parseAccount(text);
  if (parsed.type === "account") return parsed.hex;
  mistakes.push({
    flag,
    text: `-${flag} ${text} is no address: ${parsed.reason}`,
    fix: "Give the whole address, 0x and 40 hexadecimal digits, copied rather than typed.",
    exitCode: 1,
  });
  return null;
}
