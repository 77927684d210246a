import type { ChainLook, OrchestratorStanding, RoundStanding } from "../runtime/chainPorts.ts";
import type { ChainClock } from "../runtime/ports.ts";
import type { Hex, UnixMs } from "../shared/brand.ts";
import type { LensView } from "./lens.ts";
import type { GasFees } from "./lensFees.ts";

/** Everything of {@link ChainClock} that the contracts say. */
export type RoundFacts = Omit<ChainClock, "l1Block" | "readAtMs">;

/**
 * The parts that payments need.
 *
 * @throws BadAnswer when one of them could not be read
 */
export function roundFacts(view: LensView): RoundFacts {
  return {
    lastInitializedRound: view.number("lastInitializedRound"),
    roundBlockHash: view.hash("roundBlockHash"),
    previousRoundBlockHash: view.hash("previousRoundBlockHash"),
    transcoderPoolSize: view.number("poolSize"),
    isRecipientActive: view.flag("isActive"),
    ticketValidityPeriod: view.number("ticketValidityPeriod"),
  };
}

/**
 * The whole look.
 *
 * @param accounts - those that the view was asked for, in order
 * @throws BadAnswer when a part could not be read that somebody who spends money must know. The reward caller (which
 * older contracts do not have) and the forecast count as none then.
 */
export function lookOf(view: LensView, accounts: readonly Hex[], fees: GasFees, atMs: UnixMs): ChainLook {
  return {
    ...{ atMs, chainId: view.number("chainId"), block: view.block, l1Block: view.number("l1Block") },
    ...{ baseFee: fees.baseFee, gasPrice: fees.gasPrice, tip: fees.tip },
    isPaused: view.flag("paused"),
    round: roundStanding(view),
    orchestrator: orchestratorStanding(view),
    balances: new Map(accounts.map((account, index) => [account, view.balances[index] ?? 0n])),
  };
}

function roundStanding(view: LensView): RoundStanding {
  return {
    current: view.number("currentRound"),
    lastInitialized: view.number("lastInitializedRound"),
    startBlock: view.number("startBlock"),
    length: view.number("roundLength"),
    isLocked: view.flag("isLocked"),
    ticketValidityPeriod: view.number("ticketValidityPeriod"),
    poolSize: view.number("poolSize"),
  };
}

function orchestratorStanding(view: LensView): OrchestratorStanding {
  const rewardCaller = view.has("rewardCaller") ? view.account("rewardCaller") : null;
  return {
    isActive: view.flag("isActive"),
    isRegistered: view.number("status") === 1n,
    lastRewardRound: view.number("lastRewardRound"),
    activationRound: view.number("activationRound"),
    // An orchestrator without an end has the largest number that there is.
    deactivationRound: view.word("deactivationRound"),
    stake: view.amount("stake"),
    rewardCaller: rewardCaller === null ? null : lowerCase(rewardCaller),
    cuts: { rewardCut: view.number("rewardCut"), feeShare: view.number("feeShare") },
    rewardForecast: view.has("rewardForecast") ? view.amount("rewardForecast") : 0n,
  };
}

function lowerCase(address: Hex): Hex {
  return `0x${address.slice(2).toLowerCase()}`;
}
