import { constants, Database } from "bun:sqlite";
import { chmodSync, existsSync, mkdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { drizzle } from "drizzle-orm/bun-sqlite";
import { migrate } from "drizzle-orm/bun-sqlite/migrator";
import { BaseError, errorText } from "../../shared/errors.ts";

/** The name of the log's database inside the data folder. */
export const logFileName = "reprise.sqlite3";

const migrationsFolder = join(import.meta.dir, "../../../migrations");

/** Settings that SQLite forgets with each connection. */
export function setPragmas(db: Database): void {
  // First: a connection that was closed a moment ago may still hold the file until it is collected.
  db.run("PRAGMA busy_timeout = 5000");
  db.run("PRAGMA journal_mode = WAL");
  // Every commit reaches the disk before it is reported: nothing visible may be forgotten.
  db.run("PRAGMA synchronous = FULL");
  db.run("PRAGMA foreign_keys = ON");
  // The writer checkpoints when it is idle, not inside somebody's commit.
  db.run("PRAGMA wal_autocheckpoint = 0");
}

/** Brings an open database to the schema of this release. */
export function prepareDatabase(db: Database): void {
  migrate(drizzle(db), { migrationsFolder });
}

/** Creates or upgrades the log's database. Throws {@link LogOpenError}. */
export function prepareLog(path: string): void {
  let db: Database | null = null;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    db = new Database(path, { create: true, strict: true });
    // It holds what redeems winning tickets. Files that SQLite puts beside it take its mode over.
    if (isOwn(path)) chmodSync(path, 0o600);
    setPragmas(db);
    prepareDatabase(db);
    proveWritable(db);
  } catch (error) {
    throw new LogOpenError(path, error);
  } finally {
    db?.close();
  }
}

/** Whether this user may change the mode of the file. */
function isOwn(path: string): boolean {
  return statSync(path).uid === process.getuid?.();
}

/**
 * Writes one page. SQLite opens a file on a read-only disk without complaint when its `-shm` is still there, and a
 * full disk as well: the operator shall hear of it now, not with the first segment.
 */
function proveWritable(db: Database): void {
  const row = db.query<{ readonly user_version: number }, []>("PRAGMA user_version").get();
  db.run(`PRAGMA user_version = ${row?.user_version ?? 0}`);
}

/** Opens a prepared log for the refill of views, before the writer thread starts. */
export function openForRebuild(path: string): Database {
  const db = new Database(path, { strict: true });
  setPragmas(db);
  return db;
}

/** Opens the log for reading only: nothing that `replay` does can change it. Throws {@link LogOpenError}. */
export function openReadOnly(path: string): Database {
  try {
    return openForReading(path, constants.SQLITE_OPEN_READONLY);
  } catch (error) {
    // SQLite wants to write beside a WAL database even to read it. On read-only media nobody else writes either,
    // so the file alone is the log, if its WAL was copied back when the node stopped.
    if (!isUnwritable(error) || !isWalEmpty(path)) throw new LogOpenError(path, error);
  }
  try {
    const uri = `${pathToFileURL(path).href}?immutable=1`;
    return openForReading(uri, constants.SQLITE_OPEN_READONLY | constants.SQLITE_OPEN_URI);
  } catch (error) {
    throw new LogOpenError(path, error);
  }
}

function openForReading(name: string, flags: number): Database {
  const db = new Database(name, flags);
  try {
    db.run("PRAGMA busy_timeout = 5000");
    db.run("PRAGMA query_only = ON");
    db.query("SELECT count(*) FROM sqlite_schema").get();
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function isUnwritable(error: unknown): boolean {
  const { code } = error as { readonly code?: unknown };
  return typeof code === "string" && /^SQLITE_(CANTOPEN|READONLY)/.test(code);
}

function isWalEmpty(path: string): boolean {
  return existsSync(path) && (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) === 0;
}

/** The log cannot be opened, created or upgraded. */
export class LogOpenError extends BaseError {
  constructor(path: string, cause: unknown) {
    super(`The event log \`${path}\` cannot be opened: ${errorText(cause)}.`, {
      code: "LOG_OPEN_FAILED",
      disposition: "halt",
      action: "Check that the data folder exists, is writable by this user and that its disk is not full.",
      cause,
    });
  }
}
