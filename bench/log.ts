import { Database } from "bun:sqlite";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initialTransition, transition } from "xstate";
import { allKinds } from "../src/actors/allKinds.ts";
import { Fold } from "../src/actors/fold.ts";
import { segmentKind } from "../src/actors/segment/decide.ts";
import { encodeSnapshot } from "../src/actors/snapshot.ts";
import type { AnyEvent } from "../src/events/definition.ts";
import { setPragmas } from "../src/events/log/open.ts";
import { type OpenLog, openLog } from "../src/events/log/openLog.ts";
import { type EffectHandler, Host } from "../src/runtime/host.ts";
import { argument, isSmall, perSecond, percentile, printFigure, printHeader, resultHash } from "./support.ts";

/*
 * Question: how many durable events a second go through real actors and the one writer, how long does a commit
 * take at 2,000 events a second, and how fast does the log replay?
 *
 * Bound: one fsync a commit, about 300 bytes an event and an index entry: raw bun:sqlite with the same rows in
 * the same batches is the limit of the writer, a bare `transition` loop the limit of the fold. The actors' part
 * (decide, transition, encode) is about 15 µs an event on one core; the writer works on another.
 *
 * Wanted: ≥ 40,000 durable events/s with 500 actors; commit p99 < 5 ms at 2,000 events/s where the disk's own
 * fsync allows it (it is printed beside); replay ≥ 0.8 × the bare loop.
 *
 * Last, 2 × AMD EPYC: 40,162 durable events/s; commit p50 0.40, p99 1.89 ms (raw 0.36, 2.22 ms); replay 69,224/s,
 * 1.19 × the bare loop.
 */

const actors = 500;
const rounds = isSmall ? 4 : 60;
const pacedMs = isSmall ? 1_000 : 10_000;
const pacedPerSecond = 2_000;

const dir = mkdtempSync(join(argument("dir") ?? tmpdir(), "reprise-bench-log-"));
const profile = {
  name: "P240p30fps16x9",
  width: 426,
  height: 240,
  bitrate: 600_000,
  fps: 30,
  fpsDen: 0,
  gopMs: 0,
  profile: "default",
  format: "mpegts",
  encoder: "h264",
  quality: 0,
} as const;
const hash = `0x${"ab".repeat(32)}` as const;
const origin = { correlationId: "bench.1", causationId: "bench" };

/** The five steps of a segment's life, as the node takes them. */
const steps = [
  {
    type: "AcceptSegment",
    sessionId: "bench.1",
    sender: `0x${"00".repeat(20)}`,
    manifestId: "0x6d6964",
    seq: 1n,
    mediaHash: hash,
    durationMs: 2_000,
    profiles: [profile, profile, profile],
    clip: null,
    calcPerceptualHash: false,
    uploadDeadlineMs: Date.now() + 1e7,
    deadlineMs: Date.now() + 2e7,
  },
  { type: "ReceiveSegment", bytes: 500_000 },
  { type: "DispatchSegment", workerId: "cpu-1" },
  {
    type: "CompleteSegment",
    decodedFrames: 60,
    decodedPixels: 55_296_000,
    codecUs: 400_000,
    renditions: [1, 2, 3].map((n) => ({
      name: profile.name,
      path: `bench/${profile.name}/${n}.ts`,
      bytes: 150_000,
      frames: 60,
      pixels: 6_134_400,
      keccak256: hash,
      hasPerceptualHash: false,
    })),
  },
  { type: "ConfirmDelivery" },
] as const;

const commitsMs: number[] = [];

async function open(name: string): Promise<{ readonly log: OpenLog; readonly host: Host }> {
  const log = await openLog(join(dir, name), {
    onCommitted: (ms) => commitsMs.push(ms),
    onHalted: (error) => {
      throw error;
    },
  });
  const noEffect: EffectHandler = { when: "volatile", run: () => {} };
  const owed: EffectHandler = { when: "durable", run: () => {} };
  const host = new Host({
    kinds: allKinds,
    effects: {
      transcodeSegment: owed,
      deliverResult: owed,
      answerFailure: noEffect,
      reportToSession: noEffect,
      settleFee: noEffect,
      releaseSession: noEffect,
    },
    journal: log.journal,
    reader: log.reader,
    views: log.views,
    edge: {
      nowMs: () => Date.now(),
      randomBytes: (length) => new Uint8Array(length),
      keccak256: () => new Uint8Array(32),
    },
    onFault: (error) => {
      throw error;
    },
  });
  host.start();
  return { log, host };
}

function step(host: Host, id: string, index: number): void {
  const command = steps[index];
  if (command === undefined) throw new Error("There is no such step.");
  const done = host.execute("segment", id, command, origin);
  if (done.type === "rejected") throw new Error(`The bench's command was refused: ${done.code}`);
}

/** 500 actors, each step of all of them in one turn of the loop. */
async function throughput(): Promise<void> {
  const { log, host } = await open("throughput");
  let events = 0;
  const startedMs = performance.now();
  for (let round = 0; round < rounds; round++) {
    for (let index = 0; index < steps.length; index++) {
      for (let actor = 0; actor < actors; actor++) step(host, `bench.1/${round}-${actor}`, index);
      events += actors;
      if (log.journal.refusal === null) await new Promise((resolve) => setImmediate(resolve));
      else await host.committed();
    }
  }
  await host.committed();
  const ms = performance.now() - startedMs;
  const rate = perSecond(events, ms);
  const raw = rawThroughput(events);
  printFigure("durable events/s through actors and writer", `${rate}  (wanted ≥ 40000)`);
  printFigure("raw bun:sqlite, same rows, batches of 500, one thread", `${raw}/s`);
  printFigure("ratio to raw", (rate / raw).toFixed(2));
  await replayRate(log);
  host.stop();
  await log.close();
}

