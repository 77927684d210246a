import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { runReplay } from "../../../src/replay/replay.ts";
import { type LogFolder, logFolder } from "../../support/logFolder.ts";
import { meddle } from "../../support/logRows.ts";
import { fingerprint } from "../replay/replayHarness.ts";
import { gateways, MoneyWriter, payment, round, rowsOf, tickets, wonTicket } from "./moneyFolder.ts";

/*
 * Goal: an operator sees what is at risk and until when, can hand it to somebody who redeems, and gives away no
 * secret by accident. Method: the command itself on logs that the real journal wrote.
 */

let folder: LogFolder;
let dataDir = "";

beforeEach(() => {
  folder = logFolder();
  dataDir = join(folder.path, "node");
});
afterEach(() => folder[Symbol.dispose]());

const run = (...argv: readonly string[]) => tickets(...argv, "--dataDir", dataDir);

/** Five tickets of two gateways in all states; the chain is in round 3701, at L1 block 21,000,050. */
async function writeTickets(position: "known" | "unknown" = "known") {
  const writer = await MoneyWriter.open(dataDir);
  if (position === "known") writer.add("chain:own", round(3701n, 21_000_050n));
  const late = wonTicket({ number: 1, creationRound: 3700n, faceValue: 3n * 10n ** 17n });
  const dearer = wonTicket({ number: 2, creationRound: 3700n, faceValue: 10n ** 24n + 1n, gateway: 1 });
  const young = wonTicket({ number: 3, creationRound: 3701n, faceValue: 1n });
  const redeemed = wonTicket({ number: 4 });
  const expired = wonTicket({ number: 5, creationRound: 3690n });
  for (const { hash, won } of [late, dearer, redeemed, expired]) writer.add(`ticket:${hash}`, won);
  writer.add(`ticket:${young.hash}`, { ...young.won, expirationBlock: 21_000_090n });
  writer.atMs += 1_000;
  writer.add(`ticket:${redeemed.hash}`, {
    type: "TicketRedeemed",
    txHash: `0x${"aa".repeat(32)}`,
    round: 3701n,
  });
  writer.add(`ticket:${expired.hash}`, { type: "TicketExpired", round: 3701n, loss: 10n ** 17n });
  await writer.close();
  return { late, dearer, young, redeemed, expired };
}

