import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { allEvents } from "../../../src/events/catalogue.ts";
import type { RecordedEvent } from "../../../src/events/envelope.ts";
import { Journal } from "../../../src/events/log/journal.ts";
import { logFileName, openForRebuild } from "../../../src/events/log/open.ts";
import { allViews, openLog } from "../../../src/events/log/openLog.ts";
import { LogReader } from "../../../src/events/log/reader.ts";
import type { SegmentEvent } from "../../../src/events/segment.ts";
import type { SessionEvent } from "../../../src/events/session.ts";
import { rebuildViews } from "../../../src/events/views/rebuild.ts";
import { type View, ViewSet } from "../../../src/events/views/view.ts";
import { type LogFolder, logFolder } from "../../support/logFolder.ts";
import { eventRow, meddle, readRows } from "../../support/logRows.ts";
import { writeWalkedLog } from "../replay/replayHarness.ts";

/*
 * Goal: a view is never anything but the fold of the whole log. Method: the views that a host kept while it ran are
 * compared with a fold written here, and with what a rebuild makes of the same log.
 */

let folder: LogFolder;
let dataDir = "";

beforeEach(async () => {
  folder = logFolder();
  dataDir = folder.path;
  await writeWalkedLog(dataDir);
});
afterEach(() => folder[Symbol.dispose]());

type Summary = {
  stream: string;
  manifest_id: string;
  opened_ms: number;
  last_ms: number;
  delivered: number;
  failed: number;
  pixels: number;
  end_cause: string | null;
};

const summaries = (): readonly Summary[] =>
  readRows<Summary>(dataDir, "SELECT * FROM session_summary ORDER BY stream");
const losses = (): readonly object[] =>
  readRows<object>(dataDir, "SELECT * FROM media_losses ORDER BY media_hash");

function allRecorded(): readonly RecordedEvent[] {
  using db = new Database(join(dataDir, logFileName), { readonly: true });
  return [...new LogReader(db, allEvents).all()];
}

/** Opens and closes the log as a starting node does. */
async function reopen(): Promise<void> {
  const log = await openLog(dataDir, {
    onHalted: (error) => {
      throw error;
    },
  });
  await log.close();
}

describe("the views of a node", () => {
  test("session-summary is the fold of the session events", () => {
    const folded = new Map<string, Summary>();
    for (const { stream, atMs, event: anyEvent } of allRecorded()) {
      const event = anyEvent as SessionEvent;
      if (event.type === "SessionOpened") {
        folded.set(stream, {
          stream,
          manifest_id: event.manifestId,
          opened_ms: atMs,
          last_ms: atMs,
          delivered: 0,
          failed: 0,
          pixels: 0,
          end_cause: null,
        });
      }
      const summary = folded.get(stream);
      if (summary === undefined) continue;
      if (event.type === "SessionSegmentEnded") {
        summary.last_ms = atMs;
        summary.pixels += event.pixels;
        summary[event.outcome] += 1;
      }
      if (event.type === "SessionEnded") {
        summary.last_ms = atMs;
        summary.end_cause = event.cause;
      }
    }
    expect(folded.size).toBe(5);
    expect(summaries()).toEqual([...folded.values()].sort((a, b) => (a.stream < b.stream ? -1 : 1)));
  });

  test("media-losses counts the workers that an input has killed, and no others", () => {
    const folded = new Map<string, number>();
    for (const { event: anyEvent } of allRecorded()) {
      const event = anyEvent as SegmentEvent;
      if (event.type !== "SegmentWorkerLost") continue;
      const { cause, mediaHash } = event;
      if (cause === "stopped" || cause === "not-started") continue;
      folded.set(mediaHash, (folded.get(mediaHash) ?? 0) + 1);
    }
    expect([...folded.values()].sort()).toEqual([1, 2]);
    expect(losses()).toEqual(
      [...folded].sort().map(([media_hash, count]) => ({ media_hash, losses: count })),
    );
  });

  test("the reader names the inputs that are harmful enough", () => {
    using db = new Database(join(dataDir, logFileName), { readonly: true });
    const reader = new LogReader(db, allEvents);
    expect(reader.harmfulInputs(1)).toHaveLength(2);
    expect(reader.harmfulInputs(2)).toEqual([{ mediaHash: expect.any(String), losses: 2 }]);
    expect(reader.harmfulInputs(3)).toEqual([]);
  });
});

