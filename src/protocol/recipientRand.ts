import { keccak_256 } from "@noble/hashes/sha3";
import { assert } from "../shared/assert.ts";
import { ACCOUNT_BYTES } from "./account.ts";
import type { HmacSha256 } from "./authToken.ts";
import { concatBytes, uint256Bytes, utf8 } from "./bytes.ts";
import { isUint256 } from "./integerBytes.ts";
import type { Rational } from "./rational.ts";
import type { TicketExpiration } from "./ticket.ts";

/*
 * The secret number behind a set of ticket params. It is a MAC over the set, so we store nothing: on receipt it
 * is computed again, and a single changed field gives a number whose hash is another one. Other nodes only ever
 * see the hash, so the construction is our own. Unlike the peer's it has borders between its fields (no byte can
 * move to a neighbour), the sign of the price and the recipient. Source: payments sheet 2.4, check 13.
 */

/** The key of the MAC: 32 random bytes. */
export type TicketSecret = Uint8Array;

/** What a set of ticket params binds. */
export type RandInput = {
  /** 32 bytes, random for every set. */
  readonly seed: Uint8Array;
  /** 20 bytes: who is paid. */
  readonly recipient: Uint8Array;
  /** 20 bytes: for whom the params are. */
  readonly sender: Uint8Array;
  /** Wei. */
  readonly faceValue: bigint;
  readonly winProb: bigint;
  /** L1 block at which the params stop being accepted. */
  readonly expirationBlock: bigint;
  /** Wei per unit. */
  readonly price: Rational;
  readonly expiration: TicketExpiration;
};

/** Bytes of secret, seed and number. */
export const RAND_BYTES = 32;

/**
 * The secret number of a set, 32 bytes. Never show it while the set is still accepted: who knows it before
 * signing can sign losing tickets only.
 */
export function recipientRand(secret: TicketSecret, input: RandInput, hmac: HmacSha256): Uint8Array {
  assert(secret.length === RAND_BYTES, "A ticket secret has 32 bytes.");
  return hmac(secret, randMessage(input));
}

/** What the gateway gets to see of the number. */
export function recipientRandHash(rand: Uint8Array): Uint8Array {
  assert(rand.length === RAND_BYTES, "The number is hashed in 32 bytes.");
  return keccak_256(rand);
}

const DOMAIN = utf8("reprise ticket params\0");

/** Every field with a fixed width, so that each message can be read in one way only. */
function randMessage(input: RandInput): Uint8Array {
  const { seed, recipient, sender, faceValue, winProb, expirationBlock, price, expiration } = input;
  const { creationRound, creationRoundBlockHash } = expiration;
  assert(seed.length === RAND_BYTES, "A seed has 32 bytes.");
  assert(recipient.length === ACCOUNT_BYTES && sender.length === ACCOUNT_BYTES, "An account has 20 bytes.");
  assert(creationRoundBlockHash.length === 32, "A block hash has 32 bytes.");
  assert(creationRound >= 0n && creationRound < 1n << 63n, "A round is a number from 0 on.");
  const isBelowZero = price.numerator < 0n;
  const numerator = isBelowZero ? -price.numerator : price.numerator;
  const round = new Uint8Array(8);
  new DataView(round.buffer).setBigUint64(0, creationRound);
  return concatBytes(
    DOMAIN,
    seed,
    recipient,
    sender,
    integer(faceValue),
    integer(winProb),
    integer(expirationBlock),
    Uint8Array.of(isBelowZero ? 1 : 0),
    integer(numerator),
    integer(price.denominator),
    round,
    creationRoundBlockHash,
  );
}

function integer(value: bigint): Uint8Array {
  assert(isUint256(value), "Ticket params hold integers of up to 256 bits.");
  return uint256Bytes(value);
}
