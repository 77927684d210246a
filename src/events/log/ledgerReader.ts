import type { Database } from "bun:sqlite";
import { and, asc, desc, eq, gt, lt } from "drizzle-orm";
import { type BunSQLiteDatabase, drizzle } from "drizzle-orm/bun-sqlite";
import { ledgerExpiries, ledgerJobs, ledgerPayments, ledgerPrices, ledgerReservations } from "./schema.ts";

export type LedgerPaymentRecord = typeof ledgerPayments.$inferSelect;
export type LedgerPriceRecord = typeof ledgerPrices.$inferSelect;
export type LedgerReservationRecord = typeof ledgerReservations.$inferSelect;
export type LedgerJobRecord = typeof ledgerJobs.$inferSelect;
export type LedgerExpiryRecord = typeof ledgerExpiries.$inferSelect;

/** Which rows: all, those before a moment (Unix milliseconds, exclusive), those of one gateway. */
export type LedgerFilter = {
  readonly beforeMs?: number | undefined;
  /** Lower-case `0x…`. */
  readonly sender?: string | undefined;
};

type SeqTable = typeof ledgerPayments | typeof ledgerPrices | typeof ledgerJobs | typeof ledgerExpiries;

const pageRows = 1_000;

/** Reads the view `ledger`, page by page in the order of the events: memory does not grow with the log. */
export class LedgerReader {
  readonly #db: BunSQLiteDatabase;

  constructor(db: Database) {
    this.#db = drizzle(db);
  }

  payments(filter: LedgerFilter = {}): Generator<LedgerPaymentRecord> {
    return inPages((after) =>
      this.#db
        .select()
        .from(ledgerPayments)
        .where(matching(ledgerPayments, filter, after))
        .orderBy(asc(ledgerPayments.seq))
        .limit(pageRows)
        .all(),
    );
  }

  prices(filter: LedgerFilter = {}): Generator<LedgerPriceRecord> {
    return inPages((after) =>
      this.#db
        .select()
        .from(ledgerPrices)
        .where(matching(ledgerPrices, filter, after))
        .orderBy(asc(ledgerPrices.seq))
        .limit(pageRows)
        .all(),
    );
  }

  jobs(filter: LedgerFilter = {}): Generator<LedgerJobRecord> {
    return inPages((after) =>
      this.#db
        .select()
        .from(ledgerJobs)
        .where(matching(ledgerJobs, filter, after))
        .orderBy(asc(ledgerJobs.seq))
        .limit(pageRows)
        .all(),
    );
  }

  expiries(filter: LedgerFilter = {}): Generator<LedgerExpiryRecord> {
    return inPages((after) =>
      this.#db
        .select()
        .from(ledgerExpiries)
        .where(matching(ledgerExpiries, filter, after))
        .orderBy(asc(ledgerExpiries.seq))
        .limit(pageRows)
        .all(),
    );
  }

  /** Jobs under way: as many as the node works on now. */
  reservations(): readonly LedgerReservationRecord[] {
    return this.#db
      .select()
      .from(ledgerReservations)
      .orderBy(asc(ledgerReservations.account), asc(ledgerReservations.jobId))
      .all();
  }

  /** The newest payment: it tells what L1 block the node had seen. */
  newestPayment(): LedgerPaymentRecord | null {
    return this.#db.select().from(ledgerPayments).orderBy(desc(ledgerPayments.seq)).limit(1).get() ?? null;
  }
}

function matching(table: SeqTable, { beforeMs, sender }: LedgerFilter, afterSeq: number) {
  return and(
    gt(table.seq, afterSeq),
    beforeMs === undefined ? undefined : lt(table.atMs, beforeMs),
    sender === undefined ? undefined : eq(table.sender, sender),
  );
}

function* inPages<Row extends { readonly seq: number }>(
  page: (afterSeq: number) => readonly Row[],
): Generator<Row> {
  let afterSeq = 0;
  for (;;) {
    const rows = page(afterSeq);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined) return;
    afterSeq = last.seq;
  }
}
