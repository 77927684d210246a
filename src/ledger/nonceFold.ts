import type { paymentAccepted } from "../events/account.ts";
import type { EventOf } from "../events/definition.ts";
import type { LogReader } from "../events/log/reader.ts";
import { nonceMarginBlocks } from "../events/views/nonces.ts";

type Kept = {
  readonly seq: number;
  readonly hash: string;
  readonly nonces: string;
  readonly expirationBlock: bigint;
};

/** Folds payments to the nonces that must be remembered, without the view. */
export class NonceFold {
  /** By the block at which they expire: a thousand blocks hold any number of payments. */
  readonly #kept = new Map<bigint, Kept[]>();
  #endedBlock: bigint | null = null;

  take(seq: number, event: EventOf<typeof paymentAccepted>): void {
    const { recipientRandHash: hash, nonces, expirationBlock, l1Block } = event;
    const endedBlock = l1Block - BigInt(nonceMarginBlocks);
    if (nonces.length > 0 && expirationBlock > endedBlock) {
      const kept = this.#kept.get(expirationBlock) ?? [];
      kept.push({ seq, hash, nonces: JSON.stringify(nonces), expirationBlock });
      this.#kept.set(expirationBlock, kept);
    }
    if (endedBlock === this.#endedBlock) return;
    this.#endedBlock = endedBlock;
    for (const block of this.#kept.keys()) if (block <= endedBlock) this.#kept.delete(block);
  }

  /** Where the table differs from the fold, a sentence each. */
  *differences(reader: LogReader): Generator<string> {
    const expected = [...this.#kept.values()].flat().sort((left, right) => left.seq - right.seq);
    let index = 0;
    for (const row of reader.noncesAfter(BigInt(Number.MIN_SAFE_INTEGER))) {
      const next = expected[index];
      index += 1;
      const isSame =
        next !== undefined &&
        next.hash === row.recipientRandHash &&
        next.nonces === JSON.stringify(row.nonces) &&
        next.expirationBlock === row.expirationBlock;
      // Everything behind the first difference is shifted: one sentence says it all.
      if (!isSame) return yield `The nonces under ${row.recipientRandHash} are not those of the payments.`;
    }
    for (const { hash } of expected.slice(index)) yield `Nonces under ${hash} are missing.`;
  }
}
