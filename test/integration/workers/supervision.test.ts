import { afterEach, describe, expect, test } from "bun:test";
import { LoopClock } from "../../support/loopClock.ts";
import type { PoolFixture } from "./poolFixture.ts";
import { gone, isAlive, openPool, pidOf } from "./poolFixture.ts";

/*
 * Goal: whatever a worker process does, only the work it held is lost, with the right cause and in bounded time,
 * and the next segment is served by a new worker.
 * Method: real processes that follow a script (`scriptedWorker.ts`), real signals.
 */

let pool: PoolFixture | null = null;

function open(...options: Parameters<typeof openPool>): PoolFixture {
  pool = openPool(...options);
  return pool;
}

afterEach(async () => {
  await pool?.close();
  for (const event of pool?.events ?? []) if (event.type === "started") await gone(event.pid);
  pool = null;
});

/** One second without an answer: enough for a worker on a busy machine. */
const quick = { heartbeatMs: 100, idleHeartbeatMs: 200, missedHeartbeatsMax: 10 };

describe("a worker that dies", () => {
  test("kill -9 loses its segment with cause `exited`; the next one is served by another process", async () => {
    const { script, workers, event } = open();
    const job = script({ do: "never", obeys: true });
    const workerId = await job.started;
    process.kill(pidOf(workerId), "SIGKILL");
    expect(await job.outcome).toEqual({ type: "lost", cause: "exited", workerId });
    const next = script({ do: "answer", afterMs: 1 });
    expect((await next.outcome).type).toBe("transcoded");
    expect(next.workerId).not.toBe(workerId);
    expect(await event("died")).toMatchObject({
      workerId,
      cause: "exited",
      jobIds: ["job-1"],
      signal: "SIGKILL",
    });
    expect(workers.stats()).toMatchObject({ workersDied: 1, transcoded: 1, problem: null });
  });

  test("exit and abort lose the segment; other sessions' work goes on", async () => {
    const { script, event } = open();
    const bystander = script({ do: "answer", afterMs: 300 }, { sessionId: "bystander" });
    await bystander.started;
    const exits = script({ do: "exit", afterMs: 1 });
    const aborts = script({ do: "abort", afterMs: 1 });
    expect(await exits.outcome).toMatchObject({ type: "lost", cause: "exited" });
    expect(await aborts.outcome).toMatchObject({ type: "lost", cause: "exited" });
    expect((await bystander.outcome).type).toBe("transcoded");
    expect(await event("died")).toMatchObject({ exitCode: 3 });
  });

  test("an idle worker that was killed is replaced without anybody asking", async () => {
    const { workers, events, event } = open();
    await workers.whenReady();
    const first = await event("ready");
    const seen = events.length;
    process.kill(pidOf(first.workerId), "SIGKILL");
    expect((await event("ready", seen)).workerId).not.toBe(first.workerId);
  });

  test("poison that kills every worker is replaced at a bounded rate", async () => {
    const { script, workers } = open();
    const startMs = performance.now();
    for (let lost = 0; lost < 11; lost += 1) {
      expect(await script({ do: "exit", afterMs: 0 }).outcome).toMatchObject({ cause: "exited" });
    }
    // Two workers may be there before the first death, six replacements are free, then one each second; a spare one
    // starts with another. Without a bound there are at least twelve, within a second.
    const seconds = Math.ceil((performance.now() - startMs) / 1_000);
    expect(workers.stats().workersStarted).toBeLessThanOrEqual(2 + 6 + 1 + seconds);
  });
});

describe("a worker that hangs", () => {
  test("SIGSTOP with a segment: killed after the missed heartbeats, cause `hung`", async () => {
    const { script } = open({ limits: quick });
    const job = script({ do: "never", obeys: true });
    const workerId = await job.started;
    process.kill(pidOf(workerId), "SIGSTOP");
    expect(await job.outcome).toEqual({ type: "lost", cause: "hung", workerId });
    await gone(pidOf(workerId));
    expect((await script({ do: "answer", afterMs: 1 }).outcome).type).toBe("transcoded");
  });

  test("SIGSTOP while idle: noticed and replaced before work comes", async () => {
    const { events, event } = open({ limits: quick });
    const { workerId } = await event("ready");
    const seen = events.length;
    process.kill(pidOf(workerId), "SIGSTOP");
    expect(await event("died", seen)).toMatchObject({ workerId, cause: "hung", jobIds: [] });
    expect((await event("ready", seen)).workerId).not.toBe(workerId);
  });

  test("a worker that blocks its own thread counts as hung", async () => {
    const { script } = open({ limits: quick });
    expect(await script({ do: "stall" }).outcome).toMatchObject({ type: "lost", cause: "hung" });
  });

  test("a worker that answers its pings is left alone for as long as its job may take", async () => {
    const { script } = open({ limits: { ...quick, missedHeartbeatsMax: 20 } });
    expect((await script({ do: "answer", afterMs: 3_000 }).outcome).type).toBe("transcoded");
  });

  test("with defaults, a stopped worker is given up within 3.5 s", async () => {
    const { script } = open();
    const job = script({ do: "never", obeys: true });
    process.kill(pidOf(await job.started), "SIGSTOP");
    const startMs = performance.now();
    // Heartbeats are counted, not time: what the loop measures is theirs, however busy the machine is.
    using clock = new LoopClock();
    expect(await job.outcome).toMatchObject({ cause: "hung" });
    expect(clock.passedMs).toBeLessThan(3_500);
    expect(performance.now() - startMs).toBeGreaterThan(2_000);
  });
});

