import type { SnapshotFrom } from "xstate";
import type { EventOf } from "../../events/definition.ts";
import { ticketEvents } from "../../events/ticket.ts";
import type { TicketEvent, ticketRedeemed, ticketWon } from "../../events/ticket.ts";
import type { ActorKind, Decided } from "../kind.ts";
import { decided, rejected } from "../kind.ts";
import { ticketContext, ticketMachine } from "./machine.ts";

export type TicketCommand =
  | ({ readonly type: "WinTicket" } & Omit<EventOf<typeof ticketWon>, "type">)
  | ({ readonly type: "RedeemTicket" } & Omit<EventOf<typeof ticketRedeemed>, "type">)
  /** The chain is in `round` and has not seen the ticket used. */
  | { readonly type: "ExpireTicket"; readonly round: bigint };

export type TicketSnapshot = SnapshotFrom<typeof ticketMachine>;

const notOpen = rejected("TICKET_NOT_OPEN", "The ticket is not open.");

/** Pure: what becomes of a command to a winning ticket. */
export function decideTicket(snapshot: TicketSnapshot | null, command: TicketCommand): Decided<TicketEvent> {
  if (command.type === "WinTicket") {
    if (snapshot !== null) return rejected("TICKET_KNOWN", "The ticket is known already.");
    return decided({ ...command, type: "TicketWon" });
  }
  if (snapshot === null || !snapshot.matches("won")) return notOpen;
  switch (command.type) {
    case "RedeemTicket":
      return decided({ type: "TicketRedeemed", txHash: command.txHash, round: command.round });
    case "ExpireTicket": {
      const { lastValidRound, faceValue } = snapshot.context;
      if (command.round <= lastValidRound)
        return rejected("TICKET_VALID", "The ticket can still be redeemed.");
      return decided({ type: "TicketExpired", round: command.round, loss: faceValue });
    }
  }
}

export const ticketKind: ActorKind = {
  kind: "ticket",
  machine: ticketMachine,
  events: ticketEvents,
  context: ticketContext as ActorKind["context"],
  decide: decideTicket as unknown as ActorKind["decide"],
  // What ends a ticket is the chain's clock, not ours: the node brings every new round before it.
  deadline: () => null,
  isMovedFromOutside: true,
};
