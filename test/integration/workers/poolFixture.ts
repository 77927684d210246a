import { readFileSync } from "node:fs";
import type { DispatchedJob, RenditionProfile, TranscodeJob } from "../../../src/runtime/ports.ts";
import type {
  LocalTranscodeWorkers,
  TranscodeWorkersOptions,
  WorkerEvent,
} from "../../../src/workers/openTranscodeWorkers.ts";
import { openTranscodeWorkers, softwareSlots } from "../../../src/workers/openTranscodeWorkers.ts";
import type { JobScript, StartScript } from "./scriptedWorker.ts";

export const scriptedEntry = new URL("scriptedWorker.ts", import.meta.url);

const profile144: RenditionProfile = {
  name: "P144p30fps16x9",
  width: 256,
  height: 144,
  bitrate: 400_000,
  fps: 0,
  fpsDen: 1,
  gopMs: 0,
  profile: "default",
  format: "mpegts",
  encoder: "h264",
  quality: 0,
};

/** One 144p rendition. */
export const oneRendition: TranscodeJob = {
  profiles: [profile144],
  clip: null,
  calcPerceptualHash: false,
  provider: "Livepeer Transcoder test",
};

/** A pool under test, with its events. Must be closed with `close`. */
export type PoolFixture = {
  readonly workers: LocalTranscodeWorkers;
  readonly events: WorkerEvent[];
  /** Resolves with the first event of that type, past (but not before index `after`) or future. */
  event<T extends WorkerEvent["type"]>(type: T, after?: number): Promise<Extract<WorkerEvent, { type: T }>>;
  /** Resolves when this worker has ended because it was not needed. */
  retired(workerId: string): Promise<void>;
  /** Submits a job for the scripted worker. */
  script(
    script: JobScript,
    more?: Partial<Submission>,
  ): DispatchedJob & { readonly started: Promise<string> };
  close(): Promise<void>;
};

type Submission = Parameters<LocalTranscodeWorkers["submit"]>[0];

/** A pool of scripted workers, or of real ones when `entry` is given. */
export function openPool(options: TranscodeWorkersOptions & { start?: StartScript } = {}): PoolFixture {
  const events: WorkerEvent[] = [];
  const waiting = new Set<() => void>();
  const { start, ...rest } = options;
  const workers = openTranscodeWorkers({
    slots: softwareSlots(2),
    entry: scriptedEntry,
    env: { SCRIPTED_START: start ?? "ready" },
    nice: 0,
    ...rest,
    onEvent: (event) => {
      events.push(event);
      for (const wake of waiting) wake();
    },
  });
  const change = async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.add(resolve);
    await promise;
    waiting.delete(resolve);
  };
  let jobs = 0;
  return {
    workers,
    events,
    event: async (type, after = 0) => {
      for (;;) {
        const found = events.slice(after).find((event) => event.type === type);
        if (found !== undefined) return found as never;
        await change();
      }
    },
    retired: async (workerId) => {
      while (!events.some((event) => event.type === "retired" && event.workerId === workerId)) await change();
    },
    script: (script, more = {}) => {
      const started = Promise.withResolvers<string>();
      jobs += 1;
      const job = workers.submit({
        jobId: `job-${jobs}`,
        sessionId: "session",
        media: new TextEncoder().encode(JSON.stringify(script)),
        job: oneRendition,
        deadlineMs: Date.now() + 50_000,
        avoid: [],
        onStart: started.resolve,
        ...more,
      });
      return Object.assign(job, { started: started.promise });
    },
    close: () => workers.kill(),
  };
}

/** Whether a process runs. One that ended but was not yet waited for does not. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
  } catch {
    return false;
  }
}

/** The process of a worker, from its id. */
export function pidOf(workerId: string): number {
  return Number(workerId.slice(workerId.lastIndexOf("-") + 1));
}

/** Resolves when the process does not run any more. There is no event for a stranger's death: this polls. */
export async function gone(pid: number, withinMs = 30_000): Promise<void> {
  const endMs = Date.now() + withinMs;
  while (isAlive(pid)) {
    if (Date.now() > endMs) throw new Error(`Process ${pid} is still alive after ${withinMs} ms.`);
    await Bun.sleep(5);
  }
}
