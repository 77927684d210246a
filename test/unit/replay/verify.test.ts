import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type LogFolder, logFolder } from "../../support/logFolder.ts";
import { meddle, readRows, unguard } from "../../support/logRows.ts";
import { copyOf, openWalkedNode, replay, replayJson, writeWalkedLog } from "./replayHarness.ts";

/*
 * Goal: `verify` finds every way in which a log and what the node wrote beside it can disagree, and says nothing
 * about a sound one. Method: each test damages a copy of one log in one way.
 */

let folder: LogFolder;
let dataDir = "";

beforeAll(async () => {
  folder = logFolder();
  dataDir = join(folder.path, "node");
  await writeWalkedLog(dataDir);
});
afterAll(() => folder[Symbol.dispose]());

type Verification = {
  readonly events: number;
  readonly streams: number;
  readonly open: number;
  readonly compared: number;
  readonly incomparable: number;
  readonly findings: readonly { readonly stream: string; readonly problem: string }[];
};

async function verifyAfter(...damage: readonly string[]): Promise<Verification & { readonly code: number }> {
  using copy = copyOf(dataDir);
  meddle(copy.path, ...damage);
  const { code, rows } = await replayJson<Verification>("verify", "--dataDir", copy.path);
  const [verification] = rows;
  if (verification === undefined) throw new Error("verify printed nothing");
  return { ...verification, code };
}

/** Expects exit 1 and one finding about `stream` whose text holds `problem`. */
function expectFinding(
  result: Verification & { readonly code: number },
  stream: string,
  problem: string,
): void {
  expect(result.code).toBe(1);
  expect(result.findings.filter((found) => found.stream === stream)).toContainEqual({
    stream,
    problem: expect.stringContaining(problem),
  });
}

test("a sound log: everything is compared, nothing is found", async () => {
  const result = await verifyAfter();
  const [counts] = readRows<{ events: number; streams: number; open: number }>(
    dataDir,
    "SELECT (SELECT count(*) FROM events) AS events, count(*) AS streams, sum(is_closed = 0) AS open FROM streams",
  );
  expect(result).toMatchObject({ code: 0, findings: [], incomparable: 0, ...counts });
  // Every closed stream by its final state, every open one by its cached snapshot.
  expect(result.compared).toBe(result.streams);
});

describe("differences", () => {
  test("a changed final state", async () => {
    const result = await verifyAfter(
      `UPDATE streams SET final_state = substr(final_state, 1, 17) || '${"0".repeat(32)}' WHERE stream = 'segment:a11.1/1'`,
    );
    expectFinding(result, "segment:a11.1/1", "final state differs");
    expect(result.findings).toHaveLength(1);
  });

  test("a wrong snapshot", async () => {
    const result = await verifyAfter(
      `UPDATE snapshots SET data = replace(data, '"pixels":2211840', '"pixels":2211841') WHERE stream = 'session:a11.2'`,
    );
    expectFinding(result, "session:a11.2", "cached snapshot differs");
    expect(result.findings).toHaveLength(1);
  });

  test("a snapshot that is no JSON", async () => {
    const result = await verifyAfter("UPDATE snapshots SET data = 'damage' WHERE stream = 'session:a11.2'");
    expectFinding(result, "session:a11.2", "cached snapshot differs");
  });

  test("another release's hashes are not compared, and counted", async () => {
    const result = await verifyAfter(
      "UPDATE snapshots SET machine_hash = 'older'",
      "UPDATE streams SET final_state = 'older:state' WHERE stream = 'segment:a11.1/1'",
    );
    expect(result).toMatchObject({ code: 0, findings: [] });
    expect(result.incomparable).toBe(result.open + 1);
  });

  test("a changed fact shows in the state it led to", async () => {
    const result = await verifyAfter(
      ...unguard,
      `UPDATE events SET data = replace(data, '"pixels":2211840', '"pixels":1') WHERE stream = 'segment:a11.1/1'`,
    );
    expectFinding(result, "segment:a11.1/1", "final state differs");
  });
});

