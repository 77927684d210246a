import { Database } from "bun:sqlite";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { SetupError, tell } from "./setupError.ts";

/** Longest wait for another start's set-up: a slow apt mirror may need this. */
const WAIT_MS_MAX = 20 * 60 * 1000;

/**
 * Runs `work` while no other process sets up the same checkout. The lock is SQLite's file lock: the kernel drops it
 * when its owner dies, so there are no stale locks to clean up.
 *
 * @throws SetupError when `buildDir` cannot be written, or another set-up does not end
 */
export async function withSetupLock(buildDir: string, work: () => Promise<void>): Promise<void> {
  const database = openLockFile(buildDir);
  try {
    if (!tryLock(database, 0)) {
      tell("another start is setting up; waiting for it ...");
      if (!tryLock(database, WAIT_MS_MAX)) throw new SetupError("the other start's set-up does not end.");
    }
    await work();
  } finally {
    database.close();
  }
}

function openLockFile(buildDir: string): Database {
  try {
    mkdirSync(buildDir, { recursive: true });
    return new Database(join(buildDir, "setup-lock.sqlite3"), { create: true });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new SetupError(`set-up is needed, and \`${buildDir}\` cannot be written (${text}).`);
  }
}

/** Blocks this thread while it waits; there is nothing else to do meanwhile. */
function tryLock(database: Database, waitMs: number): boolean {
  database.exec(`PRAGMA busy_timeout = ${waitMs}`);
  try {
    database.exec("BEGIN EXCLUSIVE");
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "SQLITE_BUSY") return false;
    throw error;
  }
}
