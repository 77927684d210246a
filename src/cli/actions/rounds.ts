import { bondingManagerAbi, roundsManagerAbi } from "../../chain/abi.ts";
import { callData } from "../../chain/contractView.ts";
import { accountText, type ChainState } from "../readState.ts";
import { type HintOf, hintText, type Plan, planOf, refusal, refusalOfRound } from "./step.ts";

/**
 * `reward`: mints this round's share, from the orchestrator's own account or as its reward caller (LIP-118).
 *
 * @param forecast - LPT wei that it brings, for the place in the pool; 0 when unknown
 * Source: chain sheet 4.
 */
export function reward(state: ChainState, forecast: bigint, hintOf: HintOf): Plan {
  const { own, orchestrator, round, contracts } = state;
  const refused = refusalOfRound(state);
  if (refused !== null) return refused;
  if (!orchestrator.isActive) {
    return refusal(
      "caller must be an active transcoder",
      `${accountText(orchestrator.account)} is not in the active set of round ${round.current}.`,
    );
  }
  if (orchestrator.lastRewardRound >= round.current) {
    return { type: "nothing", text: `The reward of round ${round.current} has been called already.` };
  }
  const isOwn = own.account === orchestrator.account;
  if (!isOwn && orchestrator.rewardCaller !== own.account) {
    return refusal(
      "caller must be the reward caller of the transcoder",
      `${accountText(orchestrator.account)} has not named ${accountText(own.account)} as its reward caller: ` +
        `\`bun run cli reward-caller set ${accountText(own.account)}\` with the orchestrator's key.`,
    );
  }
  const hint = hintOf(orchestrator.account, orchestrator.totalStake + forecast);
  const neighbours = { name: "neighbours in the pool", text: hintText(hint) };
  const common = {
    name: "reward",
    title: `Call the reward of round ${round.current}`,
    contract: "BondingManager",
    gasAmple: 1_000_000n,
    isDependent: false,
  } as const;
  const call = (data: `0x${string}`) => ({ to: contracts.BondingManager, data, value: 0n });
  return planOf(`reward of round ${round.current}`, [
    isOwn
      ? {
          ...common,
          functionName: "rewardWithHint",
          arguments: [neighbours],
          call: call(callData(bondingManagerAbi, "rewardWithHint", [hint.previous, hint.next])),
        }
      : {
          ...common,
          functionName: "rewardForTranscoderWithHint",
          arguments: [{ name: "transcoder", text: accountText(orchestrator.account) }, neighbours],
          call: call(
            callData(bondingManagerAbi, "rewardForTranscoderWithHint", [
              ...([orchestrator.account, hint.previous, hint.next] as const),
            ]),
          ),
        },
  ]);
}

/** `initialize-round`: starts the round that the block number says. Source: chain sheet 2.1. */
export function initializeRound(state: ChainState): Plan {
  const { round, contracts, isPaused } = state;
  if (isPaused)
    return refusal("system is paused", "The protocol has been paused by its owner: wait until it goes on.");
  if (round.isInitialized) return { type: "nothing", text: `Round ${round.current} is initialised already.` };
  return planOf(`initialize round ${round.current}`, [
    {
      name: "initializeRound",
      title: `Start round ${round.current}`,
      contract: "RoundsManager",
      functionName: "initializeRound",
      arguments: [],
      call: {
        to: contracts.RoundsManager,
        data: callData(roundsManagerAbi, "initializeRound", []),
        value: 0n,
      },
      gasAmple: 600_000n,
      isDependent: false,
    },
  ]);
}
