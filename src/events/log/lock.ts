import { Database } from "bun:sqlite";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { BaseError, errorText } from "../../shared/errors.ts";
import { LogOpenError } from "./open.ts";

/**
 * Claims a data folder for this process. The claim is an open exclusive transaction of its own small database,
 * so the system releases it when the process dies, however it dies.
 *
 * @returns a function that gives the claim up
 * @throws {DataDirInUseError} when another node holds it
 * @throws {LogOpenError} when the folder cannot be used at all
 */
export function lockDataDir(dataDir: string): () => void {
  const path = join(dataDir, "lock.sqlite3");
  let db: Database | null = null;
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    db = new Database(path, { create: true });
    db.run("PRAGMA busy_timeout = 0");
    db.run("PRAGMA journal_mode = DELETE");
    db.run("BEGIN EXCLUSIVE");
    const held = db;
    return () => held.close();
  } catch (error) {
    db?.close();
    const { code } = error as { readonly code?: unknown };
    const isHeld = typeof code === "string" && /^SQLITE_(BUSY|LOCKED)/.test(code);
    throw isHeld ? new DataDirInUseError(dataDir, error) : new LogOpenError(path, error);
  }
}

/** Another node works in this data folder. */
export class DataDirInUseError extends BaseError {
  constructor(dataDir: string, cause: unknown) {
    super(`Another node works in the data folder \`${dataDir}\` (${errorText(cause)}).`, {
      code: "DATA_DIR_IN_USE",
      disposition: "halt",
      action: "Stop it, or choose another folder with `-dataDir`.",
      cause,
    });
  }
}
