import { livepeerGovernorAbi, pollAbi } from "../../chain/abi.ts";
import { callData } from "../../chain/contractView.ts";
import type { Hex } from "../../shared/brand.ts";
import { accountText, type ChainState } from "../readState.ts";
import { type Plan, planOf, refusal } from "./step.ts";

/** Longest reason: it is stored on the chain, and paid by the byte. UTF-8 bytes. */
export const reasonBytesMax = 1_000;

/**
 * `vote` in a poll. 0 is yes, 1 is no.
 *
 * @param endBlock - L1 block after which the poll is over
 * Source: chain sheet 6.
 */
export function votePoll(state: ChainState, poll: Hex, choice: "yes" | "no", endBlock: bigint): Plan {
  if (state.l1Block > endBlock) {
    return refusal("poll is over", `It ended at L1 block ${endBlock}; this is block ${state.l1Block}.`);
  }
  const choiceId = choice === "yes" ? 0n : 1n;
  return planOf(
    `vote ${choice} in poll ${poll}`,
    [
      {
        name: "vote",
        title: `Vote ${choice} in the poll ${accountText(poll)}`,
        contract: "Poll",
        functionName: "vote",
        arguments: [{ name: "choice", text: `${choice} (${choiceId})` }],
        call: { to: poll, data: callData(pollAbi, "vote", [choiceId]), value: 0n },
        gasAmple: 120_000n,
        isDependent: false,
      },
    ],
    { notes: [`The poll ends at L1 block ${endBlock}. Until then a later vote replaces this one.`] },
  );
}

/** Source: chain sheet 6. */
export const supportIds = { against: 0, for: 1, abstain: 2 } as const;

/** `vote-proposal`: a treasury proposal of the governor. It can be done once. */
export function voteProposal(
  { contracts }: ChainState,
  proposalId: bigint,
  support: keyof typeof supportIds,
  reason: string,
): Plan {
  const to = contracts.LivepeerGovernor;
  if (to === null)
    return refusal("the controller knows no LivepeerGovernor", "This chain has no treasury proposals.");
  const id = supportIds[support];
  const data =
    reason === ""
      ? callData(livepeerGovernorAbi, "castVote", [proposalId, id])
      : callData(livepeerGovernorAbi, "castVoteWithReason", [proposalId, id, reason]);
  return planOf(
    `vote ${support} on proposal ${proposalId}`,
    [
      {
        name: "castVote",
        title: `Vote ${support} on the proposal ${proposalId}`,
        contract: "LivepeerGovernor",
        functionName: reason === "" ? "castVote" : "castVoteWithReason",
        arguments: [
          { name: "proposal", text: String(proposalId) },
          { name: "support", text: `${support} (${id})` },
          ...(reason === "" ? [] : [{ name: "reason", text: reason }]),
        ],
        call: { to, data, value: 0n },
        gasAmple: 500_000n,
        isDependent: false,
      },
    ],
    { notes: ["A vote on a proposal is final."] },
  );
}
