import type { WorkerCommand, WorkerReport, WorkerSettings } from "../../../src/workers/messages.ts";

/*
 * A worker process without a codec, which does what a test tells it: the real one cannot be made to misbehave on
 * demand. The media of a job is a script (`JobScript` as JSON); the environment says how it starts.
 */

/** `emptySpool` claims renditions in the spool that are not there; `twice` answers a second time. */
export type Ending = "answer" | "fail" | "garbage" | "wrongCount" | "emptySpool" | "twice" | "exit" | "abort";

/** What to do with one job. `afterMs` is how long the "codec" works. */
export type JobScript =
  | { readonly do: Ending; readonly afterMs: number }
  /** Works for ever; stops when cancelled if `obeys`. */
  | { readonly do: "never"; readonly obeys: boolean }
  /** Blocks the JavaScript thread. */
  | { readonly do: "stall" }
  /** Takes `bytes` of memory for ever, and answers after `afterMs`. */
  | { readonly do: "grow"; readonly bytes: number; readonly afterMs: number };

/** `SCRIPTED_START`: how the process starts. */
export type StartScript = "ready" | "refuse" | "die" | "silent";

const settings = JSON.parse(process.argv[2] ?? "{}") as WorkerSettings;
const start = (process.env["SCRIPTED_START"] ?? "ready") as StartScript;
const stoppable = new Set<number>();
let running = 0;
let hoard: Uint8Array | null = null;

process.on("disconnect", () => process.exit(0));
process.on("message", (command: WorkerCommand) => {
  if (command.type === "ping") report({ type: "pong", id: command.id });
  if (command.type === "stop") process.exit(0);
  if (command.type === "transcode") perform(command);
  if (command.type === "cancel" && stoppable.delete(command.ticket)) {
    running -= 1;
    report({ type: "cancelled", ticket: command.ticket, cpuMs: null });
  }
});

if (start === "refuse")
  report({ type: "refused", text: "The codec library has ABI version 9; 1 is needed." });
if (start === "die") {
  process.stderr.write("scripted death\n");
  process.exit(70);
}
if (start === "ready") report({ type: "ready", codec: "scripted" });

function perform({ ticket, media, job }: WorkerCommand & { type: "transcode" }): void {
  const script = JSON.parse(new TextDecoder().decode(media ?? new Uint8Array())) as JobScript;
  running += 1;
  if (running > settings.jobsMax) throw new Error("The pool gave this worker more jobs than it takes.");
  if (script.do === "never") {
    if (script.obeys) stoppable.add(ticket);
  } else if (script.do === "stall") {
    for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
  } else {
    if (script.do === "grow") hoard = new Uint8Array(script.bytes).fill(7);
    setTimeout(() => conclude(script.do, ticket, job.profiles.length), script.afterMs);
  }
}

function conclude(how: Ending | "grow", ticket: number, renditions: number): void {
  running -= 1;
  if (how === "exit") process.exit(3);
  if (how === "abort") process.abort();
  if (how === "garbage") {
    process.send?.({ type: "transcoded", ticket, cpuMs: 1, renditions: "lots" });
    return;
  }
  if (how === "fail") {
    report({ type: "failed", ticket, cpuMs: 1, text: "Invalid data found when processing input" });
    return;
  }
  const count = how === "wrongCount" ? renditions + 1 : renditions;
  const answer: WorkerReport = {
    type: "transcoded",
    ticket,
    cpuMs: 1,
    renditions: Array.from({ length: count }, () => ({
      bytes: how === "emptySpool" ? null : new Uint8Array([process.pid & 0xff, hoard?.length ?? 0]),
      byteLength: 2,
      frames: 10,
      pixels: 1_000_000,
      keccak256: new Uint8Array(32),
      perceptualHash: null,
    })),
    decodedPixels: 1_000_000,
    timings: { decodedFrames: 10, codecMs: 1 },
  };
  report(answer);
  if (how === "twice") report(answer);
}

function report(message: WorkerReport): void {
  process.send?.(message);
}
