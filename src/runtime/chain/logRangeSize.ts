/** Blocks that a provider of the usual kind gives at a time, hours of Arbitrum. */
const sizeMax = 50_000n;
/** Full ranges after which a bound that a provider once had is tried again. */
const patience = 256;

/**
 * How many blocks to ask for at a time: begins large, halves when the provider gives fewer, grows by a quarter with
 * each full range that it does give, and does not run into the same bound again for a long time.
 */
export class LogRangeSize {
  #size = sizeMax;
  /** Known to be given, or not known to be refused. */
  #bound = sizeMax;
  #goodRanges = 0;

  /** The last block of a range that begins with `from`. */
  endOf(from: bigint, head: bigint): bigint {
    const end = from + this.#size - 1n;
    return end < head ? end : head;
  }

  /** The range was too large. False when it was a single block: there is nothing smaller. */
  shrink(from: bigint, to: bigint): boolean {
    const asked = to - from + 1n;
    if (asked <= 1n) return false;
    this.#bound = asked - 1n;
    this.#size = asked / 2n;
    this.#goodRanges = 0;
    return true;
  }

  /** The range was given. One that was cut short by the head says nothing about the bound. */
  grow(from: bigint, to: bigint): void {
    if (to - from + 1n < this.#size) return;
    this.#goodRanges += 1;
    if (this.#goodRanges >= patience) {
      this.#goodRanges = 0;
      this.#bound = least(2n * this.#bound, sizeMax);
    }
    this.#size = least(this.#size + this.#size / 4n + 1n, this.#bound);
  }
}

function least(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}
