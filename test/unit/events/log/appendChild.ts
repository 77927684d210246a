import { writeSync } from "node:fs";
import { allEvents } from "../../../../src/events/catalogue.ts";
import { lockDataDir } from "../../../../src/events/log/lock.ts";
import { openLog } from "../../../../src/events/log/openLog.ts";
import { eventRow } from "../../../support/logRows.ts";

/*
 * Appends turns of events until it is killed, and prints `ack <last seq of the turn>` when the journal says that
 * the turn is durable. Turn n adds 1 + n % 5 events, all with `bytes` = n, so that a torn turn shows. See
 * `kill.test.ts`.
 */

const [dataDir = "", overlapText = "1"] = process.argv.slice(2);
const overlap = Number(overlapText);
lockDataDir(dataDir);
const log = await openLog(dataDir, {
  onHalted: (error) => {
    writeSync(2, `${error.message}\n`);
    process.exit(3);
  },
});
let seq = log.reader.lastSeq();
const last = log.reader.eventsOf("segment:turns").at(-1);
let turn = last?.event.type === "SegmentReceived" ? ((last.event as { bytes?: number }).bytes ?? 0) : 0;
let version = last?.version ?? 0;
writeSync(1, `start ${seq} ${allEvents.size}\n`);
for (;;) {
  turn += 1;
  const rows = 1 + (turn % 5);
  for (let index = 0; index < rows; index++) {
    seq += 1;
    version += 1;
    log.journal.addEvent(eventRow(seq, "segment:turns", version, turn));
  }
  log.journal.setStream(["segment:turns", version, 0, null]);
  const mine = seq;
  log.journal.afterCommit(() => writeSync(1, `ack ${mine}\n`));
  // With overlap, several turns wait behind the commit that is under way.
  if (turn % overlap === 0) await log.journal.committed();
  else await new Promise((resolve) => setImmediate(resolve));
}