function rawRows(count: number): (string | number | null)[][] {
  const data = JSON.stringify(steps[3].renditions);
  return Array.from({ length: count }, (_, index) => [
    index + 1,
    `segment:bench.1/${index}`,
    1,
    "SegmentTranscoded",
    1,
    Date.now(),
    "bench.1",
    "bench",
    null,
    data,
  ]);
}

function rawDatabase(name: string): {
  readonly db: Database;
  readonly insert: ReturnType<Database["prepare"]>;
} {
  const db = new Database(join(dir, name), { create: true, strict: true });
  setPragmas(db);
  db.run(
    "CREATE TABLE events (seq integer PRIMARY KEY, stream text, version integer, type text, schema_version integer, " +
      "at_ms integer, correlation_id text, causation_id text, trace_id text, data text, UNIQUE (stream, version)) STRICT",
  );
  return { db, insert: db.prepare("INSERT INTO events VALUES (?,?,?,?,?,?,?,?,?,?)") };
}

function rawThroughput(events: number): number {
  const { db, insert } = rawDatabase("raw.sqlite3");
  const rows = rawRows(events);
  const startedMs = performance.now();
  for (let first = 0; first < rows.length; first += actors) {
    db.run("BEGIN IMMEDIATE");
    for (const row of rows.slice(first, first + actors)) insert.run(...row);
    db.run("COMMIT");
  }
  const ms = performance.now() - startedMs;
  db.close();
  return perSecond(events, ms);
}

/** 2,000 events a second, spread evenly, as a busy node has them. */
async function pacedLatency(): Promise<void> {
  const { log, host } = await open("paced");
  commitsMs.length = 0;
  const startedMs = performance.now();
  let done = 0;
  let segment = 0;
  while (performance.now() - startedMs < pacedMs) {
    const due = Math.floor(((performance.now() - startedMs) * pacedPerSecond) / 1_000);
    for (; done < due; done++) {
      const index = done % steps.length;
      if (index === 0) segment += 1;
      step(host, `bench.1/${segment}`, index);
    }
    await Bun.sleep(1);
  }
  await host.committed();
  const latencies = [...commitsMs];
  host.stop();
  await log.close();
  const raw = await rawLatency();
  const show = (values: readonly number[]): string =>
    `p50 ${percentile(values, 0.5).toFixed(2)} ms, p99 ${percentile(values, 0.99).toFixed(2)} ms`;
  printFigure(`commit latency at ${pacedPerSecond} events/s`, `${show(latencies)}  (wanted p99 < 5 ms)`);
  printFigure("raw bun:sqlite commit at the same pace (the disk's own)", show(raw));
  printFigure("ratio of p99 to raw", (percentile(latencies, 0.99) / percentile(raw, 0.99)).toFixed(2));
}

async function rawLatency(): Promise<readonly number[]> {
  const { db, insert } = rawDatabase("raw-paced.sqlite3");
  const rows = rawRows(Math.ceil((pacedMs * pacedPerSecond) / 1_000) + 1);
  const latencies: number[] = [];
  const startedMs = performance.now();
  let done = 0;
  while (performance.now() - startedMs < pacedMs) {
    const due = Math.floor(((performance.now() - startedMs) * pacedPerSecond) / 1_000);
    const batch = rows.slice(done, due);
    if (batch.length > 0) {
      const commitMs = performance.now();
      db.run("BEGIN IMMEDIATE");
      for (const row of batch) insert.run(...row);
      db.run("COMMIT");
      latencies.push(performance.now() - commitMs);
      done = due;
    }
    await Bun.sleep(1);
  }
  db.close();
  return latencies;
}

/** The log back into states, beside XState's own `transition` over the same events in memory. */
async function replayRate(log: OpenLog): Promise<void> {
  const recorded = [...log.reader.all()];
  const loop = (apply: (stream: string, event: AnyEvent) => void): number => {
    const startedMs = performance.now();
    for (const { stream, event } of recorded) apply(stream, event);
    return perSecond(recorded.length, performance.now() - startedMs);
  };
  const { machine } = segmentKind;
  const bareStates = new Map<string, ReturnType<Fold["initial"]>>();
  const bare = loop((stream, event) => {
    const before = bareStates.get(stream) ?? initialTransition(machine, { id: stream })[0];
    bareStates.set(stream, transition(machine, before, event as never)[0]);
  });

  const fold = new Fold(segmentKind);
  const states = new Map<string, ReturnType<Fold["initial"]>>();
  const startedMs = performance.now();
  for (const { stream, event } of log.reader.all()) {
    const folded = fold.apply(states.get(stream) ?? fold.initial(stream), event);
    states.set(stream, folded.snapshot);
  }
  const replayed = perSecond(recorded.length, performance.now() - startedMs);
  printFigure("replay from disk, events/s", `${replayed}`);
  printFigure("bare `transition` loop over the same events in memory", `${bare}/s`);
  printFigure("ratio to the bare loop", `${(replayed / bare).toFixed(2)}  (wanted ≥ 0.8)`);
  const texts = (all: typeof states): string[] =>
    [...all.values()].map((snapshot) => encodeSnapshot(segmentKind, snapshot).replace(/\d{13}/g, "T"));
  const same = resultHash(texts(states)) === resultHash(texts(bareStates));
  printFigure("result hash, and whether both loops agree", `${resultHash(texts(states))} ${same}`);
  if (!same) throw new Error("Replay and the bare loop disagree.");
}

printHeader("How many durable events a second, how soon, and how fast back?");
await throughput();
await pacedLatency();
rmSync(dir, { recursive: true });
