/*
 * When may the next worker process start? Two limits, because two things go wrong:
 *
 * - a worker that never gets ready (library missing, wrong ABI, device gone) fails the same way each time: the
 *   wait doubles from 250 ms to one minute, and starts over after a worker got ready;
 * - workers that die at work (poisoned input) are replaced at once, but only from a budget, so that a stream of
 *   poison costs a bounded share of the machine.
 */

/** Deaths that are replaced at once; after them one more each `replacementEveryMs`. */
const replacementsMax = 6;
const replacementEveryMs = 1_000;
const failureDelayMinMs = 250;
const failureDelayMaxMs = 60_000;
/** A refusal is a verdict about the installation: it cannot heal within a moment. */
const refusalDelayMinMs = 5_000;

/** Bounds how often worker processes are started. All times are from one monotonic clock, in milliseconds. */
export class StartBudget {
  #failures = 0;
  #blockedUntilMs = 0;
  #replacements = replacementsMax;
  #refilledAtMs = 0;

  /** Consecutive starts that did not lead to a ready worker. */
  get failures(): number {
    return this.#failures;
  }

  /** How long to wait before a worker may start; 0 = now. */
  waitMs(nowMs: number): number {
    this.#refill(nowMs);
    const untilReplacement = this.#replacements >= 1 ? 0 : (1 - this.#replacements) * replacementEveryMs;
    return Math.ceil(Math.max(0, this.#blockedUntilMs - nowMs, untilReplacement));
  }

  /** A worker was ready: the installation is sound. */
  workerReady(): void {
    this.#failures = 0;
    this.#blockedUntilMs = 0;
  }

  /** A start failed. `refused` says that the worker itself found the codec unusable. */
  startFailed(nowMs: number, refused: boolean): void {
    const doubled = failureDelayMinMs * 2 ** Math.min(this.#failures, 20);
    const delayMs = Math.max(refused ? refusalDelayMinMs : 0, Math.min(doubled, failureDelayMaxMs));
    this.#failures += 1;
    this.#blockedUntilMs = nowMs + delayMs;
  }

  /** A worker that had been ready died or was killed, and will need a replacement. */
  workerDied(nowMs: number): void {
    this.#refill(nowMs);
    this.#replacements = Math.max(0, this.#replacements - 1);
  }

  #refill(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#refilledAtMs);
    this.#replacements = Math.min(replacementsMax, this.#replacements + elapsedMs / replacementEveryMs);
    this.#refilledAtMs = nowMs;
  }
}
