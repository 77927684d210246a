import { checksumHex } from "./account.ts";

/*
 * Texts of refused payments. Gateways' operators search for them in logs, and some tools compare them, so those
 * of the reference node are part of the wire contract: never reword one. Source: payments sheet 2.2, 3.3, 3.4.
 */

/** Texts without values in them. */
export const paymentTexts = {
  insufficientReserve: "insufficient sender reserve",
  insufficientBalance: "Insufficient balance",
  badRecipient: "invalid ticket recipient",
  badSender: "invalid ticket sender",
  badRand: "invalid recipientRand for ticket recipientRandHash",
  badSignature: "invalid ticket signature",
  expired: "TicketParams expired",
  priceMissing: 'invalid expected price sent with payment err="expected price is nil"',
  pixelsZero: 'invalid expected price sent with payment err="pixels per unit is 0"',
  priceNotInt64: "price cannot be converted to int64",
  /** Ours. The reference node takes such a payment and later pays the gateway for its work. */
  priceNegative: 'invalid expected price sent with payment err="price per unit is negative"',
  /** Ours. The reference node works at whatever price the gateway names. */
  priceOther: 'invalid expected price sent with payment err="not the price of this session"',
  /** Ours. What the reference node writes behind the colon is a dump of its memory. */
  senderMissing: "Could not find Sender for payment: sender is empty",
  /** Ours. The reference node cuts the connection. */
  expirationMissing: "invalid payment: expiration params are missing",
  /** Ours. The reference node takes the absolute value. */
  roundNegative: "invalid payment: creation round is negative",
} as const;

/** Our recipient is not in the active set. */
export function inactiveText(recipient: Uint8Array, round: bigint): string {
  return `orchestrator ${checksumHex(recipient)} is inactive in round ${round}, cannot process payments`;
}

/** The gateway is about to take its money out. */
export function unlockingText(sender: Uint8Array): string {
  return `deposit and reserve for sender ${checksumHex(sender)} is set to unlock soon`;
}

/** The chain could not be asked about the gateway. */
export function senderInfoText(sender: Uint8Array, reason: string): string {
  return `could not get sender info for ${checksumHex(sender)}: ${reason}`;
}

/** A nonce came twice for one secret number. */
export function nonceSeenText(sender: Uint8Array, nonce: number): string {
  return `invalid ticket senderNonce: already seen sender=${checksumHex(sender)} nonce=${nonce}`;
}

/** One secret number has seen as many nonces as it may. */
export function tooManyNoncesText(sender: Uint8Array, nonce: number): string {
  return `invalid ticket senderNonce: too many values sender=${checksumHex(sender)} nonce=${nonce}`;
}

/** Ours. An integer that no contract can hold; the reference node hashes it as it is. */
export function tooLongText(field: string): string {
  return `invalid payment: ${field} has more than 32 bytes`;
}

/** Ours. More tickets in one payment than any secret number may see. */
export function tooManyTicketsText(count: number): string {
  return `invalid payment: ${count} tickets are too many`;
}
