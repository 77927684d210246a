import { readFileSync } from "node:fs";
import type { TranscodeJob, WorkerLossCause } from "../runtime/ports.ts";
import { assert } from "../shared/assert.ts";
import { errorText } from "../shared/errors.ts";
import { LineTail } from "./lineTail.ts";
import type { SentVerdict, WorkerCommand, WorkerDevice } from "./messages.ts";
import { readWorkerReport } from "./messages.ts";
import { Spool } from "./spool.ts";
import { workerCommandLine, workerEnvironment } from "./workerCommandLine.ts";
import type { WorkerVerdict } from "./workerVerdict.ts";
import { isSpooled, receiveVerdict } from "./workerVerdict.ts";

/** What bounds a worker process. */
export type WorkerLimits = {
  /** The process must report ready within this time. */
  readonly startMs: number;
  /** A ping is due this often while the worker has work, or owes an answer to the last one. */
  readonly heartbeatMs: number;
  /** The same while it idles. */
  readonly idleHeartbeatMs: number;
  /** Heartbeats without an answer after which a worker counts as hung. */
  readonly missedHeartbeatsMax: number;
  /** Resident memory above which a worker is killed. */
  readonly rssBytesMax: number;
  /** A cancelled job must have ended within this time, or the process is killed. */
  readonly cancelMs: number;
};

/** Why a process is no longer there. `refused` is the worker's own verdict about its codec. */
export type WorkerEnd = {
  readonly cause: WorkerLossCause;
  readonly refused: boolean;
  readonly wasReady: boolean;
  /** One sentence for logs. */
  readonly reason: string;
};

/** How a process left the system. */
export type WorkerExit = {
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** Its last lines of stderr, bounded. */
  readonly stderr: readonly string[];
};

/** What a process tells the pool. Each `onEnd` comes once, and nothing comes after it but `onExit`. */
export type WorkerObserver = {
  onReady(worker: WorkerProcess): void;
  onVerdict(worker: WorkerProcess, ticket: number, verdict: WorkerVerdict, cpuMs: number | null): void;
  onEnd(worker: WorkerProcess, end: WorkerEnd): void;
  /** The process is really gone. */
  onExit(worker: WorkerProcess, exit: WorkerExit): void;
};

export type WorkerProcessOptions = {
  /** The script that the process runs. */
  readonly entry: string | URL;
  readonly device: WorkerDevice;
  readonly jobsMax: number;
  readonly libraryPath: string | null;
  readonly threads: number;
  readonly nice: number;
  readonly limits: WorkerLimits;
  /** Added to the few variables of our own environment that a worker gets to see. */
  readonly env: Readonly<Record<string, string>>;
  /** Media of more bytes than this goes through a file instead of the channel. */
  readonly inlineBytesMax: number;
};

/** One job at the same time: its spool, and the job that holds it. */
type Lane = { readonly number: number; readonly spool: Spool | null };

type RunningJob = {
  readonly lane: Lane;
  readonly usesSpool: boolean;
  cancelTimer: Timer | null;
  /** Its verdict is there, and is being read from the spool. */
  isConcluding: boolean;
};

/**
 * One supervised worker process: starts it, speaks with it, notices when it hangs, grows or ends, and kills it.
 * It decides nothing about jobs: those belong to the pool.
 */
export class WorkerProcess {
  readonly id: string;
  readonly pid: number;
  readonly device: WorkerDevice;
  readonly jobsMax: number;
  readonly startedAtMs: number = performance.now();
  /** Resolves when the process is gone. */
  readonly exited: Promise<void>;
  /** The codec in the worker's own words; empty until it is ready. */
  codec = "";

  readonly #process: Bun.Subprocess<"ignore", "ignore", "pipe">;
  readonly #observer: WorkerObserver;
  readonly #limits: WorkerLimits;
  readonly #stderr = new LineTail(40, 400);
  readonly #inlineBytesMax: number;
  readonly #lanes: readonly Lane[];
  readonly #freeLanes: Lane[];
  readonly #jobs = new Map<number, RunningJob>();
  #state: "starting" | "ready" | "stopping" | "ended" = "starting";
  #timer: Timer;
  #pingId = 0;
  #pongId = 0;
  #missedHeartbeats = 0;
  #isWatched = false;
  #refusal: string | null = null;

  /** @throws what `Bun.spawn` throws when the process cannot be created. */
  constructor(options: WorkerProcessOptions, observer: WorkerObserver) {
    this.device = options.device;
    this.jobsMax = options.jobsMax;
    this.#limits = options.limits;
    this.#observer = observer;
    this.#inlineBytesMax = options.inlineBytesMax;
    this.#lanes = Array.from({ length: options.jobsMax }, (_, number) => ({ number, spool: Spool.open() }));
    this.#freeLanes = [...this.#lanes];
    this.#process = this.#spawn(options);
    this.pid = this.#process.pid;
    this.id = `${options.device.type === "software" ? "cpu" : `gpu${options.device.index}`}-${this.pid}`;
    this.#timer = setTimeout(() => this.#startTimedOut(), this.#limits.startMs);
    this.exited = this.#leave(this.#readStderr());
  }

