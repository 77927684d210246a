import { keccak_256 } from "@noble/hashes/sha3";
import { fitBytes, plainHex, utf8 } from "./bytes.ts";

/** Bytes in an Ethereum account address. */
export const ACCOUNT_BYTES = 20;

/** The account of whoever has none: off-chain nodes and gateways that send no payment. */
export const ZERO_ACCOUNT: Uint8Array = new Uint8Array(ACCOUNT_BYTES);

/** Reads an account as peers do: the last 20 bytes count, shorter ones are padded in front. */
export function accountBytes(bytes: Uint8Array): Uint8Array {
  return fitBytes(bytes, ACCOUNT_BYTES);
}

/**
 * The EIP-55 form of an account: `0x` and 40 digits whose case is a checksum.
 *
 * @param account - 20 bytes
 */
export function checksumHex(account: Uint8Array): string {
  const digits = plainHex(account);
  const hash = keccak_256(utf8(digits));
  let text = "0x";
  for (let index = 0; index < digits.length; index++) {
    const nibble = ((hash[index >> 1] ?? 0) >> (index % 2 === 0 ? 4 : 0)) & 15;
    const digit = digits.charAt(index);
    text += nibble >= 8 ? digit.toUpperCase() : digit;
  }
  return text;
}
