import type { LogReader } from "../../events/log/reader.ts";
import type { Hex } from "../../shared/brand.ts";
import type { ChainDesk } from "../chainPorts.ts";
import type { TransactionContext } from "./transactionTypes.ts";

/*
 * What the logs of the chain that the watch has seen say about rewards. The chain itself shows the last one only.
 */

/** A reward that was called, as the logs tell it. */
export type LoggedReward = {
  readonly txHash: Hex;
  readonly block: bigint;
  /** LPT wei. */
  readonly amount: bigint | null;
  readonly treasury: bigint;
};

/**
 * The round that ran when a log of ours was written; null when the watch has not come so far. `madeFor`: the round in
 * which its transaction was made, which no later one can come before.
 */
export function roundOfLog(
  reader: LogReader,
  log: { readonly block: bigint; readonly blockHash: Hex; readonly index: number; readonly transaction: Hex },
  madeFor: bigint | null,
): bigint | null {
  const { block, blockHash, index, transaction } = log;
  const own = [...reader.chainLogs({ txHash: transaction })];
  if (!own.some((row) => row.blockHash === blockHash)) return null;
  const starts = [...reader.chainLogs({ names: ["NewRound"], toBlock: block })];
  const last = starts.findLast((row) => BigInt(row.block) < block || row.index < index);
  // None: the watch began in the middle of the round, and so did whatever was made in it.
  return last === undefined ? madeFor : (last.amounts[0] ?? null);
}

/** The reward of a round that an attempt of a transaction called; null when the watch has not seen that. */
export function rewardLogged(
  reader: LogReader,
  orchestrator: Hex,
  round: bigint,
  { attempts, round: madeFor }: TransactionContext,
): LoggedReward | null {
  for (const { hash: txHash } of attempts) {
    const rows = [...reader.chainLogs({ txHash })].filter(({ account }) => account === orchestrator);
    const reward = rows.find(({ name }) => name === "Reward");
    if (reward === undefined) continue;
    const block = BigInt(reward.block);
    const place = { block, blockHash: reward.blockHash as Hex, index: reward.index, transaction: txHash };
    if (roundOfLog(reader, place, madeFor) !== round) continue;
    const treasury = rows.find(({ name }) => name === "TreasuryReward")?.amounts[0] ?? 0n;
    return { txHash, block, amount: reward.amounts[0] ?? null, treasury };
  }
  return null;
}

/** Whether more than one endpoint says that no block holds any of its attempts. False as well when nobody can say. */
export async function isInNoBlock(desk: ChainDesk, { attempts }: TransactionContext): Promise<boolean> {
  const words = await desk.receipts(
    attempts.map(({ hash }) => hash),
    "quorum",
  );
  return words?.every((word) => word === null) === true;
}
