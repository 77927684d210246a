import { afterEach, describe, expect, test } from "bun:test";
import { softwareSlots } from "../../../src/workers/openTranscodeWorkers.ts";
import type { PoolFixture } from "./poolFixture.ts";
import { gone, isAlive, openPool, pidOf } from "./poolFixture.ts";

/*
 * Goal: waiting work is placed fairly, in bounded queues, on as few processes as the work needs.
 * Method: real processes that follow a script (`scriptedWorker.ts`).
 */

let pool: PoolFixture | null = null;

function open(...options: Parameters<typeof openPool>): PoolFixture {
  pool = openPool(...options);
  return pool;
}

/** Nobody is killed for being slow to answer. */
const patient = { cancelMs: 30_000 };

afterEach(async () => {
  await pool?.close();
  for (const event of pool?.events ?? []) if (event.type === "started") await gone(event.pid);
  pool = null;
});

describe("the queue", () => {
  test("is fair over sessions and in order within one", async () => {
    const { script } = open({ slots: softwareSlots(1) });
    const order: string[] = [];
    const submit = (sessionId: string, name: string) => {
      return script({ do: "answer", afterMs: 2 }, { sessionId, onStart: () => order.push(name) }).outcome;
    };
    const outcomes = [];
    for (const name of ["a1", "a2", "a3", "a4"]) outcomes.push(submit("a", name));
    for (const name of ["b1", "b2", "c1"]) outcomes.push(submit(name.slice(0, 1), name));
    await Promise.all(outcomes);
    expect(order).toEqual(["a1", "b1", "c1", "a2", "b2", "a3", "a4"]);
  });

  test("is bounded: one more is refused at once", async () => {
    const { script, workers } = open({ slots: softwareSlots(1), queueMax: 2 });
    const running = script({ do: "never", obeys: true });
    await running.started;
    const waiting = [script({ do: "never", obeys: true }), script({ do: "never", obeys: true })];
    expect(workers.capacity()).toMatchObject({ running: 1, queued: 2 });
    const refused = script({ do: "never", obeys: true });
    expect(await refused.outcome).toEqual({ type: "lost", cause: "not-started", workerId: "" });
    for (const job of waiting) job.cancel();
    expect(workers.capacity()).toMatchObject({ running: 1, queued: 0 });
  });

  test("`onStart` comes once, with the worker's id, and never before `submit` has returned", async () => {
    const { script, workers } = open();
    await workers.whenReady();
    const starts: string[] = [];
    let hasReturned = false;
    const onStart = (workerId: string) => {
      expect(hasReturned).toBeTrue();
      starts.push(workerId);
    };
    const job = script({ do: "answer", afterMs: 1 }, { onStart });
    hasReturned = true;
    await job.outcome;
    expect(starts).toEqual([job.workerId]);
  });
});

describe("cancel", () => {
  test("of waiting work: it never starts", async () => {
    const { script } = open({ slots: softwareSlots(1) });
    const running = script({ do: "answer", afterMs: 50 });
    await running.started;
    const starts: string[] = [];
    const waiting = script({ do: "answer", afterMs: 1 }, { onStart: (id) => starts.push(id) });
    waiting.cancel();
    expect(await waiting.outcome).toEqual({ type: "lost", cause: "stopped", workerId: "" });
    await running.outcome;
    await script({ do: "answer", afterMs: 1 }).outcome;
    expect(starts).toEqual([]);
  });

  test("of running work: answered at once, and the worker serves on", async () => {
    const { script } = open({ slots: softwareSlots(1), limits: patient });
    const job = script({ do: "never", obeys: true });
    const workerId = await job.started;
    job.cancel();
    job.cancel();
    expect(await job.outcome).toEqual({ type: "lost", cause: "stopped", workerId });
    const next = script({ do: "answer", afterMs: 1 });
    expect((await next.outcome).type).toBe("transcoded");
    expect(next.workerId).toBe(workerId);
  });

  test("of work that does not stop: the worker is killed, and the next job has another", async () => {
    const { script } = open({ slots: softwareSlots(1), limits: { cancelMs: 50 } });
    const job = script({ do: "never", obeys: false });
    const workerId = await job.started;
    job.cancel();
    expect(await job.outcome).toMatchObject({ cause: "stopped" });
    const next = script({ do: "answer", afterMs: 1 });
    expect((await next.outcome).type).toBe("transcoded");
    expect(next.workerId).not.toBe(workerId);
    await gone(pidOf(workerId));
  });

  test("after the outcome changes nothing", async () => {
    const { script, workers } = open();
    const job = script({ do: "answer", afterMs: 1 });
    expect((await job.outcome).type).toBe("transcoded");
    job.cancel();
    expect(workers.stats().lost.stopped).toBe(0);
  });
});

