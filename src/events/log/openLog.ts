import type { Database } from "bun:sqlite";
import { join } from "node:path";
import { allEvents } from "../catalogue.ts";
import { chainLogsView } from "../views/chainLogs.ts";
import { ledgerView } from "../views/ledger.ts";
import { mediaLossesView } from "../views/mediaLosses.ts";
import { noncesView } from "../views/nonces.ts";
import { rebuildViews } from "../views/rebuild.ts";
import { roundsView } from "../views/rounds.ts";
import { sessionSummaryView } from "../views/sessionSummary.ts";
import { ticketsView } from "../views/tickets.ts";
import { transactionsView } from "../views/transactions.ts";
import { ViewSet } from "../views/view.ts";
import { Journal, type JournalHooks } from "./journal.ts";
import { logFileName, openForRebuild, openReadOnly, prepareLog } from "./open.ts";
import { LogReader } from "./reader.ts";

/** The read models of this release. */
export const allViews = new ViewSet([
  ...[mediaLossesView, sessionSummaryView],
  ...[ticketsView, ledgerView, noncesView],
  ...[chainLogsView, transactionsView, roundsView],
]);

/** An open log: the one writer, a reader, and the views that both keep. */
export type OpenLog = {
  readonly journal: Journal;
  readonly reader: LogReader;
  readonly views: ViewSet;
  close(): Promise<void>;
};

/**
 * Opens the log of a data folder for writing: migrates it, brings views up to date, starts the writer thread.
 *
 * @throws LogOpenError, LogWriteError
 */
export async function openLog(dataDir: string, hooks: JournalHooks): Promise<OpenLog> {
  const path = join(dataDir, logFileName);
  prepareLog(path);
  refreshViews(path);
  const journal = await Journal.open(path, allViews.statements, hooks);
  const db: Database = openReadOnly(path);
  return {
    journal,
    reader: new LogReader(db, allEvents),
    views: allViews,
    close: async () => {
      db.close();
      await journal.close();
    },
  };
}

function refreshViews(path: string): void {
  const db = openForRebuild(path);
  try {
    rebuildViews(db, new LogReader(db, allEvents), allViews.views);
  } finally {
    db.close();
  }
}
