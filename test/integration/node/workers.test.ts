import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { rmSync } from "node:fs";
import { isNonRetryable } from "../../../src/protocol/texts.ts";
import { eventually } from "../../support/eventually.ts";
import { letGoOn } from "../../support/nodeProcess.ts";
import { LoopClock } from "../../support/loopClock.ts";
import { openNode, temporaryDir, type TestNode, type TestNodeOptions } from "../../support/nodeFixture.ts";
import { generatedMediaBytes } from "../../support/media.ts";
import { segmentHistories, typesOf, verifyLog } from "../../support/nodeLog.ts";
import { dataOf, errorOf, submissionOf, tinySegment } from "../../support/nodeSegments.ts";

/*
 * Goal: a worker's death touches only the work it held; that work is done by another one; what kills workers is
 * known by its hash from then on, and the log remembers it.
 * Method: real worker processes, stopped while a segment is handed to them so that it surely is theirs, then killed.
 */

setDefaultTimeout(120_000);

const folders: string[] = [];
beforeAll(async () => {
  await Promise.all([tinySegment(), generatedMediaBytes("gen-live-0.ts")]);
});
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** The workers that hold a segment now. */
function busyPids(node: TestNode): readonly number[] {
  return node.running.workers.stats().workers.flatMap(({ pid, running }) => (running > 0 ? [pid] : []));
}

function idlePids(node: TestNode): readonly number[] {
  return node.running.workers.stats().workers.flatMap(({ pid, running }) => (running === 0 ? [pid] : []));
}

/** Sends `signal` to the worker that has the segment; resolves with its process id. */
async function hit(node: TestNode, signal: "SIGKILL" | "SIGSTOP"): Promise<number> {
  const pid = await eventually("a worker has the segment", () => busyPids(node)[0] ?? null);
  process.kill(pid, signal);
  return pid;
}

/** A node that kills each worker in the very turn in which a segment is handed to it, while told to. */
async function openKillingNode(options: TestNodeOptions) {
  const killer = { isOn: false, killed: 0 };
  const node: TestNode = await openNode({
    ...options,
    probe: (point) => {
      if (!killer.isOn || point !== "decided:SegmentDispatched") return;
      // The pool is about to hand the segment over; it has done so when this turn ends.
      queueMicrotask(() => {
        for (const pid of busyPids(node)) {
          process.kill(pid, "SIGKILL");
          killer.killed += 1;
        }
      });
    },
  });
  return { node, killer, [Symbol.asyncDispose]: () => node[Symbol.asyncDispose]() };
}

describe("a worker that dies", () => {
  test("kill -9 in the middle of a segment: another worker does it, the gateway notices nothing", async () => {
    await using node = await openNode({ flags: ["-workers", "2"] });
    await node.running.workers.whenReady();
    const client = node.client();
    const submission = await submissionOf(client);
    for (const pid of idlePids(node)) process.kill(pid, "SIGSTOP");
    const answer = client.submitSegment(submission);
    await hit(node, "SIGKILL");
    const url = dataOf(await answer).segments[0]?.url ?? "";
    expect((await client.download(url)).length).toBeGreaterThan(25);
    const id = `${submission.authToken?.sessionId}.1/1`;
    await eventually("the delivery is recorded", () =>
      typesOf(segmentHistories(node.dataDir).get(id)).at(-1) === "SegmentDelivered" ? true : null,
    );
    const history = segmentHistories(node.dataDir).get(id) ?? [];
    expect(typesOf(history)).toEqual([
      "SegmentAccepted",
      "SegmentReceived",
      "SegmentDispatched",
      "SegmentWorkerLost",
      "SegmentDispatched",
      "SegmentTranscoded",
      "SegmentDelivered",
    ]);
    expect(history[3]).toMatchObject({ cause: "exited", attempt: 1 });
    expect(history[4]).toMatchObject({ attempt: 2 });
    await verifyLog(node.dataDir);
  });

  test("SIGSTOP in the middle of a segment: given up and done by another worker within the gateway's 8 s", async () => {
    await using node = await openNode({ flags: ["-workers", "2"] });
    await node.running.workers.whenReady();
    const client = node.client();
    const submission = await submissionOf(client);
    for (const pid of idlePids(node)) process.kill(pid, "SIGSTOP");
    // Heartbeats are counted, not time: what the loop measures is theirs, however busy the machine is.
    using clock = new LoopClock();
    const answer = await client.submitSegment(submission);
    expect(dataOf(answer).segments).toHaveLength(1);
    expect(clock.passedMs).toBeLessThan(8_000);
    const history = segmentHistories(node.dataDir).get(`${submission.authToken?.sessionId}.1/1`) ?? [];
    expect(history[3]).toMatchObject({ type: "SegmentWorkerLost", cause: "hung" });
  });

  test("other sessions' segments go on while one worker dies again and again", async () => {
    await using node = await openNode({ flags: ["-workers", "3"] });
    await node.running.workers.whenReady();
    const client = node.client();
    const bystander = await submissionOf(client);
    for (const pid of idlePids(node)) process.kill(pid, "SIGSTOP");
    const victim = client.submitSegment(await submissionOf(client));
    await hit(node, "SIGKILL");
    const others = await Promise.all([0, 1, 2].map((seq) => client.submitSegment({ ...bystander, seq })));
    for (const other of others) expect(dataOf(other).segments).toHaveLength(1);
    expect(dataOf(await victim).segments).toHaveLength(1);
  });
});

