import { expect, test } from "bun:test";
import { join } from "node:path";
import { logFolder } from "../../../support/logFolder.ts";
import { readRows } from "../../../support/logRows.ts";

/*
 * Goal: whenever the process is killed, everything it acknowledged is in the log, and the log is a prefix of what
 * it wrote: no gap, no half turn. Method: a child appends and prints its acknowledgements; it is killed after a
 * chosen acknowledgement or after a random time, over and over on the same data folder, and each new child starts
 * from what the last one left. (A kill shows what the process had handed to the system; what a power cut adds, the
 * order of disk writes, is SQLite's `synchronous=FULL`, which `pragmas` below holds fast.)
 */

const roundsMax = 24;
const child = join(import.meta.dir, "appendChild.ts");

/** Runs one child and kills it. Returns the last acknowledged seq. */
async function runAndKill(
  dataDir: string,
  overlap: number,
  killAfter: { readonly acks: number } | { readonly ms: number },
): Promise<{ readonly start: number; readonly acknowledged: number }> {
  const process_ = Bun.spawn([process.execPath, child, dataDir, String(overlap)], {
    stdout: "pipe",
    stderr: "inherit",
  });
  let text = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  for await (const chunk of process_.stdout) {
    text += new TextDecoder().decode(chunk);
    if ("ms" in killAfter) {
      timer ??= setTimeout(() => process_.kill("SIGKILL"), killAfter.ms);
    } else if (text.split("ack ").length > killAfter.acks) process_.kill("SIGKILL");
  }
  clearTimeout(timer);
  await process_.exited;
  expect(process_.signalCode).toBe("SIGKILL");
  const lines = text.slice(0, text.lastIndexOf("\n")).split("\n");
  const acks = lines.filter((line) => line.startsWith("ack ")).map((line) => Number(line.slice(4)));
  const start = Number(lines[0]?.split(" ")[1]);
  return { start, acknowledged: Math.max(start, ...acks) };
}

test(`kill -9 in the middle of commits, ${roundsMax} times on one log`, async () => {
  using folder = logFolder();
  let before = 0;
  for (let round = 0; round < roundsMax; round++) {
    const overlap = [1, 4, 16][round % 3] ?? 1;
    const kill = round % 2 === 0 ? { acks: 1 + round } : { ms: Math.random() * 60 };
    const { start, acknowledged } = await runAndKill(folder.path, overlap, kill);
    expect(start).toBe(before);
    const rows = readRows<{ seq: number; version: number; turn: number }>(
      folder.path,
      "SELECT seq, version, json_extract(data, '$.bytes') AS turn FROM events ORDER BY seq",
    );
    const what = `round ${round}, ${JSON.stringify(kill)}, overlap ${overlap}`;
    // Everything acknowledged is there, and the order has no gap.
    expect([what, rows.length >= acknowledged]).toEqual([what, true]);
    expect([what, rows.every((row, index) => row.seq === index + 1)]).toEqual([what, true]);
    expect([what, rows.every((row, index) => row.version === index + 1)]).toEqual([what, true]);
    // Turns are whole, in order, and none is missing: a prefix of what was written.
    const sizes = new Map<number, number>();
    for (const { turn } of rows) sizes.set(turn, (sizes.get(turn) ?? 0) + 1);
    expect([what, [...sizes.keys()].every((turn, index) => turn === index + 1)]).toEqual([what, true]);
    expect([what, [...sizes].filter(([turn, size]) => size !== 1 + (turn % 5))]).toEqual([what, []]);
    // The stream's head is of the same commit as its last event.
    const [head] = readRows<{ version: number }>(folder.path, "SELECT version FROM streams");
    expect([what, head?.version ?? 0]).toEqual([what, rows.length]);
    before = rows.length;
  }
  expect(before).toBeGreaterThan(roundsMax);
}, 60_000);

test("the writer's connection syncs every commit: WAL, synchronous=FULL", async () => {
  const { setPragmas } = await import("../../../../src/events/log/open.ts");
  const { Database } = await import("bun:sqlite");
  using folder = logFolder();
  const db = new Database(join(folder.path, "log"), { create: true });
  setPragmas(db);
  expect(db.query("PRAGMA journal_mode").get()).toEqual({ journal_mode: "wal" });
  expect(db.query("PRAGMA synchronous").get()).toEqual({ synchronous: 2 });
  db.close();
});
