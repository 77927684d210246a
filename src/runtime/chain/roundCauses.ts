import type { RoundCommand, RoundSnapshot } from "../../actors/round/decide.ts";
import type { ChainLook } from "../chainPorts.ts";
import type { PlanRefusal } from "./transactionTypes.ts";

/*
 * Why a reward waits, and why it was missed.
 */

/** Why a reward that is due waits. */
export type PostponeCause = Extract<RoundCommand, { type: "PostponeReward" }>["cause"];
type MissCause = Extract<RoundCommand, { type: "MissReward" }>["cause"];

/** What the refusal of a plan means for its reward. */
export function postponeCause({ cause }: PlanRefusal): PostponeCause {
  return cause === "unwanted" ? "unreadable" : cause;
}

/** Whether we were active in an earlier round, as far as the last activation tells. */
export function wasActive(
  round: bigint,
  { orchestrator: { activationRound, deactivationRound } }: ChainLook,
): boolean {
  return activationRound <= round && round < deactivationRound;
}

/** Why a reward that was due all the time was not called: what stood in the way last. */
export function missOf({ cause, causeText, attempts }: RoundSnapshot["context"]): RoundCommand {
  const causes: readonly MissCause[] = [
    "unreadable",
    "paused",
    "fee",
    "gas-money",
    "unauthorized",
    "reverts",
  ];
  const known = causes.find((name) => name === cause) ?? (attempts === 0 ? "unreadable" : "late");
  const text = `${attempts} transactions were made. ${causeText ?? "None of them was mined in time."}`;
  return { type: "MissReward", cause: known, text };
}

/** Why a reward was missed that was never due. */
export function neverDue(wasStarted: boolean): RoundCommand {
  const text = "It was never due while this node looked: the chain was silent, or rewards were off.";
  if (wasStarted) return { type: "MissReward", cause: "unreadable", text };
  const unstarted = "Nobody started the round while the chain could be read.";
  return { type: "MissReward", cause: "uninitialized", text: unstarted };
}
