import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/*
 * The tables of `reprise.sqlite3`. The migrations add what drizzle cannot say: STRICT tables, and triggers
 * that refuse UPDATE and DELETE on `events`.
 */

/** Every fact, for ever. */
export const events = sqliteTable(
  "events",
  {
    seq: integer("seq").primaryKey(),
    stream: text("stream").notNull(),
    version: integer("version").notNull(),
    type: text("type").notNull(),
    schemaVersion: integer("schema_version").notNull(),
    atMs: integer("at_ms").notNull(),
    correlationId: text("correlation_id").notNull(),
    causationId: text("causation_id").notNull(),
    traceId: text("trace_id"),
    data: text("data").notNull(),
  },
  (table) => [index("events_stream_version").on(table.stream, table.version)],
);

/** One row a stream: how far it is, and whether it has ended. Written with the events. */
export const streams = sqliteTable("streams", {
  stream: text("stream").primaryKey(),
  version: integer("version").notNull(),
  /** 1 when the entity reached a final state: nothing may follow. */
  isClosed: integer("is_closed").notNull(),
  /** `<machine hash>:<hash of the canonical snapshot>` at the end; replay must reach the same. */
  finalState: text("final_state"),
});

/** Effects that are owed: written with the event that caused them, removed with the event that settles them. */
export const outbox = sqliteTable("outbox", {
  /** Idempotency key `stream:version:index`. */
  key: text("key").primaryKey(),
  stream: text("stream").notNull(),
  effect: text("effect").notNull(),
  params: text("params").notNull(),
});

/** A cache of folds. A row whose machine hash is not ours is ignored, never repaired. */
export const snapshots = sqliteTable("snapshots", {
  stream: text("stream").primaryKey(),
  version: integer("version").notNull(),
  machineHash: text("machine_hash").notNull(),
  data: text("data").notNull(),
});

/** How far each view has read. Views are rebuilt by dropping their rows and replaying. */
export const views = sqliteTable("views", {
  name: text("name").primaryKey(),
  viewVersion: integer("view_version").notNull(),
  lastSeq: integer("last_seq").notNull(),
});

/** View `media-losses`: workers that an input has cost, by hash of the input. */
export const mediaLosses = sqliteTable("media_losses", {
  mediaHash: text("media_hash").primaryKey(),
  losses: integer("losses").notNull(),
});

/** View `session-summary`: a line a session, for operators and `replay list`. */
export const sessionSummary = sqliteTable("session_summary", {
  stream: text("stream").primaryKey(),
  manifestId: text("manifest_id").notNull(),
  openedMs: integer("opened_ms").notNull(),
  lastMs: integer("last_ms").notNull(),
  delivered: integer("delivered").notNull(),
  failed: integer("failed").notNull(),
  pixels: integer("pixels").notNull(),
  endCause: text("end_cause"),
});

/** Facts about the file itself: which log this is, which release made it. */
export const logMeta = sqliteTable(
  "log_meta",
  { key: text("key").notNull(), value: text("value").notNull() },
  (t) => [primaryKey({ columns: [t.key] })],
);