describe("damage", () => {
  test("a gap in the middle", async () => {
    const result = await verifyAfter(
      ...unguard,
      "DELETE FROM events WHERE stream = 'segment:a11.1/1' AND version = 3",
    );
    expect(result.code).toBe(1);
    const problems = result.findings.map(({ problem }) => problem).join("\n");
    expect(problems).toContain("Version 4 follows version 2.");
    expect(problems).toMatch(/The global order jumps from \d+ to \d+\./);
  });

  test("the end of the log is missing", async () => {
    const result = await verifyAfter(
      ...unguard,
      "DELETE FROM events WHERE seq > (SELECT max(seq) - 2 FROM events)",
    );
    expect(result.code).toBe(1);
    expect(result.findings.map(({ stream }) => stream)).toContain("segment:a11.2/3");
  });

  test("all events of the newest streams are missing: no gap shows, but the list of streams does", async () => {
    const result = await verifyAfter(
      ...unguard,
      "DELETE FROM snapshots",
      "DELETE FROM events WHERE seq >= (SELECT min(seq) FROM events WHERE stream = 'segment:a11.2/3')",
    );
    expectFinding(result, "", "names 1 streams without any event");
  });

  test("a snapshot of events that are missing", async () => {
    const result = await verifyAfter("UPDATE snapshots SET version = 99 WHERE stream = 'session:b22.1'");
    expectFinding(result, "session:b22.1", "of an event that is missing");
  });

  test("an event after the end of its stream", async () => {
    const result = await verifyAfter(
      "INSERT INTO events SELECT (SELECT max(seq) + 1 FROM events), stream, version + 1, type, schema_version, at_ms, " +
        "correlation_id, causation_id, trace_id, data FROM events WHERE stream = 'segment:a11.1/1' AND version = 5",
    );
    expectFinding(result, "segment:a11.1/1", "Version 6 follows version 0.");
  });

  test("an event that its state cannot take", async () => {
    const result = await verifyAfter(
      ...unguard,
      "UPDATE events SET type = 'SegmentDelivered', data = '{}' WHERE stream = 'segment:a11.1/1' AND version = 2",
    );
    expectFinding(result, "segment:a11.1/1", "cannot take `SegmentDelivered`");
  });

  for (const [what, damage, problem] of [
    ["an unknown type", "UPDATE events SET type = 'MoonLanded' WHERE seq = 5", "`MoonLanded`"],
    ["a newer schema version", "UPDATE events SET schema_version = 99 WHERE seq = 5", "version 99"],
    [
      "a value of the wrong shape",
      'UPDATE events SET data = \'{"bytes":"many"}\' WHERE seq = 4',
      "SegmentReceived.bytes",
    ],
    ["no JSON", "UPDATE events SET data = 'damage' WHERE seq = 4", "JSON was expected"],
    [
      "an unknown kind of stream",
      "UPDATE events SET stream = 'ghost:1', version = 1 WHERE seq = 1",
      "ghost:1",
    ],
  ] as const) {
    test(`${what} stops loudly`, async () => {
      const result = await verifyAfter(...unguard, damage);
      expect(result.code).toBe(1);
      expect(result.findings.map((found) => `${found.stream} ${found.problem}`).join("\n")).toContain(
        problem,
      );
    });
  }

  test("a stream's head that lags behind", async () => {
    const result = await verifyAfter(
      "UPDATE streams SET version = version - 1 WHERE stream = 'session:b22.1'",
    );
    expectFinding(result, "session:b22.1", "It is open at version");
  });

  test("an ended stream that the list has open", async () => {
    const result = await verifyAfter("UPDATE streams SET is_closed = 0 WHERE stream = 'session:a11.1'");
    expectFinding(result, "session:a11.1", "the log's list of streams does not say so");
  });

  test("an open stream that the list has closed: a restart would forget it", async () => {
    const result = await verifyAfter("UPDATE streams SET is_closed = 1 WHERE stream = 'segment:a11.2/2'");
    expectFinding(result, "segment:a11.2/2", "the log's list of streams does not say so");
  });
});

