import { assert } from "../shared/assert.ts";
import { fromHex } from "./bytes.ts";

/** 2²⁵⁶ − 1, the largest integer of the contracts. */
export const UINT256_MAX = (1n << 256n) - 1n;
/** 2⁶³ − 1, the largest integer of a price on the wire. */
export const INT64_MAX = (1n << 63n) - 1n;

/** The unsigned integer that big-endian bytes say; none say 0. */
export function bigintOfBytes(bytes: Uint8Array): bigint {
  let value = 0n;
  let offset = bytes.length % 8;
  for (let index = 0; index < offset; index++) value = (value << 8n) | BigInt(bytes[index] ?? 0);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (; offset < bytes.length; offset += 8) value = (value << 64n) | view.getBigUint64(offset);
  return value;
}

/**
 * Big-endian bytes without zeros in front, as the wire writes integers; 0 is no byte at all.
 * Source: payments sheet 2.5.
 */
export function minimalBytes(value: bigint): Uint8Array {
  assert(value >= 0n, "The wire has no negative integers.");
  if (value === 0n) return new Uint8Array(0);
  const digits = value.toString(16);
  const bytes = fromHex(digits.length % 2 === 0 ? digits : `0${digits}`);
  assert(bytes !== null, "A number has hexadecimal digits.");
  return bytes;
}

/** The bytes without the zeros in front of them. Shares memory with `bytes`. */
export function withoutLeadingZeros(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < bytes.length && bytes[start] === 0) start++;
  return bytes.subarray(start);
}

/** Whether a contract can hold the value. */
export function isUint256(value: bigint): boolean {
  return value >= 0n && value <= UINT256_MAX;
}
