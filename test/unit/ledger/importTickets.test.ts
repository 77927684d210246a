import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lockDataDir } from "../../../src/events/log/lock.ts";
import type { TicketRecord } from "../../../src/events/log/reader.ts";
import { openLpdb } from "../../../src/ledger/lpdb.ts";
import { openMoneyLog } from "../../../src/ledger/moneyLog.ts";
import { judgeTicket, type TicketClaim } from "../../../src/ledger/ticketClaim.ts";
import { verify } from "../../../src/replay/verify.ts";
import { openDataDir } from "../../../src/replay/source.ts";
import { checksumHex } from "../../../src/protocol/account.ts";
import { fromHex, toHex } from "../../../src/protocol/bytes.ts";
import { type LogFolder, logFolder } from "../../support/logFolder.ts";
import { fingerprint } from "../replay/replayHarness.ts";
import { type QueueRow, queueRow, writeLpdb } from "./lpdbFile.ts";
import { gateways, MoneyWriter, recipient, round, rowsOf, tickets, wonTicket } from "./moneyFolder.ts";

/*
 * Goal: no ticket of a go-livepeer node is lost in a move, none is believed unseen, and none is taken twice. Method:
 * databases made here as go-livepeer makes them, imported by the command itself into real data folders.
 */

let folder: LogFolder;
let dataDir = "";

beforeEach(() => {
  folder = logFolder();
  dataDir = join(folder.path, "node");
});
afterEach(() => folder[Symbol.dispose]());

type Line = {
  readonly type: "row" | "total";
  readonly place: string;
  readonly hash: string | null;
  readonly outcome: string;
  readonly reason: string | null;
  readonly imported: number;
  readonly redeemed: number;
  readonly skipped: number;
  readonly refused: number;
  readonly openWei: string;
};

/** A database of a go-livepeer that has stopped, in a folder of its own. */
function lpdbOf(rows: readonly QueueRow[], options: Parameters<typeof writeLpdb>[2] = {}): string {
  const { path, db } = writeLpdb(logFolder(folder.path).path, rows, options);
  db.close();
  return path;
}

const importFile = (path: string): Promise<readonly Line[]> =>
  rowsOf<Line>(tickets("import", "--dataDir", dataDir, path, "--json"));

async function storedTickets(): Promise<readonly TicketRecord[]> {
  const log = await openMoneyLog(dataDir, undefined);
  try {
    return log.reader.tickets();
  } finally {
    log.close();
  }
}

const outcomes = (lines: readonly Line[]): unknown =>
  lines.filter(({ type }) => type === "row").map(({ outcome, reason }) => [outcome, reason]);

describe("the rows of go-livepeer", () => {
  const { cases } = JSON.parse(
    readFileSync(join(import.meta.dir, "../../vectors/ticket-db.json"), "utf8"),
  ) as { readonly cases: readonly StoreCase[] };
  type Cell = { readonly value: string | number | null; readonly type: string };
  type StoreCase = {
    readonly kind: string;
    readonly name: string;
    readonly note?: string;
    readonly txHash?: string;
    readonly ticket: Readonly<Record<string, string | number>>;
    readonly sig: string;
    readonly recipientRand: string;
    readonly paramsExpirationBlock: string;
    readonly row: Readonly<Record<string, Cell>>;
  };

  const rowOf = ({ row }: StoreCase): QueueRow =>
    Object.fromEntries(
      Object.entries(row).map(([name, { value, type }]) => [
        name,
        value === "<time>" ? "2026-01-01 00:00:00" : type === "blob" ? fromHex(String(value)) : value,
      ]),
    ) as QueueRow;
  const stored = cases.filter(({ kind }) => kind === "store");
  const marked = cases.filter(({ kind }) => kind === "markRedeemed");

  test("every recorded row is read as the ticket that was stored", () => {
    expect(stored.length).toBeGreaterThan(4);
    const lpdb = openLpdb(lpdbOf(stored.map(rowOf)));
    const claims = [...lpdb.rows()].map(({ claim }) => claim as TicketClaim);
    lpdb.close();
    for (const { ticket, sig, recipientRand, paramsExpirationBlock, name } of stored) {
      const claim = claims.find((each) => toHex(each.sig) === sig);
      if (claim === undefined) throw new Error(name);
      expect({
        recipient: checksumHex(claim.recipient),
        sender: checksumHex(claim.sender),
        faceValue: String(claim.faceValue),
        winProb: String(claim.winProb),
        senderNonce: Number(claim.senderNonce),
        recipientRandHash: toHex(claim.recipientRandHash),
        creationRound: String(claim.expiration.creationRound),
        creationRoundBlockHash: toHex(claim.expiration.creationRoundBlockHash),
      }).toEqual(ticket as never);
      expect(BigInt(toHex(claim.recipientRand))).toBe(BigInt(recipientRand));
      expect(String(claim.expirationBlock)).toBe(paramsExpirationBlock);
      expect(claim.redeemed).toBeNull();
    }
  });

  test("rows that were marked redeemed keep their transaction, and none where it is all zeros", () => {
    expect(marked).toHaveLength(2);
    const lpdb = openLpdb(lpdbOf(marked.map(rowOf)));
    const redeemed = [...lpdb.rows()].map(({ claim }) => (claim as TicketClaim).redeemed?.txHash);
    lpdb.close();
    expect(redeemed.toSorted()).toEqual([marked[0]?.txHash as never, null].toSorted());
  });

  // Their secret numbers and hashes were drawn apart from each other: no broker would pay a single one.
  test("what the broker would not pay is not imported", async () => {
    const lines = await importFile(lpdbOf(stored.map(rowOf)));
    expect(outcomes(lines)).toEqual(
      stored.map(() => ["refused", "its recipientRand does not fit its recipientRandHash"]),
    );
    expect(lines.at(-1)).toMatchObject({ imported: 0, refused: stored.length, openWei: "0" });
    expect(await storedTickets()).toEqual([]);
  });
});