describe("the deadline", () => {
  test("passed while waiting: `not-started`", async () => {
    const { script } = open({ slots: softwareSlots(1) });
    await script({ do: "never", obeys: true }).started;
    const late = script({ do: "answer", afterMs: 1 }, { deadlineMs: Date.now() + 30 });
    expect(await late.outcome).toEqual({ type: "lost", cause: "not-started", workerId: "" });
  });

  test("passed on a worker that stops when asked: `stopped`, and the worker stays", async () => {
    const { script, workers } = open({ limits: patient });
    await workers.whenReady();
    const late = script({ do: "never", obeys: true }, { deadlineMs: Date.now() + 150 });
    expect(await late.outcome).toMatchObject({ type: "lost", cause: "stopped" });
    expect(isAlive(pidOf(late.workerId))).toBeTrue();
  });

  test("passed on a worker that does not: killed, `hung`", async () => {
    const { script, workers } = open({ limits: { cancelMs: 50 } });
    await workers.whenReady();
    const late = script({ do: "never", obeys: false }, { deadlineMs: Date.now() + 150 });
    expect(await late.outcome).toMatchObject({ type: "lost", cause: "hung" });
    await gone(pidOf(late.workerId));
  });
});

describe("the number of processes", () => {
  test("one at first, one ahead of the work, back to one when idle", async () => {
    const { script, workers, event } = open({
      ...{ slots: softwareSlots(4), idleRetireMs: 100, limits: patient },
    });
    await workers.whenReady();
    expect(workers.capacity().workers).toBe(1);
    const jobs = [1, 2].map((n) => script({ do: "never", obeys: true }, { sessionId: `${n}` }));
    await Promise.all(jobs.map((job) => job.started));
    expect(workers.capacity().workers).toBe(3);
    for (const job of jobs) job.cancel();
    await event("retired");
    const seen = pool?.events.findIndex(({ type }) => type === "retired") ?? 0;
    await event("retired", seen + 1);
    expect(workers.capacity().workers).toBe(1);
    expect(workers.stats().workersDied).toBe(0);
  });

  test("a tiny segment does not wait for a process to start while another is busy", async () => {
    const { script, workers } = open({ slots: softwareSlots(2) });
    await workers.whenReady();
    await script({ do: "never", obeys: true }, { sessionId: "long" }).started;
    while (workers.stats().workers.filter(({ state }) => state === "ready").length < 2) await Bun.sleep(1);
    // Placed within the turn in which it came: nothing was waited for.
    const tiny = script({ do: "answer", afterMs: 0 });
    await Promise.resolve();
    expect(tiny.workerId).not.toBe("");
    expect((await tiny.outcome).type).toBe("transcoded");
  });

  test("never more than the slots, however much waits", async () => {
    const { script, workers } = open({ slots: softwareSlots(2) });
    await Promise.all(Array.from({ length: 40 }, () => script({ do: "answer", afterMs: 1 }).outcome));
    expect(workers.stats()).toMatchObject({ workersStarted: 2, transcoded: 40, running: 0, queued: 0 });
  });

  test("an idle worker whose memory stays large makes room for a fresh one", async () => {
    const { script, retired, workers } = open({ idleRetireMs: 100, idleRssBytesMax: 150_000_000 });
    const job = script({ do: "grow", bytes: 200_000_000, afterMs: 1 });
    expect((await job.outcome).type).toBe("transcoded");
    await retired(job.workerId);
    const next = script({ do: "answer", afterMs: 1 });
    expect((await next.outcome).type).toBe("transcoded");
    expect(next.workerId).not.toBe(job.workerId);
    expect(workers.stats().workersDied).toBe(0);
  });
});

describe("avoid", () => {
  test("another worker is waited for, or started", async () => {
    const { script, workers } = open({ slots: softwareSlots(2) });
    const first = script({ do: "answer", afterMs: 1 });
    await first.outcome;
    for (let i = 0; i < 5; i += 1) {
      const next = script({ do: "answer", afterMs: 1 }, { avoid: [first.workerId] });
      expect((await next.outcome).type).toBe("transcoded");
      expect(next.workerId).not.toBe(first.workerId);
    }
    expect(workers.stats().workersStarted).toBe(2);
  });

  test("is only a preference: when no other can be had, the avoided one serves", async () => {
    const { script } = open({ slots: softwareSlots(1) });
    const first = script({ do: "answer", afterMs: 1 });
    await first.outcome;
    const next = script({ do: "answer", afterMs: 1 }, { avoid: [first.workerId] });
    expect((await next.outcome).type).toBe("transcoded");
    expect(next.workerId).toBe(first.workerId);
  });
});

/*
 * The way of a GPU: several jobs share one process. The scripted worker refuses more than it takes, and pretends to
 * drive whatever device it is told to.
 */
