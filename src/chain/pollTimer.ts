/*
 * When to poll: in a steady rhythm, sooner when somebody wishes so, and rarer while there is no answer. An endpoint
 * that wants to be left alone is.
 */

const backOffMaxMs = 30_000;
/** Wishes make polls no closer than this, so that no mistake of ours becomes a flood. */
const gapMinMs = 500;

export type PollTimerOptions = {
  /** The rhythm, milliseconds from the end of a poll to the next one. */
  readonly pollMs: number;
  readonly monotonicMs: () => number;
  /** Polls once; resolves to whether there was an answer, and never rejects. `isBusy`: it is sooner than usual. */
  readonly poll: (isBusy: boolean) => Promise<boolean>;
};

/** Calls `poll` again and again until it is closed; never twice at a time. */
export class PollTimer {
  readonly #options: PollTimerOptions;
  #outages = 0;
  #running: Promise<void> | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #startedAtMs = 0;
  #dueAtMs = 0;
  #soonAtMs: number | null = null;
  #pausedUntilMs = 0;
  #isClosed = false;

  constructor(options: PollTimerOptions) {
    this.#options = options;
  }

  /** Polls in a row without an answer. */
  get outages(): number {
    return this.#outages;
  }

  /** The poll under way. */
  get running(): Promise<void> | null {
    return this.#running;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get isPaused(): boolean {
    return this.#options.monotonicMs() < this.#pausedUntilMs;
  }

  /** Polls now, unless a poll is under way, and from now on. */
  start(): void {
    if (this.#isClosed || this.#running !== null) return;
    this.#stopTimer();
    const isBusy = this.#soonAtMs !== null;
    this.#soonAtMs = null;
    this.#startedAtMs = this.#options.monotonicMs();
    this.#running = this.#options.poll(isBusy).then((isAnswered) => {
      this.#running = null;
      this.#outages = isAnswered ? 0 : this.#outages + 1;
      this.#dueAtMs = this.#options.monotonicMs() + this.#regularMs();
      this.#schedule();
    });
  }

  /** The next poll is no later than that, unless there is an outage. */
  pollSoon(inMs: number): void {
    const atMs = this.#options.monotonicMs() + Math.max(0, inMs);
    if (this.#soonAtMs === null || atMs < this.#soonAtMs) this.#soonAtMs = atMs;
    if (this.#running === null) this.#schedule();
  }

  /** Waits for a poll that begins after this call, but for the gap at once. Whether there was one. */
  async pollNow(): Promise<boolean> {
    await this.#running;
    const gapMs = this.#gapEndMs() - this.#options.monotonicMs();
    if (gapMs > 0 && this.#running === null) await Bun.sleep(gapMs);
    if (this.#isClosed || this.isPaused) return false;
    // Another caller may have begun one meanwhile: it is as fresh.
    if (this.#running === null) this.#soonAtMs ??= this.#options.monotonicMs();
    this.start();
    await this.#running;
    return !this.#isClosed;
  }

  /** No poll before so many milliseconds have passed. */
  pause(ms: number): void {
    this.#pausedUntilMs = this.#options.monotonicMs() + ms;
  }

  close(): void {
    this.#isClosed = true;
    this.#stopTimer();
  }

  #regularMs(): number {
    const { pollMs } = this.#options;
    const backOffMs = pollMs * 2 ** Math.max(0, Math.min(this.#outages, 10) - 1);
    return Math.max(pollMs, Math.min(backOffMs, backOffMaxMs));
  }

  #gapEndMs(): number {
    return this.#startedAtMs + Math.min(gapMinMs, this.#options.pollMs);
  }

  #schedule(): void {
    this.#stopTimer();
    if (this.#isClosed) return;
    const isSoon = this.#soonAtMs !== null && this.#outages === 0;
    const soonAtMs = isSoon ? Math.max(this.#soonAtMs ?? 0, this.#gapEndMs()) : this.#dueAtMs;
    const atMs = Math.max(Math.min(this.#dueAtMs, soonAtMs), this.#pausedUntilMs);
    this.#timer = setTimeout(() => this.start(), Math.max(0, atMs - this.#options.monotonicMs()));
    this.#timer.unref();
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
