/** How fast what is usual follows what is paid: about six hours. */
const memoryMs = 6 * 3_600_000;

/** What gas usually costs, so that a spike is seen as one. A mean that forgets; empty after a restart. */
export class GasMemory {
  #usual: number | null = null;
  #atMs = 0;

  /** Takes a price: wei per gas at a moment of the monotonic clock. */
  note(price: bigint, nowMs: number): void {
    const value = Number(price);
    if (this.#usual === null) this.#usual = value;
    else {
      const share = 1 - Math.exp(-(nowMs - this.#atMs) / memoryMs);
      // Down at once half of the way: a node that starts in a spike must not take it for the usual price.
      this.#usual += (value - this.#usual) * (value < this.#usual ? Math.max(share, 0.5) : share);
    }
    this.#atMs = nowMs;
  }

  /** Whether `price` is more than one and a half times the usual one. */
  isSpike(price: bigint): boolean {
    return this.#usual !== null && Number(price) > this.#usual * 1.5;
  }
}
