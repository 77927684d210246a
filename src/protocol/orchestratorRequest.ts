import { keccak_256 } from "@noble/hashes/sha3";
import { checksumHex } from "./account.ts";
import { utf8 } from "./bytes.ts";

/**
 * What a gateway signs to prove its account in `net.OrchestratorRequest.sig`: Keccak-256 of its checksummed
 * address text. Sign or verify the 32 bytes as a personal message.
 *
 * @param account - 20 bytes
 * Source: video sheet 3.1.
 */
export function orchestratorRequestMessage(account: Uint8Array): Uint8Array {
  return keccak_256(utf8(checksumHex(account)));
}
