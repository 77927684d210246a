import type { RoundCommand, RoundSnapshot } from "../../actors/round/decide.ts";
import type { LogReader } from "../../events/log/reader.ts";
import type { Hex } from "../../shared/brand.ts";
import type { ChainDesk, ChainLook, Receipt, RewardPath } from "../chainPorts.ts";
import type { Host, Origin } from "../host.ts";
import { roomierGas } from "./gasRoom.ts";
import { isInNoBlock, rewardLogged, roundOfLog } from "./rewardLogs.ts";
import { missOf, neverDue, type PostponeCause, postponeCause, wasActive } from "./roundCauses.ts";
import type { TransactionDesk } from "./transactionDesk.ts";
import {
  keylessText,
  mayStillMove,
  type OpenTransaction,
  type TransactionOwner,
  unreadText,
} from "./transactionTypes.ts";

export type RoundKeeperOptions = {
  readonly host: Host;
  readonly reader: LogReader;
  readonly desk: ChainDesk;
  readonly transactions: TransactionDesk;
  /** The registered account that is rewarded. */
  readonly orchestrator: Hex;
  /** The account that calls the reward and starts rounds; null: rewards are not called. */
  readonly rewardFrom: Hex | null;
  /** True: an account that may not call the reward is a fault to be told of; false: then nothing is due. */
  readonly isRewardForced: boolean;
  /** Who starts rounds; null when that is not our role. */
  readonly initializeFrom: Hex | null;
  /** Longest delay before we start a round, so that not all nodes try at once. Milliseconds. */
  readonly initializeDelayMs: number;
  readonly monotonicMs: () => number;
  /** From 0 to below 1. */
  readonly random: () => number;
  readonly confirmations: number;
};

type RoundContext = RoundSnapshot["context"];
type OpenRound = { readonly round: bigint; readonly state: RoundState; readonly context: RoundContext };
type RoundState = "opened" | "initialized" | "due" | "submitted" | "mined";

const roundStates: readonly RoundState[] = ["opened", "initialized", "due", "submitted", "mined"];
/** Looks that the logs of the chain have to say in which round a reward was called. */
const placingMax = 3;
/** Rounds that nobody watched which are written down, at most. */
const skippedMax = 30n;
/** Before the fourth attempt at a reward; twice as long before each that follows. Milliseconds. */
const restMinMs = 15_000;
const restMaxMs = 3_600_000;
/** Ended rounds that are remembered, beyond what the log has on disk. */
const endedMax = 100;

/**
 * Owes each round its reward, and its start when that is our role. Everything is decided from what the chain shows
 * now: nothing depends on having seen an event, so no outage and no restart can lose a round that still runs.
 */
export class RoundKeeper {
  readonly #options: RoundKeeperOptions;
  /** Block at which a round was first seen by this process. */
  readonly #seenAt = new Map<bigint, bigint>();
  readonly #ended = new Set<bigint>();
  #initializeAt: { readonly round: bigint; readonly atMs: number } | null = null;
  #highest: bigint | null | undefined;
  readonly #rewards = new Set<bigint>();
  /** Looks for which it was not clear in which round a reward was called, by transaction. */
  readonly #placing = new Map<string, number>();
  #isSureNow = false;
  /** The look that {@link open} has taken. */
  #opened: ChainLook | null = null;
  #rest = { attempts: 0, untilMs: 0 };
  /** The current round that more than one endpoint has confirmed. */
  #sureOf: bigint | null = null;

