import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { keccak_256 } from "@noble/hashes/sha3";
import type { TranscodeJob, TranscodeOutcome } from "../../../src/runtime/ports.ts";
import { softwareSlots } from "../../../src/workers/openTranscodeWorkers.ts";
import { eventually } from "../../support/eventually.ts";
import { generatedMedia, generatedMediaBytes } from "../../support/media.ts";
import type { PoolFixture } from "./poolFixture.ts";
import { gone, isAlive, oneRendition, openPool, pidOf } from "./poolFixture.ts";

/*
 * Goal: the real worker with the real codec keeps the promises of the supervision, and delivers.
 * Method: real segments, real signals in the middle of them.
 */

const entry = new URL("../../../src/gpu/worker.ts", import.meta.url);
const directory = mkdtempSync(join(tmpdir(), "reprise-workers-"));
let segment: Uint8Array;
let pools: PoolFixture[] = [];

beforeAll(async () => {
  segment = await generatedMediaBytes("gen-720p30-aac.ts");
  // The first worker of a fresh checkout compiles the codec, which is not what these tests measure.
  const compiler = openPool({ entry });
  expect(await compiler.workers.whenReady()).toBeNull();
  await compiler.close();
}, 60_000);

afterEach(async () => {
  for (const { close, events } of pools) {
    await close();
    for (const event of events) if (event.type === "started") await gone(event.pid);
  }
  pools = [];
});

afterAll(() => rmSync(directory, { recursive: true }));

function open(options: Parameters<typeof openPool>[0] = {}): PoolFixture {
  const pool = openPool({ entry, ...options });
  pools.push(pool);
  return pool;
}

const base = oneRendition.profiles[0];
if (base === undefined) throw new Error("The fixture has one rendition.");

/** The ladder of a usual stream: some CPU seconds of work for two seconds of 720p. */
const ladder: TranscodeJob = {
  ...oneRendition,
  profiles: [
    { ...base, name: "P240p30fps16x9", width: 426, height: 240, bitrate: 600_000, fps: 30 },
    { ...base, name: "P360p30fps16x9", width: 640, height: 360, bitrate: 1_200_000, fps: 30 },
    { ...base, name: "P576p30fps16x9", width: 1_024, height: 576, bitrate: 1_500_000, fps: 30 },
  ],
};

async function expectTranscoded(outcome: Promise<TranscodeOutcome>): Promise<void> {
  expect(await outcome).toMatchObject({ type: "transcoded" });
}

type Job = ReturnType<typeof submit>;

/**
 * Does something to a segment that the codec is at work on; resolves with its worker. Once more with another segment
 * when it was done before: a machine may stall for longer than a segment takes.
 */
async function midSegment(begin: () => Job, act: (job: Job, workerId: string) => Promise<void>) {
  for (let tries = 0; tries < 10; tries += 1) {
    const job = begin();
    const workerId = await job.started;
    // The codec says nothing of its progress; a segment takes it far longer than this.
    const early = await Promise.race([job.outcome, Bun.sleep(50)]);
    if (early === undefined) {
      await act(job, workerId);
      return workerId;
    }
    expect(early).toMatchObject({ type: "transcoded" });
  }
  throw new Error("No segment took longer than 50 ms.");
}

type More = Partial<Parameters<PoolFixture["workers"]["submit"]>[0]>;

function submit(fixture: PoolFixture, more: More = {}) {
  const started = Promise.withResolvers<string>();
  const job = fixture.workers.submit({
    jobId: "job",
    sessionId: "session",
    media: segment,
    job: ladder,
    deadlineMs: Date.now() + 50_000,
    avoid: [],
    onStart: started.resolve,
    ...more,
  });
  return Object.assign(job, { started: started.promise });
}