describe("several jobs in one process", () => {
  const slots = [0, 1].map((index) => ({ device: { type: "nvidia" as const, index }, jobsMax: 3 }));

  test("run at the same time, up to the slots of all devices", async () => {
    const { script, workers } = open({ slots });
    const jobs = Array.from({ length: 8 }, (_, n) =>
      script({ do: "never", obeys: true }, { sessionId: `${n}` }),
    );
    await Promise.all(jobs.slice(0, 6).map((job) => job.started));
    expect(workers.capacity()).toMatchObject({ workers: 2, running: 6, queued: 2 });
    expect(workers.stats().jobSlots).toBe(6);
    jobs[0]?.cancel();
    await jobs[6]?.started;
  });

  test("a session returns to the device that holds its state", async () => {
    const { script, workers } = open({ slots, warmWorkers: 2 });
    while (workers.stats().workers.filter(({ state }) => state === "ready").length < 2) await Bun.sleep(1);
    const homes = new Map<string, Set<string>>();
    for (let round = 0; round < 5; round += 1) {
      const sessions = ["a", "b", "c", "d"];
      const jobs = sessions.map((sessionId) => script({ do: "answer", afterMs: 2 }, { sessionId }));
      await Promise.all(jobs.map((job) => job.outcome));
      for (const [n, sessionId] of sessions.entries()) {
        homes.set(sessionId, (homes.get(sessionId) ?? new Set()).add(jobs[n]?.workerId ?? ""));
      }
    }
    for (const workerIds of homes.values()) expect(workerIds.size).toBe(1);
    expect(new Set([...homes.values()].flatMap((ids) => [...ids])).size).toBe(2);
    expect([...homes.values()].flatMap((ids) => [...ids]).every((id) => /^gpu[01]-\d+$/.test(id))).toBeTrue();
  });

  test("a late job that stops when asked does not disturb its neighbours; one that does not takes them along", async () => {
    const gentle = open({ slots: slots.slice(0, 1), limits: patient });
    const neighbour = gentle.script({ do: "answer", afterMs: 250 });
    await neighbour.started;
    const late = gentle.script({ do: "never", obeys: true }, { deadlineMs: Date.now() + 50 });
    expect(await late.outcome).toMatchObject({ cause: "stopped" });
    expect((await neighbour.outcome).type).toBe("transcoded");
    await gentle.close();
    const { script } = open({ slots: slots.slice(0, 1), limits: { cancelMs: 80 } });
    const victim = script({ do: "never", obeys: true });
    await victim.started;
    const stuck = script({ do: "never", obeys: false }, { deadlineMs: Date.now() + 50 });
    expect(await stuck.outcome).toMatchObject({ cause: "hung" });
    // `stopped` does not speak against the victim's input.
    expect(await victim.outcome).toMatchObject({ cause: "stopped" });
  });

  test("a crash loses all the jobs of that process and none of the other", async () => {
    const { script, workers } = open({ slots, warmWorkers: 2 });
    while (workers.stats().workers.filter(({ state }) => state === "ready").length < 2) await Bun.sleep(1);
    const jobs = Array.from({ length: 6 }, (_, n) =>
      script({ do: "never", obeys: true }, { sessionId: `${n}` }),
    );
    const ids = await Promise.all(jobs.map((job) => job.started));
    process.kill(pidOf(ids[0] ?? ""), "SIGKILL");
    const [hit, spared] = [true, false].map((isHit) => jobs.filter((_, n) => (ids[n] === ids[0]) === isHit));
    for (const job of hit ?? []) expect(await job.outcome).toMatchObject({ type: "lost", cause: "exited" });
    expect([hit?.length, spared?.length, workers.capacity().running]).toEqual([3, 3, 3]);
    // The others run on, until they are asked to stop.
    for (const job of spared ?? []) job.cancel();
    for (const job of spared ?? []) expect(await job.outcome).toMatchObject({ cause: "stopped" });
  });
});

describe("stop", () => {
  test("lets running and waiting work finish, then ends every process", async () => {
    const { script, workers, events } = open({ slots: softwareSlots(2) });
    const jobs = Array.from({ length: 5 }, () => script({ do: "answer", afterMs: 20 }));
    const stopped = workers.stop();
    expect(await script({ do: "answer", afterMs: 1 }).outcome).toMatchObject({ cause: "stopped" });
    await stopped;
    for (const job of jobs) expect((await job.outcome).type).toBe("transcoded");
    for (const event of events) if (event.type === "started") expect(isAlive(event.pid)).toBeFalse();
    expect(workers.stats().workersDied).toBe(0);
    expect(events.some(({ type }) => type === "died")).toBeFalse();
  });

  test("kill ends everything now", async () => {
    const { script, workers } = open({ slots: softwareSlots(1) });
    const running = script({ do: "never", obeys: false });
    await running.started;
    const waiting = script({ do: "answer", afterMs: 1 });
    await workers.kill();
    expect(await running.outcome).toMatchObject({ cause: "stopped" });
    expect(await waiting.outcome).toMatchObject({ cause: "stopped" });
    expect(isAlive(pidOf(running.workerId))).toBeFalse();
  });
});
