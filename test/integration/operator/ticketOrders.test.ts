import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { lockDataDir } from "../../../src/events/log/lock.ts";
import { openOperatorPort, type OperatorPort } from "../../../src/operator/operatorPort.ts";
import type { OperatorNode, OperatorTickets } from "../../../src/operator/ports.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import { type LogFolder, logFolder } from "../../support/logFolder.ts";
import { MoneyWriter, round, rowsOf, tickets, wonTicket } from "../../unit/ledger/moneyFolder.ts";

/*
 * Goal: an operator keeps tickets back, lets them go and has them redeemed, whether the node runs or not, and nobody
 * else does. Method: the command itself on a real log; for a running node, its lock and its real operator port in
 * front of one that only remembers what it was told.
 */

const token = "5e".repeat(32);
let folder: LogFolder;
let dataDir = "";
let port: OperatorPort | null = null;
let unlock: (() => void) | null = null;
/** What the node takes for due. */
let dueNow: readonly string[] = [];
const asked: (readonly [order: string, hashes: readonly Hex[]])[] = [];

beforeEach(() => {
  folder = logFolder();
  dataDir = join(folder.path, "node");
  asked.length = 0;
  dueNow = [];
});
afterEach(async () => {
  unlock?.();
  await port?.close();
  [unlock, port] = [null, null];
  folder[Symbol.dispose]();
});

async function writeTickets() {
  const writer = await MoneyWriter.open(dataDir);
  writer.add("chain:own", round(3701n, 21_000_050n));
  const [due, young, ended] = [1, 2, 3].map((number) => wonTicket({ number }));
  if (due === undefined || young === undefined || ended === undefined) throw new Error();
  writer.add(`ticket:${due.hash}`, due.won);
  writer.add(`ticket:${young.hash}`, { ...young.won, expirationBlock: 21_000_090n });
  writer.add(`ticket:${ended.hash}`, ended.won);
  writer.add(`ticket:${ended.hash}`, { type: "TicketRedeemed", txHash: null, round: 3701n });
  await writer.close();
  return { due: due.hash, young: young.hash, ended: ended.hash };
}

const remembering: OperatorTickets = {
  token,
  hold: async (hashes, isHeld) => {
    asked.push([isHeld ? "hold" : "release", hashes]);
    return hashes.map((hash) => ({ hash, outcome: "done", text: "" }));
  },
  redeemNow: async (hashes, isDueOnly) => {
    asked.push([isDueOnly ? "redeem what is due" : "redeem", hashes]);
    return hashes
      .filter((hash) => !isDueOnly || dueNow.includes(hash))
      .map((hash) => ({ hash, outcome: "refused", text: "the sender has nothing left" }));
  },
};

/** The parts of a node that these routes never reach are missing. */
async function startNode(node: OperatorTickets | null = remembering): Promise<string> {
  unlock = lockDataDir(dataDir);
  port = await openOperatorPort({
    bind: { host: "127.0.0.1", port: 0 },
    node: { money: null, chain: null, metrics: null, tickets: node } as unknown as OperatorNode,
  });
  writeFileSync(join(dataDir, "operator.token"), `${token}\n`, { mode: 0o600 });
  return `127.0.0.1:${port.address.port}`;
}

const run = (...argv: readonly string[]) => tickets(...argv, "--dataDir", dataDir);
const held = async (): Promise<readonly unknown[]> =>
  (await rowsOf<{ type: string; hash: string; held: number }>(run("list", "--json")))
    .filter(({ type, held }) => type === "ticket" && held === 1)
    .map(({ hash }) => hash);

describe("a node that is stopped", () => {
  test("its tickets are kept back and let go in its log", async () => {
    const { due, young } = await writeTickets();
    expect(await run("hold", due, young.slice(0, 20))).toMatchObject({ code: 0, errors: "" });
    expect([...(await held())].sort()).toEqual([due, young].sort());
    expect((await run("list")).lines.filter((line) => line.includes("open, held"))).toHaveLength(2);
    expect(await run("release", due)).toMatchObject({ code: 0, lines: [`${due}  done`] });
    expect(await held()).toEqual([young]);
    // It is as it shall be already.
    expect(await run("release", due)).toMatchObject({ code: 0, lines: [`${due}  done: as it was`] });
  });

  test("what has ended, or never was, is refused", async () => {
    const { ended } = await writeTickets();
    const { code, lines } = await run("hold", ended);
    expect([code, lines]).toEqual([1, [`${ended}  refused: The ticket is not open.`]]);
    expect(await run("hold", "0xffffffffff")).toMatchObject({ code: 2 });
    expect((await run("hold")).errors).toContain("Name tickets by their hashes");
    expect((await run("hold", "--all")).errors).toContain("`--all` is for redeem");
  });

  test("nothing is redeemed: it says who does", async () => {
    const { due } = await writeTickets();
    const { code, errors } = await run("redeem", due);
    expect([code, errors]).toEqual([2, expect.stringContaining("Start the node")]);
  });
});

