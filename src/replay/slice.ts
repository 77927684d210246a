import type { Database } from "bun:sqlite";
import { BaseError, errorText } from "../shared/errors.ts";

/*
 * A slice is a text file that replays elsewhere: a header line and then one JSON line a row, first the events
 * in their global order, then what the log knew about their streams.
 */

type Row = Readonly<Record<string, string | number | null>>;

const format = "reprise-slice";
const formatVersion = 1;
const tables = ["events", "streams", "snapshots", "outbox"] as const;
type Table = (typeof tables)[number];

/** Columns by table, in the order of the file. */
const columns: Readonly<Record<Table, readonly string[]>> = {
  events: [
    "seq",
    "stream",
    "version",
    "type",
    "schema_version",
    "at_ms",
    "correlation_id",
    "causation_id",
    "trace_id",
    "data",
  ],
  streams: ["stream", "version", "is_closed", "final_state"],
  snapshots: ["stream", "version", "machine_hash", "data"],
  outbox: ["key", "stream", "effect", "params"],
};

const rowsPerFlush = 500;

/**
 * Writes the named streams to `path`.
 *
 * @returns how many events the slice holds
 */
export async function writeSlice(db: Database, path: string, streams: readonly string[]): Promise<number> {
  const sink = Bun.file(path).writer();
  sink.write(`${JSON.stringify({ format, formatVersion, streams: streams.length })}\n`);
  let events = 0;
  for (const table of tables) {
    const order = table === "events" ? " ORDER BY seq" : "";
    const rows = db.prepare<Row, [string]>(
      `SELECT ${columns[table].join(", ")} FROM ${table} WHERE stream IN (SELECT value FROM json_each(?))${order}`,
    );
    let pending = 0;
    for (const row of rows.iterate(JSON.stringify(streams))) {
      sink.write(`${JSON.stringify({ table, row: columns[table].map((name) => row[name] ?? null) })}\n`);
      if (table === "events") events += 1;
      pending += 1;
      if (pending % rowsPerFlush === 0) await sink.flush();
    }
  }
  await sink.end();
  return events;
}

/** Reads a slice into an empty, prepared database. Throws {@link SliceError}. */
export async function readSlice(db: Database, path: string): Promise<void> {
  const file = Bun.file(path);
  if (!(await file.exists())) throw new SliceError(path, "there is no such file");
  const lines = (await file.text()).split("\n").filter((line) => line !== "");
  const header = parse(path, lines[0] ?? "");
  if (header["format"] !== format) throw new SliceError(path, "it is not an exported slice");
  if (header["formatVersion"] !== formatVersion) throw new SliceError(path, "a newer release wrote it");
  const inserts = Object.fromEntries(
    tables.map((table) => [
      table,
      db.prepare(`INSERT INTO ${table} VALUES (${columns[table].map(() => "?").join(",")})`),
    ]),
  );
  db.transaction(() => {
    for (const line of lines.slice(1)) {
      const { table, row } = parse(path, line) as { table: string; row: (string | number | null)[] };
      const insert = Object.hasOwn(inserts, table) ? inserts[table] : undefined;
      if (insert === undefined || !Array.isArray(row)) throw new SliceError(path, "a line is damaged");
      try {
        insert.run(...row);
      } catch (error) {
        throw new SliceError(path, `a line of \`${table}\` does not fit (${errorText(error)})`);
      }
    }
  })();
}

function parse(path: string, line: string): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(line);
    if (typeof json === "object" && json !== null) return json as Record<string, unknown>;
  } catch {
    // Falls through to the one message for every damaged line.
  }
  throw new SliceError(path, "a line is not JSON");
}

/** A slice cannot be read. */
export class SliceError extends BaseError {
  constructor(path: string, reason: string) {
    super(`The slice \`${path}\` cannot be read: ${reason}.`, {
      code: "SLICE_UNREADABLE",
      disposition: "reject",
      action: "Export it again with `bun run replay export`.",
    });
  }
}
