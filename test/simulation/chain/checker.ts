import type { TransactionContext } from "../../../src/actors/transaction/machine.ts";
import type { AnyEvent } from "../../../src/events/definition.ts";
import { parseStreamId, type StreamId } from "../../../src/events/envelope.ts";
import { LedgerReader } from "../../../src/events/log/ledgerReader.ts";
import { ChainFold } from "../../../src/ledger/chainFold.ts";
import { verify } from "../../../src/replay/verify.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import type { MinedTransaction } from "../../support/simulatedLedgerChain.ts";
import { Windows } from "./windows.ts";
import { keylessMs, type LedgerWorld } from "./world.ts";

/*
 * What must hold when the last fault is long over, read from the log alone and from the chain, which is the truth: the
 * numbers of the money-out invariants in ARCHITECTURE.md.
 */

type Fields = Readonly<Record<string, unknown>> & AnyEvent;

/** An endpoint may lag so far behind. */
const staleMs = 20 * 60_000;
/** Rounds that may still be open: the current one, and the one before while its successor is young. */
const openRoundsMax = 2;

export class LedgerChecker {
  readonly tally = new Map<string, number>();
  readonly #world: LedgerWorld;
  readonly #windows: Windows;
  /** The log by stream, oldest event first. */
  readonly #streams = new Map<StreamId, Fields[]>();

  constructor(world: LedgerWorld) {
    this.#world = world;
    this.#windows = new Windows(world);
  }

  /** Watches from now on. */
  begin(): void {
    this.#world.onChanged = () => this.#windows.observe();
    this.#world.onDisturbed = (forMs) => this.#windows.disturb(forMs);
    this.#windows.observe();
  }

  /** After the calm time at the end. */
  finish(): void {
    const { disk } = this.#world;
    this.#windows.observe();
    for (const { stream, event } of disk.reader.all()) {
      const events = this.#streams.get(stream) ?? [];
      this.#streams.set(stream, events);
      events.push(event as Fields);
      if (event.type !== "BlocksSeen") this.#count(event.type);
    }
    const source = { db: disk.db, reader: disk.reader, path: "", isSlice: false, close: () => {} };
    for (const { stream, problem } of verify(source).findings) this.#problem(`replay: ${stream}: ${problem}`);
    this.#checkEffects();
    this.#checkTickets();
    this.#checkRounds();
    this.#checkTransactions();
    this.#checkNonces();
    this.#checkWatch();
    this.#checkSize();
  }

