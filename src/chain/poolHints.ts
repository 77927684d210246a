import { zeroAddress } from "viem";
import type { PoolHint } from "../runtime/chainPorts.ts";
import type { Hex } from "../shared/brand.ts";

/*
 * Where an orchestrator will stand in the pool: a call that moves it costs less gas when it names the neighbours. A
 * wrong hint never reverts, and no hint at all is always right. Source: SortedDoublyLL; chain sheet 3.3.
 */

/** An orchestrator in the pool. */
export type PoolMember = {
  /** Lower case. */
  readonly account: Hex;
  /** `transcoderTotalStake`, LPT wei. */
  readonly stake: bigint;
};

/** No hint: the contract searches from the head. */
export const noPoolHint: PoolHint = { previous: zeroAddress, next: zeroAddress };

/**
 * The neighbours of `account` once it has `stake`, for bond, unbond, rebond and reward alike.
 *
 * @param pool - in its order, the highest stake first
 * @param account - lower case; in the pool or not
 * @param stake - all of it after the call, LPT wei
 * @param poolSizeMax - `getTranscoderPoolMaxSize`: whoever would be beyond it gets no place
 */
export function poolHint(
  pool: readonly PoolMember[],
  account: Hex,
  stake: bigint,
  poolSizeMax: number,
): PoolHint {
  // Who has nothing left is taken out.
  if (stake === 0n) return noPoolHint;
  const others = pool.filter((member) => member.account !== account);
  // Behind those of equal stake: the contract puts whoever moves there.
  const behind = others.findIndex((member) => member.stake < stake);
  const position = behind === -1 ? others.length : behind;
  const joined = [...others.slice(0, position), { account, stake }, ...others.slice(position)];
  // Only a newcomer pushes the last one out. go-livepeer drops the last one for members too, and so loses the hints
  // of those at the end of a full pool.
  if (joined.length > poolSizeMax && others.length === pool.length) joined.pop();
  if (position >= joined.length) return noPoolHint;
  return {
    previous: joined[position - 1]?.account ?? zeroAddress,
    next: joined[position + 1]?.account ?? zeroAddress,
  };
}
