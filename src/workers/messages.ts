import type { CodecTimings, Rendition, TranscodeJob } from "../runtime/ports.ts";
import type { PixelCount } from "../shared/brand.ts";

/*
 * What a worker process and its supervisor say to each other over the IPC channel of `Bun.spawn`
 * (`serialization: "advanced"`). A ticket numbers one job in one worker process; it is never used twice, so a
 * late answer cannot be taken for another job's.
 *
 * Media of up to `inlineBytesMax` travels inside the messages. More goes through the spool of the job's lane, a
 * file that both processes hold open (`Spool`): the supervisor writes the segment, the worker reads it, and later
 * writes all renditions one after the other.
 */

/** Which hardware a worker drives: the software codec, or an NVIDIA card by its number on the PCI bus. */
export type WorkerDevice =
  { readonly type: "software" } | { readonly type: "nvidia"; readonly index: number };

/** How a worker process is set up; travels as JSON in its first argument. Holds no secret. */
export type WorkerSettings = {
  /** The supervisor. A worker whose parent is another process ends at once. */
  readonly parentPid: number;
  readonly device: WorkerDevice;
  /** The codec library to load; null lets the codec find (and build) its own. */
  readonly libraryPath: string | null;
  /** Jobs that may run in the process at the same time, at least 1. */
  readonly jobsMax: number;
  /** CPU threads that one job may use; 0 = as many as the machine has. */
  readonly threads: number;
  /** Scheduling priority of the whole process: 0 (normal) to 19 (only when nobody else wants the CPU). */
  readonly nice: number;
  /** File descriptors of the spools, by lane; empty when there are none. */
  readonly spoolFds: readonly number[];
  /** Media of more bytes than this in one message goes through the spool. */
  readonly inlineBytesMax: number;
};

/** Supervisor to worker. */
export type WorkerCommand =
  | {
      readonly type: "transcode";
      readonly ticket: number;
      /** The spool that belongs to this job until its verdict, from 0 to `jobsMax` − 1. */
      readonly lane: number;
      /** The segment, or null when `mediaBytes` of it are in the spool. */
      readonly media: Uint8Array | null;
      readonly mediaBytes: number;
      readonly job: TranscodeJob;
    }
  | { readonly type: "cancel"; readonly ticket: number }
  | { readonly type: "ping"; readonly id: number }
  /** Ends the process after the last running job. */
  | { readonly type: "stop" };

/** A rendition on its way: `bytes` is null when they are in the spool, `byteLength` of them, in order. */
export type SentRendition = Omit<Rendition, "bytes"> & {
  readonly bytes: Uint8Array | null;
  readonly byteLength: number;
};

/** The codec's verdict about a job, as the worker sends it. */
export type SentVerdict =
  | {
      readonly type: "transcoded";
      readonly renditions: readonly SentRendition[];
      readonly decodedPixels: PixelCount;
      readonly timings: CodecTimings;
    }
  | { readonly type: "failed"; readonly text: string }
  | { readonly type: "cancelled" };

/** Worker to supervisor. */
export type WorkerReport =
  | { readonly type: "ready"; readonly codec: string }
  /** The codec cannot be used at all (missing library, wrong ABI, no device). The process ends after this. */
  | { readonly type: "refused"; readonly text: string }
  | { readonly type: "pong"; readonly id: number }
  /**
   * The end of a job. `cpuMs` is the CPU time (user and system, all threads) that it took; null when several jobs
   * shared the process.
   */
  | ({ readonly ticket: number; readonly cpuMs: number | null } & SentVerdict);

/**
 * Checks what a worker sent. A worker runs native code that may have overwritten anything, so its words are
 * input like a peer's. Null when the message is not one of ours.
 */
export function readWorkerReport(message: unknown): WorkerReport | null {
  if (!isRecord(message)) return null;
  const { type } = message;
  if (type === "ready") return typeof message["codec"] === "string" ? (message as WorkerReport) : null;
  if (type === "refused") return typeof message["text"] === "string" ? (message as WorkerReport) : null;
  if (type === "pong") return Number.isSafeInteger(message["id"]) ? (message as WorkerReport) : null;
  if (!Number.isSafeInteger(message["ticket"])) return null;
  if (message["cpuMs"] !== null && !isCount(message["cpuMs"])) return null;
  if (type === "cancelled") return message as WorkerReport;
  if (type === "failed") return typeof message["text"] === "string" ? (message as WorkerReport) : null;
  return type === "transcoded" && isTranscoded(message) ? (message as WorkerReport) : null;
}

/** All renditions of a job come in one message or through one spool; more than this is no honest answer. */
const renditionBytesMax = 4 * 1_024 ** 3;

function isTranscoded(message: Record<string, unknown>): boolean {
  const { renditions, decodedPixels, timings } = message;
  if (!Array.isArray(renditions) || !renditions.every(isRendition)) return false;
  const total = renditions.reduce((sum: number, rendition: SentRendition) => sum + rendition.byteLength, 0);
  const spooled = renditions.filter(({ bytes }: SentRendition) => bytes === null).length;
  return (
    (spooled === 0 || spooled === renditions.length) &&
    total <= renditionBytesMax &&
    isCount(decodedPixels) &&
    isRecord(timings) &&
    isCount(timings["decodedFrames"]) &&
    isCount(timings["codecMs"])
  );
}

function isRendition(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { bytes, byteLength, frames, pixels, keccak256, perceptualHash } = value;
  return (
    (bytes === null || (bytes instanceof Uint8Array && bytes.length === byteLength)) &&
    Number.isSafeInteger(byteLength) &&
    isCount(byteLength) &&
    isCount(frames) &&
    isCount(pixels) &&
    keccak256 instanceof Uint8Array &&
    keccak256.length === 32 &&
    (perceptualHash === null || perceptualHash instanceof Uint8Array)
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** A finite number that is not negative. */
function isCount(value: unknown): boolean {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}
