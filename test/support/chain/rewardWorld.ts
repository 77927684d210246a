import { parseEther } from "viem";
import type { RoundSnapshot } from "../../../src/actors/round/decide.ts";
import type { RoundRecord } from "../../../src/events/log/reader.ts";
import type { ChainLook } from "../../../src/runtime/chainPorts.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import type { DevChain } from "./devChain.ts";
import type { OfficeWorldOptions } from "./officeLife.ts";
import { type OfficeWorld, openOfficeWorld } from "./officeWorld.ts";

/*
 * An office that is owed rewards: a registered orchestrator with a stake of 1,000 LPT, alone in the pool, in the first
 * block of round 3, which is started. Rounds have 50 blocks; the log and the chain are asked what became of them.
 */

export const roundLength = 50n;

export async function openRewardWorld(options: OfficeWorldOptions = {}): Promise<OfficeWorld> {
  return openOfficeWorld({
    prepare: register,
    ...options,
    config: { reward: "auto", redeem: false, ...options.config },
  });
}

/** Registers, and mines into round 3, which is started. */
export async function register(chain: DevChain, account: Hex): Promise<void> {
  await chain.register(account, parseEther("1000"));
  await chain.setRound(3n);
}

/** Mines to the first block of the next round, which nobody has started. Returns its number. */
export async function crossBoundary({ chain }: OfficeWorld): Promise<bigint> {
  const round = (await chain.blockNumber()) / roundLength + 1n;
  await chain.mine(round * roundLength - (await chain.blockNumber()));
  return round;
}

/** What the log knows of a round; null when nothing. */
export function roundOf(world: OfficeWorld, round: bigint): RoundRecord | null {
  return world.life.log.reader.round(round);
}

/** As {@link roundOf}, of an open round: what the host holds. */
export function openRoundOf(world: OfficeWorld, round: bigint): RoundSnapshot["context"] | null {
  return (world.life.host.snapshot("round", String(round)) as RoundSnapshot | null)?.context ?? null;
}

/** Names of a round's events, in order. */
export function story(world: OfficeWorld, round: bigint): readonly string[] {
  return world.history(`round:${round}`);
}

/** Ticks and mines until a round is in a state of the log's view. */
export async function untilRound(
  world: OfficeWorld,
  round: bigint,
  state: RoundRecord["state"],
  ticksMax = 20,
): Promise<RoundRecord> {
  try {
    return await world.tickUntil(
      `round ${round} is ${state}`,
      () => {
        const found = roundOf(world, round);
        return found?.state === state ? found : null;
      },
      ticksMax,
    );
  } catch (error) {
    const found = roundOf(world, round);
    const text = `Round ${round} is ${found?.state} (${found?.cause}: ${found?.text}).`;
    throw new Error(`${text} ${story(world, round).join(", ")}`, { cause: error });
  }
}

/** A look that may fail: null when the chain cannot be read. */
export async function tryTick(world: OfficeWorld): Promise<ChainLook | null> {
  try {
    return await world.tick();
  } catch (error) {
    if (error instanceof Error && error.message.startsWith("There is no look")) return null;
    throw error;
  }
}

/** `Reward` logs of the orchestrator on the canonical chain, at or after a block. */
export async function rewardLogs(
  chain: DevChain,
  account: Hex,
  fromBlock = 0n,
): Promise<readonly { readonly block: bigint; readonly hash: Hex; readonly amount: bigint }[]> {
  const found = await chain.logs("BondingManager", "Reward", fromBlock);
  return found
    .filter(({ args }) => String(args["transcoder"]).toLowerCase() === account)
    .map(({ block, hash, args }) => ({ block, hash, amount: args["amount"] as bigint }));
}

/** Ids of our reward transactions that were planned, in order. */
export function rewardPlans(world: OfficeWorld): readonly string[] {
  return world.life.log.reader
    .transactions({ purpose: "reward" })
    .map(({ id }) => id)
    .reverse();
}
