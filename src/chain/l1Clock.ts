/*
 * What the L1 block number is now. The chain is asked every few seconds; while it gives no news the number goes on
 * by itself, so that ticket parameters which we hand out meanwhile do not expire under the feet of gateways. It
 * never goes back: a ticket whose parameters have expired must stay expired, or its secret could be used twice.
 */

/** Ethereum's slot time. */
const slotMs = 12_000;
/** A chain of one's own may be faster, as far as that was seen. */
const slotMsMin = 1_000;
/** Observations whose pace counts: the middle one of them, so that a burst of blocks is no pace. */
const pacesMax = 15;
const pacesMin = 5;
/** Without news for longer than this, the number goes on by the clock. */
const silenceMs = 15_000;
/** A restart after a longer rest than this does not count on: the wall clock may be wrong. */
const restMaxMs = 24 * 60 * 60 * 1_000;
/** One hour of blocks: a larger jump than this beyond the clock must be seen twice before it is believed. */
const jumpMax = 300n;

export type L1ClockOptions = {
  /** Milliseconds that never go back, such as `performance.now()`. */
  readonly monotonicMs: () => number;
  /** What an earlier life of the node knew, and how long ago that was. */
  readonly seed: { readonly block: bigint; readonly ageMs: number } | null;
};

/** `doubted`: far beyond what the clock allows; believed when seen again. */
export type L1Observation = "taken" | "doubted" | "stalled";

/** The L1 block number: read from the chain, carried on by a monotonic clock at the pace that was seen, never going back. */
export class L1Clock {
  readonly #monotonicMs: () => number;
  /** The number at `#baseAtMs`; null before anything is known. */
  #base: bigint | null = null;
  #baseAtMs = 0;
  #shown = 0n;
  /** The highest number that the chain gave in this life. */
  #seen: bigint | null = null;
  #roseAtMs = 0;
  #doubted: bigint | null = null;
  #observedAtMs = 0;
  /** Blocks a millisecond between observations, of late. */
  readonly #paces: number[] = [];

  constructor(options: L1ClockOptions) {
    this.#monotonicMs = options.monotonicMs;
    if (options.seed === null) return;
    this.#base = options.seed.block;
    this.#baseAtMs = this.#monotonicMs() - Math.min(Math.max(options.seed.ageMs, 0), restMaxMs);
  }

  /** The L1 block number now; null before anything is known. */
  now(): bigint | null {
    if (this.#base === null) return null;
    const silentMs = this.#monotonicMs() - this.#baseAtMs;
    const passed = silentMs > silenceMs ? BigInt(Math.floor(silentMs / this.#blockMs)) : 0n;
    const current = this.#base + passed;
    if (current > this.#shown) this.#shown = current;
    return this.#shown;
  }

  /**
   * Takes a number that the chain gave. `stallMs`: on a chain whose blocks never rest, a number that has not risen
   * for so long counts as no news (an endpoint that lags or sleeps); null on a chain that mines when it likes.
   */
  observe(block: bigint, stallMs: number | null): L1Observation {
    const now = this.now();
    if (now !== null && block > now + jumpMax && (this.#doubted === null || block < this.#doubted)) {
      this.#doubted = block;
      return "doubted";
    }
    this.#doubted = null;
    const atMs = this.#monotonicMs();
    this.#notePace(block, atMs);
    if (this.#seen === null || block > this.#seen) {
      this.#seen = block;
      this.#roseAtMs = atMs;
    } else if (stallMs !== null && atMs - this.#roseAtMs > stallMs) {
      return "stalled";
    }
    // Behind what we showed (after an outage our clock may have been ahead): hold until the chain has caught up.
    this.#base = now !== null && now > block ? now : block;
    this.#baseAtMs = atMs;
    this.now();
    return "taken";
  }

  #notePace(block: bigint, atMs: number): void {
    if (this.#seen !== null && atMs > this.#observedAtMs) {
      this.#paces.push(Math.max(0, Number(block - this.#seen)) / (atMs - this.#observedAtMs));
      if (this.#paces.length > pacesMax) this.#paces.shift();
    }
    this.#observedAtMs = atMs;
  }

  /** Milliseconds a block, as the chain went while it could be read. */
  get #blockMs(): number {
    if (this.#paces.length < pacesMin) return slotMs;
    const sorted = [...this.#paces].sort((left, right) => left - right);
    const middle = sorted[sorted.length >> 1] ?? 0;
    return middle <= 1 / slotMs ? slotMs : Math.max(slotMsMin, 1 / middle);
  }
}
