import { parseStreamId } from "../envelope.ts";
import type { TicketEvent } from "../ticket.ts";
import type { View } from "./view.ts";

/**
 * A row a ticket that won, from its draw to its one end: what redemption, `tickets list` and exposure read.
 *
 * `cause` and `text` say why it waits; they go when a transaction takes it along. A payment that a re-org takes back
 * leaves the ticket with the transaction of ours that it had, if it had one.
 */
export const ticketsView: View = {
  name: "tickets",
  version: 3,
  tables: ["tickets"],
  types: [
    ...["TicketWon", "RedemptionSubmitted", "RedemptionReturned", "RedemptionPostponed", "TicketPaid"],
    ...["TicketUnpaid", "TicketRedeemed", "TicketExpired", "TicketRefused", "TicketHeld"],
    "TicketEntrusted",
  ],
  statements: [
    "INSERT INTO tickets VALUES (?1, 'won', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, " +
      "NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL)",
    "UPDATE tickets SET state = 'redeemed', ended_ms = ?2, ended_round = ?3, tx_hash = coalesce(?4, tx_hash) " +
      "WHERE hash = ?1",
    "UPDATE tickets SET state = 'expired', ended_ms = ?2, ended_round = ?3, loss = ?4 WHERE hash = ?1",
    "UPDATE tickets SET state = 'submitted', transaction_id = ?2, cause = NULL, text = NULL WHERE hash = ?1",
    "UPDATE tickets SET state = 'won', transaction_id = NULL, cause = ?2, text = ?3 WHERE hash = ?1",
    "UPDATE tickets SET cause = ?2, text = ?3 WHERE hash = ?1",
    "UPDATE tickets SET state = 'paid', transaction_id = ?2, tx_hash = ?3, " +
      "paid_block = ?4, paid_amount = ?5, cause = NULL, text = NULL WHERE hash = ?1",
    "UPDATE tickets SET state = CASE WHEN transaction_id IS NULL THEN 'won' ELSE 'submitted' END, " +
      "tx_hash = NULL, paid_block = NULL, paid_amount = NULL WHERE hash = ?1",
    "UPDATE tickets SET state = 'refused', ended_ms = ?2, cause = NULL, text = ?3, loss = ?4 WHERE hash = ?1",
    "UPDATE tickets SET held = ?2 WHERE hash = ?1",
    "UPDATE tickets SET redeemer = ?2, cause = NULL, text = NULL WHERE hash = ?1",
  ],
  project: ({ stream, atMs, event: anyEvent }) => {
    const event = anyEvent as TicketEvent;
    const hash = parseStreamId(stream).id;
    switch (event.type) {
      case "TicketWon":
        return [
          [
            0,
            [
              ...[hash, event.sender, event.recipient, String(event.faceValue), String(event.winProb)],
              ...[event.senderNonce, event.recipientRandHash, event.recipientRand, event.sig],
              ...[String(event.creationRound), event.creationRoundBlockHash, String(event.expirationBlock)],
              ...[String(event.lastValidRound), event.account, event.source, atMs],
            ],
          ],
        ];
      case "TicketRedeemed":
        return [[1, [hash, atMs, textOf(event.round), event.txHash]]];
      case "TicketExpired":
        return [[2, [hash, atMs, String(event.round), String(event.loss)]]];
      case "RedemptionSubmitted":
        return [[3, [hash, event.transaction]]];
      case "RedemptionReturned":
        return [[4, [hash, event.cause, event.text]]];
      case "RedemptionPostponed":
        return [[5, [hash, event.cause, event.text]]];
      case "TicketPaid": {
        const { transaction, txHash, block, amount } = event;
        return [[6, [hash, transaction, txHash, String(block), textOf(amount)]]];
      }
      case "TicketUnpaid":
        return [[7, [hash]]];
      case "TicketRefused":
        return [[8, [hash, atMs, event.text, String(event.loss)]]];
      case "TicketHeld":
        return [[9, [hash, event.isHeld ? 1 : 0]]];
      case "TicketEntrusted":
        return [[10, [hash, event.redeemer]]];
      default:
        return [];
    }
  },
};

function textOf(value: bigint | null): string | null {
  return value === null ? null : String(value);
}