  #problem(text: string): void {
    this.#world.problems.push(text);
  }

  #count(what: string, times = 1): void {
    this.tally.set(what, (this.tally.get(what) ?? 0) + times);
  }

  *#of(kind: string): Generator<readonly [string, readonly Fields[]]> {
    for (const [stream, events] of this.#streams) {
      const { kind: itsKind, id } = parseStreamId(stream);
      if (itsKind === kind) yield [id, events];
    }
  }

  /** No ticket and no round is paid for twice by us, however often we crashed or tried. */
  #checkEffects(): void {
    const paidBy = new Map<Hex, MinedTransaction>();
    const rewardedBy = new Map<bigint, MinedTransaction>();
    for (const mined of this.#world.chain.mined()) {
      const { call, isOurs, hash } = mined.transaction;
      const round = this.#roundAt(mined.receipt.block);
      if (call.type === "redeem") {
        if (new Set(call.tickets).size !== call.tickets.length) this.#problem(`${hash} holds a ticket twice`);
        for (const ticket of call.tickets) {
          const first = paidBy.get(ticket);
          const isAgain = isOurs && first?.transaction.isOurs === true;
          if (first !== undefined && this.#isRedeemedIn(mined, ticket))
            this.#problem(`${ticket} was paid twice`);
          if (isAgain && this.#isLate(first, mined)) this.#count("ticket sent with two keys, paid once");
          else if (isAgain) {
            this.#problem(
              `ticket ${ticket} was redeemed by ${first.transaction.hash} and sent again in ${hash}`,
            );
          }
          if (isOurs && first !== undefined) this.#count("redemption lost to another");
          if (this.#isRedeemedIn(mined, ticket)) paidBy.set(ticket, mined);
        }
        if (isOurs) this.#count(call.isBatch ? "batch mined" : "single redemption mined");
        if (isOurs) this.#count("tickets in redemptions", call.tickets.length);
      }
      if (call.type === "initialize" && isOurs && mined.receipt.isSuccess)
        this.#count("rounds that we started");
      if (call.type !== "reward") continue;
      const first = rewardedBy.get(round);
      const isAgain = isOurs && first?.transaction.isOurs === true;
      // The one that was left over from an earlier round is not waited for.
      if (isAgain && this.#isLate(first, mined, true))
        this.#count("reward called with two keys, minted once");
      else if (isAgain) {
        this.#problem(`round ${round} was rewarded by ${first.transaction.hash} and called again in ${hash}`);
      }
      if (isOurs && !mined.receipt.isSuccess) this.#count(`our reward reverted: ${mined.reason}`);
      if (mined.receipt.isSuccess) rewardedBy.set(round, mined);
    }
  }

  /**
   * Two of ours for the same thing: only when they were sent with two keys, and when the one or the other had waited
   * for five minutes without its key.
   */
  #isLate(first: MinedTransaction, second: MinedTransaction, isOfRound = false): boolean {
    if (first.transaction.from === second.transaction.from) return false;
    const [left, right] = [this.#signedAt(first), this.#signedAt(second)];
    // Nobody would have sent what the chain showed as done.
    if (right > first.atMs + staleMs) return false;
    const { chain } = this.#world;
    const roundOf = (ms: number): bigint => this.#roundAt(chain.blockAt(ms));
    if (isOfRound && roundOf(left) !== roundOf(right)) return true;
    return Math.abs(left - right) >= keylessMs;
  }

  /** Virtual milliseconds at which the log first knew of a transaction. */
  #signedAt({ transaction: { from, nonce } }: MinedTransaction): number {
    return this.#world.plannedAt.get(`${from}/${nonce}`) ?? 0;
  }

  #isRedeemedIn({ receipt }: MinedTransaction, hash: Hex): boolean {
    const ticket = this.#world.tickets.get(hash)?.ticket;
    if (ticket === undefined) return false;
    return receipt.logs.some(
      ({ name, amounts }) => name === "WinningTicketRedeemed" && amounts[3] === BigInt(ticket.recipientRand),
    );
  }

  #checkTickets(): void {
    const { chain, tickets } = this.#world;
    for (const [id, events] of this.#of("ticket")) {
      const hash = id as Hex;
      const isUsed = chain.contracts.isUsed(chain.store, hash);
      const ends = events.filter(({ type }) =>
        ["TicketRedeemed", "TicketExpired", "TicketRefused"].includes(type),
      );
      const [end] = ends;
      if (ends.length !== 1 || end === undefined) {
        const last = events.at(-1)?.type;
        this.#problem(`ticket ${hash} ended ${ends.length} times (last: ${last}, used on chain: ${isUsed})`);
        continue;
      }
      const isRedeemed = end.type === "TicketRedeemed";
      if (isRedeemed !== isUsed)
        this.#problem(`ticket ${hash}: the log says ${end.type}, the chain used: ${isUsed}`);
      const ticket = tickets.get(hash)?.ticket;
      if (ticket === undefined) {
        this.#problem(`ticket ${hash} was never made`);
        continue;
      }
      if (isRedeemed) this.#checkPaid(hash, events);
      else if (end["loss"] !== ticket.faceValue) this.#problem(`ticket ${hash} lost ${end["loss"]}`);
      if (end.type === "TicketRefused" && ticket.flaw === null && !this.#isWrongHash(hash)) {
        this.#problem(`ticket ${hash} is good, and was refused: ${end["text"]}`);
      }
      if (!isUsed && this.#windows.tickets.has(hash)) {
        const story = events
          .map(({ type, cause }) => `${type}${cause === undefined ? "" : ` ${cause}`}`)
          .join(", ");
        this.#problem(`ticket ${hash} could be redeemed for an hour and was not: ${story}`);
      }
      if (this.#windows.seen.has(hash)) this.#count("tickets that could be redeemed");
      if (!isUsed)
        this.#count(
          `not redeemed: ${events.findLast(({ cause }) => cause !== undefined)?.["cause"] ?? end.type}`,
        );
      if (!isUsed && this.#windows.held.has(hash)) this.#count("tickets held for cheaper gas and lost");
    }
  }

  #isWrongHash(hash: Hex): boolean {
    const { chain, tickets } = this.#world;
    const ticket = tickets.get(hash)?.ticket;
    if (ticket === undefined) return false;
    return chain.store.get(`roundHash:${ticket.creationRound}`) !== BigInt(ticket.creationRoundBlockHash);
  }

  /** To the wei, where the log names an amount. */
  #checkPaid(hash: Hex, events: readonly Fields[]): void {
    const { chain } = this.#world;
    const paid = events.findLast(({ type }) => type === "TicketPaid");
    const amount = (paid?.["amount"] ?? null) as bigint | null;
    const truth = chain.store.get(`paid:${hash}`);
    if (amount === null) this.#count("redeemed by others");
    else if (amount !== truth) this.#problem(`ticket ${hash} brought ${truth} wei, and ${amount} by the log`);
    const txHash = (paid?.["txHash"] ?? null) as Hex | null;
    if (txHash !== null && chain.receipt(txHash) === null) {
      this.#problem(`ticket ${hash} was paid by ${txHash}, which is in no block`);
    }
    const face = this.#world.tickets.get(hash)?.ticket.faceValue ?? 0n;
    if (truth < face) this.#count("paid short");
  }

  #roundAt(block: bigint): bigint {
    const { chain } = this.#world;
    return chain.contracts.roundOf(chain.l1Of(block));
  }

  #checkRounds(): void {
    const { chain, round: current } = this.#world;
    const rewarded = new Map<bigint, bigint>();
    const started = new Set<bigint>();
    for (const { receipt } of chain.mined()) {
      for (const { name, amounts } of receipt.logs) {
        if (name === "Reward") rewarded.set(this.#roundAt(receipt.block), amounts[0] ?? 0n);
        if (name === "NewRound") started.add(amounts[0] ?? 0n);
      }
    }
    for (const round of this.#windows.rewards) {
      this.#count("rewards that had to be called");
      if (!rewarded.has(round))
        this.#problem(
          `round ${round}: the reward could be called for ten minutes and was not: ${this.#storyOf(round)}`,
        );
    }
    for (const round of this.#windows.starts) {
      this.#count("starts that had to be made");
      if (!started.has(round)) this.#problem(`round ${round} could be started for ten minutes and was not`);
    }
    const ids = new Set([...this.#of("round")].map(([id]) => BigInt(id)));
    const first = [...ids].sort((left, right) => (left < right ? -1 : 1))[0] ?? current;
    // Whoever may not call rewards does not watch over rounds.
    const isStranger = this.#world.climate.caller === "stranger";
    for (let round = first; round < current && !isStranger; round += 1n) {
      if (!ids.has(round)) this.#problem(`the log does not know round ${round}`);
    }
    for (const [id, events] of this.#of("round"))
      this.#checkRound(BigInt(id), events, rewarded.get(BigInt(id)) ?? null);
  }

  #checkRound(round: bigint, events: readonly Fields[], reward: bigint | null): void {
    const { climate, round: current } = this.#world;
    const ends = events.filter(({ type }) =>
      ["RewardConfirmed", "RewardMissed", "RewardNotDue"].includes(type),
    );
    const [end] = ends;
    if (round >= current) return;
    if (ends.length !== 1 || end === undefined) {
      this.#problem(`round ${round} ended ${ends.length} times: ${this.#storyOf(round)}`);
      return;
    }
    const isRewarded = end.type === "RewardConfirmed";
    if (isRewarded !== (reward !== null)) {
      this.#problem(
        `round ${round}: the log says ${end.type}, the chain rewarded: ${reward !== null}: ${this.#storyOf(round)}`,
      );
      return;
    }
    const mined = events.findLast(({ type }) => type === "RewardMined");
    const amount = (mined?.["amount"] ?? null) as bigint | null;
    if (isRewarded && amount !== null && amount !== reward) {
      this.#problem(`round ${round} brought ${reward}, and ${amount} by the log`);
    }
    const known = this.#windows.obstacles.get(round) ?? new Set<string>();
    if (end.type === "RewardMissed") {
      const cause = end["cause"] as string;
      this.#count(`missed: ${cause}`);
      // Being late, or reverted, always has a cause behind it that the story tells.
      const isTrue = cause === "late" || cause === "reverts" || known.has(cause);
      if (!isTrue)
        this.#problem(`round ${round} was missed for ${cause}, which was not so: ${this.#storyOf(round)}`);
    }
    // What was before the last activation, the chain does not tell: only who was there knows.
    const isUnknown = this.#world.chain.store.get("activationRound") > round;
    const isOurs = climate.caller !== "stranger" && !known.has("unauthorized");
    const isDue = isOurs && !known.has("inactive") && !isUnknown;
    if (end.type === "RewardNotDue" && isDue) {
      this.#problem(
        `round ${round} was not due (${end["cause"]}), but we were active: ${this.#storyOf(round)}`,
      );
    }
  }

  #storyOf(round: bigint): string {
    const events = this.#streams.get(`round:${round}`) ?? [];
    const obstacles = [...(this.#windows.obstacles.get(round) ?? [])].join("+");
    const story = events.map(({ type, cause }) => (cause === undefined ? type : `${type} ${String(cause)}`));
    return `${story.join(", ")} [${obstacles}]`;
  }

  /** What the log says that gas cost is what it cost. */
  #checkTransactions(): void {
    const { chain } = this.#world;
    let truth = 0n;
    for (const { transaction, receipt } of chain.mined()) {
      if (transaction.isOurs) truth += receipt.gasUsed * receipt.gasPrice;
    }
    let logged = 0n;
    for (const [id, events] of this.#of("transaction")) {
      const attempts = events.filter(({ type }) => type === "TransactionSigned").length;
      this.#count("attempts", attempts);
      const end = events.find(
        ({ type }) => type === "TransactionConfirmed" || type === "TransactionDisplaced",
      );
      if (end === undefined) {
        const { purpose } = events[0] as unknown as TransactionContext;
        if (this.#isStuck(id)) this.#count("transactions of keys that are gone, in no block");
        else
          this.#problem(
            `transaction ${id} (${purpose}) has not ended: ${events.map(({ type }) => type).slice(-8)}`,
          );
      } else if (end.type === "TransactionConfirmed") logged += end["fee"] as bigint;
    }
    if (logged !== truth) this.#problem(`gas cost ${truth} wei on the chain and ${logged} by the log`);
  }

  /** Nobody has its key, and no block ever took it or another in its place. */
  #isStuck(id: string): boolean {
    const { chain, keys } = this.#world;
    const [from, nonce] = id.split("/") as [Hex, string];
    return !keys.includes(from) && chain.nonce(from) <= Number.parseInt(nonce, 10);
  }

  /** No gap outlives recovery, and nothing of ours waits behind one. */
  #checkNonces(): void {
    const { chain, everKeys, keys, process } = this.#world;
    const open = process?.office.transactions.open() ?? [];
    for (const account of everKeys) {
      // What nobody can raise may wait for ever.
      if (!keys.includes(account) && open.some(({ context }) => context.from === account)) continue;
      const mined = chain.nonce(account);
      const pending = chain.pendingNonce(account);
      if (pending !== mined)
        this.#problem(`${account}: ${pending - mined} transactions still wait in the pool`);
      for (const { nonce } of this.#streams.get(`wallet:${account}`) ?? []) {
        if (typeof nonce !== "number" || nonce <= mined) continue;
        this.#problem(`${account}: nonce ${nonce} was counted, but the chain counts ${mined}`);
      }
    }
  }

  /** The watch has seen what the chain has logged since it began, each log once. */
  #checkWatch(): void {
    const { chain, disk } = this.#world;
    const events = this.#streams.get("watch:own") ?? [];
    const begin = events.find(({ type }) => type === "WatchStarted")?.["block"] as bigint | undefined;
    const end = events.findLast(({ type }) => type === "BlocksSeen" || type === "BlocksUndone");
    if (begin === undefined || end === undefined) return;
    const last = (end["to"] ?? end["block"]) as bigint;
    const key = (log: { block: bigint; index: number; name: string; amounts: readonly bigint[] }): string =>
      `${log.block}/${log.index} ${log.name} ${log.amounts.join(" ")}`;
    const truth = [...chain.logs(begin + 1n, last)].map(key);
    const seen = [...disk.reader.chainLogs({})].map((row) => key({ ...row, block: BigInt(row.block) }));
    const missing = truth.filter((log) => !seen.includes(log));
    const wrong = seen.filter((log) => !truth.includes(log));
    if (missing.length > 0)
      this.#problem(`the watch has not seen ${missing.length} logs, such as ${missing[0]}`);
    if (wrong.length > 0)
      this.#problem(`the watch has seen ${wrong.length} logs too many, such as ${wrong[0]}`);
    if (new Set(seen).size !== seen.length) this.#problem("the watch has seen a log twice");
    this.#count("logs seen", seen.length);
    this.#checkBooks();
  }

  /** The ledger's own proof: what came is explained by tickets and rounds, to the wei, and the other way round. */
  #checkBooks(): void {
    const { disk } = this.#world;
    const { db, reader } = disk;
    // Rounds that pass unseen are noted by those who call rewards only.
    const isStranger = this.#world.climate.caller === "stranger";
    const fold = new ChainFold((problem) => {
      if (!isStranger || !problem.includes("no round knows of it")) this.#problem(`books: ${problem}`);
    });
    for (const recorded of reader.all()) {
      const { kind, id } = parseStreamId(recorded.stream);
      fold.take(kind, id, recorded);
    }
    const log = { db, reader, ledger: new LedgerReader(db), isSlice: false, close: () => {} };
    const sums = fold.finish(log, reader.tickets());
    if (sums.paidByLogs > 0n) this.#count("books with income");
  }

  #checkSize(): void {
    const { process } = this.#world;
    if (process === null) {
      this.#problem("the node is down");
      return;
    }
    const open = [...process.host.idsOf("round")].length;
    if (open > openRoundsMax) this.#problem(`${open} rounds are open`);
    const others = process.host.openCount - open;
    // The wallets and the watch; tickets and transactions have ended, but for those that nobody can raise.
    const stuck = process.office.transactions.open().filter(({ id }) => this.#isStuck(id));
    if (others > this.#world.everKeys.size + 1 + stuck.length) this.#problem(`${others} entities are open`);
  }
}
