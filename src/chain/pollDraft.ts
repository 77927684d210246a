import type { JsonRpc } from "./jsonRpc.ts";
import { outcomeOf, type Read, type ReadOutcome } from "./reads.ts";

/** The questions of one poll, their answers, and the first thing that went wrong. */
export class PollDraft {
  /** Whether something was read that differs. */
  hasNews = false;
  /** The first thing that went wrong. */
  trouble: string | null = null;
  /** Whether a question got no answer at all. */
  isOutage = false;
  /** Whether a contract gave an answer that it cannot give. */
  isContractBad = false;
  readonly #rpc: JsonRpc;
  readonly #onRetryAfter: (ms: number) => void;
  #waiting: { readonly read: Read<unknown>; readonly settle: (outcome: ReadOutcome<unknown>) => void }[] = [];

  constructor(rpc: JsonRpc, onRetryAfter: (ms: number) => void) {
    this.#rpc = rpc;
    this.#onRetryAfter = onRetryAfter;
  }

  /** Puts a question into the next request; the function gives its outcome afterwards. */
  ask<T>(read: Read<T>): () => ReadOutcome<T> {
    let outcome: ReadOutcome<T> = { type: "failed", text: "not asked", isAnswered: false };
    // `settle` gets what `outcomeOf` made of this very read.
    this.#waiting.push({ read, settle: (settled) => (outcome = settled as ReadOutcome<T>) });
    return () => outcome;
  }

  /** Asks one question, now. */
  async askAlone<T>(read: Read<T>): Promise<ReadOutcome<T>> {
    const outcome = this.ask(read);
    await this.send();
    return outcome();
  }

  /** Sends what was asked since the last time, as one request. */
  async send(): Promise<void> {
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
  }

  /** The value, or null with the trouble noted. */
  valueOf<T>(outcome: ReadOutcome<T>): T | null {
    if (outcome.type === "read") return outcome.value;
    this.fail(outcome.text);
    return null;
  }

  /** As `valueOf`; notes when a contract answered rubbish. */
  contractValueOf<T>(outcome: ReadOutcome<T>): T | null {
    if (outcome.type === "failed" && outcome.isAnswered) this.isContractBad = true;
    return this.valueOf(outcome);
  }

  /** Notes a trouble; the first one counts. */
  fail(text: string): void {
    this.trouble ??= text;
  }
}
