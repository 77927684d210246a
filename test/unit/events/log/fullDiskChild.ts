import { statfsSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Journal } from "../../../../src/events/log/journal.ts";
import { logFileName, prepareLog } from "../../../../src/events/log/open.ts";
import { eventRow, readRows } from "../../../support/logRows.ts";

/*
 * Fills the disk under a journal, frees it again, and prints what happened as one JSON line. Runs on a small file
 * system of its own, see `fullDisk.test.ts`.
 */

const [dataDir = ""] = process.argv.slice(2);
const filler = join(dataDir, "filler");
const turnMax = 400;

const stalled = Promise.withResolvers<string>();
const resumed = Promise.withResolvers<void>();
const halts: string[] = [];
prepareLog(join(dataDir, logFileName));
const journal = await Journal.open(join(dataDir, logFileName), [], {
  onStalled: (reason) => (reason === null ? resumed.resolve() : stalled.resolve(reason)),
  onHalted: (error) => {
    halts.push(error.message);
    stalled.resolve(error.message);
    resumed.resolve();
  },
});

// A log that works, then a disk with almost nothing left.
journal.addEvent(eventRow(1, "segment:0", 1));
await journal.committed();
const { bavail, bsize } = statfsSync(dataDir);
writeFileSync(filler, new Uint8Array(bavail * bsize - 64 * 1024));

const acknowledged: number[] = [1];
let reason = "";
void stalled.promise.then((text) => {
  reason = text;
});
let seq = 1;
while (reason === "" && seq < turnMax) {
  seq += 1;
  const mine = seq;
  journal.addEvent(eventRow(mine, `segment:${mine}`, 1));
  journal.afterCommit(() => acknowledged.push(mine));
  await Promise.race([journal.committed(), stalled.promise]);
}
const acknowledgedWhenFull = [...acknowledged];
const refusalWhenFull = journal.refusal;
const durableWhenFull = readRows<{ seq: number }>(dataDir, "SELECT seq FROM events ORDER BY seq");
// Decided while the disk is full: it must come out as well.
seq += 1;
journal.addEvent(eventRow(seq, `segment:${seq}`, 1));
unlinkSync(filler);
await resumed.promise;
await journal.committed();
const durable = readRows<{ seq: number }>(dataDir, "SELECT seq FROM events ORDER BY seq");
console.log(
  JSON.stringify({
    reason,
    refusalWhenFull,
    refusalAfter: journal.refusal,
    acknowledgedWhenFull,
    durableWhenFull: durableWhenFull.map((row) => row.seq),
    acknowledged,
    durable: durable.map((row) => row.seq),
    last: seq,
    halts,
  }),
);
await journal.close();
