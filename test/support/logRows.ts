import { Database } from "bun:sqlite";
import { join } from "node:path";
import type { EventRow } from "../../src/events/log/batch.ts";
import { logFileName } from "../../src/events/log/open.ts";

/** A row of the log that decodes: a `SegmentReceived` of some size. */
export function eventRow(seq: number, stream: string, version: number, bytes = seq): EventRow {
  return [
    seq,
    stream,
    version,
    "SegmentReceived",
    1,
    1_700_000_000_000 + seq,
    "test",
    "test",
    null,
    JSON.stringify({ bytes }),
  ];
}

/** Reads the log's file over a connection of its own: what another process would see at this moment. */
export function readRows<T>(dataDir: string, sql: string): T[] {
  const db = new Database(join(dataDir, logFileName), { readonly: true });
  try {
    return db.query(sql).all() as T[];
  } finally {
    db.close();
  }
}

/** Changes the log's file behind the node's back, as damage or a meddler would. */
export function meddle(dataDir: string, ...statements: readonly string[]): void {
  const db = new Database(join(dataDir, logFileName));
  try {
    // A connection that was closed a moment ago may hold the file until it is collected.
    db.run("PRAGMA busy_timeout = 5000");
    for (const sql of statements) db.run(sql);
  } finally {
    db.close();
  }
}

/** Statements that take the guards off the events, for {@link meddle}. */
export const unguard = ["DROP TRIGGER events_never_change", "DROP TRIGGER events_never_go"] as const;
