import { keccak_256 } from "@noble/hashes/sha3";
import { equalBytes, toHex } from "../protocol/bytes.ts";
import { isUint256 } from "../protocol/integerBytes.ts";
import { auxData, isWinner, ticketHash, type TicketTerms } from "../protocol/ticket.ts";
import type { Hex } from "../shared/brand.ts";

/** What a foreign row says of a winning ticket. Nothing of it is believed before {@link judgeTicket}. */
export type TicketClaim = TicketTerms & {
  /** Of 32 bits. */
  readonly senderNonce: bigint;
  readonly recipientRand: Uint8Array;
  /** Exactly as stored: the draw depends on its bytes. */
  readonly sig: Uint8Array;
  /** L1 block. */
  readonly expirationBlock: bigint;
  /** Null when the row does not say. */
  readonly lastValidRound: bigint | null;
  /** The account that it paid into, when it is known. */
  readonly account: string | null;
  /** The hash that the row gives itself; null when it gives none. */
  readonly hash: Uint8Array | null;
  /** Not null when somebody has redeemed it, or has given it up; then with the transaction, if one is known. */
  readonly redeemed: { readonly txHash: Hex | null } | null;
};

/** The account that signed `message` as a personal message, 20 bytes; null for what is no signature. */
export type RecoverSigner = (message: Uint8Array, signature: Uint8Array) => Uint8Array | null;

export type TicketVerdict =
  | { readonly type: "good"; readonly hash: Hex }
  | { readonly type: "refused"; readonly hash: Hex | null; readonly reason: string };

/**
 * Whether the TicketBroker would take the ticket: its hash, the secret number, the signature and the draw are
 * computed afresh. Source: payments sheet 1.2 to 1.5.
 */
export function judgeTicket(claim: TicketClaim, recoverSigner: RecoverSigner): TicketVerdict {
  const flaw = flawOfShape(claim);
  if (flaw !== null) return { type: "refused", hash: null, reason: flaw };
  const computed = ticketHash(claim, Number(claim.senderNonce));
  const hash = toHex(computed);
  const refused = (reason: string): TicketVerdict => ({ type: "refused", hash, reason });
  if (claim.hash !== null && !equalBytes(claim.hash, computed)) {
    return refused("its fields do not make the hash that it names");
  }
  if (auxData(claim.expiration).length === 0) {
    return refused("it names no round: the TicketBroker takes no such ticket");
  }
  if (!equalBytes(keccak_256(claim.recipientRand), claim.recipientRandHash)) {
    return refused("its recipientRand does not fit its recipientRandHash");
  }
  const signer = recoverSigner(computed, claim.sig);
  if (signer === null || !equalBytes(signer, claim.sender)) {
    return refused("its signature is not its sender's");
  }
  if (!isWinner(claim.sig, claim.recipientRand, claim.winProb)) return refused("it did not win");
  return { type: "good", hash };
}

/** What would break the ticket's fixed-width encoding, or null. */
function flawOfShape(claim: TicketClaim): string | null {
  const { creationRound, creationRoundBlockHash } = claim.expiration;
  const lengths: readonly (readonly [string, Uint8Array, number])[] = [
    ["sender", claim.sender, 20],
    ["recipient", claim.recipient, 20],
    ["recipientRandHash", claim.recipientRandHash, 32],
    ["recipientRand", claim.recipientRand, 32],
    ["creationRoundBlockHash", creationRoundBlockHash, 32],
    ["sig", claim.sig, 65],
  ];
  const wrong = lengths.find(([, bytes, length]) => bytes.length !== length);
  if (wrong !== undefined) return `its ${wrong[0]} has ${wrong[1].length} bytes, not ${wrong[2]}`;
  if (!isUint256(claim.faceValue)) return "its faceValue is out of range";
  if (!isUint256(claim.winProb)) return "its winProb is out of range";
  if (claim.senderNonce < 0n || claim.senderNonce >= 1n << 32n) return "its senderNonce is out of range";
  const rounds: readonly (readonly [string, bigint])[] = [
    ["creationRound", creationRound],
    ["expirationBlock", claim.expirationBlock],
    ["lastValidRound", claim.lastValidRound ?? 0n],
  ];
  const outside = rounds.find(([, value]) => value < 0n || value >= 1n << 63n);
  return outside === undefined ? null : `its ${outside[0]} is out of range`;
}
