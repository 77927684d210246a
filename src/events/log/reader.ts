import type { Database } from "bun:sqlite";
import {
  and,
  asc,
  count,
  desc,
  eq,
  gt,
  gte,
  inArray,
  like,
  lt,
  lte,
  max,
  or,
  type SQL,
  sql,
} from "drizzle-orm";
import { type BunSQLiteDatabase, drizzle } from "drizzle-orm/bun-sqlite";
import type { AnyEventDefinition } from "../definition.ts";
import { decodeEvent, UnknownEventError } from "../definition.ts";
import type { RecordedEvent, StreamId } from "../envelope.ts";
import { storedBlock } from "../views/storedBlock.ts";
import {
  chainLogs,
  events,
  mediaLosses,
  nonces,
  outbox,
  rounds,
  sessionSummary,
  snapshots,
  streams,
  tickets,
  transactions,
} from "./schema.ts";

type EventRecord = typeof events.$inferSelect;
export type StreamRecord = typeof streams.$inferSelect;
export type SnapshotRecord = typeof snapshots.$inferSelect;
export type OutboxRecord = typeof outbox.$inferSelect;
export type SessionSummaryRecord = typeof sessionSummary.$inferSelect;
/** A ticket that won. Amounts, rounds and blocks are decimal text. */
export type TicketRecord = typeof tickets.$inferSelect;
/** A transaction of ours. Amounts, rounds and blocks are decimal text. */
export type TransactionRecord = typeof transactions.$inferSelect;
/** A round of the protocol. Amounts, blocks and the round itself are decimal text. */
export type RoundRecord = typeof rounds.$inferSelect;
/** A log of the chain; what the fields mean for each name stands in `chainLogNames`. */
export type ChainLogRecord = Omit<typeof chainLogs.$inferSelect, "amounts"> & {
  readonly amounts: readonly bigint[];
};
/** Which logs of the chain. */
export type ChainLogFilter = {
  readonly names?: readonly string[] | undefined;
  /** Lower-case `0x…`. */
  readonly txHash?: string | undefined;
  /** Both included. */
  readonly fromBlock?: bigint | undefined;
  readonly toBlock?: bigint | undefined;
};
/** Which transactions; the newest first. */
export type TransactionFilter = {
  readonly states?: readonly TransactionRecord["state"][] | undefined;
  readonly purpose?: TransactionRecord["purpose"] | undefined;
  /** Unix milliseconds at which it was planned; `toMs` is exclusive. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
  readonly limit?: number | undefined;
};
/** States of a ticket that has not ended: its money is still to come, or may still be taken back. */
export const openTicketStates = ["won", "submitted", "paid"] as const;
/** What a gateway's tickets in one state come to. */
export type TicketTotal = {
  /** Lower-case `0x…`. */
  readonly sender: string;
  readonly state: TicketRecord["state"];
  readonly tickets: number;
  /** Wei. */
  readonly faceValue: bigint;
};
/** Nonces that one payment used up. */
export type NonceRecord = {
  readonly recipientRandHash: string;
  readonly nonces: readonly number[];
  /** L1 block from which the parameters are no longer accepted. */
  readonly expirationBlock: bigint;
};

/** Rounds are decimal text without leading zeros: a longer one is greater. */
const newestRoundFirst = [desc(sql`length(${rounds.round})`), desc(rounds.round)];

function chainLogOf(row: typeof chainLogs.$inferSelect): ChainLogRecord {
  return { ...row, amounts: (JSON.parse(row.amounts) as readonly string[]).map(BigInt) };
}

/** Rows per page when a whole log is read: bounds memory, whatever the age of the node. */
const pageRows = 1_000;

/** Reads the log. Holds no state of its own: every answer is what the disk says now. */
export class LogReader {
  readonly #db: BunSQLiteDatabase;
  readonly #definitions: ReadonlyMap<string, AnyEventDefinition>;

  constructor(db: Database, definitions: ReadonlyMap<string, AnyEventDefinition>) {
    this.#db = drizzle(db);
    this.#definitions = definitions;
  }

  /** The position of the newest event; 0 in an empty log. */
  lastSeq(): number {
    return (
      this.#db
        .select({ seq: max(events.seq) })
        .from(events)
        .get()?.seq ?? 0
    );
  }

  openStreams(): readonly StreamRecord[] {
    return this.#db.select().from(streams).where(eq(streams.isClosed, 0)).orderBy(asc(streams.stream)).all();
  }

  streamCount(): number {
    return this.#db.select({ rows: count() }).from(streams).get()?.rows ?? 0;
  }

  stream(stream: StreamId): StreamRecord | null {
    return this.#db.select().from(streams).where(eq(streams.stream, stream)).get() ?? null;
  }

  /** All streams whose id starts with `prefix`, in the order of their ids. */
  streamsWithPrefix(prefix: string): readonly StreamRecord[] {
    return this.#db
      .select()
      .from(streams)
      .where(and(gte(streams.stream, prefix), lte(streams.stream, `${prefix}\u{10ffff}`)))
      .orderBy(asc(streams.stream))
      .all();
  }

  snapshot(stream: StreamId): SnapshotRecord | null {
    return this.#db.select().from(snapshots).where(eq(snapshots.stream, stream)).get() ?? null;
  }

  snapshots(): readonly SnapshotRecord[] {
    return this.#db.select().from(snapshots).all();
  }

  outbox(): readonly OutboxRecord[] {
    return this.#db.select().from(outbox).orderBy(asc(outbox.key)).all();
  }

  /** Sessions, the one used last first. */
  sessionSummaries(
    limit: number,
    options: { readonly isOpenOnly?: boolean } = {},
  ): readonly SessionSummaryRecord[] {
    const open = this.#db.select({ stream: streams.stream }).from(streams).where(eq(streams.isClosed, 0));
    return this.#db
      .select()
      .from(sessionSummary)
      .where(options.isOpenOnly ? inArray(sessionSummary.stream, open) : undefined)
      .orderBy(desc(sessionSummary.lastMs))
      .limit(limit)
      .all();
  }

  /** Inputs that have cost at least `lossesMin` workers. */
  harmfulInputs(lossesMin: number): readonly { readonly mediaHash: string; readonly losses: number }[] {
    return this.#db.select().from(mediaLosses).where(gte(mediaLosses.losses, lossesMin)).all();
  }

  /** Tickets that won, the oldest first: all, or those in some states, or of one sender (lower-case `0x…`). */
  tickets(
    filter: {
      readonly states?: readonly TicketRecord["state"][] | undefined;
      readonly sender?: string | undefined;
    } = {},
  ): readonly TicketRecord[] {
    const ofState = filter.states === undefined ? undefined : inArray(tickets.state, [...filter.states]);
    const ofSender = filter.sender === undefined ? undefined : eq(tickets.sender, filter.sender);
    return this.#db
      .select()
      .from(tickets)
      .where(and(ofState, ofSender))
      .orderBy(asc(tickets.wonMs), asc(tickets.hash))
      .all();
  }

  /** Tickets that won and have not ended: won, submitted or paid (mined, but not confirmed). The oldest first. */
  openTickets(): readonly TicketRecord[] {
    return this.tickets({ states: openTicketStates });
  }

  /** The ticket of this hash (lower-case `0x…`), if it won. */
  ticket(hash: string): TicketRecord | null {
    return this.#db.select().from(tickets).where(eq(tickets.hash, hash)).get() ?? null;
  }

  /** The first tickets, by hash, whose hash starts with `prefix` (lower-case `0x…`). */
  ticketsWithPrefix(prefix: string, limit: number): readonly TicketRecord[] {
    return this.#db
      .select()
      .from(tickets)
      .where(and(gte(tickets.hash, prefix), lte(tickets.hash, `${prefix}\u{10ffff}`)))
      .orderBy(asc(tickets.hash))
      .limit(limit)
      .all();
  }

  /** Count and face value of each sender's tickets in each state, by sender. Exact, whatever the amounts. */
  ticketTotals(): readonly TicketTotal[] {
    const rows = this.#db
      .select({ sender: tickets.sender, state: tickets.state, faceValue: tickets.faceValue })
      .from(tickets)
      .orderBy(asc(tickets.sender), asc(tickets.state))
      .all();
    const totals = new Map<string, TicketTotal>();
    for (const { sender, state, faceValue } of rows) {
      const before = totals.get(`${sender} ${state}`) ?? { sender, state, tickets: 0, faceValue: 0n };
      totals.set(`${sender} ${state}`, {
        ...before,
        tickets: before.tickets + 1,
        faceValue: before.faceValue + BigInt(faceValue),
      });
    }
    return [...totals.values()];
  }

  /** Transactions of ours, the newest first. */
  transactions(filter: TransactionFilter = {}): readonly TransactionRecord[] {
    const { states, purpose, fromMs, toMs, limit = -1 } = filter;
    return this.#db
      .select()
      .from(transactions)
      .where(
        and(
          states === undefined ? undefined : inArray(transactions.state, [...states]),
          purpose === undefined ? undefined : eq(transactions.purpose, purpose),
          fromMs === undefined ? undefined : gte(transactions.plannedMs, fromMs),
          toMs === undefined ? undefined : lt(transactions.plannedMs, toMs),
        ),
      )
      .orderBy(desc(transactions.plannedMs), desc(transactions.nonce), asc(transactions.id))
      .limit(limit)
      .all();
  }

  /** The transaction `<account>/<nonce>`. */
  transaction(id: string): TransactionRecord | null {
    return this.#db.select().from(transactions).where(eq(transactions.id, id)).get() ?? null;
  }

  /** Rounds, the newest first. */
  rounds(limit = -1): readonly RoundRecord[] {
    return this.#db
      .select()
      .from(rounds)
      .orderBy(...newestRoundFirst)
      .limit(limit)
      .all();
  }

  round(round: bigint): RoundRecord | null {
    return (
      this.#db
        .select()
        .from(rounds)
        .where(eq(rounds.round, String(round)))
        .get() ?? null
    );
  }

  /** Logs of the chain in its order, page by page. */
  *chainLogs(filter: ChainLogFilter = {}): Generator<ChainLogRecord> {
    const { names, txHash, fromBlock, toBlock } = filter;
    let after: { readonly block: number; readonly index: number } | null = null;
    for (;;) {
      const behind: SQL | undefined =
        after === null
          ? undefined
          : or(
              gt(chainLogs.block, after.block),
              and(eq(chainLogs.block, after.block), gt(chainLogs.index, after.index)),
            );
      const page: readonly (typeof chainLogs.$inferSelect)[] = this.#db
        .select()
        .from(chainLogs)
        .where(
          and(
            names === undefined ? undefined : inArray(chainLogs.name, [...names]),
            txHash === undefined ? undefined : eq(chainLogs.txHash, txHash),
            fromBlock === undefined ? undefined : gte(chainLogs.block, storedBlock(fromBlock)),
            toBlock === undefined ? undefined : lte(chainLogs.block, storedBlock(toBlock)),
            behind,
          ),
        )
        .orderBy(asc(chainLogs.block), asc(chainLogs.index))
        .limit(pageRows)
        .all();
      for (const row of page) yield chainLogOf(row);
      const last = page.at(-1);
      if (last === undefined) return;
      after = last;
    }
  }

  /** The newest log of the chain, or the newest of one name. */
  lastChainLog(name?: string): ChainLogRecord | null {
    const row = this.#db
      .select()
      .from(chainLogs)
      .where(name === undefined ? undefined : eq(chainLogs.name, name))
      .orderBy(desc(chainLogs.block), desc(chainLogs.index))
      .limit(1)
      .get();
    return row === undefined ? null : chainLogOf(row);
  }

  /**
   * The nonces that payments have used under parameters that are alive after `l1Block`, page by page, in the order
   * of the payments. One secret number may come several times, once a payment.
   */
  *noncesAfter(l1Block: bigint): Generator<NonceRecord> {
    const after = Number(l1Block);
    let afterSeq = 0;
    for (;;) {
      const page = this.#db
        .select()
        .from(nonces)
        .where(and(gt(nonces.seq, afterSeq), gt(nonces.expirationBlock, after)))
        .orderBy(asc(nonces.seq))
        .limit(pageRows)
        .all();
      for (const row of page) {
        yield {
          recipientRandHash: row.recipientRandHash,
          nonces: JSON.parse(row.nonces) as readonly number[],
          expirationBlock: BigInt(row.expirationBlock),
        };
      }
      const last = page.at(-1);
      if (last === undefined) return;
      afterSeq = last.seq;
    }
  }

  /** The last event of a stream. */
  newestOf(stream: StreamId): RecordedEvent | null {
    const row = this.#db
      .select()
      .from(events)
      .where(eq(events.stream, stream))
      .orderBy(desc(events.version))
      .limit(1)
      .get();
    return row === undefined ? null : this.#decode(row);
  }

  /** The events of one stream after `afterVersion`, oldest first. */
  eventsOf(stream: StreamId, afterVersion = 0): readonly RecordedEvent[] {
    return this.#db
      .select()
      .from(events)
      .where(and(eq(events.stream, stream), gt(events.version, afterVersion)))
      .orderBy(asc(events.version))
      .all()
      .map((row) => this.#decode(row));
  }

  /**
   * For how long the log went on after it had passed `atMs` behind the newest event of `stream`. Counted from the
   * first event that was later, so that a node that was down, or whose clock was set, had time to notice too.
   */
  activityAfterMs(stream: StreamId, atMs: number): number {
    const newest = this.#db
      .select({ seq: max(events.seq) })
      .from(events)
      .where(eq(events.stream, stream))
      .get()?.seq;
    const first = this.#db
      .select({ seq: events.seq, atMs: events.atMs })
      .from(events)
      .where(and(gt(events.seq, newest ?? 0), gt(events.atMs, atMs)))
      .orderBy(asc(events.seq))
      .limit(1)
      .get();
    if (first === undefined) return 0;
    const last = this.#db
      .select({ atMs: max(events.atMs) })
      .from(events)
      .where(gte(events.seq, first.seq))
      .get();
    return (last?.atMs ?? first.atMs) - first.atMs;
  }

  /** Everything that one session or request caused, in the global order. */
  eventsCorrelatedWith(correlationId: string): readonly RecordedEvent[] {
    return this.#db
      .select()
      .from(events)
      .where(eq(events.correlationId, correlationId))
      .orderBy(asc(events.seq))
      .all()
      .map((row) => this.#decode(row));
  }

  /** The whole log in its global order, page by page, optionally only streams of some prefix. */
  *all(
    options: { readonly afterSeq?: number; readonly streamPrefix?: string } = {},
  ): Generator<RecordedEvent> {
    let afterSeq = options.afterSeq ?? 0;
    const ofStream =
      options.streamPrefix === undefined ? undefined : like(events.stream, `${options.streamPrefix}%`);
    for (;;) {
      const page = this.#db
        .select()
        .from(events)
        .where(and(gt(events.seq, afterSeq), ofStream))
        .orderBy(asc(events.seq))
        .limit(pageRows)
        .all();
      for (const row of page) yield this.#decode(row);
      const last = page.at(-1);
      if (last === undefined) return;
      afterSeq = last.seq;
    }
  }

  #decode(row: EventRecord): RecordedEvent {
    const definition = this.#definitions.get(row.type);
    if (definition === undefined) throw new UnknownEventError(row.type);
    return {
      seq: row.seq,
      stream: row.stream as StreamId,
      version: row.version,
      schemaVersion: row.schemaVersion,
      atMs: row.atMs,
      correlationId: row.correlationId,
      causationId: row.causationId,
      traceId: row.traceId,
      event: decodeEvent(definition, row.schemaVersion, row.data),
    };
  }
}