describe("an lpdb", () => {
  test("payments check 45: pending rows are imported, checksummed addresses are matched", async () => {
    const made = [1, 2, 3].map((number) => wonTicket({ number, gateway: number === 2 ? 1 : 0 }));
    const rows = made.map(({ won }) => queueRow(won));
    expect(rows[0]?.sender).toMatch(/[A-F]/);
    // Another tool may have written them in lower case.
    rows[1] = {
      ...(rows[1] as QueueRow),
      sender: gateways[1],
      recipient: recipient.toUpperCase().replace("X", "x"),
    };
    const lines = await importFile(lpdbOf(rows));
    expect(outcomes(lines)).toEqual(made.map(() => ["imported", null]));
    expect(lines.at(-1)).toMatchObject({
      imported: 3,
      redeemed: 0,
      refused: 0,
      openWei: `${3n * 10n ** 17n}`,
    });
    const kept = await storedTickets();
    expect(kept.map(({ hash }) => hash).toSorted()).toEqual(made.map(({ hash }) => hash).toSorted());
    for (const { hash, won } of made) {
      const row = kept.find((each) => each.hash === hash);
      const { type: _type, faceValue, winProb, creationRound, expirationBlock, ...same } = won;
      expect(row).toMatchObject({
        ...same,
        ...{ faceValue: `${faceValue}`, winProb: `${winProb}`, creationRound: `${creationRound}` },
        ...{ expirationBlock: `${expirationBlock}`, lastValidRound: "3701", state: "won" },
        ...{ source: "import", account: null },
      });
    }
    const open = await tickets("list", "--dataDir", dataDir, "--sender", checksumOf(gateways[0]));
    expect(open.lines.filter((line) => line.startsWith("0x") && line.includes(" open "))).toHaveLength(2);
  });

  test("redeemed rows come as redeemed, whatever go-livepeer knew of the transaction", async () => {
    const made = [1, 2, 3].map((number) => wonTicket({ number }));
    const txHash = `0x${"3d".repeat(32)}`;
    const redeemedAt = "2026-01-01 00:00:00";
    const changes = [{ redeemedAt, txHash }, { redeemedAt, txHash: `0x${"00".repeat(32)}` }, {}];
    const lines = await importFile(lpdbOf(made.map(({ won }, index) => queueRow(won, changes[index]))));
    expect(lines.at(-1)).toMatchObject({ imported: 1, redeemed: 2, skipped: 0, openWei: `${10n ** 17n}` });
    const kept = await storedTickets();
    expect(
      made.map(({ hash }) => kept.find((row) => row.hash === hash)).map((row) => [row?.state, row?.txHash]),
    ).toEqual([
      ["redeemed", txHash],
      ["redeemed", null],
      ["won", null],
    ]);
  });

  test("a second import changes nothing, neither for open tickets nor for ended ones", async () => {
    const made = [1, 2].map((number) => wonTicket({ number }));
    const rows = made.map(({ won }) => queueRow(won));
    rows[1] = { ...(rows[1] as QueueRow), redeemedAt: "2026-01-01 00:00:00", txHash: `0x${"3d".repeat(32)}` };
    const path = lpdbOf(rows);
    await importFile(path);
    const before = await storedTickets();
    const lines = await importFile(path);
    expect(outcomes(lines)).toEqual(made.map(() => ["skipped", "the log has it already"]));
    expect(lines.at(-1)).toMatchObject({ imported: 0, redeemed: 0, skipped: 2, refused: 0 });
    expect(await storedTickets()).toEqual(before);
  });

  test("a bad row is told with its reason and stops nothing", async () => {
    const { won } = wonTicket();
    const other = wonTicket({ number: 2, gateway: 1 });
    const bytes = (hex: string): Uint8Array => fromHex(hex) as Uint8Array;
    const sig = (index: number): Uint8Array => {
      const changed = bytes(won.sig).slice();
      // A signature is the table's key: each bad row needs its own.
      changed[10] = index;
      return changed;
    };
    const bad: readonly (readonly [Partial<QueueRow>, string])[] = [
      [{}, "its signature is not its sender's"],
      [{ sender: "0x1234" }, "its sender is not 20 bytes as 0x…"],
      [{ sender: null }, "its sender is not 20 bytes as 0x…"],
      [{ faceValue: new Uint8Array(33).fill(1) }, "its faceValue is not up to 32 bytes"],
      [{ faceValue: "ten" }, "its faceValue is not up to 32 bytes"],
      [{ senderNonce: 2 ** 32 }, "its senderNonce is out of range"],
      [{ senderNonce: -1 }, "its senderNonce is out of range"],
      [{ senderNonce: "one" }, "its senderNonce is not an integer"],
      [{ creationRound: -1 }, "its creationRound is out of range"],
      [
        { recipientRand: bytes(other.won.recipientRand) },
        "its recipientRand does not fit its recipientRandHash",
      ],
      [{ recipientRandHash: `0x${"zz".repeat(32)}` }, "its recipientRandHash is not 32 bytes as 0x…"],
      [
        { creationRound: 0, creationRoundBlockHash: `0x${"00".repeat(32)}` },
        "it names no round: the TicketBroker takes no such ticket",
      ],
      [{ paramsExpirationBlock: null }, "its paramsExpirationBlock is not an integer"],
      [{ redeemedAt: "2026-01-01", txHash: 12 }, "its txHash is not 32 bytes as 0x…"],
    ];
    const rows = bad.map(([changes], index) => queueRow(won, { sig: sig(index + 1), ...changes }));
    rows.push(queueRow(won, { sig: bytes(won.sig).slice(0, 64) }), queueRow(other.won));
    const run = await tickets("import", "--dataDir", dataDir, lpdbOf(rows), "--json");
    const lines = run.lines.map((line) => JSON.parse(line) as Line);
    expect(outcomes(lines)).toEqual([
      ...bad.map(([, reason]) => ["refused", reason]),
      ["refused", "its sig has 64 bytes, not 65"],
      ["imported", null],
    ]);
    expect(run.code).toBe(1);
    expect((await storedTickets()).map(({ hash }) => hash)).toEqual([other.hash]);
  });

  test("a ticket that did not win, and one whose signature is another gateway's, are refused", async () => {
    const { won } = wonTicket();
    const rows = [
      queueRow(won, { winProb: new Uint8Array() }),
      queueRow({ ...wonTicket({ number: 2 }).won, sender: gateways[2] }),
    ];
    const lines = await importFile(lpdbOf(rows));
    // The win probability is part of what was signed: to lose honestly a ticket needs a signature of its own.
    expect(outcomes(lines)).toEqual([
      ["refused", "its signature is not its sender's"],
      ["refused", "its signature is not its sender's"],
    ]);
    const lpdb = openLpdb(lpdbOf([queueRow(won)]));
    const [claim] = [...lpdb.rows()].map((row) => row.claim as TicketClaim);
    lpdb.close();
    if (claim === undefined) throw new Error();
    expect(judgeTicket({ ...claim, winProb: 0n }, () => claim.sender)).toMatchObject({
      reason: "it did not win",
    });
  });

  test("its folder is not touched: neither the database, nor a journal or a WAL beside it", async () => {
    const made = [1, 2].map((number) => wonTicket({ number }));
    const source = logFolder(folder.path);
    const { db, path } = writeLpdb(source.path, [queueRow((made[0] as (typeof made)[0]).won)], {
      isWal: true,
    });
    db.run("PRAGMA wal_checkpoint(TRUNCATE)");
    db.run("PRAGMA wal_autocheckpoint = 0");
    // The second row is only in the WAL, as a killed program leaves it.
    const killed = logFolder(folder.path);
    const names = Object.keys(queueRow((made[1] as (typeof made)[0]).won));
    db.prepare(`INSERT INTO ticketQueue (${names.join()}) VALUES (${names.map(() => "?").join()})`).run(
      ...(Object.values(queueRow((made[1] as (typeof made)[0]).won)) as string[]),
    );
    for (const name of ["lpdb.sqlite3", "lpdb.sqlite3-wal"]) {
      copyFileSync(join(source.path, name), join(killed.path, name));
    }
    db.close();
    const before = await fingerprint(killed.path);
    expect(Object.keys(before)).toEqual(["lpdb.sqlite3", "lpdb.sqlite3-wal"]);
    const lines = await importFile(join(killed.path, "lpdb.sqlite3"));
    expect(lines.at(-1)).toMatchObject({ imported: 2 });
    expect(await fingerprint(killed.path)).toEqual(before);
    expect(existsSync(path)).toBe(true);
  });

  test("of another chain, of a newer version, or no lpdb at all: nothing is imported, and the words say why", async () => {
    const writer = await MoneyWriter.open(dataDir);
    writer.add("chain:own", round(3700n, 21_000_000n));
    await writer.close();
    const rows = [queueRow(wonTicket().won)];
    const refusal = async (path: string): Promise<unknown> => {
      const { code, errors } = await tickets("import", "--dataDir", dataDir, path);
      return [code, errors];
    };
    expect(await refusal(lpdbOf(rows, { chainId: 1 }))).toEqual([
      2,
      expect.stringContaining("The tickets are of chain 1, and this node's log is of chain 42161."),
    ]);
    expect(await refusal(lpdbOf(rows, { version: 2 }))).toEqual([2, expect.stringContaining("version 2")]);
    expect(await refusal(join(folder.path, "missing"))).toEqual([2, expect.stringContaining("missing")]);
    const text = join(folder.path, "text");
    writeFileSync(text, "SQLite format 3\u0000 and then nothing");
    expect(await refusal(text)).toEqual([2, expect.stringContaining("cannot be imported")]);
    expect(await storedTickets()).toEqual([]);
    expect(readdirSync(dataDir)).toContain("reprise.sqlite3");
  });
});

