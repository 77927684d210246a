import type { TranscodeWorkers } from "../runtime/ports.ts";
import type { WorkerDevice } from "./messages.ts";
import { usableCores, usableMemoryBytes } from "./usableCores.ts";
import { WorkerPool } from "./workerPool.ts";
import type { WorkerExit, WorkerLimits } from "./workerProcess.ts";

/** Room for one worker process. */
export type WorkerSlot = {
  readonly device: WorkerDevice;
  /**
   * Jobs at the same time in the process, at least 1. With the software codec 1: a crash then costs one segment.
   * A GPU's driver context is worth sharing.
   */
  readonly jobsMax: number;
};

export type TranscodeWorkersOptions = {
  /** Default: one slot with the software codec per CPU core. */
  readonly slots?: readonly WorkerSlot[];
  /** Segments that may wait for a worker; the next one is `lost` with cause `not-started`. Default 256. */
  readonly queueMax?: number;
  /** Worker processes kept while nothing happens. Default 1. */
  readonly warmWorkers?: number;
  /** After this time without need, a worker beyond the warm ones ends. Default 30 s. */
  readonly idleRetireMs?: number;
  /** Resident memory above which an idle worker is replaced by a fresh one. Default 160 MiB. */
  readonly idleRssBytesMax?: number;
  /**
   * CPU threads that one job may use; 0 = as many as the machine has. Default: as many, but at most 8, beyond which
   * small renditions gain little.
   */
  readonly threads?: number;
  /**
   * Scheduling priority of the workers, 0 to 19. Default 1: when the CPU is full, the orchestrator still answers
   * at once.
   */
  readonly nice?: number;
  readonly limits?: Partial<WorkerLimits>;
  /** The script of the worker process. Default: the one in `src/gpu`. */
  readonly entry?: string | URL;
  /**
   * The codec library that the workers load. Default null: each worker finds it by the hash of its sources, and
   * builds it when it is not there.
   */
  readonly libraryPath?: string | null;
  /**
   * Media of more bytes than this goes to and from a worker through a nameless temporary file instead of the IPC
   * channel, whose copies hold the event loop up (about 1 ms a MB). Default 4 MiB.
   */
  readonly inlineBytesMax?: number;
  /** Environment variables added to the few that a worker inherits. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called for every change an operator may want to see. Must not throw. */
  readonly onEvent?: (event: WorkerEvent) => void;
};

/** The options with their defaults filled in. */
export type WorkerPoolOptions = Required<TranscodeWorkersOptions> & {
  readonly limits: WorkerLimits;
  /** CPU cores of the machine that may be used. */
  readonly cores: number;
};

/** What happens to workers, for logs and metrics. */
export type WorkerEvent =
  | { readonly type: "started"; readonly workerId: string; readonly pid: number }
  | {
      readonly type: "ready";
      readonly workerId: string;
      readonly startMs: number;
      readonly codec: string;
    }
  /** A worker that was no longer needed has ended, or was asked to at `stop`. */
  | { readonly type: "retired"; readonly workerId: string }
  /** A worker died or was killed. `jobs` were lost with it; `stderr` holds its last lines. */
  | ({
      readonly type: "died";
      readonly workerId: string;
      readonly cause: string;
      readonly reason: string;
      readonly jobIds: readonly string[];
    } & WorkerExit)
  /** No worker gets ready. `reason` is for the operator; the next try comes after `retryMs`. */
  | ({
      readonly type: "startFailed";
      readonly reason: string;
      readonly retryMs: number;
    } & WorkerExit)
  | { readonly type: "measured"; readonly pixelsPerSecond: number };

/** One worker process, as an operator sees it. */
export type WorkerStats = {
  readonly id: string;
  readonly pid: number;
  readonly device: WorkerDevice;
  readonly state: "starting" | "ready" | "stopping";
  readonly running: number;
  /** Jobs answered since the process started. */
  readonly jobsDone: number;
  readonly ageMs: number;
  /** Resident memory; null when the system does not tell. */
  readonly rssBytes: number | null;
  /** The codec in the worker's own words. */
  readonly codec: string;
};