  constructor(options: RoundKeeperOptions) {
    this.#options = options;
    options.transactions.own("reward", this.#rewardOwner);
    options.transactions.own("initialize", this.#initializeOwner);
  }

  /** Milliseconds in which the chain should be looked at again, or null for the usual rhythm. */
  wakeInMs(look: ChainLook, blockMs: number): number | null {
    const { current, lastInitialized, startBlock, length } = look.round;
    if (lastInitialized < current) {
      return look.l1Block - startBlock < 75n ? 3_000 : null;
    }
    const left = startBlock + length - look.l1Block;
    if (left <= 1n) return 3_000;
    // Aims at the block before the boundary.
    const untilMs = Number(left - 1n) * blockMs;
    return untilMs < 30_000 ? Math.max(3_000, untilMs) : null;
  }

  /** A reward is on its way over the end of its round: which round it was mined in, only the logs tell. */
  isAskew(look: ChainLook): boolean {
    const sent = this.#options.transactions.open().filter(({ state }) => state === "sent");
    if (sent.some(({ id }) => this.#placing.has(id))) return true;
    return this.#open().some(
      ({ round, state, context }) =>
        round < look.round.current &&
        state === "submitted" &&
        sent.some(({ id }) => id === context.transaction),
    );
  }

  /** Opens the round of the look. Before the transactions are followed: what is mined in a round belongs to it. */
  async open(look: ChainLook): Promise<void> {
    this.#opened = look;
    this.#noteLastReward(look);
    this.#isSureNow = await this.#isSure(look);
    this.#noteRounds(look, this.#isSureNow);
  }

  /** Takes up what rounds owe. After {@link open} and the transactions. */
  async tick(look: ChainLook): Promise<void> {
    if (this.#opened !== look) await this.open(look);
    await this.#settleForeign(look);
    if (this.#isSureNow) await this.#settleEarlier(look);
    await this.#initialize(look);
    await this.#reward(look);
  }

  /**
   * Whether the look's round may end those before it, which is for ever: a look is the word of one endpoint, and a
   * reward that was given up is not called any more. Asked once a round, and only while there is one to end.
   */
  async #isSure({ round: { current } }: ChainLook): Promise<boolean> {
    if (this.#sureOf === current) return true;
    const isAnyToEnd = this.#open().some(({ round }) => round < current);
    if (!isAnyToEnd && (this.#lastKnown() ?? current) >= current - 1n) return true;
    const { rounds } = this.#options.desk;
    if (rounds !== undefined) {
      const word = await this.#options.desk.rounds?.();
      if (word === null || word === undefined || word.current < current) return false;
    }
    this.#sureOf = current;
    return true;
  }

  /** The chain shows only the last reward: those before it are remembered, until their rounds have ended. */
  #noteLastReward({ orchestrator: { lastRewardRound } }: ChainLook): void {
    for (const round of this.#rewards) {
      // A re-org took it back, or it is long over.
      if (round > lastRewardRound || round + skippedMax < lastRewardRound) this.#rewards.delete(round);
    }
    this.#rewards.add(lastRewardRound);
  }

  /** The highest round below which the log knows all; null for none. */
  #lastKnown(): bigint | null {
    if (this.#highest === undefined) {
      const known = this.#options.reader.rounds(Number(skippedMax)).map(({ round }) => BigInt(round));
      const gap = known.findIndex((round, index) => index > 0 && round + 1n !== known[index - 1]);
      this.#highest = known[gap === -1 ? 0 : gap] ?? null;
    }
    return this.#highest;
  }

  /** Opens the current round, and those that passed unseen. */
  #noteRounds(look: ChainLook, isSure: boolean): void {
    const { current, lastInitialized, startBlock, length } = look.round;
    const isInitialized = lastInitialized >= current;
    if (!this.#seenAt.has(current)) {
      this.#seenAt.set(current, look.block);
      for (const round of this.#seenAt.keys()) if (round + 10n < current) this.#seenAt.delete(round);
    }
    // What may have passed unseen is known only when this round is.
    if (isSure) this.#noteSkipped(look);
    const known = this.#find(current);
    if (known === null) {
      if (this.#isEnded(current)) return;
      const initializedAt = isInitialized ? look.l1Block : null;
      const cuts = look.orchestrator.cuts ?? null;
      this.#execute(current, { type: "OpenRound", startBlock, length, cuts, initializedAt });
      const highest = this.#lastKnown();
      // What passed unseen before a round in which rewards are not ours to call is written down once they are.
      const isNext = highest === null || (current > highest && this.#isWanted(look));
      if (isSure && isNext) this.#highest = current;
    } else if (isInitialized && !known.context.isInitialized) {
      this.#execute(current, { type: "NoteInitialized", l1Block: look.l1Block });
    }
  }

  /** Rounds that went by while nobody looked are written down too: a missing round would look like a good one. */
  #noteSkipped(look: ChainLook): void {
    const { current, startBlock, length } = look.round;
    const highest = this.#lastKnown();
    if (highest === null || !this.#isWanted(look)) return;
    const first = current - highest > skippedMax ? current - skippedMax : highest + 1n;
    for (let round = first; round < current; round += 1n) {
      this.#highest = round;
      // Opened when nobody could be sure of it.
      if (this.#find(round) !== null || this.#isEnded(round)) continue;
      const begin = startBlock - (current - round) * length;
      this.#execute(round, {
        ...{ type: "OpenRound", startBlock: begin, length, cuts: null, initializedAt: look.l1Block },
      });
      const { lastRewardRound } = look.orchestrator;
      // By whom is known when the transactions were followed.
      if (this.#rewards.has(round)) continue;
      if (!wasActive(round, look)) this.#end(round, { type: "DropReward", cause: "inactive" });
      else {
        const text = `Nobody could look at the chain in this round. Its last reward is that of round ${lastRewardRound}.`;
        this.#end(round, { type: "MissReward", cause: "unreadable", text });
      }
    }
  }

  /** Ends rounds that are over, once the round after them is deep enough to stay. */
  async #settleEarlier(look: ChainLook): Promise<void> {
    const { current } = look.round;
    for (const { round, state, context } of this.#open()) {
      if (round >= current) continue;
      const isForeign = this.#rewards.has(round);
      if (isForeign && state !== "mined" && state !== "submitted") {
        // At once: when the next reward is called, the chain forgets this one.
        if (state === "opened") this.#execute(round, { type: "NoteInitialized", l1Block: look.l1Block });
        this.#noteForeign(round, look);
        continue;
      }
      const seenAt = this.#seenAt.get(current) ?? look.block;
      const isOver = look.block - seenAt >= BigInt(this.#options.confirmations);
      if (state === "mined" || !isOver) continue;
      if (state === "submitted") await this.#passOn(round, context, look);
      else if (state === "due") this.#end(round, missOf(context));
      else if (wasActive(round, look) && this.#isWanted(look)) {
        const wasStarted = state === "initialized" || look.round.lastInitialized === round;
        this.#end(round, neverDue(wasStarted));
      } else {
        const cause = this.#isWanted(look) ? "inactive" : "disabled";
        this.#end(round, { type: "DropReward", cause });
      }
    }
  }

  /** A reward that somebody else called is believed once it is deep, and taken back when the chain takes it back. */
  async #settleForeign(look: ChainLook): Promise<void> {
    for (const { round, state, context } of this.#open()) {
      const { minedBlock, transaction } = context;
      if (state !== "mined" || minedBlock === null) continue;
      // One of ours that was noted from its logs may never have a receipt.
      if (transaction !== null && !this.#options.transactions.isUnread(transaction)) continue;
      if (look.orchestrator.lastRewardRound < round) this.#execute(round, { type: "UndoReward" });
      else if (look.block - minedBlock >= BigInt(this.#options.confirmations)) {
        await this.#confirmForeign(round);
      }
    }
  }

  async #confirmForeign(round: bigint): Promise<void> {
    if (this.#options.desk.rounds !== undefined) {
      const word = await this.#options.desk.rounds();
      if (word === null) return;
      if (word.lastReward < round) {
        this.#execute(round, { type: "UndoReward" });
        return;
      }
    }
    this.#end(round, { type: "ConfirmReward" });
  }

  /** The round is over and its transaction is not mined: it will call the reward of the round in which it is. */
  async #passOn(round: bigint, context: RoundContext, look: ChainLook): Promise<void> {
    const { transaction } = context;
    const { current } = look.round;
    if (transaction === null) return;
    const { transactions, reader, orchestrator, desk } = this.#options;
    const open = transactions.open().find(({ id }) => id === transaction);
    if (open?.state === "mined") return;
    // Its receipt may be unreadable; its logs came another way.
    const logged = open === undefined ? null : rewardLogged(reader, orchestrator, round, open.context);
    if (logged !== null) {
      this.#execute(round, { type: "NoteReward", transaction, ...logged });
      return;
    }
    if (open !== undefined && !transactions.isUnread(transaction) && !(await isInNoBlock(desk, open.context)))
      return;
    const text = `The round ended before the transaction was mined; from here on it stands for round ${current}.`;
    this.#execute(round, { type: "ReturnReward", transaction, cause: "cancelled", text });
    if (this.#rewards.has(round)) this.#noteForeign(round, look);
    else {
      this.#end(round, { type: "MissReward", cause: "late", text: "The transaction was not mined in time." });
    }
  }

  async #initialize(look: ChainLook): Promise<void> {
    const { desk, transactions, initializeFrom, monotonicMs } = this.#options;
    const { current, lastInitialized } = look.round;
    if (initializeFrom === null || lastInitialized >= current || look.isPaused) {
      this.#initializeAt = null;
      return;
    }
    const known = this.#find(current);
    if (known === null || known.context.initialization !== null) return;
    const isUnderWay = transactions
      .open()
      .filter(({ context }) => context.purpose === "initialize" && context.round === current)
      .some(({ id }) => !transactions.isReleased(id));
    if (isUnderWay) return;
    if (this.#initializeAt?.round !== current) {
      const delayMs = this.#options.random() * this.#options.initializeDelayMs;
      this.#initializeAt = { round: current, atMs: monotonicMs() + delayMs };
    }
    if (monotonicMs() < this.#initializeAt.atMs) return;
    const call = desk.initializeRoundCall();
    if (call === null) return;
    const attempts = known.context.initializationAttempts;
    if (attempts > 0) {
      // What was refused once is not paid for again before it would run.
      const [simulation] = (await desk.simulate([call], initializeFrom)) ?? [];
      if (simulation?.type !== "runs") return;
    }
    const gasLimit = await desk.gasLimit("initialize", call, 0);
    await transactions.plan(
      {
        ...{
          purpose: "initialize",
          subject: `start of round ${current}`,
          from: initializeFrom,
          call,
          gasLimit: roomierGas(gasLimit, attempts),
        },
        ...{ feeMax: null, round: current, tickets: [] },
      },
      look,
      (transaction) => this.#execute(current, { type: "SubmitInitialization", transaction }),
    );
  }

  async #reward(look: ChainLook): Promise<void> {
    const { rewardFrom } = this.#options;
    const { current, lastInitialized } = look.round;
    const { isActive, lastRewardRound, rewardForecast } = look.orchestrator;
    if (rewardFrom === null || !this.#isWanted(look) || lastInitialized < current) return;
    const known = this.#find(current);
    if (known === null) return;
    if (known.state === "initialized" || known.state === "due") {
      if (lastRewardRound >= current) return this.#noteForeign(current, look);
      if (!isActive) return;
    }
    if (known.state === "initialized")
      this.#execute(current, { type: "OweReward", forecast: rewardForecast });
    if (this.#find(current)?.state !== "due") return;
    const postpone = (cause: PostponeCause, text: string): void => {
      this.#execute(current, { type: "PostponeReward", cause, text });
    };
    if (look.isPaused) return postpone("paused", "The protocol is paused.");
    const path = this.#path(look, rewardFrom);
    if (path === null) {
      return postpone("unauthorized", `${rewardFrom} is neither the orchestrator nor its reward caller.`);
    }
    await this.#submitReward(look, rewardFrom, path, postpone);
  }

  async #submitReward(
    look: ChainLook,
    from: Hex,
    path: RewardPath,
    postpone: (cause: PostponeCause, text: string) => void,
  ): Promise<void> {
    const { desk, transactions } = this.#options;
    const { current } = look.round;
    // One that is on its way since the last round calls the reward of this one.
    const late = transactions
      .open()
      // One of an account that called rewards before may never be mined: nobody waits for it. Nor for one whose nonce
      // is used for good: this round had not begun.
      .filter(({ context }) => context.purpose === "reward" && context.from === from)
      .filter(({ id }) => !transactions.isReleased(id))
      .find((open) => mayStillMove(open, look, this.#options.confirmations));
    if (late !== undefined) {
      if (late.state === "sent") {
        this.#execute(current, { type: "SubmitReward", transaction: late.id, path: path.type });
      }
      return;
    }
    const attempts = this.#find(current)?.context.attempts ?? 0;
    if (this.#isResting(attempts)) return;
    const hint = await desk.rewardHint(look.orchestrator.rewardForecast);
    const call = desk.rewardCall(path, hint);
    if (call === null) return postpone("unreadable", "The contracts are not known.");
    if (attempts > 0) {
      const [simulation] = (await desk.simulate([call], from)) ?? [];
      if (simulation === undefined) return postpone("unreadable", "The chain cannot be asked.");
      if (simulation.type === "reverts") return postpone("reverts", simulation.reason);
    }
    const gasLimit = await desk.gasLimit("reward", call, 0);
    const planned = await transactions.plan(
      {
        ...{ purpose: "reward", subject: `reward of round ${current}`, from, call },
        gasLimit: roomierGas(gasLimit, attempts),
        ...{ feeMax: null, round: current, tickets: [] },
      },
      look,
      (transaction) => this.#execute(current, { type: "SubmitReward", transaction, path: path.type }),
    );
    if (planned.type === "refused") postpone(postponeCause(planned), planned.text);
  }

  /** What fails on the chain although it would run, such as for want of gas, is paid for again ever more rarely. */
  #isResting(attempts: number): boolean {
    const nowMs = this.#options.monotonicMs();
    if (this.#rest.attempts !== attempts) {
      const restMs = attempts < 3 ? 0 : Math.min(restMinMs * 2 ** (attempts - 3), restMaxMs);
      this.#rest = { attempts, untilMs: nowMs + restMs };
    }
    return nowMs < this.#rest.untilMs;
  }

  /** Whether rewards are ours to call. */
  #isWanted(look: ChainLook): boolean {
    const { rewardFrom, isRewardForced } = this.#options;
    return rewardFrom !== null && (isRewardForced || this.#path(look, rewardFrom) !== null);
  }

  #path(look: ChainLook, from: Hex): RewardPath | null {
    const { orchestrator } = this.#options;
    if (from === orchestrator) return { type: "own" };
    return look.orchestrator.rewardCaller === from ? { type: "delegated", orchestrator } : null;
  }

  readonly #rewardOwner: TransactionOwner = {
    mined: (transaction, receipt, look) => this.#rewardMined(transaction, receipt, look),
    isReady: (transaction, receipt, look) => this.#isRewardPlaced(transaction, receipt, look),
    undone: ({ id, context: { from } }) => {
      const path = from === this.#options.orchestrator ? "own" : "delegated";
      for (const { round, state, context } of this.#open()) {
        if (state !== "mined" || context.transaction !== id) continue;
        this.#execute(round, { type: "UndoReward" });
        this.#execute(round, { type: "SubmitReward", transaction: id, path });
      }
    },
    confirmed: ({ id }) => {
      for (const { round, state, context } of this.#open()) {
        if (state === "mined" && context.transaction === id) this.#end(round, { type: "ConfirmReward" });
      }
    },
    displaced: ({ id }) => this.#returned(id, "displaced", "Another transaction used its nonce."),
    released: (open) => this.#returned(open.id, "cancelled", keylessText(open)),
    unread: ({ id }, { orchestrator: { lastRewardRound } }) => {
      // Of a round that has its reward, the receipt says how much it was: it is waited for.
      for (const { round } of this.#open())
        if (round > lastRewardRound) this.#returned(id, "cancelled", unreadText, round);
    },
    // Whatever round it is mined in, it calls the reward of that one.
    isUseful: ({ id }) =>
      this.#open().some(({ state, context }) => state === "due" || context.transaction === id),
  };

  /**
   * Whether it can be said in which round a reward was called. When rounds went by meanwhile, only the logs of the
   * chain can say that; they are waited for, but not for ever.
   */
  #isRewardPlaced(transaction: OpenTransaction, receipt: Receipt, look: ChainLook): boolean {
    const { orchestrator } = this.#options;
    const { id } = transaction;
    const log = receipt.logs.find(({ name, account }) => name === "Reward" && account === orchestrator);
    if (!receipt.isSuccess || log === undefined) return true;
    const looks = this.#placing.get(id) ?? 0;
    if (
      this.#placeOf(transaction, receipt, look) !== null ||
      looks >= placingMax ||
      roundOfLog(this.#options.reader, log, transaction.context.round) !== null
    ) {
      this.#placing.delete(id);
      return true;
    }
    this.#placing.set(id, looks + 1);
    return false;
  }

  /** The round in which a reward of ours was called, as far as the look can tell. */
  #placeOf({ id, context }: OpenTransaction, receipt: Receipt, look: ChainLook): bigint | null {
    const { lastRewardRound } = look.orchestrator;
    // Not before the round that it was made for, and not after the last one that has a reward.
    if (context.round === lastRewardRound) return lastRewardRound;
    const isAskew = this.#open().some(
      ({ round, state, context: held }) =>
        state === "submitted" && held.transaction === id && round !== lastRewardRound,
    );
    const seenAt = this.#seenAt.get(lastRewardRound);
    return !isAskew && seenAt !== undefined && seenAt <= receipt.block ? lastRewardRound : null;
  }

  #rewardMined(transaction: OpenTransaction, receipt: Receipt, look: ChainLook): void {
    const { id, context } = transaction;
    const isCancel = context.attempts.find(({ hash }) => hash === receipt.hash)?.kind === "cancel";
    if (isCancel || !receipt.isSuccess) {
      if (isCancel) this.#returned(id, "cancelled", "It was replaced by one that does nothing.");
      else this.#returned(id, "reverted", "The contract refused it, or its gas ran out.");
      return;
    }
    const { orchestrator } = this.#options;
    const log = receipt.logs.find(({ name, account }) => name === "Reward" && account === orchestrator);
    const treasury = receipt.logs.find(
      ({ name, account }) => name === "TreasuryReward" && account === orchestrator,
    );
    const holders = this.#open().filter(
      ({ state, context: held }) => state === "submitted" && held.transaction === id,
    );
    // It counts for the round in which it was mined, which may be a later one than it was made for.
    const { lastRewardRound } = look.orchestrator;
    const place = this.#placeOf(transaction, receipt, look);
    const at =
      place ?? (log === undefined ? null : roundOfLog(this.#options.reader, log, transaction.context.round));
    const likely = holders.find(({ round }) => round === lastRewardRound) ?? holders[0] ?? null;
    const target = at === null ? likely : this.#find(at);
    for (const { round } of holders) {
      if (round === target?.round) continue;
      const text =
        target === null ? "It was mined in another round." : `It was mined in round ${target.round}.`;
      this.#execute(round, { type: "ReturnReward", transaction: id, cause: "cancelled", text });
    }
    if (target === null) return;
    this.#execute(target.round, {
      ...{ type: "NoteReward", transaction: id, txHash: receipt.hash, block: receipt.block },
      ...{
        amount: log?.amounts[0] ?? null,
        treasury: treasury?.amounts[0] ?? (log === undefined ? null : 0n),
      },
    });
  }

  #returned(
    transaction: string,
    cause: "reverted" | "cancelled" | "displaced",
    text: string,
    only: bigint | null = null,
  ): void {
    for (const { round, state, context } of this.#open()) {
      if (only !== null && round !== only) continue;
      if (state !== "submitted" || context.transaction !== transaction) continue;
      this.#execute(round, { type: "ReturnReward", transaction, cause, text });
    }
  }

  readonly #initializeOwner: TransactionOwner = {
    mined: ({ id }, receipt) => {
      if (!receipt.isSuccess) this.#initializationReturned(id, "reverted");
    },
    undone: () => undefined,
    confirmed: () => undefined,
    displaced: ({ id }) => this.#initializationReturned(id, "displaced"),
    released: ({ id }) => this.#initializationReturned(id, "released"),
    unread: ({ id }) => this.#initializationReturned(id, "unread"),
    isUseful: ({ id }) =>
      this.#open().some(({ context: { isInitialized, initialization } }) => {
        return !isInitialized && (initialization === null || initialization === id);
      }),
  };

