import { toHex } from "../protocol/bytes.ts";
import type { SenderFunds } from "../runtime/ports.ts";
import type { Hex, UnixMs } from "../shared/brand.ts";
import type { ReadFunds } from "./fundsReader.ts";

/*
 * What gateways have put into the TicketBroker, as last read. Gateways with funds are kept, the ones used last
 * before all others; accounts without funds are kept apart and for a moment only, so that made-up accounts push
 * nobody out.
 */

const fundedMax = 10_000;
const emptyMax = 1_000;
const emptyMs = 30_000;
/** Older than this, a value is read again when somebody asks for it; it is served meanwhile. */
const freshMs = 15_000;
/** Whoever asks waits no longer than this; the read goes on, and the next one who asks has it. */
const defaultWaitMaxMs = 3_000;
/** After a failed read the next one waits so long. */
const retryMs = 5_000;

type Entry = {
  readonly funds: SenderFunds;
  /** Monotonic milliseconds of the read; minus infinity for what an earlier life read. */
  readonly readAt: number;
  /** Round in which it was read: what was claimed counts for that round only. Null when not known. */
  readonly round: bigint | null;
  /** After a failed read: monotonic milliseconds before which none is tried in the background. */
  retryAt: number;
};

export type FundsCacheOptions = {
  /** Reads from the chain; null when it cannot be read now. */
  readonly read: (sender: Uint8Array, isKnown: boolean) => Promise<ReadFunds | null>;
  readonly round: () => bigint | null;
  readonly nowMs: () => UnixMs;
  readonly monotonicMs: () => number;
  readonly seed: ReadonlyMap<Hex, SenderFunds>;
  /** Milliseconds that whoever asks waits at most. Default 3,000. */
  readonly waitMaxMs?: number;
  /** Funds of a gateway were read for the first time, or differ. Not called for accounts that never had any. */
  readonly onFunds: (sender: Uint8Array, funds: SenderFunds) => void;
};

/** Serves funds from memory and keeps them fresh. */
export class FundsCache {
  readonly #options: FundsCacheOptions;
  readonly #funded = new Map<Hex, Entry>();
  readonly #empty = new Map<Hex, Entry>();
  readonly #reading = new Map<Hex, Promise<SenderFunds | null>>();

  constructor(options: FundsCacheOptions) {
    this.#options = options;
    for (const [key, funds] of options.seed) {
      this.#funded.set(key, { funds, readAt: Number.NEGATIVE_INFINITY, round: null, retryAt: 0 });
      dropOldest(this.#funded, fundedMax);
    }
  }

  /** How many accounts are remembered. */
  get size(): number {
    return this.#funded.size + this.#empty.size;
  }

  /** What is known at once; starts a read in the background when that is old. */
  peek(sender: Uint8Array): SenderFunds | null {
    const key = toHex(sender);
    const entry = this.#lookUp(key);
    if (entry === null) return null;
    if (!this.#isFresh(entry) && this.#options.monotonicMs() >= entry.retryAt) void this.#read(key, sender);
    return this.#current(entry);
  }

  /**
   * What is known and fresh, else what the chain says now; null when it says nothing, or not in time. Never rejects.
   */
  async read(sender: Uint8Array): Promise<SenderFunds | null> {
    const key = toHex(sender);
    const entry = this.#lookUp(key);
    if (entry !== null && this.#isFresh(entry)) return this.#current(entry);
    const { promise: tooLate, resolve } = Promise.withResolvers<null>();
    const timer = setTimeout(() => resolve(null), this.#options.waitMaxMs ?? defaultWaitMaxMs);
    return Promise.race([this.#read(key, sender), tooLate]).finally(() => clearTimeout(timer));
  }

  #lookUp(key: Hex): Entry | null {
    const funded = this.#funded.get(key);
    if (funded !== undefined) {
      this.#funded.delete(key);
      this.#funded.set(key, funded);
      return funded;
    }
    const empty = this.#empty.get(key);
    if (empty === undefined) return null;
    if (this.#options.monotonicMs() - empty.readAt <= emptyMs) return empty;
    this.#empty.delete(key);
    return null;
  }

  #isFresh(entry: Entry): boolean {
    const isThisRound = entry.round === this.#options.round();
    return isThisRound && this.#options.monotonicMs() - entry.readAt <= freshMs;
  }

  /** A new round starts with nothing claimed. Source: TicketBroker, `claimedForRound`. */
  #current(entry: Entry): SenderFunds {
    const round = this.#options.round();
    if (entry.round === null || round === null || round <= entry.round) return entry.funds;
    return { ...entry.funds, claimedInRound: 0n, claimedByUs: 0n };
  }

  #read(key: Hex, sender: Uint8Array): Promise<SenderFunds | null> {
    const running = this.#reading.get(key);
    if (running !== undefined) return running;
    const own = Uint8Array.from(sender);
    const reading = this.#readAndKeep(key, own).finally(() => this.#reading.delete(key));
    this.#reading.set(key, reading);
    return reading;
  }

  async #readAndKeep(key: Hex, sender: Uint8Array): Promise<SenderFunds | null> {
    // Before the question: an answer that crosses a change of round counts as the older round's.
    const round = this.#options.round();
    const read = await this.#options.read(sender, this.#funded.has(key));
    if (read === null) {
      const entry = this.#funded.get(key);
      if (entry !== undefined) entry.retryAt = this.#options.monotonicMs() + retryMs;
      return null;
    }
    const { deposit, reserve, claimedInRound, claimedByUs, withdrawRound } = read;
    const readAtMs = this.#options.nowMs();
    const funds = { deposit, reserve, claimedInRound, claimedByUs, withdrawRound, readAtMs };
    this.#keep(key, sender, { funds, readAt: this.#options.monotonicMs(), round, retryAt: 0 });
    return funds;
  }

  #keep(key: Hex, sender: Uint8Array, entry: Entry): void {
    const before = this.#funded.get(key)?.funds ?? null;
    this.#funded.delete(key);
    this.#empty.delete(key);
    const isEmpty = entry.funds.deposit === 0n && entry.funds.reserve === 0n;
    const kept = isEmpty ? this.#empty : this.#funded;
    kept.set(key, entry);
    dropOldest(kept, isEmpty ? emptyMax : fundedMax);
    if (before === null ? !isEmpty : !areSame(before, entry.funds))
      this.#options.onFunds(sender, entry.funds);
  }
}

function areSame(left: SenderFunds, right: SenderFunds): boolean {
  return (
    left.deposit === right.deposit &&
    left.reserve === right.reserve &&
    left.claimedInRound === right.claimedInRound &&
    left.claimedByUs === right.claimedByUs &&
    left.withdrawRound === right.withdrawRound
  );
}

function dropOldest(entries: Map<Hex, Entry>, sizeMax: number): void {
  if (entries.size <= sizeMax) return;
  const oldest = entries.keys().next();
  if (oldest.done !== true) entries.delete(oldest.value);
}
