import type { RoundEvent } from "../events/round.ts";
import type { ChainLogRecord, LogReader, RoundRecord, TransactionRecord } from "../events/log/reader.ts";
import type { LedgerPeriod } from "./buildLedger.ts";
import { chainPosition } from "./moneyLog.ts";
import { redemptionLogNames, redemptionsOf } from "./redemptions.ts";

/** Parts per million, as in `TranscoderUpdate`. */
export type Cuts = {
  /** The operator's part of rewards. */
  readonly rewardCut: bigint;
  /** The delegators' part of fees. */
  readonly feeShare: bigint;
};

/** What redeemed tickets brought. Wei. */
export type FeeSums = {
  readonly tickets: number;
  readonly faceValue: bigint;
  /** What came: less than the face value when senders ran dry. */
  readonly paid: bigint;
  /** What the contract books for the delegators by stake, our own bond among them; null: a share is not known. */
  readonly shared: bigint | null;
  /** The operator's part; null as above. */
  readonly own: bigint | null;
};

/** What rewards brought. LPT wei. */
export type RewardSums = {
  /** After the treasury's part. */
  readonly reward: bigint;
  readonly treasury: bigint;
  /** The operator's cut; null: a cut is not known. */
  readonly rewardOwn: bigint | null;
  /** What is shared by stake, our own bond among it; null as above. */
  readonly rewardShared: bigint | null;
};

export type IncomeLine = FeeSums & {
  /** Lower-case `0x…`. */
  readonly gateway: string;
};

export type RoundLine = FeeSums &
  RewardSums & {
    /** Null for what happened before the books knew a round. */
    readonly round: bigint | null;
    readonly state: RoundRecord["state"] | null;
    /** Why there was no reward. */
    readonly cause: string | null;
    readonly forecast: bigint | null;
    /** Wei that gas cost in it. */
    readonly gasFees: bigint;
  };

export type GasLine = {
  readonly purpose: TransactionRecord["purpose"];
  /** All that were planned; also those of which the chain holds nothing. */
  readonly transactions: number;
  readonly reverted: number;
  readonly cancelled: number;
  readonly displaced: number;
  readonly gas: bigint;
  /** Wei. Those that failed cost as well. */
  readonly fees: bigint;
};

/** Money that moved between the contracts and accounts. */
export type MovementLine = {
  readonly atMs: number;
  readonly block: number;
  readonly txHash: string;
  readonly name: string;
  /** Whether it is the operator's own money; else a delegator's. */
  readonly isOwn: boolean;
  readonly account: string;
  readonly unit: "ETH" | "LPT";
  /** Wei. */
  readonly amount: bigint;
};

export type ChainTotal = FeeSums & RewardSums & { readonly gasFees: bigint };

export type ChainBooks = {
  readonly income: readonly IncomeLine[];
  readonly rounds: readonly RoundLine[];
  readonly gas: readonly GasLine[];
  readonly movements: readonly MovementLine[];
  readonly total: ChainTotal;
};

const million = 1_000_000n;

/** Fees and rewards while they are added up. */
class Sums {
  tickets = 0;
  faceValue = 0n;
  paid = 0n;
  shared: bigint | null = 0n;
  reward = 0n;
  treasury = 0n;
  rewardOwn: bigint | null = 0n;
  gasFees = 0n;

  fee(faceValue: bigint, paid: bigint, shared: bigint | null): void {
    this.tickets += 1;
    this.faceValue += faceValue;
    this.paid += paid;
    this.shared = plus(this.shared, shared);
  }

  result(): ChainTotal {
    const { tickets, faceValue, paid, shared, reward, treasury, rewardOwn, gasFees } = this;
    return {
      ...{ tickets, faceValue, paid, shared, own: shared === null ? null : paid - shared },
      ...{ reward, treasury, rewardOwn, rewardShared: rewardOwn === null ? null : reward - rewardOwn },
      gasFees,
    };
  }
}

function plus(left: bigint | null, right: bigint | null): bigint | null {
  return left === null || right === null ? null : left + right;
}

/**
 * The books of what came and went on the chain in a period, with the arithmetic of the contracts.
 *
 * @param first - cuts that held before the first `TranscoderUpdate` of the books, when they are known
 * Source: protocol contracts/bonding/BondingManager.sol updateTranscoderWithFees, updateTranscoderWithRewards; chain
 * sheet 4.1.
 */
