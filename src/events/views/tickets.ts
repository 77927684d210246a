import { parseStreamId } from "../envelope.ts";
import type { TicketEvent } from "../ticket.ts";
import type { View } from "./view.ts";

/** A row a ticket that won, from its draw to its one end: what redemption, `tickets list` and exposure read. */
export const ticketsView: View = {
  name: "tickets",
  version: 1,
  tables: ["tickets"],
  types: ["TicketWon", "TicketRedeemed", "TicketExpired"],
  statements: [
    "INSERT INTO tickets VALUES (?1, 'won', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, " +
      "NULL, NULL, NULL, NULL)",
    "UPDATE tickets SET state = 'redeemed', ended_ms = ?2, ended_round = ?3, tx_hash = ?4 WHERE hash = ?1",
    "UPDATE tickets SET state = 'expired', ended_ms = ?2, ended_round = ?3, loss = ?4 WHERE hash = ?1",
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
        return [[1, [hash, atMs, event.round === null ? null : String(event.round), event.txHash]]];
      case "TicketExpired":
        return [[2, [hash, atMs, String(event.round), String(event.loss)]]];
      default:
        return [];
    }
  },
};
