import { keccak_256 } from "@noble/hashes/sha3";
import { assert } from "../shared/assert.ts";
import { ACCOUNT_BYTES } from "./account.ts";
import { concatBytes, uint256Bytes } from "./bytes.ts";
import { bigintOfBytes, isUint256, UINT256_MAX } from "./integerBytes.ts";
import { type Rational, rational } from "./rational.ts";

/*
 * Probabilistic tickets as the TicketBroker contract reads them. Source: payments sheet 1; the contract's packed
 * encoding. Nobody may put a longer integer in: it would shift all that follows it.
 */

/** The round whose block hash a ticket commits to. */
export type TicketExpiration = {
  readonly creationRound: bigint;
  /** L1 block hash of that round, 32 bytes. */
  readonly creationRoundBlockHash: Uint8Array;
};

/** All that the tickets of one payment share. Amounts in wei. */
export type TicketTerms = {
  /** 20 bytes: who is paid. */
  readonly recipient: Uint8Array;
  /** 20 bytes: who pays and must have signed. */
  readonly sender: Uint8Array;
  readonly faceValue: bigint;
  /** Numerator over `maxWinProb`. */
  readonly winProb: bigint;
  /** Keccak-256 of the 32-byte secret number, 32 bytes. */
  readonly recipientRandHash: Uint8Array;
  readonly expiration: TicketExpiration;
};

/** A win probability of 1, but for one draw in 2²⁵⁶. */
export const maxWinProb: bigint = UINT256_MAX;

/** Distinct nonces that one secret number may see. Source: payments sheet 3.4. */
export const NONCES_MAX = 600;

/** Bytes of a ticket signature. */
export const TICKET_SIGNATURE_BYTES = 65;

/** Where the nonce stands in `ticketPreimage`: 32 bytes, big-endian. */
export const PREIMAGE_NONCE_OFFSET = 104;

/** What the ticket says of its round: 64 bytes, or none when it names neither round nor hash. */
export function auxData(expiration: TicketExpiration): Uint8Array {
  const { creationRound, creationRoundBlockHash } = expiration;
  assert(creationRound >= 0n && creationRound < 1n << 63n, "A round is a number from 0 on.");
  assert(creationRoundBlockHash.length === 32, "A block hash has 32 bytes.");
  if (creationRound === 0n && creationRoundBlockHash.every((byte) => byte === 0)) return new Uint8Array(0);
  return concatBytes(uint256Bytes(creationRound), creationRoundBlockHash);
}

/**
 * The bytes whose Keccak-256 is the ticket's hash: 232, or 168 without round and hash.
 *
 * @param senderNonce - 0 to 2³² − 1
 */
export function ticketPreimage(terms: TicketTerms, senderNonce: number): Uint8Array {
  const { recipient, sender, faceValue, winProb, recipientRandHash } = terms;
  assert(recipient.length === ACCOUNT_BYTES && sender.length === ACCOUNT_BYTES, "An account has 20 bytes.");
  assert(isUint256(faceValue) && isUint256(winProb), "Face value and win probability have up to 256 bits.");
  assert(senderNonce >>> 0 === senderNonce, "A nonce has 32 bits.");
  assert(recipientRandHash.length === 32, "A hash has 32 bytes.");
  return concatBytes(
    recipient,
    sender,
    uint256Bytes(faceValue),
    uint256Bytes(winProb),
    uint256Bytes(BigInt(senderNonce)),
    recipientRandHash,
    auxData(terms.expiration),
  );
}

/** The hash that the gateway signs as a personal message and by which the contract knows the ticket, 32 bytes. */
export function ticketHash(terms: TicketTerms, senderNonce: number): Uint8Array {
  return keccak_256(ticketPreimage(terms, senderNonce));
}

/**
 * The number that decides over a ticket.
 *
 * @param signature - exactly the bytes that came, never normalised: another form of the same signature draws
 *   another number
 * @param recipientRand - the secret number in 32 bytes
 */
export function winDraw(signature: Uint8Array, recipientRand: Uint8Array): bigint {
  return bigintOfBytes(keccak_256(concatBytes(signature, recipientRand)));
}

/** Whether the ticket wins: its draw lies strictly below the win probability. */
export function isWinner(signature: Uint8Array, recipientRand: Uint8Array, winProb: bigint): boolean {
  return winDraw(signature, recipientRand) < winProb;
}

/**
 * What one ticket is worth to the gateway's balance, in wei: face value × win probability, over 2²⁵⁶ − 1.
 * Exact; never round it.
 */
export function ticketValue(faceValue: bigint, winProb: bigint): Rational {
  return rational(faceValue * winProb, maxWinProb);
}
