/** More than this at once is no time that passed for anybody: the process was held up. Milliseconds. */
const stepMaxMs = 250;
const tickMs = 10;

/**
 * Milliseconds for what is under test, which never go back. They pass as real ones do, but hardly while the whole
 * process is held up, as on a busy machine: nobody could have answered meanwhile, so nobody counts as late. A test lets
 * it run ahead, or stops it.
 */
export class SteadyClock implements Disposable {
  #nowMs = 1_000_000;
  #readAtMs = performance.now();
  #isFrozen = false;
  readonly #timer = setInterval(() => this.now(), tickMs);

  constructor() {
    this.#timer.unref();
  }

  readonly now = (): number => {
    const readAtMs = performance.now();
    if (!this.#isFrozen) this.#nowMs += Math.min(readAtMs - this.#readAtMs, stepMaxMs);
    this.#readAtMs = readAtMs;
    return this.#nowMs;
  };

  /** Lets it run ahead of the real time. */
  readonly advance = (ms: number): void => {
    this.#nowMs = this.now() + ms;
  };

  /** From now on it moves only by {@link advance}. */
  readonly freeze = (): void => {
    this.now();
    this.#isFrozen = true;
  };

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
