import { keccak_256 } from "@noble/hashes/sha3";
import { concatBytes, utf8 } from "../../src/protocol/bytes.ts";

/**
 * The digest that an account signs for `message` (EIP-191, version 0x45): Keccak-256 of a fixed prefix, the
 * decimal byte length and the message. All signatures of the video protocol are made over it.
 */
export function personalMessageDigest(message: Uint8Array): Uint8Array {
  return keccak_256(concatBytes(utf8(`\u0019Ethereum Signed Message:\n${message.length}`), message));
}
