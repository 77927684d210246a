import type { PollRpc } from "./chainPoller.ts";
import { BadAnswer, outcomeOf, type Read, type ReadOutcome } from "./reads.ts";

/** The questions of one poll, their answers, and the first thing that went wrong. */
export class PollDraft {
  /** Whether something was read that differs. */
  hasNews = false;
  /** The first thing that went wrong. */
  trouble: string | null = null;
  /** Whether a question got no answer at all. */
  isOutage = false;
  readonly #rpc: PollRpc;
  readonly #onRetryAfter: (ms: number) => void;
  #waiting: { readonly read: Read<unknown>; readonly settle: (outcome: ReadOutcome<unknown>) => void }[] = [];

  constructor(rpc: PollRpc, onRetryAfter: (ms: number) => void) {
    this.#rpc = rpc;
    this.#onRetryAfter = onRetryAfter;
  }

  /** Puts a question into the request; the function gives its outcome afterwards. */
  ask<T>(read: Read<T>): () => ReadOutcome<T> {
    let outcome: ReadOutcome<T> = { type: "failed", text: "not asked", isAnswered: false };
    // `settle` gets what `outcomeOf` made of this very read.
    this.#waiting.push({ read, settle: (settled) => (outcome = settled as ReadOutcome<T>) });
    return () => outcome;
  }

  /** Sends what was asked, as one request. The answers as they came. */
  async send(): ReturnType<PollRpc["batch"]> {
    const waiting = this.#waiting;
    this.#waiting = [];
    const answers = await this.#rpc.batch(waiting.map(({ read }) => read.call));
    for (const [index, { read, settle }] of waiting.entries()) {
      const answer = answers[index];
      if (answer?.type === "failed" && answer.retryAfterMs !== null) this.#onRetryAfter(answer.retryAfterMs);
      const outcome = outcomeOf(read, answer);
      if (outcome.type === "failed" && !outcome.isAnswered) this.isOutage = true;
      settle(outcome);
    }
    return answers;
  }

  /** The value, or null with the trouble noted. */
  valueOf<T>(outcome: ReadOutcome<T>): T | null {
    if (outcome.type === "read") return outcome.value;
    this.fail(outcome.text);
    return null;
  }

  /** What `read` finds in an answer, or null with the trouble noted. */
  found<T>(read: () => T): T | null {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof BadAnswer)) throw error;
      this.fail(error.message);
      return null;
    }
  }

  /** Notes a trouble; the first one counts. */
  fail(text: string): void {
    this.trouble ??= text;
  }
}
