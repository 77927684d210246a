import type { SnapshotFrom } from "xstate";
import type { EventOf } from "../../events/definition.ts";
import {
  type redemptionPostponed,
  type redemptionReturned,
  type ticketEntrusted,
  type TicketEvent,
  ticketEvents,
  type ticketPaid,
  type ticketRedeemed,
  type ticketWon,
} from "../../events/ticket.ts";
import type { ActorKind, Decided } from "../kind.ts";
import { decided, rejected } from "../kind.ts";
import { ticketContext, ticketMachine } from "./machine.ts";

type Fields<D> = Omit<EventOf<D>, "type">;

export type TicketCommand =
  | ({ readonly type: "WinTicket" } & Fields<typeof ticketWon>)
  | ({ readonly type: "RedeemTicket" } & Fields<typeof ticketRedeemed>)
  /** The chain is in `round` and has not seen the ticket used. */
  | { readonly type: "ExpireTicket"; readonly round: bigint }
  | { readonly type: "SubmitRedemption"; readonly transaction: string }
  | ({ readonly type: "ReturnRedemption" } & Fields<typeof redemptionReturned>)
  | ({ readonly type: "PostponeRedemption" } & Fields<typeof redemptionPostponed>)
  | ({ readonly type: "PayTicket" } & Fields<typeof ticketPaid>)
  | { readonly type: "UnpayTicket" }
  | { readonly type: "RefuseTicket"; readonly text: string }
  | { readonly type: "HoldTicket"; readonly isHeld: boolean }
  /** A redeemer has acknowledged it. */
  | ({ readonly type: "EntrustTicket" } & Fields<typeof ticketEntrusted>);

export type TicketSnapshot = SnapshotFrom<typeof ticketMachine>;

const notOpen = rejected("TICKET_NOT_OPEN", "The ticket is not open.");

/** Pure: what becomes of a command to a winning ticket. */
export function decideTicket(snapshot: TicketSnapshot | null, command: TicketCommand): Decided<TicketEvent> {
  if (command.type === "WinTicket") {
    if (snapshot !== null) return rejected("TICKET_KNOWN", "The ticket is known already.");
    return decided({ ...command, type: "TicketWon" });
  }
  if (snapshot === null) return notOpen;
  const { context } = snapshot;
  const [isWon, isSubmitted, isPaid] = [
    snapshot.matches("won"),
    snapshot.matches("submitted"),
    snapshot.matches("paid"),
  ];
  switch (command.type) {
    case "RedeemTicket":
      if (!isWon && !isPaid) return notOpen;
      return decided({ type: "TicketRedeemed", txHash: command.txHash, round: command.round });
    case "ExpireTicket":
      if (!isWon) return notOpen;
      if (command.round <= context.lastValidRound)
        return rejected("TICKET_VALID", "The ticket can still be redeemed.");
      return decided({ type: "TicketExpired", round: command.round, loss: context.faceValue });
    case "SubmitRedemption":
      if (!isWon || context.isHeld) return notOpen;
      return decided({ type: "RedemptionSubmitted", transaction: command.transaction });
    case "ReturnRedemption":
      if (!isSubmitted || context.transaction !== command.transaction) return notOpen;
      return decided({ ...command, type: "RedemptionReturned" });
    case "PostponeRedemption":
      if (!isWon || context.cause === command.cause) return notOpen;
      return decided({ ...command, type: "RedemptionPostponed" });
    case "PayTicket":
      if (!isWon && !isSubmitted) return notOpen;
      return decided({ ...command, type: "TicketPaid" });
    case "UnpayTicket":
      if (!isPaid || context.paid === null) return notOpen;
      return decided({ type: "TicketUnpaid", block: context.paid.block });
    case "RefuseTicket":
      if (!isWon) return notOpen;
      return decided({ type: "TicketRefused", text: command.text, loss: context.faceValue });
    case "HoldTicket":
      if ((!isWon && !isSubmitted) || context.isHeld === command.isHeld) return notOpen;
      return decided({ type: "TicketHeld", isHeld: command.isHeld });
    case "EntrustTicket":
      if (!isWon) return notOpen;
      return decided({ ...command, type: "TicketEntrusted" });
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
