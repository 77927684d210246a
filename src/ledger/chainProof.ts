import type { ChainLogRecord, RoundRecord, TicketRecord, TransactionRecord } from "../events/log/reader.ts";
import type { ChainCheck, SeenBlocks } from "./chainFold.ts";
import { type Redemption, redemptionKey, redemptionLogNames, redemptionsOf } from "./redemptions.ts";

/** Everything that is compared with each other. */
export type ChainFacts = {
  /** In the order of the chain. */
  readonly logs: readonly ChainLogRecord[];
  readonly transactions: readonly TransactionRecord[];
  readonly rounds: readonly RoundRecord[];
  readonly tickets: readonly TicketRecord[];
  /** Null when nobody watched the chain. */
  readonly seen: SeenBlocks | null;
  /** The newest event, Unix milliseconds. */
  readonly lastMs: number;
};

/** What the chain showed so lately may still be on its way into our own events. */
const graceMs = 600_000;

type Find = (problem: string) => void;
type IsFresh = (row: { readonly atMs: number }) => boolean;

/**
 * Holds our own facts against the logs of the chain, both ways: no wei came that no ticket explains, no ticket says
 * that it was paid when the chain does not. Only blocks that were looked through count.
 */
export function compareWithChain(
  { logs, transactions, rounds, tickets, seen, lastMs }: ChainFacts,
  find: Find,
): Pick<ChainCheck, "paidByLogs" | "paidByTickets" | "rewardByLogs" | "rewardByRounds" | "fees"> {
  const fees = checkFees(transactions, find);
  if (seen === null) {
    return { paidByLogs: 0n, paidByTickets: 0n, rewardByLogs: 0n, rewardByRounds: 0n, fees };
  }
  const money = logs.filter(({ name }) => (redemptionLogNames as readonly string[]).includes(name));
  const { redemptions, strays } = redemptionsOf(money, seen.recipient);
  for (const { txHash, sender, paid } of strays) {
    find(`Transaction ${txHash} paid ${paid} wei from ${sender}, for no ticket that the chain names.`);
  }
  const strayPaid = strays.reduce((sum, { paid }) => sum + paid, 0n);
  const paidByLogs = strayPaid + redemptions.reduce((sum, { paid }) => sum + paid, 0n);
  const isFresh = ({ atMs }: { readonly atMs: number }): boolean => atMs > lastMs - graceMs;
  const paidByTickets = checkTickets(redemptions, tickets, seen, isFresh, find);
  return { paidByLogs, paidByTickets, fees, ...checkRewards(logs, rounds, seen, isFresh, find) };
}

function isSeen(block: string | null, { after, until }: SeenBlocks): boolean {
  return block !== null && BigInt(block) > after && BigInt(block) <= until;
}

function checkTickets(
  redemptions: readonly Redemption[],
  tickets: readonly TicketRecord[],
  seen: SeenBlocks,
  isFresh: IsFresh,
  find: Find,
): bigint {
  const byKey = new Map<string, TicketRecord>();
  for (const ticket of tickets) {
    byKey.set(redemptionKey(ticket.sender, ticket.senderNonce, BigInt(ticket.recipientRand)), ticket);
  }
  const explained = new Set<string>();
  let sum = 0n;
  for (const redemption of redemptions) {
    const { sender, senderNonce, recipientRand, paid, txHash } = redemption;
    const ticket = byKey.get(redemptionKey(sender, senderNonce, recipientRand));
    if (ticket === undefined) {
      find(`Transaction ${txHash} paid ${paid} wei from ${sender} for a ticket that this log does not know.`);
      continue;
    }
    explained.add(ticket.hash);
    if (ticket.state !== "paid" && ticket.state !== "redeemed") {
      const isUnderWay = ticket.endedMs === null && isFresh(redemption);
      if (!isUnderWay)
        find(`The ticket ${ticket.hash} is \`${ticket.state}\`, but transaction ${txHash} redeemed it.`);
      continue;
    }
    // Where nobody saw the amount, the log of the chain is what tells it.
    const amount = ticket.paidAmount === null ? paid : BigInt(ticket.paidAmount);
    sum += amount;
    if (amount !== paid) {
      find(
        `The ticket ${ticket.hash} says that ${amount} wei came; by transaction ${txHash} it was ${paid}.`,
      );
    }
    if (ticket.txHash !== null && ticket.txHash !== txHash) {
      find(`The ticket ${ticket.hash} names transaction ${ticket.txHash}; by the chain it was ${txHash}.`);
    }
  }
  for (const { hash, state, paidBlock, paidAmount, txHash } of tickets) {
    if ((state !== "paid" && state !== "redeemed") || !isSeen(paidBlock, seen) || explained.has(hash))
      continue;
    // Somebody else has redeemed it, in this block or in any before: also in one that was not looked through.
    if (txHash === null) continue;
    sum += BigInt(paidAmount ?? 0);
    find(`The ticket ${hash} says that it was paid in block ${paidBlock}: no log of the chain does.`);
  }
  return sum;
}

