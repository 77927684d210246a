import { keccak_256 } from "@noble/hashes/sha3";

/**
 * Longest challenge that a node signs. Honest callers send 32 bytes or none; whoever may choose longer ones
 * could have tickets or requests signed (video sheet 16.4).
 */
export const PING_VALUE_BYTES_MAX = 32;

/**
 * The 32 bytes to sign, as a personal message, in answer to a ping; null when the challenge is too long.
 * Source: video sheet 3.4.
 */
export function pingMessage(value: Uint8Array): Uint8Array | null {
  return value.length > PING_VALUE_BYTES_MAX ? null : keccak_256(value);
}
