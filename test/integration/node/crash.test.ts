import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { GatewayClient, SegmentSubmission } from "../../../src/demo/gatewayClient.ts";
import { eventually } from "../../support/eventually.ts";
import { freePort, openNode, temporaryDir } from "../../support/nodeFixture.ts";
import { generatedMediaBytes } from "../../support/media.ts";
import { recordedEvents, verifyLog } from "../../support/nodeLog.ts";
import { startCrashing, workersOf } from "../../support/nodeProcess.ts";
import { dataOf, refusalOf, resultOf, submissionOf, tinySegment } from "../../support/nodeSegments.ts";

/*
 * Goal: `kill -9` of the orchestrator between any two steps of a walk loses nothing that was acknowledged and forgets
 * nothing that was accepted.
 *
 * Method: every event of every walk has two points, decided (in memory) and durable (on the disk, before anybody is
 * told). For each point of three walks a node dies exactly there; another is started on its folder and asked to go
 * on with the same session token. The number of points is asserted, so that a new event cannot go untested.
 */

setDefaultTimeout(120_000);

type Walk = {
  readonly name: string;
  readonly workersLost: number;
  /** Points in the whole walk; those up to `from` are the same as another walk's. */
  readonly points: number;
  readonly from: number;
  /** What the gateway does. Adds to `acknowledged` what it was given. */
  readonly run: (client: GatewayClient, first: SegmentSubmission, acknowledged: bigint[]) => Promise<void>;
};

async function send(
  client: GatewayClient,
  submission: SegmentSubmission,
  acknowledged: bigint[],
): Promise<void> {
  const { result, seq } = resultOf(await client.submitSegment(submission));
  if (result.case === "data") acknowledged.push(seq);
}

const walks: readonly Walk[] = [
  {
    name: "two segments and the end of the session",
    workersLost: 0,
    points: 32,
    from: 1,
    run: async (client, first, acknowledged) => {
      await send(client, first, acknowledged);
      await send(client, { ...first, seq: 1 }, acknowledged);
      if (first.authToken !== undefined) await client.endTranscodingSession(first.authToken);
    },
  },
  {
    name: "a segment whose first worker dies",
    workersLost: 1,
    points: 20,
    from: 11,
    run: (client, first, acknowledged) => send(client, first, acknowledged),
  },
  {
    name: "a segment that the codec refuses",
    workersLost: 0,
    points: 14,
    from: 11,
    run: async (client, first, acknowledged) =>
      send(client, { ...first, media: await generatedMediaBytes("gen-garbage.ts") }, acknowledged),
  },
];

/** Gives each segment 40 s, so that a machine that stalls does not use up what a second attempt needs. */
const durationMs = 10_000;

const folders: string[] = [];
beforeAll(async () => {
  await Promise.all([tinySegment(), generatedMediaBytes("gen-garbage.ts")]);
});
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function folder(): string {
  const dir = temporaryDir();
  folders.push(dir);
  return dir;
}

for (const walk of walks) {
  describe(`kill -9 in the walk of ${walk.name}`, () => {
    test(`the walk has ${walk.points} points`, async () => {
      const dataDir = folder();
      await using node = await startCrashing(dataDir, { killAt: 0, workersLost: walk.workersLost });
      const acknowledged: bigint[] = [];
      await walk.run(node.client, await submissionOf(node.client, { durationMs }), acknowledged);
      await eventually("the walk is over", () => {
        const recorded = recordedEvents(dataDir);
        const last = recorded.at(-1)?.event.type;
        const isAtEnd = last === "SessionSegmentEnded" || last === "SessionEnded";
        return isAtEnd && 2 * recorded.length >= walk.points ? true : null;
      });
      expect(2 * recordedEvents(dataDir).length).toBe(walk.points);
    });

    const points = Array.from({ length: walk.points - walk.from + 1 }, (_, index) => walk.from + index);
    test.each(points)("at point %d", async (killAt) => {
      const dataDir = folder();
      const { submission, acknowledged, pid } = await crash(dataDir, walk, killAt);
      await eventually("no worker is left", () => (workersOf(pid).length === 0 ? true : null));
      await goOn(dataDir, submission, acknowledged);
    });
  });
}

