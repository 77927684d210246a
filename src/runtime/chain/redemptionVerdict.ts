import type { TicketRecord } from "../../events/log/reader.ts";
import type { Hex } from "../../shared/brand.ts";
import type { ChainLog, RedeemableTicket } from "../chainPorts.ts";

/*
 * What the TicketBroker's words and logs mean for a ticket. Source: payments sheet 6.3 to 6.5.
 */

/** Refusals that no later block can change. */
const forEver: readonly string[] = [
  ...[
    "ticket recipient is null address",
    "ticket sender is null address",
    "invalid length for ticket auxData",
  ],
  ...[
    "ticket creationRound does not have a block hash",
    "ticket creationRoundBlockHash invalid for creationRound",
  ],
  ...["recipientRand does not match recipientRandHash", "INVALID_SIGNATURE_LENGTH", "ECDSA:"],
  ...["invalid signature over ticket hash", "ticket did not win"],
];

/** Whether the broker will never take a ticket that it refuses with these words. */
export function isForEver(reason: string): boolean {
  return forEver.some((words) => reason.includes(words));
}

/** Which kind of waiting the broker's words ask for. */
export function sendersRefusal(
  reason: string,
): "sender-unlocked" | "sender-funds" | "unregistered" | "reverts" {
  if (reason.includes("sender is unlocked")) return "sender-unlocked";
  if (reason.includes("sender deposit and reserve are zero")) return "sender-funds";
  if (reason.includes("transcoder must be registered")) return "unregistered";
  return "reverts";
}

/**
 * Wei that a ticket brought by the logs of the transaction that redeemed it; null when they do not speak of it. The
 * broker says what it paid right before it says which ticket that was, and nothing about payment when it paid nothing.
 */
export function paidAmount(ticket: TicketRecord, logs: readonly ChainLog[]): bigint | null {
  const sender = ticket.sender.toLowerCase();
  const recipient = ticket.recipient.toLowerCase();
  let paid = 0n;
  for (const log of logs) {
    const isBetweenThem = log.account === sender && log.other === recipient;
    if (log.name === "WinningTicketTransfer" && isBetweenThem) paid = log.amounts[0] ?? 0n;
    if (log.name !== "WinningTicketRedeemed") continue;
    const [, , nonce, rand] = log.amounts;
    const isThis =
      isBetweenThem && nonce === BigInt(ticket.senderNonce) && rand === BigInt(ticket.recipientRand);
    if (isThis) return paid;
    paid = 0n;
  }
  return null;
}

/** A ticket of the log as the TicketBroker wants to see it. */
export function redeemable(record: TicketRecord): RedeemableTicket {
  return {
    hash: record.hash as Hex,
    recipient: record.recipient as Hex,
    sender: record.sender as Hex,
    faceValue: BigInt(record.faceValue),
    winProb: BigInt(record.winProb),
    senderNonce: record.senderNonce,
    recipientRandHash: record.recipientRandHash as Hex,
    recipientRand: record.recipientRand as Hex,
    sig: record.sig as Hex,
    creationRound: BigInt(record.creationRound),
    creationRoundBlockHash: record.creationRoundBlockHash as Hex,
  };
}
