import type { TicketBatch } from "../../../src/runtime/ports.ts";
import { ticketPreimage, type TicketTerms, winDraw } from "../../../src/protocol/ticket.ts";
import { concatBytes, uint256Bytes } from "../../../src/protocol/bytes.ts";
import { keccak256, signPersonalMessage } from "../../../src/native/ffi.ts";
import { accountOfPrivateKey, isPersonalSignatureOf, SIGNATURE_BYTES } from "../../support/signatures.ts";

/*
 * Batches of tickets for tests, and what an independent implementation (noble) says about them.
 */

export const senderKey = new Uint8Array(32).fill(7);

const terms: TicketTerms = {
  recipient: new Uint8Array(20).fill(0xaa),
  sender: accountOfPrivateKey(senderKey),
  faceValue: 1_200_000_000_000_000n,
  winProb: 1n << 255n,
  recipientRandHash: keccak256(uint256Bytes(77n)),
  expiration: { creationRound: 3700n, creationRoundBlockHash: new Uint8Array(32).fill(9) },
};

/** Tickets with nonces 0, 1, 2 … signed by {@link senderKey}; about every second one wins. */
export function signedBatch(count: number, changes: Partial<TicketTerms> = {}, rand = 77n): TicketBatch {
  const all = { ...terms, ...changes };
  const nonces = Uint32Array.from({ length: count }, (_, index) => index);
  return batchOf(all, nonces, rand, (nonce) =>
    signPersonalMessage(keccak256(ticketPreimage(all, nonce)), senderKey),
  );
}

export function batchOf(
  all: TicketTerms,
  nonces: Uint32Array,
  rand: bigint,
  signatureOf: (nonce: number) => Uint8Array,
): TicketBatch {
  const signatures = [...nonces].map((nonce) => {
    const signature = signatureOf(nonce);
    return signature.length === SIGNATURE_BYTES ? signature : new Uint8Array(SIGNATURE_BYTES);
  });
  return {
    preimage: ticketPreimage(all, 0),
    sender: all.sender,
    recipientRand: uint256Bytes(rand),
    winProb: uint256Bytes(all.winProb),
    nonces,
    signatures: concatBytes(...signatures),
  };
}

/** The verdicts of noble, ticket by ticket. */
export function expectedVerdicts(batch: TicketBatch): Uint8Array {
  const winProb = BigInt(`0x${Buffer.from(batch.winProb).toString("hex")}`);
  return Uint8Array.from(batch.nonces, (nonce, index) => {
    const preimage = batch.preimage.slice();
    preimage.set(uint256Bytes(BigInt(nonce)), 104);
    const signature = batch.signatures.slice(index * SIGNATURE_BYTES, (index + 1) * SIGNATURE_BYTES);
    if (!isPersonalSignatureOf(keccak256(preimage), signature, batch.sender)) return 0;
    return winDraw(signature, batch.recipientRand) < winProb ? 2 : 1;
  });
}
