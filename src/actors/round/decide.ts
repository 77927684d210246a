import type { SnapshotFrom } from "xstate";
import type { EventOf } from "../../events/definition.ts";
import {
  type RoundEvent,
  type rewardMined,
  type rewardMissed,
  type rewardPostponed,
  type rewardReturned,
  type rewardSubmitted,
  roundEvents,
} from "../../events/round.ts";
import type { ActorKind, Decided, Rejection } from "../kind.ts";
import { decided, rejected } from "../kind.ts";
import { roundContext, roundMachine } from "./machine.ts";

type Fields<D> = Omit<EventOf<D>, "type">;

export type RoundCommand =
  | {
      readonly type: "OpenRound";
      readonly startBlock: bigint;
      readonly length: bigint;
      readonly cuts: { readonly rewardCut: bigint; readonly feeShare: bigint } | null;
      /** L1 block, when the round is initialised already; else null. */
      readonly initializedAt: bigint | null;
    }
  | { readonly type: "SubmitInitialization"; readonly transaction: string }
  | { readonly type: "ReturnInitialization"; readonly transaction: string; readonly cause: string }
  | { readonly type: "NoteInitialized"; readonly l1Block: bigint }
  | { readonly type: "OweReward"; readonly forecast: bigint }
  | ({ readonly type: "PostponeReward" } & Fields<typeof rewardPostponed>)
  | ({ readonly type: "SubmitReward" } & Fields<typeof rewardSubmitted>)
  | ({ readonly type: "ReturnReward" } & Fields<typeof rewardReturned>)
  | ({ readonly type: "NoteReward" } & Fields<typeof rewardMined>)
  | { readonly type: "UndoReward" }
  | { readonly type: "ConfirmReward" }
  | ({ readonly type: "MissReward" } & Omit<Fields<typeof rewardMissed>, "forecast">)
  | { readonly type: "DropReward"; readonly cause: "inactive" | "disabled" };

export type RoundSnapshot = SnapshotFrom<typeof roundMachine>;

const wrongState = rejected("ROUND_STATE", "The round is not where that could happen.");

/** Pure: what becomes of a command to a round. */
export function decideRound(snapshot: RoundSnapshot | null, command: RoundCommand): Decided<RoundEvent> {
  if (command.type === "OpenRound") {
    if (snapshot !== null) return rejected("ROUND_KNOWN", "The round is open already.");
    const { startBlock, length, cuts, initializedAt } = command;
    const { rewardCut, feeShare } = cuts ?? { rewardCut: null, feeShare: null };
    const opened = { type: "RoundOpened", startBlock, length, rewardCut, feeShare } as const;
    if (initializedAt === null) return decided(opened);
    return decided<RoundEvent>(opened, { type: "RoundInitialized", l1Block: initializedAt });
  }
  if (snapshot === null || !snapshot.matches("open")) return wrongState;
  switch (command.type) {
    case "SubmitInitialization":
      if (snapshot.context.initialization !== null) return wrongState;
      return decided({ type: "InitializationSubmitted", transaction: command.transaction });
    case "ReturnInitialization":
      if (snapshot.context.initialization !== command.transaction) return wrongState;
      return decided({ ...command, type: "InitializationReturned" });
    case "NoteInitialized":
      if (snapshot.context.isInitialized) return wrongState;
      return decided({ type: "RoundInitialized", l1Block: command.l1Block });
    default:
      return decideReward(snapshot, command);
  }
}

type RewardCommand = Exclude<
  RoundCommand,
  { type: "OpenRound" | "SubmitInitialization" | "ReturnInitialization" | "NoteInitialized" }
>;

function decideReward(
  snapshot: RoundSnapshot,
  command: RewardCommand,
): { readonly type: "decided"; readonly events: readonly RoundEvent[] } | Rejection {
  const isIn = (...states: readonly ("opened" | "initialized" | "due" | "submitted" | "mined")[]): boolean =>
    states.some((state) => snapshot.matches({ open: state }));
  const { cause, transaction, minedBlock, forecast } = snapshot.context;
  switch (command.type) {
    case "OweReward":
      return isIn("initialized") ? decided({ type: "RewardDue", forecast: command.forecast }) : wrongState;
    case "PostponeReward":
      if (!isIn("due") || cause === command.cause) return wrongState;
      return decided({ ...command, type: "RewardPostponed" });
    case "SubmitReward":
      return isIn("due") ? decided({ ...command, type: "RewardSubmitted" }) : wrongState;
    case "ReturnReward":
      if (!isIn("submitted") || transaction !== command.transaction) return wrongState;
      return decided({ ...command, type: "RewardReturned" });
    case "NoteReward":
      if (!isIn("initialized", "due", "submitted")) return wrongState;
      return decided({ ...command, type: "RewardMined" });
    case "UndoReward":
      if (!isIn("mined") || minedBlock === null) return wrongState;
      return decided({ type: "RewardUndone", block: minedBlock });
    case "ConfirmReward":
      if (!isIn("mined") || minedBlock === null) return wrongState;
      return decided({ type: "RewardConfirmed", block: minedBlock });
    case "MissReward":
      if (!isIn("opened", "initialized", "due", "submitted")) return wrongState;
      return decided({ ...command, forecast, type: "RewardMissed" });
    case "DropReward":
      if (!isIn("opened", "initialized", "due")) return wrongState;
      return decided({ type: "RewardNotDue", cause: command.cause });
  }
}

export const roundKind: ActorKind = {
  kind: "round",
  machine: roundMachine,
  events: roundEvents,
  context: roundContext as ActorKind["context"],
  decide: decideRound as unknown as ActorKind["decide"],
  // Rounds are counted in blocks: every look at the chain takes them up again.
  deadline: () => null,
  isMovedFromOutside: true,
};
