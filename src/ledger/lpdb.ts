import { constants, Database } from "bun:sqlite";
import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toHex } from "../protocol/bytes.ts";
import { BaseError, errorText } from "../shared/errors.ts";
import type { ForeignRow } from "./foreignRow.ts";
import { RowFields } from "./foreignRow.ts";

/*
 * The ticket queue of a go-livepeer node, `lpdb.sqlite3`. Source: operator sheet 6, payments sheet 5.5.
 *
 * The file is never opened where it lies: reading a database that its program left in the middle of something
 * means repairing it, and reading one in WAL mode writes beside it. A copy is repaired and read instead.
 */

/** The newest schema that go-livepeer has ever had. */
const versionMax = 1n;
/** What may lie beside a database: changes to take back, and changes to take over. */
const companions = ["-journal", "-wal"] as const;

/** A copy of an lpdb that is deleted again by `close`. */
export type Lpdb = {
  /** The chain that it was made on; null when it does not say, 0 off-chain. */
  readonly chainId: bigint | null;
  /** All rows of the queue, the oldest first. */
  rows(): Generator<ForeignRow>;
  close(): void;
};

/** Copies an lpdb into a private folder and opens the copy. Throws {@link LpdbError}. */
export function openLpdb(path: string): Lpdb {
  const folder = mkdtempSync(join(tmpdir(), "reprise-lpdb-"));
  let db: Database | null = null;
  const close = (): void => {
    db?.close();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    db = new Database(copyQuiet(path, folder), constants.SQLITE_OPEN_READWRITE);
    const opened = db;
    checkSchema(path, opened);
    const chainId = settingOf(opened, "chainID");
    return { chainId, rows: () => readRows(opened), close };
  } catch (error) {
    close();
    throw error instanceof LpdbError ? error : new LpdbError(path, errorText(error));
  }
}

/** A copy of the database with what belongs to it. It is only good when nobody wrote meanwhile. */
function copyQuiet(path: string, folder: string): string {
  const copy = join(folder, "lpdb.sqlite3");
  const present = (): string =>
    ["", ...companions]
      .map((end) => statSync(path + end, { throwIfNoEntry: false, bigint: true }))
      .map((stat) => (stat === undefined ? "-" : `${stat.size} ${stat.mtimeNs}`))
      .join();
  const before = present();
  for (const end of ["", ...companions]) if (existsSync(path + end)) copyFileSync(path + end, copy + end);
  if (present() !== before) throw new LpdbError(path, "somebody is writing to it: stop go-livepeer first");
  return copy;
}

function checkSchema(path: string, db: Database): void {
  const sound = db.query("PRAGMA quick_check(1)").values()[0]?.[0];
  if (sound !== "ok") throw new LpdbError(path, `it is damaged (${String(sound)})`);
  const queue = db.query("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'ticketQueue'").get();
  if (queue === null) throw new LpdbError(path, "it has no table `ticketQueue`");
  const version = settingOf(db, "dbVersion");
  if (version !== null && version > versionMax) {
    throw new LpdbError(path, `it is of version ${version}, and version ${versionMax} is the newest known`);
  }
}

/** A number of the table `kv`; null when it is not there. Its column makes integers of some texts. */
function settingOf(db: Database, key: string): bigint | null {
  const hasSettings =
    db.query("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'kv'").get() !== null;
  const row = hasSettings
    ? db.query("SELECT CAST(value AS TEXT) FROM kv WHERE key = ?").values(key)[0]
    : undefined;
  const [value] = row ?? [];
  return typeof value === "string" && /^[0-9]{1,18}$/.test(value) ? BigInt(value) : null;
}

function* readRows(db: Database): Generator<ForeignRow> {
  // 64-bit columns come as bigint: a round is an int64 there.
  const statement = db.prepare<Record<string, unknown>, []>(
    "SELECT rowid AS place, * FROM ticketQueue ORDER BY createdAt, rowid",
  );
  statement.safeIntegers(true);
  for (const row of statement.iterate()) {
    const fields = new RowFields(row);
    const claim = {
      sender: fields.hex("sender", 20),
      recipient: fields.hex("recipient", 20),
      faceValue: fields.blobInteger("faceValue"),
      winProb: fields.blobInteger("winProb"),
      senderNonce: fields.integer("senderNonce"),
      recipientRand: fields.blobWord("recipientRand"),
      recipientRandHash: fields.hex("recipientRandHash", 32),
      sig: fields.blob("sig", 65),
      expiration: {
        creationRound: fields.integer("creationRound"),
        creationRoundBlockHash: fields.hex("creationRoundBlockHash", 32),
      },
      expirationBlock: fields.integer("paramsExpirationBlock"),
      lastValidRound: null,
      account: null,
      hash: null,
      redeemed: redeemedOf(fields),
    };
    yield { place: `row ${row["place"]}`, claim: fields.flaw === null ? claim : { unreadable: fields.flaw } };
  }
}

/**
 * Both columns are set together when a ticket is done. The transaction may be one that failed, or all zeros when
 * none was sent; go-livepeer does not try such a ticket again.
 */
function redeemedOf(fields: RowFields): { readonly txHash: `0x${string}` | null } | null {
  if (fields.isNull("redeemedAt") && fields.isNull("txHash")) return null;
  if (fields.isNull("txHash")) return { txHash: null };
  const txHash = fields.hex("txHash", 32);
  return { txHash: txHash.every((byte) => byte === 0) ? null : toHex(txHash) };
}

/** An lpdb cannot be read. */
export class LpdbError extends BaseError {
  constructor(path: string, reason: string) {
    super(`The database \`${path}\` cannot be imported: ${reason}.`, {
      code: "LPDB_UNREADABLE",
      disposition: "reject",
      action: "Stop go-livepeer in good order, and name the `lpdb.sqlite3` of its data folder.",
    });
  }
}
