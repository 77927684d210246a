/** What only this process knows of a transaction: losing it costs a broadcast. Milliseconds of a monotonic clock. */
export type TransactionMemory = {
  signedAt: number;
  broadcastAt: number;
  askedAt: number;
  /** Since when it has been followed without a block that holds it. */
  pendingSince: number;
  misses: number;
  /** The account has sent more transactions than come before this one. */
  isNonceUsed: boolean;
  /** Nobody waits for it any more: nobody has its key, or its receipt cannot be read. */
  isReleased: boolean;
  /** Since when its nonce is used for good and its receipt cannot be read; null = that is not so. */
  unreadSince: number | null;
  /** Attempts that were signed and are not known to be durable. */
  owed: number;
};

/** {@link TransactionMemory} of the open transactions, by id. */
export class TransactionMemories {
  readonly #monotonicMs: () => number;
  readonly #memories = new Map<string, TransactionMemory>();

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  of(id: string): TransactionMemory {
    let memory = this.#memories.get(id);
    if (memory === undefined) {
      const nowMs = this.#monotonicMs();
      // After a restart: at once, because it may never have left.
      memory = {
        ...{
          signedAt: nowMs,
          pendingSince: nowMs,
          misses: 0,
          isNonceUsed: false,
          isReleased: false,
          unreadSince: null,
          owed: 0,
        },
        ...{ broadcastAt: Number.NEGATIVE_INFINITY, askedAt: Number.NEGATIVE_INFINITY },
      };
      this.#memories.set(id, memory);
    }
    return memory;
  }

  /** Whether nobody waits for it any more. */
  isReleased(id: string): boolean {
    return this.#memories.get(id)?.isReleased === true;
  }

  /** Whether its nonce is used for good, and its receipt cannot be read. */
  isUnread(id: string): boolean {
    return (this.#memories.get(id)?.unreadSince ?? null) !== null;
  }

  /** A block holds it, or no longer does: whoever has freed what it was for waits for it again. */
  restart(id: string): void {
    const memory = this.of(id);
    memory.pendingSince = this.#monotonicMs();
    memory.isReleased = false;
    memory.unreadSince = null;
    // The next look asks, whatever was asked before.
    memory.askedAt = Number.NEGATIVE_INFINITY;
  }

  forget(isOver: (id: string) => boolean): void {
    for (const id of this.#memories.keys()) if (isOver(id)) this.#memories.delete(id);
  }
}