describe("forgotten work", () => {
  /** More events, of a session of their own, at chosen times after everything else. */
  const laterEvents = (...laterMs: readonly number[]): readonly string[] => [
    ...laterMs.map(
      (ms, index) =>
        `INSERT INTO events SELECT max(seq) + 1, 'session:zz.${index}', 1, 'SessionOpened', 1,
           (SELECT at_ms FROM events WHERE stream = 'session:a11.2' ORDER BY seq DESC LIMIT 1) + ${ms}, 'zz', 'test', NULL,
           (SELECT data FROM events WHERE seq = 1) FROM events`,
    ),
    ...laterMs.map(
      (ms, index) =>
        `INSERT INTO events SELECT max(seq) + 1, 'session:zz.${index}', 2, 'SessionEnded', 1,
           (SELECT at_ms FROM events WHERE stream = 'session:a11.2' ORDER BY seq DESC LIMIT 1) + ${ms}, 'zz', 'test', NULL,
           '{"cause":"idle"}' FROM events`,
    ),
    ...laterMs.map((_, index) => `INSERT INTO streams VALUES ('session:zz.${index}', 2, 1, 'other:machine')`),
  ];

  test("an open stream whose deadline passed long before the node wrote its last event", async () => {
    const result = await verifyAfter(...laterEvents(100_000, 200_000));
    expectFinding(result, "segment:a11.2/2", "It is `running`, and its deadline passed unnoticed.");
    expectFinding(result, "segment:a11.2/3", "It is `queued`, and its deadline passed unnoticed.");
    expectFinding(result, "session:b22.1", "It is `idle`, and its deadline passed unnoticed.");
  });

  for (const [what, laterMs] of [
    ["that passed just now", [20_000]],
    ["that passed while the node was down, or its clock was set: it had no time to notice", [3_600_000]],
    ["that the node had less than a minute to notice", [100_000, 150_000]],
  ] as const) {
    test(`a deadline ${what} is not forgotten`, async () => {
      expect(await verifyAfter(...laterEvents(...laterMs))).toMatchObject({ code: 0, findings: [] });
    });
  }

  test("an effect that is owed to an ended stream", async () => {
    const result = await verifyAfter(
      `INSERT INTO outbox VALUES ('segment:a11.1/1:4:0', 'segment:a11.1/1', 'deliverResult', '{}')`,
    );
    expectFinding(result, "segment:a11.1/1", "The outbox owes it an effect, but it has ended.");
    expect(result.findings).toHaveLength(1);
  });

  test("a session that waits for a segment that does not exist", async () => {
    using other = logFolder();
    const { harness, walk } = await openWalkedNode(other.path);
    walk.open("ee.1", "waits for ever");
    walk.session("ee.1", { type: "StartSessionSegment", segmentId: "ee.1/1", seq: 1n });
    await harness.close();
    const { code, rows } = await replayJson<Verification>("verify", "--dataDir", other.path);
    expect(code).toBe(1);
    expect(rows[0]?.findings).toEqual([
      {
        stream: "session:ee.1",
        problem: "It is `active`, and neither a deadline nor an effect will move it.",
      },
    ]);
  });
});

test("the text form names each problem and counts them", async () => {
  using copy = copyOf(dataDir);
  meddle(copy.path, "UPDATE snapshots SET version = 99 WHERE stream = 'session:b22.1'");
  const run = await replay("verify", "--dataDir", copy.path);
  expect(run.code).toBe(1);
  expect(run.lines.slice(1)).toEqual([
    "session:b22.1: Its cached snapshot is of an event that is missing.",
    "1 problems found.",
  ]);
});
