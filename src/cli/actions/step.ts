import type { ChainCall, PoolHint } from "../../runtime/chainPorts.ts";
import type { Hex } from "../../shared/brand.ts";
import type { ChainState, Contracts } from "../readState.ts";

/*
 * What an operator's action consists of. The builders beside this file make it from what was read from the chain and
 * what is wanted; they read nothing themselves. Commands show it and run it, and so can whoever comes later.
 */

/** One transaction of a plan, with everything that people need to judge it. */
export type Step = {
  /** Short, for machines: `approve`. */
  readonly name: string;
  /** One sentence without a full stop: `Allow the BondingManager to take 100 LPT`. */
  readonly title: string;
  readonly contract: keyof Contracts | "Poll";
  readonly functionName: string;
  /** In the order of the function, in words. */
  readonly arguments: readonly { readonly name: string; readonly text: string }[];
  readonly call: ChainCall;
  /** Gas that is ample for it, for when it cannot be estimated because a step before it is not mined yet. */
  readonly gasAmple: bigint;
  /** Whether it would revert until the steps before it are mined. */
  readonly isDependent: boolean;
};

/** What an action comes to. */
export type Plan =
  | {
      readonly type: "plan";
      /** For the log: `bond 100 LPT`. */
      readonly subject: string;
      /** In the order in which they must be mined. At least one. */
      readonly steps: readonly Step[];
      /** Steps that the chain shows as done already, in words. */
      readonly done: readonly string[];
      /** What else the operator should know before it is done. */
      readonly notes: readonly string[];
      /** What it changes on the own balances, gas aside. Wei. */
      readonly change: { readonly lpt: bigint; readonly eth: bigint };
    }
  /** The chain shows all of it as done. */
  | { readonly type: "nothing"; readonly text: string }
  /** It would revert, or do harm. */
  | { readonly type: "refused"; readonly text: string; readonly advice: string };

/** Where an account would stand in the pool with another stake; zero accounts when that is not known. */
export type HintOf = (account: Hex, stake: bigint) => PoolHint;

/** Makes a plan of steps. */
export function planOf(
  subject: string,
  steps: readonly Step[],
  rest: {
    readonly done?: readonly string[];
    readonly notes?: readonly string[];
    readonly change?: { readonly lpt?: bigint; readonly eth?: bigint };
  } = {},
): Plan {
  const { done = [], notes = [], change = {} } = rest;
  return { type: "plan", subject, steps, done, notes, change: { lpt: 0n, eth: 0n, ...change } };
}

export function refusal(text: string, advice: string): Plan & { readonly type: "refused" } {
  return { type: "refused", text, advice };
}

/**
 * Why the protocol takes nothing of the kind now, or null.
 *
 * Source: chain sheet 1.2, 2.2.
 */
export function refusalOfRound(
  state: ChainState,
  needs: { readonly unlocked?: boolean } = {},
): (Plan & { readonly type: "refused" }) | null {
  const { round } = state;
  if (state.isPaused) {
    return refusal("system is paused", "The protocol has been paused by its owner: wait until it goes on.");
  }
  if (!round.isInitialized) {
    return refusal(
      "current round is not initialized",
      `Round ${round.current} has to be started first: \`bun run cli initialize-round\`, or wait until somebody does.`,
    );
  }
  if (needs.unlocked === true && round.isLocked) {
    const end = round.startBlock + round.length;
    const left = end > state.l1Block ? end - state.l1Block : 0n;
    return refusal(
      "current round is locked",
      `Cuts cannot be changed in the last part of a round. Round ${round.current} ends at L1 block ${end}, in ${left} ` +
        `blocks (about ${minutesText(left * 12n)}): do it once the next round is initialised.`,
    );
  }
  return null;
}

function minutesText(seconds: bigint): string {
  const minutes = (seconds + 59n) / 60n;
  return minutes < 120n ? `${minutes} minutes` : `${minutes / 60n} hours`;
}

/** Neighbours for people. */
export function hintText({ previous, next }: PoolHint): string {
  return /^0x0+$/.test(previous) && /^0x0+$/.test(next) ? "none" : `${previous}, ${next}`;
}
