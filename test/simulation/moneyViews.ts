import type { Database } from "bun:sqlite";
import type { RecordedEvent } from "../../src/events/envelope.ts";
import { parseStreamId } from "../../src/events/envelope.ts";
import type { NaiveTicket } from "./moneyChecker.ts";

/*
 * (8) The tables beside the log, compared with what its events say. Read with SQL of our own.
 */

/** What was folded from the durable events. */
export type MoneyFold = {
  readonly tickets: ReadonlyMap<string, NaiveTicket>;
  readonly payments: readonly RecordedEvent[];
  readonly accountFacts: readonly RecordedEvent[];
};

type Fields = Readonly<Record<string, unknown>>;

/** Blocks for which used nonces are kept behind the newest payment. */
const marginBlocks = 1_000n;

/** Differences, in words; none = the views are right. */
export function checkMoneyViews(db: Database, fold: MoneyFold): readonly string[] {
  return [
    ...differences(
      "tickets",
      ticketRows(fold),
      rowsOf(db, "SELECT hash, state, sender, face_value FROM tickets"),
    ),
    ...differences(
      "nonces",
      nonceRows(fold),
      rowsOf(db, "SELECT seq, recipient_rand_hash, nonces FROM nonces"),
    ),
    ...differences(
      "ledger_payments",
      paymentRows(fold),
      rowsOf(db, "SELECT seq, account, tickets, credited_tickets, credit, winners FROM ledger_payments"),
    ),
    ...differences(
      "ledger_jobs",
      jobRows(fold),
      rowsOf(db, "SELECT seq, account, job_id, outcome, units, fee FROM ledger_jobs"),
    ),
    ...differences(
      "ledger_reservations",
      reservationRows(fold),
      rowsOf(db, "SELECT account, job_id, units, fee FROM ledger_reservations"),
    ),
  ];
}

function ticketRows({ tickets }: MoneyFold): readonly string[] {
  return [...tickets].map(([hash, { sender, faceValue, end }]) => row(hash, end ?? "won", sender, faceValue));
}

/** A payment drops what ended long before its block. */
function nonceRows({ payments }: MoneyFold): readonly string[] {
  let kept: { readonly text: string; readonly expirationBlock: bigint }[] = [];
  for (const { seq, event } of payments) {
    const { nonces, recipientRandHash, expirationBlock, l1Block } = event as unknown as {
      readonly nonces: readonly number[];
      readonly recipientRandHash: string;
      readonly expirationBlock: bigint;
      readonly l1Block: bigint;
    };
    if (nonces.length > 0) {
      kept.push({ text: row(seq, recipientRandHash, `[${nonces.join(",")}]`), expirationBlock });
    }
    kept = kept.filter((entry) => entry.expirationBlock > l1Block - marginBlocks);
  }
  return kept.map(({ text }) => text);
}

function paymentRows({ payments }: MoneyFold): readonly string[] {
  return payments.map(({ seq, stream, event }) => {
    const fields = event as unknown as Fields;
    const counts = [(fields["nonces"] as unknown[]).length, fields["creditedTickets"]];
    return row(
      seq,
      idOf(stream),
      ...counts,
      fraction(fields["credit"]),
      (fields["winners"] as unknown[]).length,
    );
  });
}

function jobRows({ accountFacts }: MoneyFold): readonly string[] {
  return accountFacts.flatMap(({ seq, stream, event }) => {
    const fields = event as unknown as Fields;
    const start = [seq, idOf(stream), fields["jobId"]];
    if (event.type === "JobDebited")
      return [row(...start, "debited", fields["units"], fraction(fields["fee"]))];
    return event.type === "JobReleased" ? [row(...start, "released", 0, 0)] : [];
  });
}

function reservationRows({ accountFacts }: MoneyFold): readonly string[] {
  const open = new Map<string, string>();
  for (const { stream, event } of accountFacts) {
    const fields = event as unknown as Fields;
    const key = row(idOf(stream), fields["jobId"]);
    if (event.type === "JobReserved")
      open.set(key, `${key} ${row(fields["units"], fraction(fields["fee"]))}`);
    if (event.type === "JobDebited" || event.type === "JobReleased") open.delete(key);
  }
  return [...open.values()];
}

function rowsOf(db: Database, sql: string): readonly string[] {
  return db
    .query(sql)
    .values()
    .map((values) => row(...values));
}

function differences(view: string, expected: readonly string[], found: readonly string[]): readonly string[] {
  const here = new Set(found);
  const wanted = new Set(expected);
  const missing = expected.filter((text) => !here.has(text)).map((text) => `the view ${view} lacks: ${text}`);
  const extra = found.filter((text) => !wanted.has(text)).map((text) => `the view ${view} invents: ${text}`);
  const isDouble = found.length !== here.size ? [`the view ${view} has a row twice`] : [];
  return [...missing, ...extra, ...isDouble].slice(0, 3);
}

function row(...values: readonly unknown[]): string {
  return values.map(String).join(" ");
}

function fraction(value: unknown): string {
  const { numerator, denominator } = value as { readonly numerator: bigint; readonly denominator: bigint };
  return denominator === 1n ? String(numerator) : `${numerator}/${denominator}`;
}

function idOf(stream: string): string {
  return parseStreamId(stream as never).id;
}
