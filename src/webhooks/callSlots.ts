/**
 * Lets a bounded number of calls run at once; some more wait in the order of arrival, the rest are turned
 * away.
 */
export class CallSlots {
  readonly #runningMax: number;
  readonly #waitingMax: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(limits: { readonly runningMax: number; readonly waitingMax: number }) {
    this.#runningMax = limits.runningMax;
    this.#waitingMax = limits.waitingMax;
  }

  /**
   * Waits for a slot.
   *
   * @returns true with a slot, to be given back by `leave`; false when too many wait or `signal` fired first
   */
  async enter(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false;
    if (this.#running < this.#runningMax) {
      this.#running += 1;
      return true;
    }
    if (this.#waiting.length >= this.#waitingMax) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const wake = (): void => resolve(true);
    const giveUp = (): void => {
      const index = this.#waiting.indexOf(wake);
      if (index < 0) return;
      this.#waiting.splice(index, 1);
      resolve(false);
    };
    this.#waiting.push(wake);
    signal.addEventListener("abort", giveUp, { once: true });
    return promise.finally(() => signal.removeEventListener("abort", giveUp));
  }

  /** Gives a slot back, to the longest waiter if there is one. */
  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running -= 1;
    else next();
  }
}