  #initializationReturned(transaction: string, cause: string): void {
    for (const { round, context } of this.#open()) {
      if (context.initialization !== transaction || (cause === "unread" && context.isInitialized)) continue;
      this.#execute(round, { type: "ReturnInitialization", transaction, cause });
    }
  }

  /** The chain shows the reward as called, and it was not us. */
  #noteForeign(round: bigint, look: ChainLook): void {
    this.#execute(round, {
      ...{ type: "NoteReward", transaction: null, txHash: null, block: look.block },
      ...{ amount: null, treasury: null },
    });
  }

  #execute(round: bigint, command: RoundCommand): boolean {
    const id = String(round);
    const origin: Origin = { correlationId: `round:${id}`, causationId: "chain-look" };
    return this.#options.host.execute("round", id, command, origin).type === "accepted";
  }

  #end(round: bigint, command: RoundCommand): void {
    if (!this.#execute(round, command)) return;
    this.#ended.add(round);
    const [oldest] = this.#ended;
    if (this.#ended.size > endedMax && oldest !== undefined) this.#ended.delete(oldest);
  }

  #isEnded(round: bigint): boolean {
    return this.#ended.has(round) || this.#options.reader.stream(`round:${round}`) !== null;
  }

  #find(round: bigint): OpenRound | null {
    const snapshot = this.#options.host.snapshot("round", String(round)) as RoundSnapshot | null;
    if (snapshot === null) return null;
    const state = roundStates.find((name) => snapshot.matches({ open: name }));
    return state === undefined ? null : { round, state, context: snapshot.context };
  }

  /** Rounds that have not ended, the oldest first. */
  #open(): readonly OpenRound[] {
    return [...this.#options.host.idsOf("round")]
      .map((id) => this.#find(BigInt(id)))
      .filter((round) => round !== null)
      .sort((left, right) => (left.round < right.round ? -1 : 1));
  }
}
