import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { allEvents } from "../events/catalogue.ts";
import { allViews } from "../events/log/openLog.ts";
import { logFileName, openReadOnly, prepareDatabase } from "../events/log/open.ts";
import { LogReader } from "../events/log/reader.ts";
import { rebuildViews } from "../events/views/rebuild.ts";
import { BaseError } from "../shared/errors.ts";
import { readSlice } from "./slice.ts";

/** A log to look at: a data folder, live or copied, or an exported slice. Nothing here can change it. */
export type ReplaySource = {
  readonly db: Database;
  readonly reader: LogReader;
  readonly path: string;
  /** A slice holds whole streams but not the whole log: gaps in the global order are expected. */
  readonly isSlice: boolean;
  close(): void;
};

/** Opens a data folder read-only. Throws {@link NoLogError}, LogOpenError. */
export function openDataDir(dataDir: string): ReplaySource {
  const path = join(dataDir, logFileName);
  if (!existsSync(path)) throw new NoLogError(path);
  const db = openReadOnly(path);
  // Everything is read as of one moment, whatever a running node commits meanwhile.
  db.run("BEGIN");
  const close = (): void => {
    // A closed connection lives on until its statements are collected, and with it the moment that the log must keep.
    if (db.inTransaction) db.run("ROLLBACK");
    db.close();
  };
  return { db, reader: new LogReader(db, allEvents), path, isSlice: false, close };
}

/** Loads an exported slice into a database in memory. Throws SliceError. */
export async function openSliceFile(path: string): Promise<ReplaySource> {
  const db = new Database(":memory:", { strict: true });
  prepareDatabase(db);
  await readSlice(db, path);
  const reader = new LogReader(db, allEvents);
  rebuildViews(db, reader, allViews.views);
  return { db, reader, path, isSlice: true, close: () => db.close() };
}

/** There is no log where one was named. */
export class NoLogError extends BaseError {
  constructor(path: string) {
    super(`There is no event log at \`${path}\`.`, {
      code: "NO_LOG",
      disposition: "reject",
      action: "Name the node's data folder with `--dataDir`, or an exported slice with `--file`.",
    });
  }
}
