import type { Database } from "bun:sqlite";
import { and, asc, count, desc, eq, gt, gte, inArray, like, lte, max } from "drizzle-orm";
import { type BunSQLiteDatabase, drizzle } from "drizzle-orm/bun-sqlite";
import type { AnyEventDefinition } from "../definition.ts";
import { decodeEvent, UnknownEventError } from "../definition.ts";
import type { RecordedEvent, StreamId } from "../envelope.ts";
import {
  events,
  mediaLosses,
  nonces,
  outbox,
  sessionSummary,
  snapshots,
  streams,
  tickets,
} from "./schema.ts";

type EventRecord = typeof events.$inferSelect;
export type StreamRecord = typeof streams.$inferSelect;
export type SnapshotRecord = typeof snapshots.$inferSelect;
export type OutboxRecord = typeof outbox.$inferSelect;
export type SessionSummaryRecord = typeof sessionSummary.$inferSelect;
/** A ticket that won. Amounts, rounds and blocks are decimal text. */
export type TicketRecord = typeof tickets.$inferSelect;
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

  /** Tickets that won, the oldest first: all, or those in one state, or of one sender (lower-case `0x…`). */
  tickets(
    filter: { readonly state?: TicketRecord["state"] | undefined; readonly sender?: string | undefined } = {},
  ): readonly TicketRecord[] {
    const ofState = filter.state === undefined ? undefined : eq(tickets.state, filter.state);
    const ofSender = filter.sender === undefined ? undefined : eq(tickets.sender, filter.sender);
    return this.#db
      .select()
      .from(tickets)
      .where(and(ofState, ofSender))
      .orderBy(asc(tickets.wonMs), asc(tickets.hash))
      .all();
  }

  /** Tickets that won and are neither redeemed nor expired, the oldest first. */
  openTickets(): readonly TicketRecord[] {
    return this.tickets({ state: "won" });
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