describe("list", () => {
  test("open winners, what ends first on top, with deadline and the wei at risk", async () => {
    const { late, dearer, young } = await writeTickets();
    const { code, lines } = await run("list");
    expect(code).toBe(0);
    const short = (hash: string): string => hash.slice(0, 18);
    const won = "2026-01-01 00:00:00.000";
    expect(lines.map((line) => line.split(/ {2,}/))).toEqual([
      ["ticket", "state", "sender", "ETH", "last round", "left", "due", "won"],
      [short(dearer.hash), "open", gateways[1], "1000000", "3701", "last", "yes", won],
      [short(late.hash), "open", gateways[0], "0.3", "3701", "last", "yes", won],
      [
        ...[short(young.hash), "open", gateways[0], "0.000000000000000001", "3702", "1"],
        ...["block 21000090", won],
      ],
      [`${gateways[1]}: 1 open, 1000000000000000000000001 wei (1000000 ETH)`],
      [`${gateways[0]}: 2 open, 300000000000000001 wei (0.3 ETH)`],
      ["At risk: 1000000300000000000000002 wei (1000000 ETH)."],
      ["As of round 3701, L1 block 21000050."],
    ]);
  });

  test("--state and --sender narrow it, in any letter case", async () => {
    const { redeemed, expired, dearer } = await writeTickets();
    const hashes = async (...argv: readonly string[]): Promise<unknown> =>
      (await rowsOf<{ type: string; hash: string }>(run("list", "--json", ...argv)))
        .filter(({ type }) => type === "ticket")
        .map(({ hash }) => hash);
    expect(await hashes("--state", "redeemed")).toEqual([redeemed.hash]);
    expect(await hashes("--state", "expired")).toEqual([expired.hash]);
    expect(await hashes("--state", "all")).toHaveLength(5);
    expect(await hashes("--sender", gateways[1].toUpperCase().replace("X", "x"))).toEqual([dearer.hash]);
    expect(await hashes("--sender", gateways[2])).toEqual([]);
  });

  test("--json: one document a ticket and one a total, without any secret that is one", async () => {
    const { late, young } = await writeTickets();
    const { lines } = await run("list", "--json");
    const rows = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(rows.find(({ hash }) => hash === late.hash)).toMatchObject({
      ...{ type: "ticket", state: "open", isDue: true, roundsLeft: "0", faceValue: "300000000000000000" },
      recipientRand: late.won.recipientRand,
    });
    expect(rows.find(({ hash }) => hash === young.hash)).toMatchObject({
      ...{ isDue: false, roundsLeft: "1", recipientRand: null },
    });
    expect(lines.join()).not.toContain(young.won.recipientRand.slice(2));
    expect(rows.filter(({ type }) => type === "total")).toContainEqual({
      ...{ type: "total", sender: gateways[0], state: "open", tickets: 2, faceValue: "300000000000000001" },
      exposure: null,
    });
  });

  test("what a gateway's winners stand against: its last known funds, our share of its reserve, its withdrawal", async () => {
    await writeTickets();
    const writer = await MoneyWriter.open(dataDir);
    // A hundred share a reserve, and we have claimed 1 wei of our part: 10^16 − 1, and 10^17 from the deposit.
    const funds = { deposit: 10n ** 17n, reserve: 10n ** 18n, claimedInRound: 0n, claimedByUs: 1n };
    writer.add(`gateway:${gateways[0]}`, {
      ...{ type: "GatewayFundsRead", ...funds, withdrawRound: 3703n, readAtMs: Date.UTC(2026, 0, 2) },
    });
    await writer.close();
    const { lines } = await run("list", "--json");
    const totals = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(totals.find(({ type, sender }) => type === "total" && sender === gateways[0])).toMatchObject({
      exposure: {
        covered: `${11n * 10n ** 16n - 1n}`,
        uncovered: `${19n * 10n ** 16n + 2n}`,
        withdrawRound: "3703",
      },
    });
    expect((await run("list")).lines).toContain(
      "  had 0.1 ETH deposit and 1 ETH reserve at 2026-01-02 00:00:00.000, which cover 0.11 ETH: " +
        "190000000000000002 wei uncovered; it may withdraw from round 3703 on",
    );
  });

  test("a log that was never on a chain has open winners too, but no rounds left to count", async () => {
    await writeTickets("unknown");
    const { lines } = await run("list");
    expect(lines.slice(1, 4).map((line) => line.split(/ {2,}/)[5])).toEqual(["?", "?", "?"]);
    expect(lines.at(-1)).toBe("The log does not know the round: it has not been on a chain.");
  });

  test("an empty log says so", async () => {
    await (await MoneyWriter.open(dataDir)).close();
    expect((await run("list")).lines).toEqual(["No winning ticket is open."]);
    expect((await run("list", "--state", "expired")).lines).toEqual(["There are no such tickets."]);
  });
});

describe("show", () => {
  test("all of a ticket, by its hash or as much of it as is enough", async () => {
    const { late, redeemed } = await writeTickets();
    const [whole] = await rowsOf(run("show", late.hash, "--json"));
    expect(whole).toMatchObject({ hash: late.hash, sig: late.won.sig, creationRound: "3700" });
    const prefix = late.hash.slice(2, 14).toUpperCase();
    expect(await rowsOf(run("show", prefix, "--json"))).toEqual([whole] as never);
    const { lines } = await run("show", redeemed.hash);
    expect(lines.find((line) => line.startsWith("txHash"))).toContain("aa".repeat(32));
    expect(lines.find((line) => line.startsWith("endedMs"))).toContain("2026-01-01 00:00:01.000");
    expect(lines.find((line) => line.startsWith("faceValue"))).toContain("100000000000000000 wei (0.1 ETH)");
  });

  test("a ticket that is not due keeps its secret number", async () => {
    const { young } = await writeTickets();
    const { lines } = await run("show", young.hash);
    expect(lines.find((line) => line.startsWith("recipientRand "))).toContain(
      "secret until L1 block 21000090",
    );
    expect(lines.join()).not.toContain(young.won.recipientRand.slice(2));
  });

  test("no ticket, several tickets, no name", async () => {
    const writer = await MoneyWriter.open(dataDir);
    // Seventeen hashes begin with sixteen digits at most: two of them share their first one.
    const made = Array.from({ length: 17 }, (_, number) => wonTicket({ number: number + 1 }));
    for (const { hash, won } of made) writer.add(`ticket:${hash}`, won);
    await writer.close();
    const digit = [..."0123456789abcdef"].find(
      (each) => made.filter(({ hash }) => hash[2] === each).length > 1,
    );
    expect(await run("show", `0x${digit}`)).toMatchObject({
      ...{ code: 2, errors: expect.stringContaining("Several hashes begin with") },
    });
    expect((await run("show", "ab".repeat(32))).errors).toContain("No ticket's hash begins with");
    expect((await run("show")).errors).toContain("Name a ticket");
    expect((await run("show", "not-a-hash")).code).toBe(2);
  });
});

