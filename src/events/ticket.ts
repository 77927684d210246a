import { bigInteger, hex, integer, nullable, oneOf, text } from "./codec.ts";
import type { EventOf } from "./definition.ts";
import { catalogueOf, defineEvent } from "./definition.ts";

/**
 * A ticket won: everything that the TicketBroker wants to see. It is kept before the gateway hears of its payment.
 *
 * `recipientRand` must not leave this machine before `expirationBlock`: whoever knows it can make tickets that lose.
 */
export const ticketWon = defineEvent("TicketWon", {
  /** 20 bytes. */
  sender: hex,
  /** 20 bytes. */
  recipient: hex,
  /** Wei. */
  faceValue: bigInteger,
  /** Of 2²⁵⁶ − 1. */
  winProb: bigInteger,
  senderNonce: integer,
  recipientRandHash: hex,
  recipientRand: hex,
  /** 65 bytes, exactly as they came: the draw depends on them. */
  sig: hex,
  creationRound: bigInteger,
  creationRoundBlockHash: hex,
  /** L1 block from which it may be redeemed. */
  expirationBlock: bigInteger,
  /** The last round in which the broker takes it. */
  lastValidRound: bigInteger,
  /** The account that it paid into; null for one that was imported. */
  account: nullable(text),
  source: oneOf("payment", "import"),
});

/** The broker has paid it out. */
export const ticketRedeemed = defineEvent("TicketRedeemed", {
  /** Null when we only saw on the chain that it is used. */
  txHash: nullable(hex),
  /** The round in which that was seen; null for one that was imported as redeemed. */
  round: nullable(bigInteger),
});

/** Its last round is over and nobody redeemed it. */
export const ticketExpired = defineEvent("TicketExpired", {
  round: bigInteger,
  /** Wei that it would have paid at most. */
  loss: bigInteger,
});

export const ticketEvents = catalogueOf([ticketWon, ticketRedeemed, ticketExpired]);

export type TicketEvent =
  EventOf<typeof ticketWon> | EventOf<typeof ticketRedeemed> | EventOf<typeof ticketExpired>;