function checkRewards(
  logs: readonly ChainLogRecord[],
  rounds: readonly RoundRecord[],
  seen: SeenBlocks,
  isFresh: IsFresh,
  find: Find,
): { readonly rewardByLogs: bigint; readonly rewardByRounds: bigint } {
  const ours = logs.filter(({ name, account }) => name === "Reward" && account === seen.recipient);
  const mined = rounds.filter(({ state }) => state === "mined" || state === "confirmed");
  let [rewardByLogs, rewardByRounds] = [0n, 0n];
  const explained = new Set<string>();
  for (const log of ours) {
    const { txHash, block, amounts } = log;
    const amount = amounts[0] ?? 0n;
    rewardByLogs += amount;
    const round =
      mined.find((row) => row.txHash === txHash) ??
      mined.find((row) => isUnnamed(row, block) && !explained.has(row.round));
    if (round === undefined) {
      const isUnderWay = isFresh(log) && rounds.some(({ endedMs }) => endedMs === null);
      if (!isUnderWay)
        find(
          `Transaction ${txHash} minted ${amount} LPT wei for us in block ${block}: no round knows of it.`,
        );
      continue;
    }
    explained.add(round.round);
    const noted = round.amount === null ? amount : BigInt(round.amount);
    rewardByRounds += noted;
    if (noted !== amount) {
      find(`Round ${round.round} says that ${noted} LPT wei were minted; by ${txHash} it was ${amount}.`);
    }
  }
  for (const { round, block, amount, txHash } of mined) {
    // Without a transaction the block is only the one in which it was noticed.
    if (explained.has(round) || txHash === null || !isSeen(block, seen)) continue;
    rewardByRounds += BigInt(amount ?? 0);
    find(`Round ${round} says that its reward was minted in block ${block}: no log of the chain does.`);
  }
  return { rewardByLogs, rewardByRounds };
}

/** Blocks by which a re-org may have moved what was noticed before it. */
const movedMax = 64n;

/** A reward that we only noticed: the log stands at or before the block in which we did, or a re-org later. */
function isUnnamed({ txHash, block }: RoundRecord, logBlock: number): boolean {
  return txHash === null && block !== null && BigInt(block) + movedMax >= BigInt(logBlock);
}

/** What each transaction's gas cost by its receipt. */
function checkFees(transactions: readonly TransactionRecord[], find: Find): bigint {
  let sum = 0n;
  for (const { id, state, gasUsed, gasPrice, fee } of transactions) {
    if (state !== "mined" && state !== "confirmed") continue;
    if (gasUsed === null || gasPrice === null || fee === null) {
      find(`The transaction ${id} was confirmed, but no receipt of it is known.`);
      continue;
    }
    sum += BigInt(fee);
    const cost = BigInt(gasUsed) * BigInt(gasPrice);
    if (BigInt(fee) !== cost) find(`The transaction ${id} cost ${fee} wei; by its receipt it was ${cost}.`);
  }
  return sum;
}