describe("the codec in a worker", () => {
  test("returns every rendition with exact frames and pixels", async () => {
    const outcome = await submit(open()).outcome;
    if (outcome.type !== "transcoded") throw new Error(JSON.stringify(outcome));
    expect(outcome.renditions.map(({ frames, pixels }) => ({ frames, pixels }))).toEqual([
      { frames: 60, pixels: 60 * 426 * 240 },
      { frames: 60, pixels: 60 * 640 * 360 },
      { frames: 60, pixels: 60 * 1_024 * 576 },
    ]);
    expect(outcome.decodedPixels).toBe(60 * 1_280 * 720);
    for (const { bytes } of outcome.renditions) expect(bytes[0]).toBe(0x47);
  }, 60_000);

  test("a verdict about bad input is a failure, not a death", async () => {
    const fixture = open();
    const media = await generatedMediaBytes("gen-garbage.ts");
    expect((await submit(fixture, { media }).outcome).type).toBe("failed");
    expect((await submit(fixture, { media: new Uint8Array(0) }).outcome).type).toBe("failed");
    expect((await submit(fixture, { job: oneRendition }).outcome).type).toBe("transcoded");
    expect(fixture.workers.stats()).toMatchObject({ workersDied: 0, failed: 2 });
  }, 60_000);

  test("several jobs share a process when the slot allows it", async () => {
    const fixture = open({ slots: [{ device: { type: "software" }, jobsMax: 3 }] });
    const jobs = [1, 2, 3].map((n) => submit(fixture, { job: oneRendition, sessionId: `${n}` }));
    const outcomes = await Promise.all(jobs.map((job) => job.outcome));
    expect(outcomes.map(({ type }) => type)).toEqual(["transcoded", "transcoded", "transcoded"]);
    expect(new Set(jobs.map((job) => job.workerId)).size).toBe(1);
    expect(fixture.workers.stats().workersStarted).toBe(1);
  }, 60_000);

  test("a cancelled segment stops in the codec, and the same worker serves the next one", async () => {
    const fixture = open({ slots: softwareSlots(1), limits: { cancelMs: 30_000 } });
    const workerId = await midSegment(
      () => submit(fixture),
      async (job, workerId) => {
        job.cancel();
        expect(await job.outcome).toEqual({ type: "lost", cause: "stopped", workerId });
      },
    );
    const next = submit(fixture, { job: oneRendition });
    expect((await next.outcome).type).toBe("transcoded");
    expect(next.workerId).toBe(workerId);
  }, 60_000);
});

