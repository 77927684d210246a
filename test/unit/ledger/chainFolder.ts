import type { SeenLog } from "../../../src/events/watch.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import { gateways, type MoneyWriter, recipient, round, startMs, type Won, wonTicket } from "./moneyFolder.ts";

/*
 * A day on the chain that adds up: four tickets of two gateways, three rounds, and a transaction of every kind. Blocks
 * are those of the chain that transactions go to.
 */

export const account: Hex = `0x${"0a".repeat(20)}`;
const contract: Hex = `0x${"c0".repeat(20)}`;
const delegator: Hex = `0x${"de".repeat(20)}`;
export const hashOf = (name: string): Hex => `0x${new Bun.CryptoHasher("sha256").update(name).digest("hex")}`;

/** Wei that each ticket was to bring and did bring. */
export const day = {
  faceValues: [10n ** 17n, 10n ** 17n + 1n, 3n * 10n ** 16n, 7n] as const,
  paid: [10n ** 17n, 10n ** 17n + 1n, 1_234_567n, 0n] as const,
  /** After the treasury's part. */
  reward: 315_562_500_000_000_000_001n,
  treasury: 35_062_500_000_000_000_000n,
  fee: 198_123n * 10_000_000n,
};

type Day = {
  readonly tickets: readonly { readonly hash: Hex; readonly won: Won }[];
  /** Logs of the chain, as they are written; a test may change them. */
  readonly logs: SeenLog[];
};

/** What happened, before it is written. */
export function chainDay(): Day {
  const tickets = day.faceValues.map((faceValue, index) =>
    wonTicket({ number: index + 1, faceValue, gateway: index < 2 ? 0 : 1 }),
  );
  const log = (block: bigint, index: number, transaction: string, fields: Partial<SeenLog>): SeenLog => ({
    ...{ block, index, blockHash: hashOf(`block ${block}`), transaction: hashOf(transaction) },
    ...{ name: "", account: recipient, other: null, amounts: [], text: null, ...fields },
  });
  const redeemed = (block: bigint, index: number, transaction: string, which: number): readonly SeenLog[] => {
    const ticket = tickets[which];
    const paid = day.paid[which] ?? 0n;
    if (ticket === undefined) throw new Error();
    const { sender, faceValue, winProb, senderNonce, recipientRand } = ticket.won;
    const pair = { account: sender, other: recipient };
    const transfer = log(block, index, transaction, {
      name: "WinningTicketTransfer",
      ...pair,
      amounts: [paid],
    });
    const amounts = [faceValue, winProb, BigInt(senderNonce), BigInt(recipientRand)];
    const taken = log(block, index + 1, transaction, { name: "WinningTicketRedeemed", ...pair, amounts });
    // The broker logs no transfer of nothing.
    return paid === 0n ? [taken] : [transfer, taken];
  };
  return {
    tickets,
    logs: [
      log(10n, 0, "init", { name: "NewRound", account: contract, amounts: [3701n], text: hashOf("l1") }),
      log(11n, 0, "cut", { name: "TranscoderUpdate", amounts: [100_000n, 333_333n] }),
      ...redeemed(12n, 3, "redeem one", 0),
      log(13n, 1, "reward", { name: "TreasuryReward", other: contract, amounts: [day.treasury] }),
      log(13n, 2, "reward", { name: "Reward", amounts: [day.reward] }),
      // Only after the reward may it be changed, and fees of this round do not feel it.
      log(14n, 0, "cut two", { name: "TranscoderUpdate", amounts: [200_000n, 500_000n] }),
      ...redeemed(15n, 0, "redeem batch", 1),
      log(20n, 0, "init two", { name: "NewRound", account: contract, amounts: [3702n], text: hashOf("l1") }),
      ...redeemed(21n, 0, "redeem batch two", 2),
      ...redeemed(21n, 2, "redeem batch two", 3),
      log(22n, 0, "fees", { name: "WithdrawFees", other: account, amounts: [5n * 10n ** 16n] }),
      log(22n, 1, "bond", { name: "Bond", account: delegator, other: recipient, amounts: [77n, 99n] }),
      log(23n, 0, "stake", { name: "WithdrawStake", amounts: [4n, 10n ** 18n, 3702n] }),
      log(23n, 1, "other", { name: "DepositFunded", account: gateways[0], amounts: [1n] }),
    ],
  };
}

