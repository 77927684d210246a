import type { Database } from "bun:sqlite";
import type { ChainEvent } from "../events/chain.ts";
import { LedgerReader } from "../events/log/ledgerReader.ts";
import type { LogReader } from "../events/log/reader.ts";
import { chainLogsView } from "../events/views/chainLogs.ts";
import { ledgerView } from "../events/views/ledger.ts";
import { noncesView } from "../events/views/nonces.ts";
import { roundsView } from "../events/views/rounds.ts";
import { ticketsView } from "../events/views/tickets.ts";
import { transactionsView } from "../events/views/transactions.ts";
import { openDataDir, openSliceFile } from "../replay/source.ts";
import { BaseError } from "../shared/errors.ts";
import { CommandUsageError } from "./commandLine.ts";

/** The money of a log as of one moment, read-only. */
export type MoneyLog = {
  readonly db: Database;
  readonly reader: LogReader;
  readonly ledger: LedgerReader;
  /** A slice holds whole streams, but not all of them. */
  readonly isSlice: boolean;
  close(): void;
};

/** What the log knows of the chain. Nothing here asks the chain itself. */
export type ChainPosition = {
  /** The newest round that the node saw. */
  readonly round: bigint;
  /** An L1 block that the chain has reached: it may be further by now. */
  readonly l1Block: bigint;
  /** Rounds for which a ticket stays redeemable, the round of its making included. */
  readonly ticketValidityPeriod: bigint;
  /** Whom the node works for, lower-case `0x…`. */
  readonly recipient: string;
};

/**
 * Opens the log of a data folder, live or copied, or an exported slice. Throws {@link ViewsOutdatedError},
 * CommandUsageError, NoLogError, LogOpenError, SliceError.
 */
export async function openMoneyLog(dataDir: string | undefined, file: string | undefined): Promise<MoneyLog> {
  if (dataDir === undefined && file === undefined) {
    throw new CommandUsageError("Name the log: `--dataDir DIR` or `--file FILE`.");
  }
  if (file !== undefined) return moneyLogOf(await openSliceFile(file));
  const source = openDataDir(dataDir ?? "");
  try {
    assertViewsAreCurrent(source.db);
  } catch (error) {
    source.close();
    throw error;
  }
  return moneyLogOf(source);
}

function moneyLogOf({ db, reader, isSlice, close }: Omit<MoneyLog, "ledger">): MoneyLog {
  return { db, reader, ledger: new LedgerReader(db), isSlice, close };
}

/** The views are the node's: it brings them up to date when it starts, and a reader cannot. */
function assertViewsAreCurrent(db: Database): void {
  const rows = db.query("SELECT name, view_version AS version FROM views").all() as readonly {
    readonly name: string;
    readonly version: number;
  }[];
  const moneyViews = [ticketsView, ledgerView, noncesView, chainLogsView, transactionsView, roundsView];
  const isCurrent = moneyViews.every((view) =>
    rows.some(({ name, version }) => name === view.name && version === view.version),
  );
  if (!isCurrent) throw new ViewsOutdatedError();
}

/** Where the chain was when the node last looked; null in a log that was never on a chain. */
export function chainPosition({ reader }: Pick<MoneyLog, "reader">): ChainPosition | null {
  const observed = reader.newestOf("chain:own")?.event as ChainEvent | undefined;
  return observed ?? null;
}

/**
 * The highest L1 block that the log proves, from rounds and payments; null when it proves none. A lower bound of
 * where the chain is, which is the safe side: what is due by it is due.
 */
export function provenL1Block({ reader, ledger }: Pick<MoneyLog, "reader" | "ledger">): bigint | null {
  const ofRound = chainPosition({ reader })?.l1Block ?? null;
  const payment = ledger.newestPayment();
  const ofPayment = payment === null ? null : BigInt(payment.l1Block);
  if (ofRound === null || ofPayment === null) return ofRound ?? ofPayment;
  return ofRound > ofPayment ? ofRound : ofPayment;
}

/** The log was written by another release, whose tables of money are not ours. */
export class ViewsOutdatedError extends BaseError {
  constructor() {
    super("The tables of money in this log are missing or of another release.", {
      code: "VIEWS_OUTDATED",
      disposition: "reject",
      action: "Start the node of this release once on the data folder: it brings them up to date.",
    });
  }
}
