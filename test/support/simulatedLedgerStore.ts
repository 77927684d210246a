/** Where a store stood; {@link LedgerStore.revert} goes back to it. */
export type LedgerMark = number;

/**
 * What a simulated chain remembers: numbers by name. Every change is remembered too, so that a transaction that
 * fails and a block that a re-org takes away leave nothing behind.
 */
export class LedgerStore {
  readonly #values = new Map<string, bigint>();
  readonly #undo: { readonly key: string; readonly before: bigint | undefined }[] = [];

  /** 0 where nothing was ever put, as in the EVM. */
  get(key: string): bigint {
    return this.#values.get(key) ?? 0n;
  }

  put(key: string, value: bigint): void {
    this.#undo.push({ key, before: this.#values.get(key) });
    this.#values.set(key, value);
  }

  add(key: string, amount: bigint): void {
    this.put(key, this.get(key) + amount);
  }

  get mark(): LedgerMark {
    return this.#undo.length;
  }

  revert(mark: LedgerMark): void {
    while (this.#undo.length > mark) {
      const last = this.#undo.pop();
      if (last === undefined) return;
      if (last.before === undefined) this.#values.delete(last.key);
      else this.#values.set(last.key, last.before);
    }
  }
}
