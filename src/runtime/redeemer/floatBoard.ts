import { toHex } from "../../protocol/bytes.ts";
import { maxFloat } from "../../protocol/senderFunds.ts";
import type { Hex } from "../../shared/brand.ts";
import type { ChainView, SenderFunds } from "../ports.ts";
import type { MaxFloatListener } from "../service.ts";

export type FloatBoardOptions = {
  readonly chain: ChainView;
  /** Wei of face value of a sender's tickets that are on their way and not mined. */
  readonly pending: (sender: Hex) => bigint;
};

/** Streams of all peers together. */
const subscriptionsMax = 8_192;
/** Streams of one peer: fewer than a connection may have, so that its tickets always come through. */
export const subscriptionsPerPeerMax = 2_048;

type Watched = {
  readonly sender: Uint8Array;
  readonly listeners: Set<MaxFloatListener>;
  /** What the listeners know, or knew when they came. */
  pending: bigint;
  /** Null while the chain has not said what the sender has. */
  value: bigint | null;
};

/**
 * What the funds of senders cover, and who wants to hear of it. Level-triggered: after each look at the chain
 * everybody is told who knows something else.
 *
 * Source: payments sheet 5.2, 7.2.
 */
export class FloatBoard {
  readonly #options: FloatBoardOptions;
  readonly #watched = new Map<Hex, Watched>();
  readonly #perPeer = new Map<string, number>();
  #count = 0;

  constructor(options: FloatBoardOptions) {
    this.#options = options;
  }

  /** Streams that are open. */
  get size(): number {
    return this.#count;
  }

  /** The highest face value that the sender's funds cover, in wei; null when the chain cannot be read. */
  async read(sender: Uint8Array): Promise<bigint | null> {
    return this.#value(sender, await this.#options.chain.readFunds(sender));
  }

  /** Null: there are too many already. `stop` may be called more than once. */
  watch(sender: Uint8Array, peer: string, listener: MaxFloatListener): { stop(): void } | null {
    const ofPeer = this.#perPeer.get(peer) ?? 0;
    if (this.#count >= subscriptionsMax || ofPeer >= subscriptionsPerPeerMax) return null;
    const key = toHex(sender);
    const watched = this.#watched.get(key) ?? this.#startWatching(key, sender);
    watched.listeners.add(listener);
    this.#count += 1;
    this.#perPeer.set(peer, ofPeer + 1);
    return {
      stop: () => {
        if (!watched.listeners.delete(listener)) return;
        this.#count -= 1;
        const left = (this.#perPeer.get(peer) ?? 1) - 1;
        if (left > 0) this.#perPeer.set(peer, left);
        else this.#perPeer.delete(peer);
        if (watched.listeners.size === 0) this.#watched.delete(key);
      },
    };
  }

  /** The chain was looked at, or transactions have moved. One update for each sender of whom something changed. */
  check(): void {
    for (const [key, watched] of this.#watched) {
      const pending = this.#options.pending(key);
      const value = this.#value(watched.sender, this.#options.chain.funds(watched.sender));
      if (value === null) continue;
      const isNews = pending !== watched.pending || (watched.value !== null && value !== watched.value);
      watched.pending = pending;
      watched.value = value;
      if (isNews) for (const listener of [...watched.listeners]) listener.changed(value);
    }
  }

  /** The node stops: every stream ends. */
  close(): void {
    for (const { listeners } of [...this.#watched.values()]) {
      for (const listener of [...listeners]) listener.ended();
    }
  }

  #startWatching(key: Hex, sender: Uint8Array): Watched {
    const watched: Watched = {
      sender,
      listeners: new Set(),
      pending: this.#options.pending(key),
      value: this.#value(sender, this.#options.chain.funds(sender)),
    };
    this.#watched.set(key, watched);
    return watched;
  }

  #value(sender: Uint8Array, funds: SenderFunds | null): bigint | null {
    const clock = this.#options.chain.clock();
    if (funds === null || clock === null) return null;
    return maxFloat(funds, clock.transcoderPoolSize, this.#options.pending(toHex(sender)));
  }
}
