import { bondingManagerAbi, minterAbi, pollAbi } from "../chain/abi.ts";
import { readAnswer, viewOf } from "../chain/contractView.ts";
import type { Hex } from "../shared/brand.ts";
import { CliFailure } from "./cliError.ts";
import type { Context } from "./perform.ts";
import type { CliRpc } from "./ports.ts";
import { readAccount, readAll, readLocks, type UnbondingLock, unreadable } from "./readState.ts";

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

/** When a poll ends, by L1 block. @throws CliFailure when there is no poll at that address, or nothing to be read */
export async function pollEnd({ rpc }: Context, poll: Hex): Promise<bigint> {
  const end = await readPollEnd(rpc, poll);
  if (end !== null) return end;
  throw new CliFailure(
    "invalid poll contract address",
    `There is no poll at ${poll} on this chain: check the address.`,
  );
}

/**
 * When a poll ends, by L1 block; null when there is none at that address.
 *
 * @throws CliFailure when the chain cannot be read
 */
export async function readPollEnd(rpc: CliRpc, poll: Hex): Promise<bigint | null> {
  const view = viewOf(pollAbi, poll, "endBlock", []);
  const [answer] = await rpc.batch([view.call]);
  const read = readAnswer(view, answer);
  if (read.type === "read") return read.value;
  // Whatever else the chain answers there is no poll's; no answer says nothing.
  if (read.isRevert || answer?.type === "result") return null;
  throw unreadable(read.text);
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