describe("large media", () => {
  /** Every rendition's bytes are those that the codec hashed. */
  async function expectIntact(outcome: Promise<TranscodeOutcome>): Promise<void> {
    const result = await outcome;
    if (result.type !== "transcoded") throw new Error(JSON.stringify(result));
    for (const { bytes, keccak256 } of result.renditions) {
      expect(bytes.length).toBeGreaterThan(10_000);
      expect(Buffer.from(keccak_256(bytes))).toEqual(Buffer.from(keccak256));
    }
  }

  test.each([
    ["the channel", 1e9],
    ["the spool", 1_000],
  ])(
    "arrives intact both ways through %s",
    async (_, max) => {
      const fixture = open({ inlineBytesMax: max });
      await expectIntact(submit(fixture).outcome);
      await expectIntact(submit(fixture, { job: oneRendition }).outcome);
    },
    60_000,
  );

  test("jobs in the same process do not mix up their spools", async () => {
    const fixture = open({ slots: [{ device: { type: "software" }, jobsMax: 3 }], inlineBytesMax: 1_000 });
    const jobs = Array.from({ length: 6 }, (_, n) =>
      submit(fixture, { job: oneRendition, sessionId: `${n}` }),
    );
    await Promise.all(jobs.map((job) => expectIntact(job.outcome)));
  }, 60_000);

  test("without a folder for temporary files everything goes through the channel", async () => {
    const before = process.env["TMPDIR"];
    process.env["TMPDIR"] = "/nonexistent";
    try {
      const fixture = open({ inlineBytesMax: 1_000 });
      await expectIntact(submit(fixture, { job: oneRendition }).outcome);
    } finally {
      if (before === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = before;
    }
  }, 60_000);

  /** Time for which this thread has had a core: what others do on the machine does not count. Milliseconds. */
  function ownCpuMs(): number {
    const [ranNs = "0"] = readFileSync("/proc/thread-self/schedstat", "latin1").split(" ");
    return Number(ranNs) / 1e6;
  }

  // Goal: 64 MB of segment do not hold the event loop up, and leave nothing on the disk. Method: the segment is
  // padded with null packets; a timer measures the most work that was done in one turn of the loop.
  test("64 MB leave the event loop free and the disk empty", async () => {
    const fixture = open();
    await fixture.workers.whenReady();
    const media = new Uint8Array(segment.length + 188 * 340_000);
    media.set(segment);
    const nullPacket = new Uint8Array(188).fill(0xff);
    nullPacket.set([0x47, 0x1f, 0xff, 0x10]);
    for (let at = segment.length; at < media.length; at += 188) media.set(nullPacket, at);
    let turnMs = 0;
    let longestMs = 0;
    const meter = setInterval(() => {
      const nowMs = ownCpuMs();
      longestMs = Math.max(longestMs, nowMs - turnMs);
      turnMs = nowMs;
    }, 1);
    turnMs = ownCpuMs();
    await expectTranscoded(submit(fixture, { media, job: oneRendition }).outcome);
    clearInterval(meter);
    // The same through the channel takes 250 ms.
    expect(longestMs).toBeLessThan(200);
    const folder = tmpdir();
    expect(readdirSync(folder).filter((name) => name.startsWith(`reprise-spool-${process.pid}-`))).toEqual(
      [],
    );
  }, 60_000);

  test("a segment that is cancelled on its way into the spool never starts, and the worker serves on", async () => {
    const fixture = open({
      ...{ slots: softwareSlots(1), inlineBytesMax: 1_000, limits: { cancelMs: 30_000 } },
    });
    await fixture.workers.whenReady();
    const job = submit(fixture, { media: new Uint8Array(50_000_000) });
    const workerId = await job.started;
    job.cancel();
    expect(await job.outcome).toMatchObject({ cause: "stopped" });
    const next = submit(fixture, { job: oneRendition });
    await expectIntact(next.outcome);
    expect(next.workerId).toBe(workerId);
  }, 60_000);

  test("kill -9 of the worker on that way is a loss like any other", async () => {
    const fixture = open({ inlineBytesMax: 1_000 });
    const job = submit(fixture, { media: new Uint8Array(50_000_000) });
    process.kill(pidOf(await job.started), "SIGKILL");
    expect(await job.outcome).toMatchObject({ type: "lost", cause: "exited" });
    await expectIntact(submit(fixture, { job: oneRendition }).outcome);
  }, 60_000);
});

describe("bad days", () => {
  test("kill -9 of a worker mid-segment: lost, and done by another worker", async () => {
    const fixture = open();
    const workerId = await midSegment(
      () => submit(fixture),
      async (job, workerId) => {
        process.kill(pidOf(workerId), "SIGKILL");
        expect(await job.outcome).toEqual({ type: "lost", cause: "exited", workerId });
      },
    );
    const retry = submit(fixture, { avoid: [workerId] });
    expect((await retry.outcome).type).toBe("transcoded");
    expect(retry.workerId).not.toBe(workerId);
  }, 60_000);

  test("a crash in native code mid-segment: lost at once, with a trace of it for the log", async () => {
    const fixture = open();
    const job = submit(fixture);
    process.kill(pidOf(await job.started), "SIGSEGV");
    // Not `hung`, which is said of what only its heartbeats give away.
    expect(await job.outcome).toMatchObject({ type: "lost", cause: "exited" });
    expect((await fixture.event("died")).jobIds).toEqual(["job"]);
  }, 60_000);

  test("SIGSTOP of a worker mid-segment: given up as hung, killed, and done by another", async () => {
    const fixture = open();
    const job = submit(fixture);
    const workerId = await job.started;
    process.kill(pidOf(workerId), "SIGSTOP");
    expect(await job.outcome).toEqual({ type: "lost", cause: "hung", workerId });
    await gone(pidOf(workerId));
    expect((await submit(fixture, { avoid: [workerId] }).outcome).type).toBe("transcoded");
  }, 60_000);

  test.each([["running"], ["stopped"]])(
    "kill -9 of the orchestrator ends %s workers mid-segment",
    async (state) => {
      const script = fileURLToPath(new URL("parent.ts", import.meta.url));
      const media = await generatedMedia("gen-720p30-aac.ts");
      const command = [process.execPath, script, fileURLToPath(entry), media];
      const parent = Bun.spawn(command, { stdout: "pipe", stderr: "inherit", stdin: "ignore" });
      const { value } = await parent.stdout.getReader().read();
      const pids = JSON.parse(new TextDecoder().decode(value)) as number[];
      for (const pid of pids) {
        expect(isAlive(pid)).toBeTrue();
        if (state === "stopped") process.kill(pid, "SIGSTOP");
      }
      parent.kill("SIGKILL");
      await parent.exited;
      for (const pid of pids) await gone(pid);
    },
    60_000,
  );

  test("a worker started by nobody, or by somebody who is gone, ends at once", async () => {
    const settings = { parentPid: 1, device: { type: "software" }, jobsMax: 1, threads: 1, nice: 0 };
    const command = [process.execPath, fileURLToPath(entry), JSON.stringify(settings)];
    expect(await Bun.spawn(command, { stderr: "ignore" }).exited).toBe(2);
    expect(await Bun.spawn(command, { stderr: "ignore", ipc: () => {} }).exited).toBe(0);
  });
});

describe("a corrupted codec library", () => {
  test("of another ABI: a clear reason, no crash loop", async () => {
    const source = join(directory, "other.c");
    const libraryPath = join(directory, "libother.so");
    const names = ["libraries", "open", "encoder_name", "submit", "poll", "cancel", "release", "close"];
    const stubs = names.map((name) => `void *reprise_${name}(void) { return 0; }`);
    writeFileSync(source, ["unsigned reprise_abi_version(void) { return 999; }", ...stubs].join("\n"));
    expect(Bun.spawnSync(["cc", "-shared", "-fPIC", "-o", libraryPath, source]).exitCode).toBe(0);
    const startMs = performance.now();
    const fixture = open({ libraryPath });
    expect(await submit(fixture).outcome).toEqual({ type: "lost", cause: "not-started", workerId: "" });
    expect(fixture.workers.stats().problem).toContain("ABI version 999");
    // Another try of the usual kind would come after 250 ms; one after such a refusal, after 5 s.
    await Bun.sleep(500);
    const tries = 1 + Math.floor((performance.now() - startMs) / 5_000);
    expect(fixture.workers.stats().workersStarted).toBeLessThanOrEqual(tries);
  }, 60_000);

  test("of random bytes: a clear reason, no crash loop", async () => {
    const libraryPath = join(directory, "libgarbage.so");
    writeFileSync(libraryPath, crypto.getRandomValues(new Uint8Array(5_000)));
    const fixture = open({ libraryPath });
    expect(await fixture.workers.whenReady()).toContain(libraryPath);
    expect(existsSync(libraryPath)).toBeTrue();
    expect(fixture.workers.stats().workersStarted).toBe(1);
  }, 60_000);
});

describe("capacity", () => {
  test("is unknown, then measured by the self-bench in a process that ends, then refined by work", async () => {
    const fixture = open();
    const { workers } = fixture;
    expect(workers.capacity().pixelsPerSecond).toBeNull();
    const measured = await workers.measureCapacity();
    expect(measured).toBeGreaterThan(100_000);
    expect(workers.capacity().pixelsPerSecond).toBe(measured);
    expect((await submit(fixture).outcome).type).toBe("transcoded");
    expect(workers.capacity().pixelsPerSecond).not.toBe(measured);
  }, 60_000);

  test("the self-bench of a codec that cannot start says so, and stop does not wait for it", async () => {
    const { workers } = open({ libraryPath: "/nonexistent.so" });
    expect(await workers.measureCapacity()).toBeNull();
    const second = open();
    const measuring = second.workers.measureCapacity();
    await second.workers.stop();
    expect(await measuring).toBeNull();
  }, 60_000);
});

describe("memory", () => {
  test("after heavy work an idle worker is small again", async () => {
    const fixture = open({ slots: softwareSlots(1) });
    const media = await generatedMediaBytes("gen-720p30-aac.ts");
    for (let i = 0; i < 3; i += 1) await submit(fixture, { media }).outcome;
    const rss = () => fixture.workers.stats().workers[0]?.rssBytes ?? Number.POSITIVE_INFINITY;
    // The worker collects its garbage after a second of idleness.
    await eventually("it is small", () => (rss() < 160e6 ? true : null));
  }, 60_000);
});
