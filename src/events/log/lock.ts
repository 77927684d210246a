import { Database } from "bun:sqlite";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { BaseError, errorText } from "../../shared/errors.ts";

/**
 * Claims a data folder for this process. The claim is an open exclusive transaction of its own small database,
 * so the system releases it when the process dies, however it dies.
 *
 * @returns a function that gives the claim up
 * @throws {DataDirInUseError} when another node holds it
 */
export function lockDataDir(dataDir: string): () => void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const db = new Database(join(dataDir, "lock.sqlite3"), { create: true });
  try {
    db.run("PRAGMA busy_timeout = 0");
    db.run("PRAGMA journal_mode = DELETE");
    db.run("BEGIN EXCLUSIVE");
  } catch (error) {
    db.close();
    throw new DataDirInUseError(dataDir, error);
  }
  return () => db.close();
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