// Method: the column `value STRING` has SQLite make an integer of `42161`, and of go-livepeer's own text no trace is left.
test("chain check 4: a chainID that SQLite has made an integer of is read as the number that it is", async () => {
  const writer = await MoneyWriter.open(dataDir);
  writer.add("chain:own", round(3700n, 21_000_000n));
  await writer.close();
  const path = lpdbOf([queueRow(wonTicket().won)], { chainId: 42_161 });
  const db = new Database(path, { readonly: true });
  expect(db.query("SELECT typeof(value) AS kind, value FROM kv WHERE key = 'chainID'").get()).toEqual({
    kind: "integer",
    value: 42_161,
  });
  db.close();
  expect(openLpdb(path).chainId).toBe(42_161n);
  expect((await importFile(path)).at(-1)).toMatchObject({ imported: 1, refused: 0 });
});

describe("a running node", () => {
  test("keeps its log to itself", async () => {
    const unlock = lockDataDir(dataDir);
    const run = await tickets("import", "--dataDir", dataDir, lpdbOf([queueRow(wonTicket().won)]));
    unlock();
    expect([run.code, run.errors]).toEqual([
      2,
      expect.stringContaining("Another node works in the data folder"),
    ]);
    expect(existsSync(join(dataDir, "reprise.sqlite3"))).toBe(false);
  });
});

