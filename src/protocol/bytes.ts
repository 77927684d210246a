import type { Hex } from "../shared/brand.ts";

/** The UTF-8 bytes of a text. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** All parts in one new array. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const all = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

/** Lower-case hexadecimal without a prefix, as session ids and profile ids are written. */
export function plainHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += hexOfByte[byte];
  return text;
}

/** Lower-case hexadecimal with the prefix `0x`. */
export function toHex(bytes: Uint8Array): Hex {
  return `0x${plainHex(bytes)}`;
}

/** Bytes of a hexadecimal text, with or without `0x`; null when it is not an even number of hex digits. */
export function fromHex(text: string): Uint8Array | null {
  const digits = text.startsWith("0x") ? text.slice(2) : text;
  if (digits.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(digits)) return null;
  const bytes = new Uint8Array(digits.length / 2);
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = Number.parseInt(digits.slice(2 * index, 2 * index + 2), 16);
  }
  return bytes;
}

/**
 * Brings big-endian bytes to a fixed length: shorter ones get zeros in front, of longer ones the last `length`
 * bytes count. This is how the network reads accounts (20) and hashes (32) of odd length.
 */
export function fitBytes(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length === length) return bytes;
  if (bytes.length > length) return bytes.subarray(bytes.length - length);
  const padded = new Uint8Array(length);
  padded.set(bytes, length - bytes.length);
  return padded;
}

/**
 * Whether two byte strings are equal, in a time that depends on their lengths only: safe for MACs and secrets
 * of public length.
 */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (let index = 0; index < left.length; index++) difference |= (left[index] ?? 0) ^ (right[index] ?? 0);
  return difference === 0;
}

/** A non-negative integer below 2²⁵⁶ as 32 big-endian bytes. */
export function uint256Bytes(value: bigint): Uint8Array {
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  for (let word = 0; word < 4; word++) view.setBigUint64(8 * (3 - word), value >> BigInt(64 * word));
  return bytes;
}

const encoder = new TextEncoder();
const hexOfByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
