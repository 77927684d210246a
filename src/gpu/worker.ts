import { read, write, writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import { promisify } from "node:util";
import type { Rendition, TranscodeJob } from "../runtime/ports.ts";
import { assert } from "../shared/assert.ts";
import { errorText } from "../shared/errors.ts";
// Types only: at run time the two rooms share nothing but the IPC channel.
import type { SentRendition, WorkerCommand, WorkerReport, WorkerSettings } from "../workers/messages.ts";
import { type Codec, type CodecOutcome, type CodecTask, openCodec } from "./codec.ts";

/*
 * Entry point of a worker process: the only place where the codec library is loaded.
 *
 * The process belongs to the supervisor that started it (`src/workers`). It holds nothing of value, takes orders
 * over the IPC channel only, and ends when that channel closes, when its parent is gone, or when told to. Its
 * JavaScript never blocks (the library works on its own threads), so an unanswered ping means a broken process.
 */

type TranscodeCommand = WorkerCommand & { readonly type: "transcode" };
type JobOutcome = CodecOutcome | { readonly type: "failed"; readonly text: string };

const readAt = promisify(read);
const writeAt = promisify(write);
const settings = JSON.parse(process.argv[2] ?? "{}") as WorkerSettings;
/** Jobs by ticket, from the order to the report; null until the codec has the job. */
const jobs = new Map<number, CodecTask | null>();
const cancelled = new Set<number>();
let codec: Codec | null = null;

await main();

async function main(): Promise<void> {
  if (process.send === undefined) {
    process.stderr.write("This script is started by the orchestrator; it is of no use by itself.\n");
    process.exit(2);
  }
  stayWithParent();
  lowerPriority();
  process.on("message", (message: WorkerCommand) => obey(message));
  try {
    codec = await openCodec({
      jobsMax: settings.jobsMax,
      device: settings.device.type === "nvidia" ? settings.device.index : null,
      threads: settings.threads,
      ...(settings.libraryPath === null ? {} : { libraryPath: settings.libraryPath }),
    });
  } catch (error) {
    report({ type: "refused", text: errorText(error) });
    // The supervisor kills this process when it has read the report; the channel's end says that it did not.
    return;
  }
  const encoders = Object.values(codec.encoders).filter((name) => name !== null);
  report({ type: "ready", codec: `${encoders.join(" ")} (${codec.libraries.join(", ")})` });
}

/**
 * No worker outlives its orchestrator. Bun's `--no-orphans` has asked the kernel for SIGKILL at the parent's death
 * already; the rest covers a parent that died before that, and one that lives but let go of us.
 */
function stayWithParent(): void {
  const isOrphan = () => process.ppid !== settings.parentPid;
  if (isOrphan()) process.exit(0);
  process.on("disconnect", () => process.exit(0));
  setInterval(() => {
    if (isOrphan()) process.exit(0);
  }, 1_000).unref();
  // Ctrl-C and a service manager signal the whole process group; when workers end is the supervisor's decision.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => {});
  process.on("SIGHUP", () => {});
}

/** The orchestrator comes first: for the CPU, and when the kernel looks for memory to free. */
function lowerPriority(): void {
  try {
    // Before the library starts its threads: they inherit it.
    setPriority(0, settings.nice);
    writeFileSync("/proc/self/oom_score_adj", "500");
  } catch {
    // A system that forbids it, or is not Linux: the worker is as good without.
  }
}

function obey(command: WorkerCommand): void {
  switch (command.type) {
    case "transcode":
      void transcode(command);
      break;
    case "cancel":
      if (jobs.has(command.ticket)) cancelled.add(command.ticket);
      jobs.get(command.ticket)?.cancel();
      break;
    case "ping":
      report({ type: "pong", id: command.id });
      break;
    case "stop":
      // Nothing is left to save, and the kernel frees faster than the library does.
      process.exit(0);
  }
}

async function transcode({ ticket, lane, media, mediaBytes, job }: TranscodeCommand): Promise<void> {
  jobs.set(ticket, null);
  const isAlone = settings.jobsMax === 1;
  const cpuBefore = process.cpuUsage();
  const outcome = await runJob(ticket, media ?? (await readSpool(lane, mediaBytes)), job);
  const cpu = process.cpuUsage(cpuBefore);
  const cpuMs = isAlone ? (cpu.user + cpu.system) / 1_000 : null;
  const wasCancelled = cancelled.delete(ticket);
  if (outcome.type === "transcoded") {
    const { decodedPixels, timings } = outcome;
    const renditions = await pack(lane, outcome.renditions);
    report({ type: "transcoded", ticket, cpuMs, renditions, decodedPixels, timings });
  } else if (wasCancelled) {
    report({ type: "cancelled", ticket, cpuMs });
  } else {
    report({ type: "failed", ticket, cpuMs, text: outcome.text });
  }
  jobs.delete(ticket);
  tidySoon();
}

/** Reaches the gateway, which then tries another orchestrator. What really happened is in the worker's stderr. */
const codecFaultText = "Generic error in an external library";

/** A job that the codec cannot even take is a failed one: dying of it would only cost the next worker too. */
async function runJob(ticket: number, media: Uint8Array, job: TranscodeJob): Promise<JobOutcome> {
  if (codec === null) return { type: "failed", text: codecFaultText };
  if (cancelled.has(ticket)) return { type: "failed", text: "cancelled" };
  try {
    const task = codec.submit(media, job);
    jobs.set(ticket, task);
    return await task.done;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    return { type: "failed", text: codecFaultText };
  }
}

/** The renditions as they travel: inside the message, or all of them in the spool when they are large. */
async function pack(lane: number, renditions: readonly Rendition[]): Promise<readonly SentRendition[]> {
  const total = renditions.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const isLarge = total > settings.inlineBytesMax && settings.spoolFds.length > 0;
  const isSpooled = isLarge && (await writeSpool(lane, renditions));
  return renditions.map((rendition) => {
    return { ...rendition, bytes: isSpooled ? null : rendition.bytes, byteLength: rendition.bytes.length };
  });
}

async function readSpool(lane: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const { bytesRead } = await readAt(spoolFd(lane), bytes, done, length - done, done);
    // The supervisor wrote all of it before it spoke: the disk or the supervisor is broken, and so is this process.
    if (bytesRead === 0) throw new Error("The spool holds less than announced.");
    done += bytesRead;
  }
  return bytes;
}

/** False when the disk does not take them. */
async function writeSpool(lane: number, renditions: readonly Rendition[]): Promise<boolean> {
  try {
    let position = 0;
    for (const { bytes } of renditions) {
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await writeAt(spoolFd(lane), bytes, done, bytes.length - done, position);
        done += bytesWritten;
        position += bytesWritten;
      }
    }
    return true;
  } catch {
    return false;
  }
}

function spoolFd(lane: number): number {
  const fd = settings.spoolFds[lane];
  assert(fd !== undefined, "The supervisor names a lane that has a spool.");
  return fd;
}

let tidyTimer: Timer | null = null;

/** Media buffers lie outside the JavaScript heap, where they do not press for a collection: collect when idle. */
function tidySoon(): void {
  if (tidyTimer !== null) clearTimeout(tidyTimer);
  tidyTimer = setTimeout(() => {
    if (jobs.size === 0) Bun.gc(true);
  }, 1_000);
}

function report(message: WorkerReport): void {
  process.send?.(message);
}
