import { bigInteger, flag, hex, integer, nullable, oneOf, text } from "./codec.ts";
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

/** A transaction that redeems it was made: `transaction:<account>/<nonce>`. */
export const redemptionSubmitted = defineEvent("RedemptionSubmitted", { transaction: text });

/** That transaction did not redeem it. It is as it was before. */
export const redemptionReturned = defineEvent("RedemptionReturned", {
  transaction: text,
  /** `dropped`: mined, but the broker did not take this ticket of the batch (as when its gas ran out). */
  cause: oneOf("dropped", "reverted", "cancelled", "displaced"),
  text,
});

/** Why it is not redeemed yet, although it is due. Recorded when the cause changes. */
export const redemptionPostponed = defineEvent("RedemptionPostponed", {
  cause: oneOf(
    "gas-price",
    "face-value",
    "sender-funds",
    "sender-unlocked",
    "gas-money",
    "unregistered",
    "reverts",
    /** The redeemer that is to have it refuses it. */
    "redeemer",
  ),
  text,
});

/** A block holds its redemption. */
export const ticketPaid = defineEvent("TicketPaid", {
  /** Our transaction; null when somebody else redeemed it. */
  transaction: nullable(text),
  txHash: nullable(hex),
  block: bigInteger,
  /** Wei that came; less than the face value when the sender ran dry. Null when we only saw that it is used. */
  amount: nullable(bigInteger),
});

/** A re-org took the redemption back. */
export const ticketUnpaid = defineEvent("TicketUnpaid", { block: bigInteger });

/** The broker will never take it. */
export const ticketRefused = defineEvent("TicketRefused", {
  /** The broker's words. */
  text,
  /** Wei that it would have paid at most. */
  loss: bigInteger,
});

/** The operator keeps it back, or lets it go again. */
export const ticketHeld = defineEvent("TicketHeld", { isHeld: flag });

/**
 * The redeemer that redeems for us has acknowledged it. Its word is no payment: what the chain says ends a ticket.
 * Recorded anew when it is handed over anew.
 */
export const ticketEntrusted = defineEvent("TicketEntrusted", {
  /** `host:port`. */
  redeemer: text,
  /** The last initialised round when it was handed over; null when the chain had not been seen yet. */
  round: nullable(bigInteger),
});

export const ticketEvents = catalogueOf([
  ...[ticketWon, ticketRedeemed, ticketExpired, redemptionSubmitted, redemptionReturned],
  ...[redemptionPostponed, ticketPaid, ticketUnpaid, ticketRefused, ticketHeld, ticketEntrusted],
]);

export type TicketEvent =
  | EventOf<typeof ticketWon>
  | EventOf<typeof ticketRedeemed>
  | EventOf<typeof ticketExpired>
  | EventOf<typeof redemptionSubmitted>
  | EventOf<typeof redemptionReturned>
  | EventOf<typeof redemptionPostponed>
  | EventOf<typeof ticketPaid>
  | EventOf<typeof ticketUnpaid>
  | EventOf<typeof ticketRefused>
  | EventOf<typeof ticketHeld>
  | EventOf<typeof ticketEntrusted>;
