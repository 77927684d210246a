import type { RecordedEvent } from "../events/envelope.ts";
import type { ChainLogRecord, RoundRecord, TicketRecord, TransactionRecord } from "../events/log/reader.ts";
import type { RoundEvent } from "../events/round.ts";
import type { TransactionEvent } from "../events/transaction.ts";
import type { SeenLog, WatchEvent } from "../events/watch.ts";
import { compareWithChain } from "./chainProof.ts";
import type { MoneyLog } from "./moneyLog.ts";
import { roundAfter, transactionAfter } from "./rowFolds.ts";
import { differences } from "./rowFollower.ts";

/** What was recomputed of the chain. Amounts in wei. */
export type ChainCheck = {
  readonly logs: number;
  readonly transactions: number;
  readonly rounds: number;
  /** Paid to us by the logs of the chain, and by our tickets within the blocks that were looked through. */
  readonly paidByLogs: bigint;
  readonly paidByTickets: bigint;
  /** Minted for us by `Reward` logs, and by our rounds. LPT wei. */
  readonly rewardByLogs: bigint;
  readonly rewardByRounds: bigint;
  /** Gas of all transactions that are mined. */
  readonly fees: bigint;
};

/** How far the logs of the chain are in the books. */
export type SeenBlocks = { readonly recipient: string; readonly after: bigint; readonly until: bigint };

/** Everything about the chain as its events make it, without the views. */
export class ChainFold {
  readonly #find: (problem: string) => void;
  readonly #logs = new Map<string, ChainLogRecord>();
  readonly #transactions = new Map<string, TransactionRecord>();
  readonly #rounds = new Map<string, RoundRecord>();
  #seen: SeenBlocks | null = null;
  #lastMs = 0;

  constructor(find: (problem: string) => void) {
    this.#find = find;
  }

  take(kind: string, id: string, recorded: RecordedEvent): void {
    const { atMs, event } = recorded;
    this.#lastMs = Math.max(this.#lastMs, atMs);
    switch (kind) {
      case "transaction": {
        const after = transactionAfter(
          this.#transactions.get(id) ?? null,
          id,
          atMs,
          event as TransactionEvent,
        );
        if (after === null) this.#find(`The transaction ${id} went on without ever having been planned.`);
        else this.#transactions.set(id, after);
        return;
      }
      case "round": {
        const after = roundAfter(this.#rounds.get(id) ?? null, id, atMs, event as RoundEvent);
        if (after === null) this.#find(`The round ${id} went on without ever having been opened.`);
        else this.#rounds.set(id, after);
        return;
      }
      case "watch":
        this.#takeWatch(recorded, event as WatchEvent);
        return;
      default:
    }
  }

  /** Tells of every difference to the views, and of everything that the chain and our events do not agree on. */
  finish(log: MoneyLog, tickets: readonly TicketRecord[]): ChainCheck {
    const { reader } = log;
    compareRows("transaction", this.#transactions, rowsById(reader.transactions(), "id"), this.#find);
    compareRows("round", this.#rounds, rowsById(reader.rounds(), "round"), this.#find);
    const listed = new Map([...reader.chainLogs()].map((row) => [placeOf(row), row]));
    compareRows("log of the chain", this.#logs, listed, this.#find);
    const logs = [...this.#logs.values()].toSorted(
      (left, right) => left.block - right.block || left.index - right.index,
    );
    const [transactions, rounds] = [[...this.#transactions.values()], [...this.#rounds.values()]];
    const facts = { logs, transactions, rounds, tickets, seen: this.#seen, lastMs: this.#lastMs };
    const sums = compareWithChain(facts, log.isSlice ? () => {} : this.#find);
    return {
      ...{ logs: logs.length, transactions: transactions.length, rounds: rounds.length },
      ...sums,
    };
  }

  #takeWatch({ seq, atMs }: RecordedEvent, event: WatchEvent): void {
    switch (event.type) {
      case "WatchStarted":
        this.#seen = { recipient: event.recipient, after: event.block, until: event.block };
        return;
      case "BlocksSeen": {
        const before = this.#seen;
        if (before === null || event.from !== before.until + 1n) {
          this.#find(`The blocks from ${event.from} on were seen, but not those before them.`);
        }
        if (before !== null) this.#seen = { ...before, until: event.to };
        for (const log of event.logs) this.#logs.set(`${log.block}/${log.index}`, rowOf(log, seq, atMs));
        return;
      }
      case "BlocksUndone": {
        for (const [place, { block }] of this.#logs)
          if (BigInt(block) > event.block) this.#logs.delete(place);
        const before = this.#seen;
        if (before === null) return;
        this.#seen = { ...before, until: event.block };
        // Of a chain that is shorter than the place where the watch began, it sees everything from here on.
        if (event.block < before.after) this.#seen = { ...this.#seen, after: event.block };
        return;
      }
    }
  }
}

function rowOf(log: SeenLog, seq: number, atMs: number): ChainLogRecord {
  const { index, blockHash, transaction: txHash, name, account, other, amounts, text } = log;
  return {
    block: Number(log.block),
    ...{ index, blockHash, txHash, name, account, other, amounts, text, seq, atMs },
  };
}

function placeOf({ block, index }: ChainLogRecord): string {
  return `${block}/${index}`;
}

function rowsById<Row extends object>(rows: readonly Row[], id: keyof Row): Map<string, Row> {
  return new Map(rows.map((row) => [String(row[id]), row]));
}

function compareRows<Row extends object>(
  what: string,
  expected: ReadonlyMap<string, Row>,
  listed: Map<string, Row>,
  find: (problem: string) => void,
): void {
  for (const [id, row] of expected) {
    const found = listed.get(id);
    listed.delete(id);
    if (found === undefined) find(`The ${what} ${id} is not listed.`);
    else
      for (const text of differences(comparable(row), comparable(found))) find(`The ${what} ${id}: ${text}.`);
  }
  for (const id of listed.keys()) find(`The ${what} ${id} is listed, but no event tells of it.`);
}

/** Lists as text, so that they can be compared. */
function comparable(row: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, Array.isArray(value) ? value.join(",") : value]),
  );
}
