import type { Head } from "./reads.ts";

/*
 * What gas costs, asked for as rarely as possible. The lens shows the base fee of each poll; the node's own idea of a
 * gas price is that plus a tip, which hardly moves. So the gas price is asked for every two minutes, and the tip is
 * added meanwhile. The latest block is asked for every two minutes too, in the minute between: it tells whether the
 * lens can be believed.
 *
 * Single calls a minute at the default interval of 12 s, with nothing to do: 5 of the lens and 1 of those two = 6, in 5
 * HTTP requests. Where the lens is blind for the base fee (no EIP-1559, or a node that lowers it to 0 in calls and is
 * no Arbitrum) the gas price is asked for at each poll: 10.5, in 5 requests.
 */

const everyMs = 120_000;
/** While transactions are under way. */
const busyEveryMs = 12_000;

/** Wei per gas. */
export type GasFees = {
  /** Null on a chain without EIP-1559. */
  readonly baseFee: bigint | null;
  readonly gasPrice: bigint;
  readonly tip: bigint;
};

/** Remembers the tip, and decides when to ask for what. */
export class LensFees {
  readonly #monotonicMs: () => number;
  #head: Head | null = null;
  #gasPrice: bigint | null = null;
  #tip = 0n;
  /** Null: ask at the next poll. */
  #headAtMs: number | null = null;
  #gasAtMs: number | null = null;
  #isBlind = false;
  #isArbitrum = false;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  /** Whether the latest block is to be asked for. */
  isHeadDue(): boolean {
    return this.#headAtMs === null || this.#monotonicMs() - this.#headAtMs >= everyMs;
  }

  /** Whether the gas price is to be asked for. */
  isGasDue(isBusy: boolean): boolean {
    if (this.#gasAtMs === null || this.#isBlind) return true;
    return this.#monotonicMs() - this.#gasAtMs >= (isBusy ? busyEveryMs : everyMs);
  }

  /** Ask for the gas price at the next poll. */
  expire(): void {
    this.#gasAtMs = null;
  }

  /**
   * Takes what a poll has read; null for what it did not ask for or could not read. `lensBaseFee` is null when the
   * lens saw none. Arbitrum takes no tips.
   */
  take(
    read: {
      readonly head: Head | null;
      readonly gasPrice: bigint | null;
      readonly lensBaseFee: bigint | null;
    },
    isArbitrum: boolean,
  ): void {
    this.#isArbitrum = isArbitrum;
    const { head, gasPrice, lensBaseFee } = read;
    if (head !== null) {
      // Half a turn behind the gas price from the beginning.
      this.#headAtMs = this.#monotonicMs() - (this.#head === null ? everyMs / 2 : 0);
      this.#head = head;
    }
    // A base fee of 0 is the truth on some development chains.
    this.#isBlind = lensBaseFee === null && this.#head !== null && this.#head.baseFee !== 0n;
    if (gasPrice !== null) {
      this.#gasAtMs = this.#monotonicMs();
      this.#gasPrice = gasPrice;
      const baseFee = lensBaseFee ?? (this.#isBlind ? (head?.baseFee ?? null) : 0n);
      if (isArbitrum) this.#tip = 0n;
      else if (baseFee !== null) this.#tip = gasPrice > baseFee ? gasPrice - baseFee : 0n;
    } else if (lensBaseFee !== null && this.#gasPrice !== null) {
      this.#gasPrice = lensBaseFee + this.#tip;
    }
  }

  /** Null before the gas price was read. */
  now(lensBaseFee: bigint | null): GasFees | null {
    const gasPrice = this.#gasPrice;
    if (gasPrice === null || this.#head === null) return null;
    const tip = this.#tip;
    if (this.#head.baseFee === null) return { baseFee: null, gasPrice, tip: 0n };
    if (lensBaseFee !== null) return { baseFee: lensBaseFee, gasPrice, tip };
    if (!this.#isBlind) return { baseFee: 0n, gasPrice, tip };
    return { baseFee: this.#isArbitrum || gasPrice < tip ? gasPrice : gasPrice - tip, gasPrice, tip };
  }

  /** As read, or as it must be now. Wei; null before it was read. */
  get gasPrice(): bigint | null {
    return this.#gasPrice;
  }
}
