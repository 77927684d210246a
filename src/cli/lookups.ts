import { bondingManagerAbi, minterAbi, pollAbi } from "../chain/abi.ts";
import { viewOf } from "../chain/contractView.ts";
import { readPool } from "../chain/lensPool.ts";
import { noPoolHint, poolHint } from "../chain/poolHints.ts";
import type { Hex } from "../shared/brand.ts";
import type { HintOf } from "./actions/step.ts";
import { CliFailure } from "./cliError.ts";
import type { Context } from "./perform.ts";
import { readPoolLimits } from "./poolLimits.ts";
import { readAccount, readAll, readLocks, type UnbondingLock } from "./readState.ts";

/* What single commands ask of the chain beyond the state that all of them read. */

/** The open lock of that number; null when there is none. */
export async function lockOf({ rpc, state }: Context, id: bigint): Promise<UnbondingLock | null> {
  const found = await readLocks(rpc, state.contracts.BondingManager, state.own);
  return found.find((lock) => lock.id === id) ?? null;
}

/** What is delegated to somebody now, for his place in the pool. */
export async function stakeOf({ rpc, state }: Context, account: Hex): Promise<bigint> {
  if (account === state.own.account) return state.own.totalStake;
  return (await readAccount(rpc, state.contracts, account, state.round.current)).totalStake;
}

/** When a poll ends, by L1 block. @throws CliFailure when there is no poll at that address */
export async function pollEnd({ rpc }: Context, poll: Hex): Promise<bigint> {
  try {
    return (await readAll(rpc, { endBlock: viewOf(pollAbi, poll, "endBlock", []) })).endBlock;
  } catch {
    throw new CliFailure(
      "invalid poll contract address",
      `There is no poll at ${poll} on this chain: check the address.`,
    );
  }
}

/** Reads the pool once. A pool that cannot be read gives no hints, which costs gas and nothing else. */
export async function hinter({ rpc, state }: Context): Promise<HintOf> {
  const bonding = state.contracts.BondingManager;
  const [pool, sizeMax] = await Promise.all([readPool(rpc, bonding), readPoolLimits(rpc, bonding)]);
  if (pool === null || sizeMax === null) return () => noPoolHint;
  return (account, stake) => poolHint(pool, account, stake, sizeMax);
}

/**
 * LPT wei that the reward of this round will bring, near enough for a place in the pool; 0 when it cannot be read now.
 *
 * Source: chain sheet 4.1, with the stake of now in place of that of the round's beginning.
 */
export async function rewardForecast({ rpc, state }: Context): Promise<bigint> {
  const { Minter, BondingManager } = state.contracts;
  if (Minter === null) return 0n;
  try {
    const { mintable, bonded } = await readAll(rpc, {
      mintable: viewOf(minterAbi, Minter, "currentMintableTokens", []),
      bonded: viewOf(bondingManagerAbi, BondingManager, "getTotalBonded", []),
    });
    return bonded === 0n ? 0n : (mintable * state.orchestrator.totalStake) / bonded;
  } catch {
    return 0n;
  }
}