describe("a worker that takes too long", () => {
  test("the segment's deadline ends it with a text that sends the gateway elsewhere; the session goes on", async () => {
    await using node = await openNode({ flags: ["-workers", "1"] });
    await node.running.workers.whenReady();
    const client = node.client();
    const submission = await submissionOf(client);
    for (const pid of idlePids(node)) process.kill(pid, "SIGSTOP");
    const answer = client.submitSegment(submission);
    await eventually("a worker has the segment", () => busyPids(node)[0] ?? null);
    // Eight seconds for the upload and eight for the work; the worker is given up by its heartbeat only later.
    node.advance(16_500);
    const text = errorOf(await answer);
    expect(text).toBe("TranscoderStopped");
    expect(isNonRetryable(text)).toBe(false);
    const history = segmentHistories(node.dataDir).get(`${submission.authToken?.sessionId}.1/1`);
    expect(history?.at(-1)).toMatchObject({ type: "SegmentFailed", code: "DEADLINE_PASSED" });
    expect(dataOf(await client.submitSegment({ ...submission, seq: 1 })).segments).toHaveLength(1);
    await verifyLog(node.dataDir);
  });
});

describe("input that kills workers", () => {
  test("after two workers it is refused by its hash, unseen; also after a restart; other input is served", async () => {
    const dataDir = temporaryDir();
    folders.push(dataDir);
    const poison = await generatedMediaBytes("gen-live-0.ts");
    {
      await using killing = await openKillingNode({ dataDir, flags: ["-workers", "2"] });
      const { node, killer } = killing;
      await node.running.workers.whenReady();
      const client = node.client();
      const submission = await submissionOf(client, { media: poison, durationMs: 2_000 });
      killer.isOn = true;
      const text = errorOf(await client.submitSegment(submission));
      expect(text).toBe("TranscoderInvalidVideo");
      expect(isNonRetryable(text)).toBe(true);
      expect(killer.killed).toBe(2);
      killer.isOn = false;
      const again = await submissionOf(client, { media: poison, durationMs: 2_000 });
      expect(errorOf(await client.submitSegment(again))).toBe("TranscoderInvalidVideo");
      const id = `${again.authToken?.sessionId}.1/1`;
      expect(typesOf(segmentHistories(dataDir).get(id))).toEqual(["SegmentAccepted", "SegmentFailed"]);
      expect(dataOf(await client.submitSegment(await submissionOf(client))).segments).toHaveLength(1);
    }
    await using node = await openNode({ dataDir });
    const client = node.client();
    const third = await submissionOf(client, { media: poison, durationMs: 2_000 });
    expect(errorOf(await client.submitSegment(third))).toBe("TranscoderInvalidVideo");
    const history = segmentHistories(dataDir).get(`${third.authToken?.sessionId}.1/1`);
    expect(history?.at(-1)).toMatchObject({ type: "SegmentFailed", code: "INPUT_POISONED" });
    expect(node.running.workers.stats().workersDied).toBe(0);
    await verifyLog(dataDir);
  });

  test("the losses of one input add up over a restart: one before, one after", async () => {
    const dataDir = temporaryDir();
    folders.push(dataDir);
    const media = await generatedMediaBytes("gen-live-0.ts");
    {
      await using node = await openNode({ dataDir, flags: ["-workers", "2"] });
      await node.running.workers.whenReady();
      const client = node.client();
      for (const pid of idlePids(node)) process.kill(pid, "SIGSTOP");
      const answer = client.submitSegment(await submissionOf(client, { media, durationMs: 2_000 }));
      await hit(node, "SIGKILL");
      expect(dataOf(await answer).segments).toHaveLength(1);
    }
    await using node = await openNode({ dataDir, flags: ["-workers", "2"] });
    await node.running.workers.whenReady();
    const client = node.client();
    for (const pid of idlePids(node)) process.kill(pid, "SIGSTOP");
    const answer = client.submitSegment(await submissionOf(client, { media, durationMs: 2_000 }));
    await hit(node, "SIGKILL");
    expect(errorOf(await answer)).toBe("TranscoderInvalidVideo");
  });
});

describe("a session that ends while its segment runs", () => {
  test("EndTranscodingSession does not take the renditions of the session that opens next", async () => {
    await using node = await openNode({ flags: ["-workers", "2"] });
    await node.running.workers.whenReady();
    const client = node.client();
    const submission = await submissionOf(client);
    const stopped = idlePids(node);
    for (const pid of stopped) process.kill(pid, "SIGSTOP");
    const first = client.submitSegment(submission);
    await eventually("a worker has the segment", () => busyPids(node)[0] ?? null);
    if (submission.authToken === undefined) throw new Error("no token");
    await client.endTranscodingSession(submission.authToken);
    const second = dataOf(await client.submitSegment({ ...submission, seq: 1 })).segments[0]?.url ?? "";
    letGoOn(stopped);
    await first;
    await eventually("the first session has ended", () =>
      typesOf(segmentHistories(node.dataDir).get(`${submission.authToken?.sessionId}.1/1`)).at(-1) ===
      "SegmentDelivered"
        ? true
        : null,
    );
    expect((await client.download(second)).length).toBeGreaterThan(25);
    expect(node.running.node.sessionCount).toBe(1);
    await verifyLog(node.dataDir);
  });
});