export function buildChainBooks(
  reader: LogReader,
  period: LedgerPeriod = {},
  first: Cuts | null = null,
): ChainBooks {
  const recipient = chainPosition({ reader })?.recipient ?? "";
  const walk = new BooksWalk(reader, period, first, recipient);
  const logs = [...reader.chainLogs()];
  const money = logs.filter(({ name }) => (redemptionLogNames as readonly string[]).includes(name));
  const { redemptions, strays } = redemptionsOf(money, recipient);
  const byPlace = new Map(redemptions.map((one) => [`${one.block}/${one.index}`, one]));
  for (const log of logs) {
    walk.takeLog(log);
    const redemption = byPlace.get(`${log.block}/${log.index}`);
    if (redemption !== undefined) walk.takeFee(redemption);
  }
  // A check names these: here they only must not be missing from the sum.
  for (const stray of strays) walk.takeFee({ ...stray, faceValue: 0n });
  for (const transaction of reader.transactions().toReversed()) walk.takeTransaction(transaction);
  return walk.finish();
}

class BooksWalk {
  readonly #recipient: string;
  readonly #period: LedgerPeriod;
  readonly #rows: readonly RoundRecord[];
  readonly #income = new Map<string, Sums>();
  readonly #rounds = new Map<string, Sums>();
  readonly #gas = new Map<TransactionRecord["purpose"], GasLine>();
  readonly #movements: MovementLine[] = [];
  readonly #total = new Sums();
  /** Where each round began, in the order of the chain. */
  readonly #starts: { readonly block: number; readonly round: bigint }[] = [];
  /** The rounds that our transactions were made in, by hash: for what happened before the first round that began. */
  readonly #planned: ReadonlyMap<string, bigint>;
  #cuts: Cuts | null;
  /** Fees of a round go by the share of its reward, once that is called. */
  #atReward: { readonly cuts: Cuts | null } | null = null;