describe("a worker that misbehaves", () => {
  test("one that grows over its limit is killed, cause `oversized`", async () => {
    const { script, event } = open({
      limits: { ...quick, missedHeartbeatsMax: 50, rssBytesMax: 150_000_000 },
    });
    expect(await script({ do: "grow", bytes: 200_000_000, afterMs: 9_000 }).outcome).toMatchObject({
      cause: "oversized",
    });
    expect((await event("died")).reason).toContain("of at most 150000000 bytes");
  });

  test("a second answer for the same job ends the worker, and changes nothing else", async () => {
    const { script, event } = open();
    const job = script({ do: "twice", afterMs: 1 });
    expect((await job.outcome).type).toBe("transcoded");
    expect(await event("died")).toMatchObject({
      workerId: job.workerId,
      jobIds: [],
      reason: "it answered a job that it does not have",
    });
    expect((await script({ do: "answer", afterMs: 1 }).outcome).type).toBe("transcoded");
  });

  test.each(["garbage", "wrongCount", "emptySpool"] as const)(
    "an answer that makes no sense (%s) is not passed on",
    async (how) => {
      const { script } = open();
      const job = script({ do: how, afterMs: 1 });
      expect(await job.outcome).toMatchObject({ type: "lost", cause: "exited" });
      await gone(pidOf(job.workerId));
    },
  );

  test("the codec's verdict about bad input is passed on word for word, and the worker stays", async () => {
    const { script, workers } = open();
    const job = script({ do: "fail", afterMs: 1 });
    expect(await job.outcome).toEqual({ type: "failed", text: "Invalid data found when processing input" });
    expect(isAlive(pidOf(job.workerId))).toBeTrue();
    expect(workers.stats()).toMatchObject({ failed: 1, workersDied: 0 });
  });
});

describe("a worker that does not start", () => {
  test("a refusal (wrong ABI) fails the waiting work at once with a clear reason, and does not loop", async () => {
    const startMs = performance.now();
    const { script, workers, event, events } = open({ start: "refuse" });
    const job = script({ do: "answer", afterMs: 1 });
    expect(await job.outcome).toEqual({ type: "lost", cause: "not-started", workerId: "" });
    expect(await workers.whenReady()).toBe("The codec library has ABI version 9; 1 is needed.");
    expect(workers.stats().problem).toBe("The codec library has ABI version 9; 1 is needed.");
    expect(await event("startFailed")).toMatchObject({ retryMs: 5_000 });
    expect(await script({ do: "answer", afterMs: 1 }).outcome).toMatchObject({ cause: "not-started" });
    // Another try of the usual kind would come after 250 ms.
    await Bun.sleep(400);
    const tries = 1 + Math.floor((performance.now() - startMs) / 5_000);
    expect(events.filter(({ type }) => type === "started").length).toBeLessThanOrEqual(tries);
  });

  test("one that dies at start is tried three times before the waiting work is given up", async () => {
    const { script, workers, event, events } = open({ start: "die" });
    const job = script({ do: "answer", afterMs: 1 });
    expect(await job.outcome).toEqual({ type: "lost", cause: "not-started", workerId: "" });
    expect(workers.stats().problem).toBe("it ended with exit code 70");
    const { stderr, exitCode } = await event("startFailed");
    expect({ stderr, exitCode }).toEqual({ stderr: ["scripted death"], exitCode: 70 });
    expect(events.filter(({ type }) => type === "started").length).toBeLessThanOrEqual(4);
  });

  test("one that never reports is killed after its time", async () => {
    const { event } = open({ start: "silent", limits: { startMs: 100 } });
    expect((await event("startFailed")).reason).toBe("it was not ready after 100 ms");
  });

  test("an entry that does not exist is a start failure, not an exception", async () => {
    const { workers } = open({ entry: "/nonexistent/worker.ts" });
    expect(await workers.whenReady()).toContain("it ended with exit code 1");
  });
});
