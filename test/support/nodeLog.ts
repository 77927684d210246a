import { join } from "node:path";
import { allEvents } from "../../src/events/catalogue.ts";
import type { RecordedEvent } from "../../src/events/envelope.ts";
import { logFileName, openReadOnly } from "../../src/events/log/open.ts";
import { LogReader } from "../../src/events/log/reader.ts";
import { runReplay } from "../../src/replay/replay.ts";

/** Everything a node has recorded, oldest first; also while it runs. */
export function recordedEvents(dataDir: string): readonly RecordedEvent[] {
  const db = openReadOnly(join(dataDir, logFileName));
  try {
    return [...new LogReader(db, allEvents).all()];
  } finally {
    db.close();
  }
}

/** The events of each segment, by the segment's id, in their order. */
export function segmentHistories(dataDir: string): ReadonlyMap<string, readonly RecordedEvent["event"][]> {
  const histories = new Map<string, RecordedEvent["event"][]>();
  for (const { stream, event } of recordedEvents(dataDir)) {
    if (!stream.startsWith("segment:")) continue;
    const id = stream.slice("segment:".length);
    histories.set(id, [...(histories.get(id) ?? []), event]);
  }
  return histories;
}

/** Names of a segment's events, for reading in an assertion. */
export function typesOf(history: readonly RecordedEvent["event"][] | undefined): readonly string[] {
  return (history ?? []).map(({ type }) => type);
}

/** Runs `replay verify`; throws with its words when it finds anything. */
export async function verifyLog(dataDir: string): Promise<void> {
  const lines: string[] = [];
  const print = (line: string): void => {
    lines.push(line);
  };
  const code = await runReplay(["verify", "--dataDir", dataDir], { print, printError: print });
  if (code !== 0) throw new Error(`replay verify ended with ${code}:\n${lines.join("\n")}`);
}