describe("a node that runs", () => {
  test("gets every order through its port, and says what became of each ticket", async () => {
    const { due, young } = await writeTickets();
    const operator = await startNode();
    expect(await run("hold", due, young, "--operator", operator)).toMatchObject({ code: 0 });
    expect(await run("release", young, "--operator", operator)).toMatchObject({ code: 0 });
    const redeemed = await run("redeem", "--all", "--operator", operator);
    expect(redeemed).toMatchObject({ code: 0, lines: ["No ticket is due."] });
    dueNow = [due];
    const later = await run("redeem", "--all", "--operator", operator);
    expect(later).toMatchObject({ code: 1, lines: [`${due}  refused: the sender has nothing left`] });
    expect((await run("redeem", young, "--operator", operator)).code).toBe(1);
    // The log knows the chain's block from time to time only: the node says what is due.
    expect(asked).toEqual([
      ["hold", [due, young]],
      ["release", [young]],
      ["redeem what is due", [due, young]],
      ["redeem what is due", [due, young]],
      ["redeem", [young]],
    ]);
  });

  test("a wrong token, a wrong port and a node without tickets end in words", async () => {
    const { due } = await writeTickets();
    const operator = await startNode();
    writeFileSync(join(dataDir, "operator.token"), "ab".repeat(32));
    expect((await run("hold", due, "--operator", operator)).errors).toContain(
      "the token is missing or wrong",
    );
    expect((await run("hold", due, "--operator", "nowhere")).errors).toContain("HOST:PORT");
    expect((await run("hold", due, "--operator", "127.0.0.1:1")).errors).toContain("did not take the order");
    unlock?.();
    await port?.close();
    const other = await startNode(null);
    expect((await run("hold", due, "--operator", other)).errors).toContain("redeems no tickets");
    expect(asked).toEqual([]);
  });
});

describe("the routes", () => {
  test("take a list of hashes as JSON with the token, and nothing else", async () => {
    const { due } = await writeTickets();
    const operator = await startNode();
    const ask = async (path: string, change: RequestInit = {}): Promise<readonly [number, string]> => {
      const answer = await fetch(`http://${operator}${path}`, {
        method: "POST",
        headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
        body: JSON.stringify({ tickets: [due] }),
        ...change,
      });
      return [answer.status, await answer.text()];
    };
    const withBody = (body: unknown) => ask("/api/tickets/hold", { body: JSON.stringify(body) });
    expect(await ask("/api/tickets/hold")).toEqual([
      200,
      JSON.stringify({ results: [{ hash: due, outcome: "done", text: "" }] }),
    ]);
    expect((await ask("/api/tickets/burn"))[0]).toBe(404);
    expect((await ask("/api/tickets/constructor"))[0]).toBe(404);
    expect((await ask("/api/tickets/hold", { method: "GET", body: null }))[0]).toBe(405);
    expect((await ask("/api/tickets/hold", { headers: { "Content-Type": "application/json" } }))[0]).toBe(
      401,
    );
    expect((await ask("/api/tickets/hold", { headers: { Authorization: `Bearer ${token}` } }))[0]).toBe(415);
    for (const body of [
      null,
      {},
      { tickets: [] },
      { tickets: ["0x12"] },
      { tickets: [5] },
      { tickets: due },
    ]) {
      expect((await withBody(body))[0]).toBe(400);
    }
    expect((await withBody({ tickets: Array.from({ length: 1_001 }, () => due) }))[0]).toBe(400);
    // In any letter case, and each once.
    await withBody({ tickets: [due, due.toUpperCase().replace("X", "x")] });
    expect(asked.at(-1)).toEqual(["hold", [due]]);
  });
});
