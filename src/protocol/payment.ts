import { ACCOUNT_BYTES, accountBytes } from "./account.ts";
import { fitBytes } from "./bytes.ts";
import type { Payment, PriceInfo, TicketParams } from "./gen/lp_rpc_pb.ts";
import { bigintOfBytes, withoutLeadingZeros } from "./integerBytes.ts";
import { paymentTexts, tooLongText, tooManyTicketsText } from "./paymentTexts.ts";
import { type Price, priceOfInfo } from "./price.ts";
import { RAND_BYTES, type RandInput } from "./recipientRand.ts";
import { type Refusal, refuse } from "./refusal.ts";
import { NONCES_MAX, type TicketExpiration, type TicketTerms } from "./ticket.ts";

/*
 * The `Payment` of a request, read with bounds. Nothing here is verified against what we offered: that is the
 * MAC's task, see `recipientRand`. Source: payments sheet 3.1, 3.3.
 */

/** What came with one ticket. */
export type TicketSenderParams = {
  /** 0 to 2³² − 1. */
  readonly nonce: number;
  /** 65 bytes if it is one; whatever came. */
  readonly signature: Uint8Array;
};

/** The tickets of a payment: one set of params, many nonces and signatures. Amounts in wei. */
export type TicketClaim = {
  /** 20 bytes. */
  readonly recipient: Uint8Array;
  readonly faceValue: bigint;
  readonly winProb: bigint;
  /** 32 bytes. */
  readonly recipientRandHash: Uint8Array;
  /** 32 bytes, zeros in front put back. */
  readonly seed: Uint8Array;
  readonly expirationBlock: bigint;
  readonly expiration: TicketExpiration;
  /** In the order of the message; may be empty. */
  readonly senderParams: readonly TicketSenderParams[];
};

/** A payment whose parts are well formed. */
export type PaymentClaim = {
  readonly type: "claim";
  /** 20 bytes; the zero account where nobody is named. */
  readonly sender: Uint8Array;
  /**
   * The price that the gateway believes to pay. Null when it named none, which only a payment without tickets
   * may. Never trust it without tickets: the node's own price counts.
   */
  readonly price: Price | null;
  readonly tickets: TicketClaim | null;
};

/** Tickets in one payment that are looked at: twice what a set of params may see. */
export const PAYMENT_TICKETS_MAX = 2 * NONCES_MAX;

/**
 * Reads a payment: rows 1, 2 and 4 of payments sheet 3.3 and the bounds of every field. Row 3, whether the
 * recipient is active, is the caller's.
 *
 * Accounts and hashes of another length are cropped or padded as every node of the network does. Integers may
 * have zeros in front but no more than 32 bytes behind them.
 *
 * @returns the claim, or the refusal 400 with nothing credited
 */
export function readPayment(payment: Payment): PaymentClaim | Refusal {
  const { ticketParams, expectedPrice } = payment;
  if (ticketParams !== undefined && payment.sender.length === 0) {
    return refuse(400, paymentTexts.senderMissing);
  }
  const price = readExpectedPrice(expectedPrice, ticketParams !== undefined);
  if (price !== null && "status" in price) return price;
  const sender = accountBytes(payment.sender).slice();
  if (ticketParams === undefined) return { type: "claim", sender, price, tickets: null };
  const tickets = readTickets(payment, ticketParams);
  return "status" in tickets ? tickets : { type: "claim", sender, price, tickets };
}

/** What all tickets of a claim share, for hashes and signatures. */
export function ticketTerms(tickets: TicketClaim, sender: Uint8Array): TicketTerms {
  const { recipient, faceValue, winProb, recipientRandHash, expiration } = tickets;
  return { recipient, sender, faceValue, winProb, recipientRandHash, expiration };
}

/** What the MAC of a claim is made over: its hash is the claim's only if we offered exactly this. */
export function claimedRand(tickets: TicketClaim, sender: Uint8Array, price: Price): RandInput {
  const { seed, recipient, faceValue, winProb, expirationBlock, expiration } = tickets;
  return { seed, recipient, sender, faceValue, winProb, expirationBlock, price, expiration };
}

function readExpectedPrice(info: PriceInfo | undefined, hasTickets: boolean): Price | null | Refusal {
  if (info === undefined && !hasTickets) return null;
  const read = priceOfInfo(info);
  return read.type === "price" ? read.price : refuse(400, read.text);
}

function readTickets(payment: Payment, params: TicketParams): TicketClaim | Refusal {
  const count = payment.ticketSenderParams.length;
  if (count > PAYMENT_TICKETS_MAX) return refuse(400, tooManyTicketsText(count));
  const { expirationParams } = payment;
  if (expirationParams === undefined) return refuse(400, paymentTexts.expirationMissing);
  if (expirationParams.creationRound < 0n) return refuse(400, paymentTexts.roundNegative);
  const faceValue = readInteger(params.faceValue);
  if (faceValue === null) return refuse(400, tooLongText("face value"));
  const winProb = readInteger(params.winProb);
  if (winProb === null) return refuse(400, tooLongText("win probability"));
  const expirationBlock = readInteger(params.expirationBlock);
  if (expirationBlock === null) return refuse(400, tooLongText("expiration block"));
  const seed = withoutLeadingZeros(params.seed);
  if (seed.length > RAND_BYTES) return refuse(400, tooLongText("seed"));
  return {
    recipient: fitBytes(params.recipient, ACCOUNT_BYTES),
    faceValue,
    winProb,
    recipientRandHash: fitBytes(params.recipientRandHash, 32),
    seed: fitBytes(seed, RAND_BYTES),
    expirationBlock,
    expiration: {
      creationRound: expirationParams.creationRound,
      creationRoundBlockHash: fitBytes(expirationParams.creationRoundBlockHash, 32),
    },
    senderParams: payment.ticketSenderParams.map(({ senderNonce, sig }) => ({
      nonce: senderNonce,
      signature: sig,
    })),
  };
}

function readInteger(bytes: Uint8Array): bigint | null {
  const digits = withoutLeadingZeros(bytes);
  return digits.length > 32 ? null : bigintOfBytes(digits);
}
