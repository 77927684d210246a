import type { ChainLog, Receipt } from "../runtime/chainPorts.ts";

/** Far more than what one node has mined within the blocks that a watcher has not read yet. */
const logsMax = 500;

/**
 * Logs that receipts of our own transactions showed, and that a range of logs must hold too: an endpoint that leaves
 * some out is found out by them.
 */
export class ReceiptMemory {
  #logs: readonly ChainLog[] = [];

  /** Takes the logs that `isKept` wants; the oldest go when there are too many. */
  remember(receipts: readonly (Receipt | null)[], isKept: (log: ChainLog) => boolean): void {
    const fresh = receipts.flatMap((receipt) => receipt?.logs.filter(isKept) ?? []);
    const isFresh = (log: ChainLog) => fresh.some((other) => isSamePlace(other, log));
    this.#logs = [...this.#logs.filter((log) => !isFresh(log)), ...fresh].slice(-logsMax);
  }

  /** Remembered logs of the range that are not among `logs`. */
  missingIn(from: bigint, to: bigint, logs: readonly ChainLog[]): readonly ChainLog[] {
    return this.#logs.filter(
      (log) => log.block >= from && log.block <= to && !logs.some((other) => isSamePlace(other, log)),
    );
  }

  /** Its block is no longer part of the chain. */
  forget(log: ChainLog): void {
    this.#logs = this.#logs.filter((other) => other.blockHash !== log.blockHash);
  }
}

function isSamePlace(left: ChainLog, right: ChainLog): boolean {
  return left.index === right.index && left.blockHash === right.blockHash;
}
