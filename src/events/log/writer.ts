import { Database, type Statement } from "bun:sqlite";
import type { Batch } from "./batch.ts";
import { setPragmas } from "./open.ts";

/** WAL frames after which an idle writer copies the WAL back: 4,000 pages of 4 KiB are 16 MB. */
const checkpointFrames = 4_000;
/** WAL frames at which it does so even when busy: 64 MB bound the file. */
const checkpointFramesMax = 16_000;
const idleMs = 200;

/** Writes batches of rows: one batch is one transaction. It knows rows and transactions, nothing else. */
export class LogWriter {
  readonly #db: Database;
  readonly #insertEvent: Statement;
  readonly #upsertStream: Statement;
  readonly #addOutbox: Statement;
  readonly #settleOutbox: Statement;
  readonly #saveSnapshot: Statement;
  readonly #views: readonly Statement[];
  #framesWritten = 0;
  #idleTimer: ReturnType<typeof setTimeout> | null = null;

  /** Takes over `db`, which must hold a prepared log. */
  constructor(db: Database, viewStatements: readonly string[]) {
    this.#db = db;
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

  /** Opens a prepared log for writing. Throws SQLite's own errors. */
  static open(path: string, viewStatements: readonly string[]): LogWriter {
    const db = new Database(path, { strict: true });
    setPragmas(db);
    return new LogWriter(db, viewStatements);
  }

  /** Commits all of `batch` or throws SQLite's error and leaves nothing of it. */
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

  /** Copies the WAL back and closes the database. */
  close(): void {
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
    // A replay that is reading must not keep the node from ending: the WAL keeps what is not copied back.
    this.#db.run("PRAGMA busy_timeout = 100");
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
