import { bigInteger, hex, integer, list, nullable, object, text } from "./codec.ts";
import type { EventOf } from "./definition.ts";
import { catalogueOf, defineEvent } from "./definition.ts";

/** An exact fraction in lowest terms: prices, balances, values of tickets. Wei where it is money. */
export const rationalFields = object({ numerator: bigInteger, denominator: bigInteger });

/**
 * Tickets of a gateway were verified and remembered. Those that lost live nowhere else; each that won has an
 * entity of its own, whose first event is in the same commit.
 */
export const paymentAccepted = defineEvent("PaymentAccepted", {
  /** 20 bytes. */
  sender: hex,
  /** The price that we had bound into the tickets' parameters, wei per unit. */
  price: rationalFields,
  recipientRandHash: hex,
  /** Wei; of each ticket. */
  faceValue: bigInteger,
  /** Of 2²⁵⁶ − 1. */
  winProb: bigInteger,
  /** L1 block from which the parameters are no longer accepted. */
  expirationBlock: bigInteger,
  /** L1 block at which this payment was judged. */
  l1Block: bigInteger,
  /** Nonces that are used up by this payment, in its order. */
  nonces: list(integer),
  /** How many of the tickets were credited: all before the first that failed. */
  creditedTickets: integer,
  /** Wei; the credited tickets times their expected value, exactly. */
  credit: rationalFields,
  /** Hashes of the tickets that won. */
  winners: list(hex),
  /** What the gateway was told when a ticket failed. */
  refusal: nullable(text),
  /** The account ends at this time unless it is used. Unix milliseconds. */
  idleDeadlineMs: integer,
});

/** From here on, everything on this account costs this much. Wei per unit. */
export const priceFixed = defineEvent("PriceFixed", {
  sender: hex,
  price: rationalFields,
  idleDeadlineMs: integer,
});

/** A job is taken on: so much of the balance is spoken for until it ends. */
export const jobReserved = defineEvent("JobReserved", {
  jobId: text,
  /** Units (pixels, seconds) that the job will take at most, as its gateway announced it. */
  units: bigInteger,
  price: rationalFields,
  /** Wei that are spoken for: the units at that price, and at least the value of a ticket unless the price is 0. */
  fee: rationalFields,
});

/** A job is done and paid from the balance: exactly the units that were delivered. */
export const jobDebited = defineEvent("JobDebited", {
  jobId: text,
  units: bigInteger,
  price: rationalFields,
  fee: rationalFields,
  idleDeadlineMs: integer,
});

/** A job ended without a result: nothing is owed. */
export const jobReleased = defineEvent("JobReleased", { jobId: text, idleDeadlineMs: integer });

/** Nobody used the account for a while: balance, debt and price are forgotten. */
export const accountExpired = defineEvent("AccountExpired", { balance: rationalFields });

export const accountEvents = catalogueOf([
  paymentAccepted,
  priceFixed,
  jobReserved,
  jobDebited,
  jobReleased,
  accountExpired,
]);

export type AccountEvent =
  | EventOf<typeof paymentAccepted>
  | EventOf<typeof priceFixed>
  | EventOf<typeof jobReserved>
  | EventOf<typeof jobDebited>
  | EventOf<typeof jobReleased>
  | EventOf<typeof accountExpired>;