describe("rebuilding", () => {
  const damage = [
    "UPDATE session_summary SET pixels = 1",
    "INSERT INTO session_summary VALUES ('session:ghost', '0x', 1, 1, 0, 0, 0, NULL)",
    "DELETE FROM media_losses",
  ] as const;

  test("a view of another version is emptied and filled from the log", async () => {
    const kept = [summaries(), losses()];
    await reopen();
    meddle(dataDir, ...damage, "UPDATE views SET view_version = 0");
    await reopen();
    expect([summaries(), losses()]).toEqual(kept);
    expect(readRows<object>(dataDir, "SELECT name, view_version FROM views ORDER BY name")).toEqual([
      { name: "chain-logs", view_version: 1 },
      { name: "ledger", view_version: 1 },
      { name: "media-losses", view_version: 1 },
      { name: "nonces", view_version: 1 },
      { name: "rounds", view_version: 1 },
      { name: "session-summary", view_version: 1 },
      { name: "tickets", view_version: 3 },
      { name: "transactions", view_version: 1 },
    ]);
  });

  test("a view that is missing is filled, and one that is up to date is left alone", async () => {
    const kept = summaries();
    await reopen();
    meddle(dataDir, ...damage, "DELETE FROM views WHERE name = 'session-summary'");
    await reopen();
    expect(summaries()).toEqual(kept);
    expect(losses()).toEqual([]);
  });

  test("views that another release kept are forgotten: it must refill them when it comes back", async () => {
    await reopen();
    meddle(dataDir, "INSERT INTO views VALUES ('of-a-later-release', 1, 5)");
    await reopen();
    expect(readRows<object>(dataDir, "SELECT name FROM views WHERE name LIKE 'of-%'")).toEqual([]);
  });

  test("a rebuild that fails leaves the view as it was", async () => {
    const kept = summaries();
    await reopen();
    const [first] = allViews.views.filter(({ name }) => name === "session-summary");
    const broken: View = {
      ...(first as View),
      version: 2,
      project: () => {
        throw new Error("the view has a bug");
      },
    };
    const db = openForRebuild(join(dataDir, logFileName));
    expect(() => rebuildViews(db, new LogReader(db, allEvents), [broken])).toThrow("the view has a bug");
    db.close();
    expect(summaries()).toEqual(kept);
    expect(
      readRows<object>(dataDir, "SELECT view_version FROM views WHERE name = 'session-summary'"),
    ).toEqual([{ view_version: 1 }]);
  });

  test("names what was rebuilt, and reads only the types that a view asks for", () => {
    const seen = new Set<string>();
    const watching: View = {
      name: "watching",
      version: 1,
      tables: ["media_losses"],
      types: ["SessionEnded"],
      statements: [],
      project: ({ event }) => {
        seen.add(event.type);
        return [];
      },
    };
    const db = openForRebuild(join(dataDir, logFileName));
    expect(rebuildViews(db, new LogReader(db, allEvents), [watching])).toEqual(["watching"]);
    expect(rebuildViews(db, new LogReader(db, allEvents), [watching])).toEqual([]);
    db.close();
    expect([...seen]).toEqual(["SessionEnded"]);
  });
});

describe("writing", () => {
  const counting = (name: string, table: string): View => ({
    name,
    version: 1,
    tables: [table],
    types: ["SegmentReceived"],
    statements: [`INSERT INTO ${table} VALUES (?, ?)`],
    project: ({ stream, seq }) => [[0, [`${name} ${stream}`, seq]]],
  });

  test("views share one list of statements: each writes with its own", () => {
    const views = new ViewSet([counting("a", "media_losses"), counting("b", "media_losses")]);
    const recorded: RecordedEvent = {
      seq: 7,
      stream: "segment:x",
      version: 1,
      schemaVersion: 1,
      atMs: 0,
      correlationId: "",
      causationId: "",
      traceId: null,
      event: { type: "SegmentReceived" },
    };
    expect(views.statements).toHaveLength(2);
    expect(views.writesFor(recorded)).toEqual([
      [0, ["a segment:x", 7]],
      [1, ["b segment:x", 7]],
    ]);
    expect(views.writesFor({ ...recorded, event: { type: "SegmentDelivered" } })).toEqual([]);
  });

  test("a view's rows share the fate of their event's commit", async () => {
    using fresh = logFolder();
    await (await openLog(fresh.path, { onHalted: () => {} })).close();
    const views = new ViewSet([counting("a", "media_losses")]);
    const halted = Promise.withResolvers<unknown>();
    const journal = await Journal.open(join(fresh.path, logFileName), views.statements, {
      onHalted: halted.resolve,
    });
    journal.addEvent(eventRow(1, "segment:a", 1));
    journal.addView([0, ["kept", 1]]);
    await journal.committed();
    journal.addView([0, ["lost", 2]]);
    journal.addEvent(eventRow(2, "segment:a", 1));
    await halted.promise;
    expect(readRows<object>(fresh.path, "SELECT media_hash FROM media_losses")).toEqual([
      { media_hash: "kept" },
    ]);
    await journal.close();
  });
});
