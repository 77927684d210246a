import type { Hex } from "../../shared/brand.ts";
import type { ChainLog, ChainLogName, Receipt } from "../chainPorts.ts";

/** What brings money, and what every endpoint must show to whoever asks for our logs. */
const moneyNames: ReadonlySet<ChainLogName> = new Set(["WinningTicketTransfer", "Reward"]);
/** Receipts that wait for their range; the oldest are forgotten. */
const notesMax = 1_000;
/** Times that a range without the logs of a receipt is read again. After that the receipt is believed. */
const asksMax = 3;

/** Receipts of ours that the ranges of logs are held against: an endpoint that leaves logs out is found out. */
export class ReceiptNotes {
  readonly #recipient: Hex;
  readonly #notes = new Map<Hex, { readonly receipt: Receipt; asks: number }>();
  /** What was compared lately: the caller tells of a receipt again with every look. */
  readonly #settled = new Map<Hex, Hex>();

  constructor(recipient: Hex) {
    this.#recipient = recipient;
  }

  add(receipt: Receipt): void {
    const { hash, blockHash } = receipt;
    if (this.#settled.get(hash) === blockHash || this.expected(receipt).length === 0) return;
    if (this.#notes.get(hash)?.receipt.blockHash === blockHash) return;
    this.#notes.set(hash, { receipt, asks: 0 });
    forgetOldest(this.#notes);
  }

  get isAny(): boolean {
    return this.#notes.size > 0;
  }

  /** Receipts of blocks up to `block`. */
  until(block: bigint): readonly Receipt[] {
    return this.#all().filter((receipt) => receipt.block <= block);
  }

  /** Receipts of blocks of a range, its ends included. */
  between(from: bigint, to: bigint): readonly Receipt[] {
    return this.#all().filter(({ block }) => block >= from && block <= to);
  }

  /** Logs of a receipt that a range must hold. */
  expected({ logs }: Receipt): readonly ChainLog[] {
    return logs.filter(
      ({ name, account, other }) =>
        moneyNames.has(name) && (account === this.#recipient || other === this.#recipient),
    );
  }

  lacking(receipt: Receipt, logs: readonly ChainLog[]): readonly ChainLog[] {
    return this.expected(receipt).filter(
      (wanted) => !logs.some(({ block, index }) => block === wanted.block && index === wanted.index),
    );
  }

  /** Counts a range that lacked logs of this receipt. */
  mayAskAgain(hash: Hex): boolean {
    const note = this.#notes.get(hash);
    if (note === undefined) return false;
    note.asks += 1;
    return note.asks <= asksMax;
  }

  settle(hash: Hex): void {
    const note = this.#notes.get(hash);
    if (note === undefined) return;
    this.#notes.delete(hash);
    this.#settled.set(hash, note.receipt.blockHash);
    forgetOldest(this.#settled);
  }

  #all(): readonly Receipt[] {
    return [...this.#notes.values()].map(({ receipt }) => receipt);
  }
}

function forgetOldest(map: Map<Hex, unknown>): void {
  const oldest = map.keys().next().value;
  if (map.size > notesMax && oldest !== undefined) map.delete(oldest);
}