describe("export", () => {
  test("what is due, with all that a redeemer needs; the rest is counted and left out", async () => {
    const { late, dearer, young } = await writeTickets();
    const { code, lines, errors } = await run("export");
    expect(code).toBe(0);
    const exported = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(exported.map(({ hash }) => hash).toSorted()).toEqual([late.hash, dearer.hash].toSorted());
    const { type: _type, source: _source, ...facts } = late.won;
    expect(exported.find(({ hash }) => hash === late.hash)).toEqual({
      ...facts,
      ...{ format: "reprise-ticket", formatVersion: 1, hash: late.hash, state: "won", txHash: null },
      ...{ faceValue: "300000000000000000", winProb: String(late.won.winProb), creationRound: "3700" },
      ...{ expirationBlock: "21000040", lastValidRound: "3701", wonMs: expect.any(Number) },
      auxData: `0x${(3700).toString(16).padStart(64, "0")}${late.won.creationRoundBlockHash.slice(2)}`,
    });
    expect(errors).toContain("1 tickets are not due yet (as of L1 block 21000050) and were left out");
    expect(lines.join()).not.toContain(young.won.recipientRand.slice(2));
  });

  test("--all takes everything and warns of the secrets; the file is its owner's and replaces none", async () => {
    await writeTickets();
    const out = join(folder.path, "tickets.jsonl");
    const { errors } = await run("export", "--all", "--out", out);
    expect(errors).toContain("Keep this secret: 1 of the tickets are not due yet.");
    expect(readFileSync(out, "utf8").trimEnd().split("\n")).toHaveLength(3);
    expect(statSync(out).mode & 0o777).toBe(0o600);
    const again = await run("export", "--out", out);
    expect([again.code, again.errors]).toEqual([2, expect.stringContaining("cannot be used")]);
  });

  test("payments prove an L1 block as rounds do, and the operator may know a later one", async () => {
    const writer = await MoneyWriter.open(dataDir);
    const { hash, won } = wonTicket();
    writer.add(`ticket:${hash}`, won);
    await writer.close();
    expect((await run("export")).errors).toContain("the log knows no L1 block");
    expect((await run("export", "--l1Block", "21000039")).lines).toEqual([]);
    // A ticket may be redeemed from its expiration block on.
    expect((await run("export", "--l1Block", "21000040")).lines).toHaveLength(1);
    const later = await MoneyWriter.open(dataDir);
    later.add("chain:own", round(3700n, 21_000_000n));
    later.add(`account:${gateways[0]}/m`, payment({ l1Block: 21_000_040n }));
    await later.close();
    expect((await run("export")).lines).toHaveLength(1);
  });
});

const moneyOutTables = ["chain_logs", "transactions", "rounds"];

