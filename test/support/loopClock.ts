/**
 * Measures time in turns of this process's event loop: a tick every 50 ms, late ones are not made up for. What our own
 * timers bound takes as many ticks on a machine that is busy or stands still as on a free one, where milliseconds
 * would be many more.
 */
export class LoopClock implements Disposable {
  #ticks = 0;
  readonly #timer = setInterval(() => {
    this.#ticks += 1;
  }, tickMs);

  /** Milliseconds of ticks since the clock was made: at most the time that has passed. */
  get passedMs(): number {
    return this.#ticks * tickMs;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

const tickMs = 50;