  constructor(reader: LogReader, period: LedgerPeriod, first: Cuts | null, recipient: string) {
    this.#recipient = recipient;
    this.#period = period;
    this.#rows = reader.rounds();
    this.#planned = new Map(
      reader
        .transactions()
        .flatMap(({ hash, round }) => (hash === null || round === null ? [] : [[hash, BigInt(round)]])),
    );
    this.#cuts = first ?? cutsOfFirstRound(reader, this.#rows);
  }

  takeLog(log: ChainLogRecord): void {
    const { name, account, amounts, block, txHash } = log;
    if (name === "NewRound") {
      this.#starts.push({ block, round: amounts[0] ?? 0n });
      this.#atReward = null;
      return;
    }
    if (account === this.#recipient) {
      if (name === "TranscoderUpdate") {
        this.#cuts = { rewardCut: amounts[0] ?? 0n, feeShare: amounts[1] ?? 0n };
      } else if (name === "Reward") {
        this.#atReward = { cuts: this.#cuts };
        this.#takeReward(log, this.#roundOfReward(txHash, block));
      } else if (name === "TreasuryReward") {
        if (!this.#isWithin(log.atMs)) return;
        const amount = amounts[0] ?? 0n;
        this.#sumsOf(this.#roundOfReward(txHash, block)).treasury += amount;
        this.#total.treasury += amount;
      }
    }
    this.#takeMovement(log);
  }

  takeFee(fee: {
    readonly sender: string;
    readonly faceValue: bigint;
    readonly paid: bigint;
    readonly atMs: number;
    readonly txHash: string;
  }): void {
    const { sender, faceValue, paid, atMs, txHash } = fee;
    const isWanted = this.#period.gateway === undefined || this.#period.gateway === sender;
    if (!this.#isWithin(atMs) || !isWanted) return;
    const { cuts } = this.#atReward ?? { cuts: this.#cuts };
    const shared = cuts === null ? null : (paid * cuts.feeShare) / million;
    const gateway = this.#income.get(sender) ?? new Sums();
    this.#income.set(sender, gateway);
    const round = this.#starts.at(-1)?.round ?? this.#planned.get(txHash) ?? null;
    for (const sums of [gateway, this.#sumsOf(round), this.#total]) {
      sums.fee(faceValue, paid, shared);
    }
  }

  takeTransaction(row: TransactionRecord): void {
    if (!this.#isWithin(row.minedMs ?? row.plannedMs)) return;
    const { purpose, state, isSuccess, hash, cancelHash } = row;
    const isCancelled = isSuccess !== null && hash !== null && hash === cancelHash;
    const before = this.#gas.get(purpose) ?? noGas(purpose);
    const fees = BigInt(row.fee ?? 0);
    this.#gas.set(purpose, {
      purpose,
      transactions: before.transactions + 1,
      reverted: before.reverted + (isSuccess === 0 ? 1 : 0),
      cancelled: before.cancelled + (isCancelled ? 1 : 0),
      displaced: before.displaced + (state === "displaced" ? 1 : 0),
      gas: before.gas + BigInt(row.gasUsed ?? 0),
      fees: before.fees + fees,
    });
    if (fees > 0n) this.#sumsOf(this.#roundOfTransaction(row)).gasFees += fees;
    this.#total.gasFees += fees;
  }

  finish(): ChainBooks {
    for (const { round, openedMs } of this.#rows) if (this.#isWithin(openedMs)) this.#sumsOf(BigInt(round));
    const income = [...this.#income]
      .toSorted(([left], [right]) => (left < right ? -1 : 1))
      .map(([gateway, sums]) => ({ gateway, ...sums.result() }));
    const rounds = [...this.#rounds].map(([key, sums]) => this.#roundLine(key, sums)).toSorted(byRound);
    return {
      ...{ income, rounds, gas: [...this.#gas.values()], movements: this.#movements },
      total: this.#total.result(),
    };
  }

  #roundLine(key: string, sums: Sums): RoundLine {
    const row = this.#rows.find(({ round }) => round === key) ?? null;
    const isMissed = row?.state === "missed" || row?.state === "not-due";
    return {
      ...sums.result(),
      round: key === "" ? null : BigInt(key),
      state: row?.state ?? null,
      cause: isMissed ? (row?.cause ?? null) : null,
      forecast: row === null || row.forecast === null ? null : BigInt(row.forecast),
    };
  }

  #takeReward({ amounts, atMs }: ChainLogRecord, round: bigint | null): void {
    if (!this.#isWithin(atMs)) return;
    const amount = amounts[0] ?? 0n;
    const own = this.#cuts === null ? null : (amount * this.#cuts.rewardCut) / million;
    for (const sums of [this.#sumsOf(round), this.#total]) {
      sums.reward += amount;
      sums.rewardOwn = plus(sums.rewardOwn, own);
    }
  }

  #takeMovement({ name, account, other, amounts, atMs, block, txHash }: ChainLogRecord): void {
    const movement = movementNames[name];
    if (movement === undefined || !this.#isWithin(atMs)) return;
    const isOwn = account === this.#recipient;
    if (!isOwn && other !== this.#recipient) return;
    const amount = amounts[movement.place] ?? 0n;
    this.#movements.push({ atMs, block, txHash, name, isOwn, account, unit: movement.unit, amount });
  }

  #roundOfReward(txHash: string, block: number): bigint | null {
    const row = this.#rows.find((each) => each.txHash === txHash);
    return row === undefined ? this.#roundAt(block) : BigInt(row.round);
  }

  #roundOfTransaction({ block, round }: TransactionRecord): bigint | null {
    const planned = round === null ? null : BigInt(round);
    return block === null ? planned : (this.#roundAt(Number(block)) ?? planned);
  }

  #roundAt(block: number): bigint | null {
    return this.#starts.findLast((start) => start.block <= block)?.round ?? null;
  }

  #sumsOf(round: bigint | null): Sums {
    const key = round === null ? "" : String(round);
    const known = this.#rounds.get(key) ?? new Sums();
    this.#rounds.set(key, known);
    return known;
  }

  #isWithin(atMs: number): boolean {
    const { fromMs = Number.NEGATIVE_INFINITY, toMs = Number.POSITIVE_INFINITY } = this.#period;
    return atMs >= fromMs && atMs < toMs;
  }
}

/** Where the amount stands among those of the log, and what it is of. */
const movementNames: Readonly<Record<string, { readonly place: number; readonly unit: "ETH" | "LPT" }>> = {
  Bond: { place: 0, unit: "LPT" },
  Unbond: { place: 1, unit: "LPT" },
  Rebond: { place: 1, unit: "LPT" },
  WithdrawStake: { place: 1, unit: "LPT" },
  WithdrawFees: { place: 0, unit: "ETH" },
  TransferBond: { place: 2, unit: "LPT" },
};

function noGas(purpose: TransactionRecord["purpose"]): GasLine {
  return { purpose, transactions: 0, reverted: 0, cancelled: 0, displaced: 0, gas: 0n, fees: 0n };
}

/** The unknown round first. */
function byRound(left: RoundLine, right: RoundLine): number {
  const [one, other] = [left.round ?? -1n, right.round ?? -1n];
  return one < other ? -1 : one > other ? 1 : 0;
}

/** Rounds that are looked through for the first cuts: those of before the watch may not know them. */
const firstRoundsMax = 10;

/** What the contract had when the first round of the log began; null when no round says. */
function cutsOfFirstRound(
  reader: LogReader,
  newestFirst: readonly { readonly round: string }[],
): Cuts | null {
  for (const { round } of newestFirst.slice(-firstRoundsMax).reverse()) {
    const opened = reader.eventsOf(`round:${round}`)[0]?.event as RoundEvent | undefined;
    if (opened?.type !== "RoundOpened" || opened.rewardCut === null || opened.feeShare === null) continue;
    return { rewardCut: opened.rewardCut, feeShare: opened.feeShare };
  }
  return null;
}