describe("the command line", () => {
  test("help, unknown words and bad options end with 2 and say what to do", async () => {
    expect((await tickets("--help")).code).toBe(0);
    expect((await tickets()).code).toBe(2);
    const wrong: readonly (readonly [readonly string[], string])[] = [
      [["list"], "Name the log"],
      [["steal", "--dataDir", dataDir], "There is no command `steal`"],
      [
        ["list", "--dataDir", dataDir, "--state", "lost"],
        "`--state` is open, won, submitted, paid, redeemed, expired, refused, all",
      ],
      [["list", "--dataDir", dataDir, "--sender", "me"], "`--sender` takes an account"],
      [["export", "--dataDir", dataDir, "--l1Block", "-1"], "--l1Block"],
      [["list", "--dataDir", dataDir, "--what"], "--what"],
      [["import", "file"], "Name the node's data folder"],
      [["import", "--dataDir", dataDir], "Name the file to import"],
      [["list", "--dataDir", dataDir], "There is no event log"],
    ];
    for (const [argv, text] of wrong) {
      const { code, errors } = await tickets(...argv);
      expect([code, errors]).toEqual([2, expect.stringContaining(text)]);
    }
    expect(existsSync(dataDir)).toBe(false);
  });

  test("tables of another release are not read: the node must bring them up to date", async () => {
    await writeTickets();
    meddle(dataDir, "UPDATE views SET view_version = 7 WHERE name = 'tickets'");
    expect((await run("list")).errors).toContain("Start the node of this release once");
  });

  test("a log of the release before money: readers say what to do, and the start of a node does it", async () => {
    const { late } = await writeTickets();
    const added = ["tickets", "nonces", "ledger_payments", "ledger_prices"].concat([
      "ledger_reservations",
      "ledger_jobs",
      "ledger_expiries",
    ]);
    meddle(
      dataDir,
      ...[...added, ...moneyOutTables].map((table) => `DROP TABLE ${table}`),
      "DELETE FROM __drizzle_migrations WHERE created_at > (SELECT min(created_at) FROM __drizzle_migrations)",
      "DELETE FROM views WHERE name NOT IN ('media-losses', 'session-summary')",
    );
    expect((await run("list")).errors).toContain("Start the node of this release once");
    await (await MoneyWriter.open(dataDir)).close();
    const rows = await rowsOf<{ hash?: string }>(run("list", "--json"));
    expect(rows.map(({ hash }) => hash)).toContain(late.hash);
  });

  test("a log of the release before money out: the same, and tickets keep what they were", async () => {
    const { late, redeemed } = await writeTickets();
    const columns = ["transaction_id", "paid_amount", "paid_block", "held", "cause", "text", "redeemer"];
    meddle(
      dataDir,
      ...moneyOutTables.map((table) => `DROP TABLE ${table}`),
      ...columns.map((column) => `ALTER TABLE tickets DROP COLUMN ${column}`),
      "DELETE FROM __drizzle_migrations WHERE created_at NOT IN " +
        "(SELECT created_at FROM __drizzle_migrations ORDER BY created_at LIMIT 2)",
      "DELETE FROM views WHERE name IN ('chain-logs', 'transactions', 'rounds')",
      "UPDATE views SET view_version = 1 WHERE name = 'tickets'",
    );
    expect((await run("list")).errors).toContain("Start the node of this release once");
    await (await MoneyWriter.open(dataDir)).close();
    const rows = await rowsOf<{ hash?: string; state?: string }>(run("list", "--json", "--state", "all"));
    expect(rows.find(({ hash }) => hash === late.hash)?.state).toBe("open");
    expect(rows.find(({ hash }) => hash === redeemed.hash)?.state).toBe("redeemed");
  });

  test("a log of the release before redeemers: the same", async () => {
    const { late } = await writeTickets();
    meddle(
      dataDir,
      "ALTER TABLE tickets DROP COLUMN redeemer",
      "DELETE FROM __drizzle_migrations WHERE created_at = (SELECT max(created_at) FROM __drizzle_migrations)",
      "UPDATE views SET view_version = 2 WHERE name = 'tickets'",
    );
    expect((await run("list")).errors).toContain("Start the node of this release once");
    await (await MoneyWriter.open(dataDir)).close();
    const rows = await rowsOf<{ hash?: string }>(run("list", "--json"));
    expect(rows.map(({ hash }) => hash)).toContain(late.hash);
  });

  // A process that ends while its pipe is full takes the rest with it: a ticket less in a file that looks whole.
  test("everything reaches a reader who takes his time", async () => {
    const writer = await MoneyWriter.open(dataDir);
    for (let number = 1; number <= 300; number++) {
      const { hash, won } = wonTicket({ number });
      writer.add(`ticket:${hash}`, won);
    }
    await writer.close();
    const entry = join(import.meta.dir, "../../../src/tickets.ts");
    const script = '"$0" "$1" export --all --dataDir "$2" | { sleep 1; wc -l; }';
    const child = Bun.spawn(["sh", "-c", script, process.execPath, entry, dataDir], {
      ...{ stdout: "pipe", stderr: "ignore" },
    });
    expect((await new Response(child.stdout).text()).trim()).toBe("300");
    expect(await child.exited).toBe(0);
  });

  test("looking changes nothing", async () => {
    const { late } = await writeTickets();
    const before = await fingerprint(dataDir);
    await run("list");
    await run("show", late.hash);
    await run("export", "--all");
    const after = await fingerprint(dataDir);
    expect(after["reprise.sqlite3"]).toBe(before["reprise.sqlite3"] as string);
  });

  test("a slice that replay exported has its tickets", async () => {
    const { late } = await writeTickets();
    const slice = join(folder.path, "log.slice");
    const output = { print: () => {}, printError: () => {} };
    expect(await runReplay(["export", "--dataDir", dataDir, "--out", slice], output)).toBe(0);
    const rows = await rowsOf<{ hash?: string }>(tickets("list", "--file", slice, "--json"));
    expect(rows.map(({ hash }) => hash)).toContain(late.hash);
  });
});
