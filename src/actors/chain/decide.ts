import type { SnapshotFrom } from "xstate";
import { chainEvents } from "../../events/chain.ts";
import type { ChainEvent, roundObserved } from "../../events/chain.ts";
import type { EventOf } from "../../events/definition.ts";
import type { ActorKind, Decided } from "../kind.ts";
import { decided, rejected } from "../kind.ts";
import { chainContext, chainMachine } from "./machine.ts";

/** The only entity of its kind. */
export const ownChain = "own";

export type ChainCommand = { readonly type: "ObserveRound" } & Omit<EventOf<typeof roundObserved>, "type">;

export type ChainSnapshot = SnapshotFrom<typeof chainMachine>;

/** Pure: a new round is a fact, and so is a change of our standing; a new block is neither. */
export function decideChain(snapshot: ChainSnapshot | null, command: ChainCommand): Decided<ChainEvent> {
  const known = snapshot?.context;
  const isSame =
    known !== undefined &&
    known.recipient === command.recipient &&
    known.round === command.round &&
    known.blockHash === command.blockHash &&
    known.transcoderPoolSize === command.transcoderPoolSize &&
    known.ticketValidityPeriod === command.ticketValidityPeriod &&
    known.isRecipientActive === command.isRecipientActive;
  if (isSame) return rejected("ROUND_KNOWN", "The round is known already.");
  if (known !== undefined && known.round !== null && command.round < known.round) {
    return rejected("ROUND_OLD", "A newer round was seen.");
  }
  return decided({ ...command, type: "RoundObserved" });
}

export const chainKind: ActorKind = {
  kind: "chain",
  machine: chainMachine,
  events: chainEvents,
  context: chainContext as ActorKind["context"],
  decide: decideChain as unknown as ActorKind["decide"],
  deadline: () => null,
  isMovedFromOutside: true,
};