/** Writes the day as a node would: what was won, redeemed, rewarded, and seen. */
export function writeDay(writer: MoneyWriter, { tickets, logs }: Day): void {
  writer.add("chain:own", { ...round(3702n, 21_000_200n), recipient } as ReturnType<typeof round>);
  for (const { hash, won } of tickets) writer.add(`ticket:${hash}`, won);
  writer.atMs = startMs + 3_600_000;
  const send = (
    nonce: number,
    name: string,
    purpose: "redeem" | "reward",
    which: readonly number[],
  ): string => {
    const id = `${account}/${nonce}`;
    writer.add(`transaction:${id}`, {
      type: "TransactionPlanned",
      ...{ purpose, subject: name, tickets: which.map((index) => tickets[index]?.hash ?? "0x") },
      ...{ round: 3701n, chainId: 42_161n, from: account, nonce, to: contract, value: 0n, data: "0x" },
      ...{ gasLimit: 500_000n, feeMax: null },
    });
    const hash = hashOf(name);
    writer.add(`transaction:${id}`, {
      type: "TransactionSigned",
      hash,
      raw: "0x",
      kind: "first",
      feeCap: 1n,
      tip: null,
    });
    return id;
  };
  const mine = (id: string, name: string, block: bigint, isSuccess = true): void => {
    const hash = hashOf(name);
    writer.add(`transaction:${id}`, {
      type: "TransactionMined",
      ...{ hash, block, blockHash: hashOf(`block ${block}`), isSuccess },
      ...{ gasUsed: 198_123n, gasPrice: 10_000_000n },
    });
    writer.add(`transaction:${id}`, { type: "TransactionConfirmed", hash, block, fee: day.fee });
  };
  const redeem = (nonce: number, name: string, block: bigint, which: readonly number[]): void => {
    const transaction = send(nonce, name, "redeem", which);
    for (const index of which) {
      const stream = `ticket:${tickets[index]?.hash}` as const;
      const [txHash, amount] = [hashOf(name), day.paid[index] ?? 0n];
      writer.add(stream, { type: "RedemptionSubmitted", transaction });
      writer.add(stream, { type: "TicketPaid", transaction, txHash, block, amount });
      writer.add(stream, { type: "TicketRedeemed", txHash, round: 3701n });
    }
    mine(transaction, name, block);
  };
  redeem(1, "redeem one", 12n, [0]);
  redeem(2, "redeem batch", 15n, [1]);
  redeem(3, "redeem batch two", 21n, [2, 3]);
  writer.add("round:3701", {
    type: "RoundOpened",
    startBlock: 1n,
    length: 6_377n,
    rewardCut: null,
    feeShare: null,
  });
  writer.add("round:3701", { type: "RoundInitialized", l1Block: 2n });
  writer.add("round:3701", { type: "RewardDue", forecast: day.reward + day.treasury });
  mine(send(4, "failed reward", "reward", []), "failed reward", 12n, false);
  const reward = send(5, "reward", "reward", []);
  writer.add("round:3701", { type: "RewardSubmitted", transaction: reward, path: "own" });
  const minted = { txHash: hashOf("reward"), block: 13n, amount: day.reward, treasury: day.treasury };
  writer.add("round:3701", { type: "RewardMined", transaction: reward, ...minted });
  writer.add("round:3701", { type: "RewardConfirmed", block: 13n });
  mine(reward, "reward", 13n);
  writer.add("round:3702", {
    type: "RoundOpened",
    startBlock: 6_378n,
    length: 6_377n,
    rewardCut: null,
    feeShare: null,
  });
  writer.add("round:3702", {
    type: "RewardMissed",
    cause: "uninitialized",
    text: "nobody began it",
    forecast: null,
  });
  const cancelled = send(6, "stuck", "redeem", []);
  const cancel = { raw: "0x", kind: "cancel", feeCap: 2n, tip: null } as const;
  writer.add(`transaction:${cancelled}`, { type: "TransactionSigned", hash: hashOf("cancel"), ...cancel });
  mine(cancelled, "cancel", 16n);
  writer.add(`transaction:${send(7, "lost", "redeem", [])}`, { type: "TransactionDisplaced", mined: 8 });
  const blockHash = hashOf("block 9");
  writer.add("watch:own", { type: "WatchStarted", chainId: 42_161n, recipient, block: 9n, blockHash });
  const first = logs.filter(({ block }) => block <= 14n);
  const rest = logs.filter(({ block }) => block > 14n);
  writer.add("watch:own", {
    type: "BlocksSeen",
    from: 10n,
    to: 14n,
    toHash: hashOf("block 14"),
    logs: first,
  });
  writer.add("watch:own", { type: "BlocksSeen", from: 15n, to: 30n, toHash: hashOf("block 30"), logs: rest });
}
