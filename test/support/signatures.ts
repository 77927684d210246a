import { secp256k1 } from "@noble/curves/secp256k1";
import { keccak_256 } from "@noble/hashes/sha3";
import { equalBytes } from "../../src/protocol/bytes.ts";
import { personalMessageDigest } from "./personalMessage.ts";

/*
 * Signatures of the video protocol: secp256k1 over the EIP-191 digest of a message, 65 bytes R‖S‖V with V 27 or
 * 28 and a low S. Deterministic (RFC 6979). Source: video sheet, conventions and 3.1.
 */

/** Bytes of a signature. */
export const SIGNATURE_BYTES = 65;

/**
 * Signs `message` as a personal message.
 *
 * @param message - usually 32 bytes, a hash
 * @param privateKey - 32 bytes; must be a valid key
 */
export function signPersonalMessage(message: Uint8Array, privateKey: Uint8Array): Uint8Array {
  const signature = secp256k1.sign(personalMessageDigest(message), privateKey, { lowS: true });
  const bytes = new Uint8Array(SIGNATURE_BYTES);
  bytes.set(signature.toCompactRawBytes());
  bytes[64] = 27 + signature.recovery;
  return bytes;
}

/**
 * The account that signed `message`, 20 bytes; null for whatever is no signature: another length, V other than
 * 27 or 28, a high S, numbers off the curve. Never throws.
 */
export function recoverPersonalSigner(message: Uint8Array, signature: Uint8Array): Uint8Array | null {
  const v = signature[64];
  if (signature.length !== SIGNATURE_BYTES || (v !== 27 && v !== 28)) return null;
  try {
    const parsed = secp256k1.Signature.fromCompact(signature.subarray(0, 64)).addRecoveryBit(v - 27);
    if (parsed.hasHighS()) return null;
    return accountOfPublicKey(parsed.recoverPublicKey(personalMessageDigest(message)).toRawBytes(false));
  } catch {
    // R or S of zero or beyond the curve's order, or no point for R: not a signature.
    return null;
  }
}

/** Whether `signature` over `message` is that of `account` (20 bytes). */
export function isPersonalSignatureOf(
  message: Uint8Array,
  signature: Uint8Array,
  account: Uint8Array,
): boolean {
  const signer = recoverPersonalSigner(message, signature);
  return signer !== null && equalBytes(signer, account);
}

/** The account of a private key, 20 bytes. */
export function accountOfPrivateKey(privateKey: Uint8Array): Uint8Array {
  return accountOfPublicKey(secp256k1.getPublicKey(privateKey, false));
}

/** @param publicKey - 65 bytes, uncompressed */
function accountOfPublicKey(publicKey: Uint8Array): Uint8Array {
  return keccak_256(publicKey.subarray(1)).slice(12);
}