  /** Whether jobs may be given to the process, as far as it is concerned. */
  get isReady(): boolean {
    return this.#state === "ready";
  }

  get isStarting(): boolean {
    return this.#state === "starting";
  }

  /** Jobs in the process, cancelled ones that have not ended included. */
  get running(): number {
    return this.#jobs.size;
  }

  /** Jobs that the process could take now. */
  get free(): number {
    return this.isReady ? this.jobsMax - this.#jobs.size : 0;
  }

  /** Hands a job over. `media` crosses the process boundary here, once. */
  transcode(ticket: number, media: Uint8Array, job: TranscodeJob): void {
    const lane = this.#freeLanes.pop();
    assert(this.isReady && lane !== undefined, "A worker takes no more jobs than it has room for.");
    const usesSpool = media.length > this.#inlineBytesMax && lane.spool !== null;
    this.#jobs.set(ticket, { lane, usesSpool, cancelTimer: null, isConcluding: false });
    this.#watch();
    const command = {
      type: "transcode",
      ticket,
      lane: lane.number,
      media,
      mediaBytes: media.length,
      job,
    } as const;
    if (usesSpool && lane.spool !== null) void this.#sendSpooled(lane.spool, command);
    else this.#send(command);
  }

  /** Asks for the end of a job. If that does not come in time, the process is killed. */
  cancel(ticket: number): void {
    const running = this.#jobs.get(ticket);
    if (running === undefined || running.isConcluding || running.cancelTimer !== null) return;
    const kill = () => this.kill("stopped", "a cancelled job did not end");
    running.cancelTimer = setTimeout(kill, this.#limits.cancelMs);
    this.#send({ type: "cancel", ticket });
  }

  /** Lets the running jobs finish and ends the process; takes no new ones. */
  stop(): void {
    if (this.#state === "starting") this.kill("stopped", "it was no longer needed");
    if (this.#state !== "ready") return;
    this.#state = "stopping";
    if (this.#jobs.size === 0) this.#sendStop();
  }

  /** Ends the process now. The pool hears of it before this returns; the jobs in it are lost. */
  kill(cause: WorkerLossCause, reason: string): void {
    if (this.#state === "ended") return;
    // SIGKILL also ends a process that SIGSTOP holds.
    this.#process.kill("SIGKILL");
    this.#end(cause, reason);
  }

  /** Resident memory in bytes; null when the system does not tell. */
  rssBytes(): number | null {
    if (this.#state === "ended") return null;
    try {
      const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.pid}/status`, "latin1"));
      return resident?.[1] === undefined ? null : Number(resident[1]) * 1_024;
    } catch {
      return null;
    }
  }

  #receive(message: unknown): void {
    if (this.#state === "ended") return;
    const report = readWorkerReport(message);
    if (report === null) {
      this.kill("exited", "it sent a message that makes no sense");
    } else if (report.type === "pong") {
      this.#pongId = report.id;
    } else if (report.type === "ready") {
      this.#ready(report.codec);
    } else if (report.type === "refused") {
      this.#refusal = report.text;
      this.kill("not-started", report.text);
    } else {
      void this.#conclude(report.ticket, report, report.cpuMs);
    }
  }

  async #conclude(ticket: number, sent: SentVerdict, cpuMs: number | null): Promise<void> {
    const running = this.#jobs.get(ticket);
    if (running === undefined || running.isConcluding) {
      this.kill("exited", "it answered a job that it does not have");
      return;
    }
    running.isConcluding = true;
    if (running.cancelTimer !== null) clearTimeout(running.cancelTimer);
    const { spool } = running.lane;
    const receiving = receiveVerdict(sent, spool);
    // A small job waits for nothing here: its verdict is passed on in the turn in which it came.
    const received = receiving instanceof Promise ? await receiving : receiving;
    if (running.usesSpool || isSpooled(sent)) await spool?.clear();
    if (this.#state === "ended") return;
    if (received === null) {
      this.kill("exited", "its renditions could not be read");
      return;
    }
    this.#jobs.delete(ticket);
    this.#freeLanes.push(running.lane);
    this.#observer.onVerdict(this, ticket, received, cpuMs);
    if (this.#state === "stopping" && this.#jobs.size === 0) this.#sendStop();
  }

  async #sendSpooled(spool: Spool, command: WorkerCommand & { type: "transcode" }): Promise<void> {
    const isWritten = command.media !== null && (await spool.write(command.media));
    if (this.#jobs.get(command.ticket)?.cancelTimer !== null) {
      // Cancelled on the way, so that the worker never hears of it; or the worker has ended.
      await this.#conclude(command.ticket, { type: "cancelled" }, null);
      return;
    }
    this.#send(isWritten ? { ...command, media: null } : command);
  }

  #ready(codec: string): void {
    if (this.#state !== "starting") return;
    this.#state = "ready";
    this.codec = codec;
    this.#armHeartbeat();
    this.#observer.onReady(this);
  }

  #startTimedOut(): void {
    this.kill("not-started", `it was not ready after ${this.#limits.startMs} ms`);
  }

  /** An idle worker's next beat may be seconds away; one that just got work is watched from now on. */
  #watch(): void {
    if (!this.#isWatched) this.#armHeartbeat();
  }

  #armHeartbeat(): void {
    clearTimeout(this.#timer);
    this.#isWatched = this.#jobs.size > 0 || this.#pongId !== this.#pingId;
    const delayMs = this.#isWatched ? this.#limits.heartbeatMs : this.#limits.idleHeartbeatMs;
    this.#timer = setTimeout(() => this.#beat(), delayMs);
  }

  /**
   * One heartbeat. Counts beats, not time: when our own process was stopped or starved, one late beat follows,
   * and the worker is not blamed for the gap.
   */
  #beat(): void {
    const rssBytes = this.rssBytes();
    if (rssBytes !== null && rssBytes > this.#limits.rssBytesMax) {
      this.kill("oversized", `it grew to ${rssBytes} of at most ${this.#limits.rssBytesMax} bytes`);
      return;
    }
    if (this.#pongId !== this.#pingId) {
      this.#missedHeartbeats += 1;
      if (this.#missedHeartbeats >= this.#limits.missedHeartbeatsMax) {
        this.kill("hung", `it left ${this.#missedHeartbeats} heartbeats unanswered`);
        return;
      }
    } else {
      this.#missedHeartbeats = 0;
      // The short beat after the last job or after an idle ping only looks whether the answer came.
      if (this.#jobs.size > 0 || !this.#isWatched) this.#ping();
    }
    if (this.#state !== "ended") this.#armHeartbeat();
  }

  #ping(): void {
    this.#pingId += 1;
    this.#send({ type: "ping", id: this.#pingId });
  }

  #sendStop(): void {
    this.#send({ type: "stop" });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.kill("stopped", "it did not end when asked to"), stopMs);
  }

  #send(command: WorkerCommand): void {
    try {
      this.#process.send(command);
    } catch (error) {
      // The channel is closed: its end or `onDisconnect` is on its way, unless the process lives on without it.
      this.kill("exited", `its channel is closed: ${errorText(error)}`);
    }
  }

  #channelClosed(): void {
    if (this.#state === "ended") return;
    // A worker that ends closes its channel first; one that lives on without a channel is of no use.
    setTimeout(() => this.kill("exited", "its channel closed"), channelGraceMs);
  }

  #processExited(exitCode: number | null, signal: string | null): void {
    const how = signal === null ? `with exit code ${exitCode}` : `by signal ${signal}`;
    const isWanted = this.#state === "stopping" && this.#jobs.size === 0;
    this.#end(isWanted ? "stopped" : "exited", `it ended ${how}`);
  }

  #end(cause: WorkerLossCause, reason: string): void {
    if (this.#state === "ended") return;
    const wasReady = this.#state !== "starting";
    this.#state = "ended";
    clearTimeout(this.#timer);
    for (const { cancelTimer } of this.#jobs.values()) if (cancelTimer !== null) clearTimeout(cancelTimer);
    this.#observer.onEnd(this, { cause, refused: this.#refusal !== null, wasReady, reason });
  }

  #spawn(options: WorkerProcessOptions): Bun.Subprocess<"ignore", "ignore", "pipe"> {
    const spoolFds = this.#lanes.flatMap(({ spool }) => (spool === null ? [] : [spool.fd]));
    try {
      return Bun.spawn(workerCommandLine(options, spoolFds.length), {
        // Not the operator's directory: Bun would read a `bunfig.toml` there.
        cwd: "/",
        env: { ...workerEnvironment(), ...options.env },
        stdio: ["ignore", "ignore", "pipe", ...spoolFds],
        serialization: "advanced",
        ipc: (message) => this.#receive(message),
        onDisconnect: () => this.#channelClosed(),
      });
    } catch (error) {
      this.#closeSpools();
      throw error;
    }
  }

  async #leave(stderrRead: Promise<void>): Promise<void> {
    await this.#process.exited;
    const { exitCode, signalCode } = this.#process;
    const signal = signalCode === null ? null : String(signalCode);
    this.#processExited(exitCode, signal);
    this.#closeSpools();
    await Promise.race([stderrRead, Bun.sleep(stderrDrainMs)]);
    this.#observer.onExit(this, { exitCode, signal, stderr: this.#stderr.lines() });
  }

  #closeSpools(): void {
    for (const { spool } of this.#lanes) spool?.close();
  }

  async #readStderr(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#process.stderr)
      this.#stderr.push(decoder.decode(chunk, { stream: true }));
  }
}

/** How long the last lines of stderr may take after the process ended (a grandchild may hold the pipe open). */
const stderrDrainMs = 250;
const channelGraceMs = 250;
const stopMs = 2_000;