describe("kill -9 while a node recovers", () => {
  // The first node dies with a segment running; what its successor records at once is 4 points.
  test.each([1, 2, 3, 4])("at point %d of the recovery", async (killAt) => {
    const dataDir = folder();
    const [walk] = walks;
    if (walk === undefined) throw new Error("no walk");
    const { submission, acknowledged } = await crash(dataDir, walk, 10);
    await using successor = await startCrashing(dataDir, { killAt, workersLost: 0 });
    expect(await successor.ended).toBe("SIGKILL");
    await goOn(dataDir, submission, acknowledged);
  });
});

describe("kill -9 at any moment", () => {
  // Three streams at full speed; the moment is drawn, and printed when it mattered.
  test.each([1, 2, 3, 4])("under load, round %d", async () => {
    const dataDir = folder();
    await using node = await startCrashing(dataDir, { killAt: 0, workersLost: 0 });
    const acknowledged: string[] = [];
    const stream = async (): Promise<SegmentSubmission> => {
      const first = await submissionOf(node.client);
      const id = first.authToken?.sessionId;
      try {
        for (let seq = 0; ; seq += 1) {
          const { result } = resultOf(await node.client.submitSegment({ ...first, seq }));
          if (result.case === "data") acknowledged.push(`segment:${id}.1/${seq + 1}`);
        }
      } catch {
        return first;
      }
    };
    const streams = [stream(), stream(), stream()];
    await eventually("segments come back", () => (acknowledged.length > 3 ? true : null));
    const waitMs = Math.random() * 200;
    await Bun.sleep(waitMs);
    node.process.kill("SIGKILL");
    const submissions = await Promise.all(streams);
    await node.ended;
    const transcoded = new Set(
      recordedEvents(dataDir).flatMap(({ stream, event }) =>
        event.type === "SegmentTranscoded" ? [stream as string] : [],
      ),
    );
    const lost = acknowledged.filter((id) => !transcoded.has(id));
    expect({ waitMs, lost }).toEqual({ waitMs, lost: [] });
    await using next = await openNode({ dataDir });
    next.advance(10_000);
    await eventually("every accepted segment has ended", () => (openStreams(dataDir) === 0 ? true : null));
    for (const submission of submissions) {
      dataOf(await next.client().submitSegment({ ...submission, seq: 1_000 }));
    }
    await verifyLog(dataDir);
  });

  test("while it starts for the first time: whatever is there, the next start works", async () => {
    const dataDir = folder();
    for (let killAfterMs = 20; killAfterMs <= 520; killAfterMs += 100) {
      const address = `127.0.0.1:${await freePort()}`;
      const child = Bun.spawn(
        [
          ...[process.execPath, join(import.meta.dir, "../../../src/main.ts"), "-dataDir", dataDir],
          ...["-serviceAddr", address, "-httpAddr", address, "-cliAddr", `127.0.0.1:${await freePort()}`],
        ],
        { stdin: "ignore", stdout: "ignore", stderr: "ignore" },
      );
      await Bun.sleep(killAfterMs);
      child.kill("SIGKILL");
      await child.exited;
      expect(child.signalCode).toBe("SIGKILL");
    }
    await using node = await openNode({ dataDir });
    const client = node.client();
    dataOf(await client.submitSegment(await submissionOf(client)));
    await verifyLog(dataDir);
  });
});

