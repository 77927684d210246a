import { Database, type Statement } from "bun:sqlite";
import type { Batch, WriterReply, WriterRequest } from "./batch.ts";
import { setPragmas } from "./open.ts";

/*
 * The one writer of the log: a thread, so that waiting for the disk never stops the event loop. It knows rows
 * and transactions, nothing else. One batch is one transaction; while one is on its way to the disk, the owner
 * collects the next.
 */

declare const self: {
  onmessage: ((message: { readonly data: WriterRequest }) => void) | null;
  postMessage(reply: WriterReply): void;
};

/** WAL frames after which an idle writer copies the WAL back: 4,000 pages of 4 KiB are 16 MB. */
const checkpointFrames = 4_000;
/** WAL frames at which it does so even when busy: 64 MB bound the file. */
const checkpointFramesMax = 16_000;
const idleMs = 200;

class Writer {
  readonly #db: Database;
  readonly #insertEvent: Statement;
  readonly #upsertStream: Statement;
  readonly #addOutbox: Statement;
  readonly #settleOutbox: Statement;
  readonly #saveSnapshot: Statement;
  readonly #views: readonly Statement[];
  #framesWritten = 0;
  #idleTimer: ReturnType<typeof setTimeout> | null = null;

  constructor(path: string, viewStatements: readonly string[]) {
    this.#db = new Database(path, { strict: true });
    setPragmas(this.#db);
    this.#insertEvent = this.#db.prepare("INSERT INTO events VALUES (?,?,?,?,?,?,?,?,?,?)");
    this.#upsertStream = this.#db.prepare(
      "INSERT INTO streams VALUES (?1,?2,?3,?4) ON CONFLICT (stream) DO UPDATE SET " +
        "version = excluded.version, is_closed = excluded.is_closed, final_state = excluded.final_state",
    );
    this.#addOutbox = this.#db.prepare("INSERT INTO outbox VALUES (?,?,?,?)");
    this.#settleOutbox = this.#db.prepare("DELETE FROM outbox WHERE key = ?");
    this.#saveSnapshot = this.#db.prepare("INSERT OR REPLACE INTO snapshots VALUES (?,?,?,?)");
    this.#views = viewStatements.map((sql) => this.#db.prepare(sql));
  }

  commit(batch: Batch): void {
    this.#db.run("BEGIN IMMEDIATE");
    try {
      for (const row of batch.events) this.#insertEvent.run(...row);
      for (const row of batch.streams) this.#upsertStream.run(...row);
      for (const row of batch.outboxAdded) this.#addOutbox.run(...row);
      for (const key of batch.outboxSettled) this.#settleOutbox.run(key);
      for (const row of batch.snapshots) this.#saveSnapshot.run(...row);
      for (const [index, values] of batch.views) this.#views[index]?.run(...values);
      this.#db.run("COMMIT");
    } catch (error) {
      if (this.#db.inTransaction) this.#db.run("ROLLBACK");
      throw error;
    }
    // About six rows fit a page; indexes double it.
    this.#framesWritten += 4 + Math.ceil(batch.events.length / 3);
    this.#planCheckpoint();
  }

  close(): void {
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
    this.#checkpoint("TRUNCATE");
    this.#db.close();
  }

  #planCheckpoint(): void {
    if (this.#framesWritten < checkpointFrames) return;
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
    if (this.#framesWritten >= checkpointFramesMax) this.#checkpoint("PASSIVE");
    else this.#idleTimer = setTimeout(() => this.#checkpoint("PASSIVE"), idleMs);
  }

  /** A failed checkpoint loses nothing: the WAL keeps the pages and the next one tries again. */
  #checkpoint(mode: "PASSIVE" | "TRUNCATE"): void {
    this.#idleTimer = null;
    try {
      this.#db.run(`PRAGMA wal_checkpoint(${mode})`);
      this.#framesWritten = 0;
    } catch {
      this.#framesWritten = checkpointFrames;
    }
  }
}

let writer: Writer | null = null;

self.onmessage = ({ data: request }) => {
  switch (request.type) {
    case "open":
      try {
        writer = new Writer(request.path, request.viewStatements);
        self.postMessage({ type: "opened" });
      } catch (error) {
        self.postMessage(failure(0, error));
      }
      return;
    case "commit": {
      const startedMs = performance.now();
      try {
        if (writer === null) throw new Error("The writer is not open.");
        writer.commit(request.batch);
        self.postMessage({ type: "committed", id: request.batch.id, ms: performance.now() - startedMs });
      } catch (error) {
        self.postMessage(failure(request.batch.id, error));
      }
      return;
    }
    case "close":
      try {
        writer?.close();
      } finally {
        writer = null;
        self.postMessage({ type: "closed" });
      }
      return;
  }
};

function failure(id: number, error: unknown): WriterReply {
  const known = error as { readonly code?: unknown; readonly message?: unknown };
  return {
    type: "failed",
    id,
    sqliteCode: typeof known.code === "string" ? known.code : "UNKNOWN",
    message: typeof known.message === "string" ? known.message : String(error),
  };
}