describe("our own lines", () => {
  test("what one node exports, another imports, and the tickets are the same", async () => {
    const writer = await MoneyWriter.open(dataDir);
    const made = [1, 2, 3].map((number) => wonTicket({ number, creationRound: BigInt(3700 + number) }));
    for (const { hash, won } of made) writer.add(`ticket:${hash}`, won);
    const txHash = `0x${"aa".repeat(32)}` as const;
    writer.add(`ticket:${made[0]?.hash ?? ""}`, { type: "TicketRedeemed", txHash, round: 3702n });
    await writer.close();
    const sent = await storedTickets();
    const lines = join(folder.path, "tickets.jsonl");
    await tickets("export", "--dataDir", dataDir, "--state", "all", "--all", "--out", lines);
    dataDir = join(folder.path, "other");
    const report = await importFile(lines);
    expect(report.at(-1)).toMatchObject({ imported: 2, redeemed: 1, refused: 0 });
    const facts = ({ wonMs, endedMs, endedRound, source, ...ticket }: TicketRecord): unknown => ticket;
    const byHash = (left: TicketRecord, right: TicketRecord): number => (left.hash < right.hash ? -1 : 1);
    expect((await storedTickets()).toSorted(byHash).map(facts)).toEqual(sent.toSorted(byHash).map(facts));
  });

  test("a changed, cut or foreign line is refused and the others are imported", async () => {
    const writer = await MoneyWriter.open(dataDir);
    const { hash, won } = wonTicket();
    writer.add(`ticket:${hash}`, won);
    await writer.close();
    const { lines: exported } = await tickets("export", "--dataDir", dataDir, "--all");
    const [good = ""] = exported;
    const file = join(folder.path, "lines");
    const dearer = good.replace(`"faceValue":"${won.faceValue}"`, `"faceValue":"${won.faceValue + 1n}"`);
    expect(dearer).not.toBe(good);
    const foreign = [
      "[]",
      "null",
      '{"format":"other"}',
      good.replace('"formatVersion":1', '"formatVersion":2'),
    ];
    writeFileSync(
      file,
      ["", dearer, good.slice(0, 300), ...foreign, "x".repeat(9_000), good, good].join("\r\n"),
    );
    dataDir = join(folder.path, "other");
    const lines = await importFile(file);
    expect(lines.filter(({ type }) => type === "row").map(({ place, reason }) => [place, reason])).toEqual([
      ["line 2", "its fields do not make the hash that it names"],
      ["line 3", "it is not JSON"],
      ["line 4", "it is not a ticket"],
      ["line 5", "it is not a ticket"],
      ["line 6", "it is not an exported ticket"],
      ["line 7", "a newer release wrote it"],
      ["line 8", "it is longer than any ticket"],
      ["line 9", null],
      ["line 10", "the log has it already"],
    ]);
  });
});

