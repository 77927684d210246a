import { Database } from "bun:sqlite";
import { join } from "node:path";
import { fromHex } from "../../../src/protocol/bytes.ts";
import { checksumHex } from "../../../src/protocol/account.ts";
import { minimalBytes, withoutLeadingZeros } from "../../../src/protocol/integerBytes.ts";
import type { Won } from "./moneyFolder.ts";

/*
 * Databases as go-livepeer leaves them. Source: operator sheet 6: columns, declared types, indexes.
 */

/** One row of `ticketQueue`, in the storage classes of SQLite. */
export type QueueRow = {
  createdAt: string;
  sender: unknown;
  recipient: unknown;
  faceValue: unknown;
  winProb: unknown;
  senderNonce: unknown;
  recipientRand: unknown;
  recipientRandHash: unknown;
  sig: unknown;
  creationRound: unknown;
  creationRoundBlockHash: unknown;
  paramsExpirationBlock: unknown;
  redeemedAt: unknown;
  txHash: unknown;
};

const schema = [
  "CREATE TABLE kv (key STRING PRIMARY KEY, value STRING, updatedAt STRING DEFAULT CURRENT_TIMESTAMP)",
  `CREATE TABLE ticketQueue (createdAt DATETIME DEFAULT CURRENT_TIMESTAMP, sender STRING, recipient STRING,
    faceValue BLOB, winProb BLOB, senderNonce INTEGER, recipientRand BLOB, recipientRandHash STRING,
    sig BLOB PRIMARY KEY, creationRound int64, creationRoundBlockHash STRING, paramsExpirationBlock int64,
    redeemedAt DATETIME, txHash STRING)`,
  "CREATE INDEX idx_ticketqueue_sender ON ticketQueue(sender)",
];

/** Writes an lpdb into `folder` and returns its path. With `keepOpen`, as a killed node leaves it in WAL mode. */
export function writeLpdb(
  folder: string,
  rows: readonly QueueRow[],
  options: { readonly chainId?: number; readonly version?: number; readonly isWal?: boolean } = {},
): { readonly path: string; readonly db: Database } {
  const path = join(folder, "lpdb.sqlite3");
  const db = new Database(path, { create: true });
  if (options.isWal) db.run("PRAGMA journal_mode = WAL");
  for (const sql of schema) db.run(sql);
  const set = db.prepare("INSERT INTO kv (key, value) VALUES (?, ?)");
  set.run("dbVersion", String(options.version ?? 1));
  set.run("chainID", String(options.chainId ?? 42_161));
  for (const row of rows) {
    const names = Object.keys(row);
    const marks = names.map(() => "?").join();
    db.prepare(`INSERT INTO ticketQueue (${names.join()}) VALUES (${marks})`).run(
      ...(Object.values(row) as string[]),
    );
  }
  return { path, db };
}

/** The row that go-livepeer would have stored for a ticket. */
export function queueRow(won: Won, changes: Partial<QueueRow> = {}): QueueRow {
  const bytes = (hex: string): Uint8Array => fromHex(hex) ?? new Uint8Array();
  return {
    createdAt: "2026-01-01 00:00:00",
    sender: checksumHex(bytes(won.sender)),
    recipient: checksumHex(bytes(won.recipient)),
    faceValue: minimalBytes(won.faceValue),
    winProb: minimalBytes(won.winProb),
    senderNonce: won.senderNonce,
    recipientRand: withoutLeadingZeros(bytes(won.recipientRand)),
    recipientRandHash: won.recipientRandHash,
    sig: bytes(won.sig),
    creationRound: Number(won.creationRound),
    creationRoundBlockHash: won.creationRoundBlockHash,
    paramsExpirationBlock: Number(won.expirationBlock),
    redeemedAt: null,
    txHash: null,
    ...changes,
  };
}
