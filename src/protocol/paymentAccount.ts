import { keccak_256 } from "@noble/hashes/sha3";
import { plainHex } from "./bytes.ts";

/**
 * The name of an account for what a payment says it is for (`SegData.manifestId`). Session ids and the like stand
 * for themselves; whatever else a gateway writes there stands for its hash, so that nothing odd becomes a name.
 */
export function paymentAccount(manifestId: Uint8Array): string {
  const text = new TextDecoder().decode(manifestId);
  return /^[A-Za-z0-9_-]{1,64}$/.test(text) ? text : `hash-${plainHex(keccak_256(manifestId))}`;
}
