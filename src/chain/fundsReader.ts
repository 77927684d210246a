import type { Address } from "viem";
import { toHex } from "../protocol/bytes.ts";
import type { BatchRpc } from "./jsonRpc.ts";
import { outcomeOf, readClaimedReserve, readSenderInfo, type SenderInfo } from "./reads.ts";

/*
 * Reads the funds of gateways. Anybody can make up an account and ask for a job, and each account costs two calls
 * of an endpoint that somebody pays for: so several senders share a request, few requests run at once, and
 * accounts that nobody knows yet have a budget of their own and wait behind the known ones.
 */

/** Two calls a sender: many endpoints take no more than ten calls in a request. */
const sendersPerRequest = 5;
const requestsMax = 3;
const waitingMax = 1_000;
const strangersPerSecond = 20;
const strangersBurst = 100;

/** What the chain says about one gateway. Amounts in wei. */
export type ReadFunds = SenderInfo & { readonly claimedByUs: bigint };

type Waiting = { readonly sender: Uint8Array; readonly resolve: (funds: ReadFunds | null) => void };

export type FundsReaderOptions = {
  readonly rpc: BatchRpc;
  readonly recipient: Uint8Array;
  /** The TicketBroker; null when the chain cannot be read now. */
  readonly broker: () => Promise<Address | null>;
  readonly monotonicMs: () => number;
};

/** Reads funds, in shared requests. */
export class FundsReader {
  readonly #options: FundsReaderOptions;
  readonly #known: Waiting[] = [];
  readonly #strangers: Waiting[] = [];
  #running = 0;
  #budget = strangersBurst;
  #budgetAtMs: number;
  #isClosed = false;

  constructor(options: FundsReaderOptions) {
    this.#options = options;
    this.#budgetAtMs = options.monotonicMs();
  }

  /** Null when the chain cannot be read now, or too many wait. Never rejects. */
  read(sender: Uint8Array, isKnown: boolean): Promise<ReadFunds | null> {
    const queue = isKnown ? this.#known : this.#strangers;
    if (this.#isClosed || queue.length >= waitingMax) return Promise.resolve(null);
    if (!isKnown && !this.#takeBudget()) return Promise.resolve(null);
    return new Promise((resolve) => {
      queue.push({ sender, resolve });
      // Whoever asks in the same turn travels along.
      queueMicrotask(() => this.#start());
    });
  }

  /** Lets everybody go who waits. */
  close(): void {
    this.#isClosed = true;
    for (const waiting of [...this.#known.splice(0), ...this.#strangers.splice(0)]) waiting.resolve(null);
  }

  #start(): void {
    while (this.#running < requestsMax) {
      const group = this.#known.splice(0, sendersPerRequest);
      group.push(...this.#strangers.splice(0, sendersPerRequest - group.length));
      if (group.length === 0) return;
      this.#running += 1;
      void this.#readGroup(group).finally(() => {
        this.#running -= 1;
        this.#start();
      });
    }
  }

  async #readGroup(group: readonly Waiting[]): Promise<void> {
    const broker = await this.#options.broker();
    if (broker === null) {
      for (const waiting of group) waiting.resolve(null);
      return;
    }
    const recipient = toHex(this.#options.recipient);
    const reads = group.map(({ sender }) => ({
      info: readSenderInfo(broker, toHex(sender)),
      claimed: readClaimedReserve(broker, toHex(sender), recipient),
    }));
    const answers = await this.#options.rpc.batch(
      reads.flatMap((pair) => [pair.info.call, pair.claimed.call]),
    );
    for (const [index, waiting] of group.entries()) {
      const pair = reads[index];
      if (pair === undefined) continue;
      const info = outcomeOf(pair.info, answers[2 * index]);
      const claimed = outcomeOf(pair.claimed, answers[2 * index + 1]);
      if (info.type === "read" && claimed.type === "read") {
        waiting.resolve({ ...info.value, claimedByUs: claimed.value });
        continue;
      }
      waiting.resolve(null);
    }
  }

  #takeBudget(): boolean {
    const nowMs = this.#options.monotonicMs();
    const earned = ((nowMs - this.#budgetAtMs) / 1_000) * strangersPerSecond;
    this.#budget = Math.min(strangersBurst, this.#budget + earned);
    this.#budgetAtMs = nowMs;
    if (this.#budget < 1) return false;
    this.#budget -= 1;
    return true;
  }
}
