import { isDeepStrictEqual } from "node:util";
import type { QuorumOptions } from "./chainRpc.ts";
import type { Asked } from "./endpoint.ts";
import type { RpcAnswer, RpcCall } from "./jsonRpc.ts";

/**
 * The answers that `votesMin` endpoints agree about, call by call; null while there is a call without such.
 *
 * @param asked - of each endpoint at most one; faulty ones have no vote
 */
export function agreedAnswers(
  asked: readonly Asked[],
  calls: readonly RpcCall[],
  votesMin: number,
  essence: QuorumOptions["essence"],
): readonly { readonly answer: RpcAnswer; readonly endpoint: number }[] | null {
  const ballots = asked.filter((one) => one.faults === 0);
  const agreed = calls.map((call, index) => {
    const votes = ballots.flatMap(({ answers, endpoint }) => {
      const answer = answers[index];
      if (answer === undefined) return [];
      return [{ answer, endpoint: endpoint.index, core: coreOf(answer, call, essence) }];
    });
    const isShared = (core: unknown) =>
      votes.filter((vote) => isDeepStrictEqual(vote.core, core)).length >= votesMin;
    return votes.find((vote) => isShared(vote.core)) ?? null;
  });
  const whole = agreed.filter((vote) => vote !== null);
  return whole.length === calls.length ? whole : null;
}

/** Each kind of node has its own words for a revert: its data says more, and `execution reverted` is enough. */
function coreOf(answer: RpcAnswer, call: RpcCall, essence: QuorumOptions["essence"]): unknown {
  if (answer.type === "result") {
    return { type: "result", core: essence === undefined ? answer.result : essence(answer.result, call) };
  }
  const data = answer.data === "0x" ? null : answer.data;
  return { type: "failed", core: data ?? (/revert/i.test(answer.text) ? "reverted" : answer.text) };
}