describe("the log after an import", () => {
  test("that was killed holds every ticket that was reported, and the next import brings the rest", async () => {
    const count = 1_000;
    const rows = Array.from({ length: count }, (_, index) => queueRow(wonTicket({ number: index + 1 }).won));
    const path = lpdbOf(rows);
    const entry = join(import.meta.dir, "../../../src/tickets.ts");
    const child = Bun.spawn([process.execPath, entry, "import", "--dataDir", dataDir, path, "--json"], {
      ...{ stdout: "pipe", stderr: "ignore" },
      // Where the copy of the database goes: a killed program does not tidy up.
      env: { ...process.env, TMPDIR: folder.path },
    });
    let text = "";
    const decoder = new TextDecoder();
    for await (const piece of child.stdout) {
      text += decoder.decode(piece, { stream: true });
      child.kill("SIGKILL");
    }
    await child.exited;
    const reported = text.split("\n").slice(0, -1);
    expect(reported.length).toBeGreaterThan(0);
    const hashes = reported.flatMap((line) => (JSON.parse(line) as Line).hash ?? []);
    const kept = new Set((await storedTickets()).map(({ hash }) => hash));
    expect(hashes.filter((hash) => !kept.has(hash))).toEqual([]);
    const lines = await importFile(path);
    expect(lines.at(-1)).toMatchObject({ imported: count - kept.size, skipped: kept.size, refused: 0 });
    expect(await storedTickets()).toHaveLength(count);
  }, 60_000);

  test("of more rows than one commit takes verifies, and a known validity of tickets is used", async () => {
    const writer = await MoneyWriter.open(dataDir);
    writer.add("chain:own", round(3700n, 21_000_000n, 5n));
    await writer.close();
    const rows = Array.from({ length: 600 }, (_, index) => queueRow(wonTicket({ number: index + 1 }).won));
    const lines = await importFile(lpdbOf(rows));
    expect(lines.at(-1)).toMatchObject({ imported: 600 });
    expect((await storedTickets())[0]).toMatchObject({ creationRound: "3700", lastValidRound: "3704" });
    const source = openDataDir(dataDir);
    const { findings, open } = verify(source);
    source.close();
    expect(open).toBe(601);
    expect(findings).toEqual([]);
  }, 60_000);
});

function checksumOf(account: string): string {
  return checksumHex(fromHex(account) as Uint8Array);
}