export type TranscodeWorkersStats = {
  readonly workers: readonly WorkerStats[];
  /** Jobs that can run at the same time when every slot has its worker. */
  readonly jobSlots: number;
  readonly running: number;
  readonly queued: number;
  /** Counts since the start. */
  readonly transcoded: number;
  readonly failed: number;
  readonly lost: Readonly<Record<"exited" | "hung" | "oversized" | "stopped" | "not-started", number>>;
  readonly workersStarted: number;
  readonly workersDied: number;
  /** Why no worker gets ready, as a sentence for the operator; null when all is well. */
  readonly problem: string | null;
};

/** The local codec workers, with what only the composition root and the operator need. */
export type LocalTranscodeWorkers = TranscodeWorkers & {
  stats(): TranscodeWorkersStats;
  /** Resolves when the first worker is ready (null), or cannot be had for now (the reason). Never rejects. */
  whenReady(): Promise<string | null>;
  /**
   * Runs the self-bench in a process of its own at the lowest priority that still gets on (nice 10), about one
   * CPU second, and feeds its figure to `capacity()`. Pixels per second, or null when it could not be measured.
   */
  measureCapacity(): Promise<number | null>;
  /** Ends everything at once: running and waiting work is `lost` with cause `stopped`. */
  kill(): Promise<void>;
};

const mebibyte = 1_024 * 1_024;

/** How workers are watched, unless the options say otherwise. */
export const defaultWorkerLimits: WorkerLimits = {
  // A start takes 0.1 s; the first one of a fresh checkout compiles the codec.
  startMs: 30_000,
  heartbeatMs: 500,
  idleHeartbeatMs: 5_000,
  // Five beats of 500 ms: 2.5 to 3 s from the stop to the kill.
  missedHeartbeatsMax: 5,
  rssBytesMax: 4_096 * mebibyte,
  cancelMs: 1_000,
};

/**
 * Opens the local codec workers. Returns at once: the first worker starts in the background, and work may be
 * submitted before it is ready.
 *
 * A segment that is `lost` was not retried here: whoever submitted it decides, and names the worker in `avoid`.
 * Causes `exited`, `hung` and `oversized` speak against the input (each killed a worker); `stopped` and
 * `not-started` do not.
 *
 * @example
 * const workers = openTranscodeWorkers({ onEvent: (event) => log(event) });
 * const problem = await workers.whenReady();
 */
export function openTranscodeWorkers(options: TranscodeWorkersOptions = {}): LocalTranscodeWorkers {
  const cores = usableCores();
  const slots = options.slots ?? softwareSlots(cores);
  return new WorkerPool({
    slots,
    cores,
    queueMax: options.queueMax ?? 256,
    warmWorkers: options.warmWorkers ?? 1,
    idleRetireMs: options.idleRetireMs ?? 30_000,
    idleRssBytesMax: options.idleRssBytesMax ?? 160 * mebibyte,
    threads: options.threads ?? Math.min(8, cores),
    nice: options.nice ?? 1,
    limits: { ...defaultWorkerLimits, rssBytesMax: rssBytesMax(slots.length), ...options.limits },
    entry: options.entry ?? new URL("../gpu/worker.ts", import.meta.url),
    libraryPath: options.libraryPath ?? null,
    inlineBytesMax: options.inlineBytesMax ?? 4 * mebibyte,
    env: options.env ?? {},
    onEvent: options.onEvent ?? (() => {}),
  });
}

/** `count` slots (at least one) with the software codec. */
export function softwareSlots(count: number): readonly WorkerSlot[] {
  return Array.from({ length: Math.max(1, count) }, () => ({ device: { type: "software" }, jobsMax: 1 }));
}

/** One slot for each GPU in `indices`, each with up to `jobsMax` jobs at the same time. */
export function nvidiaSlots(indices: readonly number[], jobsMax: number): readonly WorkerSlot[] {
  return indices.map((index) => ({ device: { type: "nvidia", index }, jobsMax }));
}

/**
 * All workers together may take three quarters of the machine's memory. A worker with ten 1080p renditions needs
 * about 2 GiB, so none gets less than 1 GiB or more than 4 GiB.
 */
function rssBytesMax(workers: number): number {
  const share = (usableMemoryBytes() * 0.75) / workers;
  return Math.min(4_096 * mebibyte, Math.max(1_024 * mebibyte, share));
}