describe("restarts without a crash of the walk", () => {
  test("between two segments of one session: the next is served under the same token, in the same session", async () => {
    const dataDir = folder();
    let submission: SegmentSubmission;
    {
      await using first = await openNode({ dataDir });
      submission = await submissionOf(first.client());
      dataOf(await first.client().submitSegment(submission));
    }
    {
      await using second = await openNode({ dataDir });
      expect(second.running.resumed).toEqual({ sessions: 1, entities: 1 });
      dataOf(await second.client().submitSegment({ ...submission, seq: 1 }));
      expect(second.running.node.sessionCount).toBe(1);
    }
    const sessions = recordedEvents(dataDir).filter(({ event }) => event.type === "SessionOpened");
    expect(sessions).toHaveLength(1);
    await verifyLog(dataDir);
  });

  test("what was sold before the restart still counts: the cap holds, the old session passes", async () => {
    const dataDir = folder();
    let submission: SegmentSubmission;
    let other: SegmentSubmission;
    {
      await using first = await openNode({ dataDir });
      submission = await submissionOf(first.client());
      other = await submissionOf(first.client(), { manifestId: "another" });
      dataOf(await first.client().submitSegment(submission));
    }
    await using second = await openNode({ dataDir, flags: ["-maxSessions", "1"] });
    expect(refusalOf(await second.client().submitSegment(other)).text).toBe("OrchestratorCapped");
    dataOf(await second.client().submitSegment({ ...submission, seq: 1 }));
  });

  test("a session that idled out while the node was down ends after the start", async () => {
    const dataDir = folder();
    {
      await using first = await openNode({ dataDir });
      dataOf(await first.client().submitSegment(await submissionOf(first.client())));
    }
    await using second = await openNode({ dataDir });
    expect(second.running.node.sessionCount).toBe(1);
    second.advance(71_000);
    await eventually("the session has ended", () => (second.running.node.sessionCount === 0 ? true : null));
  });
});

/** Runs a walk on a node that dies at point `killAt`. */
async function crash(dataDir: string, walk: Walk, killAt: number) {
  await using node = await startCrashing(dataDir, { killAt, workersLost: walk.workersLost });
  const acknowledged: bigint[] = [];
  const submission = await submissionOf(node.client, { durationMs });
  // The connection dies with the node.
  await walk.run(node.client, submission, acknowledged).catch(() => {});
  expect(await Promise.race([node.ended, Bun.sleep(50_000)])).toBe("SIGKILL");
  return { submission, acknowledged, pid: node.pid };
}

/** Starts a node on what a dead one left, and checks everything that must hold then. */
async function goOn(
  dataDir: string,
  submission: SegmentSubmission,
  acknowledged: readonly bigint[],
): Promise<void> {
  {
    await using node = await openNode({ dataDir });
    // An upload that was cut off has until its deadline, 40 s after its begin.
    node.advance(42_000);
    await eventually("every accepted segment has ended", () => (openSegments(dataDir) === 0 ? true : null));
    const client = node.client();
    expect(dataOf(await client.submitSegment({ ...submission, seq: 9 })).segments).toHaveLength(1);
    expect(node.fatal).toEqual([]);
    await verifyLog(dataDir);
  }
  await verifyLog(dataDir);
  const ends = endsBySeq(dataDir);
  for (const seq of acknowledged) expect(ends.get(seq)?.types).toContain("SegmentTranscoded");
  for (const { types, codes } of ends.values()) {
    const terminal = types.filter((type) => type === "SegmentDelivered" || type === "SegmentFailed");
    expect(terminal).toHaveLength(1);
    expect(codes.every((code) => code !== "")).toBe(true);
  }
}

/** What the log holds of each segment, by its sequence number. */
function endsBySeq(dataDir: string) {
  const seqOf = new Map<string, bigint>();
  const ends = new Map<bigint, { types: string[]; codes: string[] }>();
  for (const { stream, event } of recordedEvents(dataDir)) {
    if (!stream.startsWith("segment:")) continue;
    const fields = event as unknown as { readonly seq?: bigint; readonly code?: string };
    if (fields.seq !== undefined) {
      seqOf.set(stream, fields.seq);
      ends.set(fields.seq, { types: [], codes: [] });
    }
    const entry = ends.get(seqOf.get(stream) ?? -1n);
    entry?.types.push(event.type);
    if (fields.code !== undefined) entry?.codes.push(fields.code);
  }
  return ends;
}

/** Segments of all sessions that have not ended. */
function openStreams(dataDir: string): number {
  const last = new Map<string, string>();
  for (const { stream, event } of recordedEvents(dataDir)) {
    if (stream.startsWith("segment:")) last.set(stream, event.type);
  }
  return [...last.values()].filter((type) => type !== "SegmentDelivered" && type !== "SegmentFailed").length;
}

function openSegments(dataDir: string): number {
  const ends = [...endsBySeq(dataDir).values()];
  return ends.filter(({ types }) => !["SegmentDelivered", "SegmentFailed"].includes(types.at(-1) ?? ""))
    .length;
}
