import { assert } from "../shared/assert.ts";
import { errorText } from "../shared/errors.ts";
import type { WorkerEvent, WorkerPoolOptions, WorkerSlot, WorkerStats } from "./openTranscodeWorkers.ts";
import { StartBudget } from "./startBudget.ts";
import type { WorkerEnd, WorkerExit, WorkerProcessOptions } from "./workerProcess.ts";
import { WorkerProcess } from "./workerProcess.ts";
import type { WorkerVerdict } from "./workerVerdict.ts";

/** A worker process and what the roster knows about it. */
export type Member = {
  readonly worker: WorkerProcess;
  /** Sessions whose segments ran here: a device may still hold their state. */
  readonly sessions: Set<string>;
  jobsDone: number;
  /** On the monotonic clock, in milliseconds. */
  lastUsedMs: number;
  /** It was told to end because it is not needed: no new jobs. */
  isRetiring: boolean;
  end: (WorkerEnd & { readonly jobIds: readonly string[]; readonly retryMs: number }) | null;
};

/** The roster's owner, who knows the work. */
export type RosterOwner = {
  onVerdict(member: Member, ticket: number, verdict: WorkerVerdict, cpuMs: number | null): void;
  /** The process is dead to us: gives up what it held and returns the ids of those jobs. */
  onGone(member: Member, end: WorkerEnd): readonly string[];
  /** No worker can be had for now: gives up what waits. */
  onHopeless(): void;
  /** Work may be placeable that was not before. */
  onChange(): void;
};

type Place = { readonly slot: WorkerSlot; member: Member | null };

/** What is to be done, from which the roster sees how many workers it takes. */
export type Demand = { readonly queued: number; readonly running: number };

/** Failed starts in a row after which waiting work is given up, even without the worker's own refusal. */
const failedStartsMax = 3;
/** How long the processes may take to be gone once they were told to end. */
const closeMsMax = 5_000;

/**
 * The worker processes of a pool: how many there are, when they start, and when they are let go.
 *
 * Life of a worker: absent → starting → ready ⇄ busy → retiring → absent, and from everywhere by death to absent.
 * The roster grows when work waits, keeps one idle worker ahead of the work (so that a tiny segment never waits
 * for a process to start), and shrinks to the warm ones when that is no longer needed.
 */
export class WorkerRoster {
  readonly #options: WorkerPoolOptions;
  readonly #owner: RosterOwner;
  readonly #places: readonly Place[];
  readonly #members = new Map<WorkerProcess, Member>();
  /** Processes that count as ended and are about to leave the system. */
  readonly #leaving = new Map<WorkerProcess, Member>();
  readonly #exits = new Set<Promise<void>>();
  readonly #budget = new StartBudget();
  readonly #firstWorker = Promise.withResolvers<string | null>();
  readonly counts = { workersStarted: 0, workersDied: 0 };
  #peakRunning = 0;
  #peakRunningBefore = 0;
  #retireTimer: Timer | null = null;
  #startTimer: Timer | null = null;
  #isClosed = false;
  /** Why no worker gets ready; null when all is well. */
  problem: string | null = null;

  constructor(options: WorkerPoolOptions, owner: RosterOwner) {
    this.#options = options;
    this.#owner = owner;
    this.#places = options.slots.map((slot) => ({ slot, member: null }));
  }

  /** All living processes; retiring ones included. */
  get members(): readonly Member[] {
    return [...this.#members.values()];
  }

  /** Resolves when the first worker is ready (null), or cannot be had for now (the reason). */
  get firstWorker(): Promise<string | null> {
    return this.#firstWorker.promise;
  }

  hasReadyWorker(): boolean {
    return this.members.some(({ worker }) => worker.isReady);
  }

  /** Whether another worker can be expected if one is asked for. */
  canGrow(): boolean {
    return this.#emptyPlace() !== null && this.#budget.failures === 0;
  }

  stats(): readonly WorkerStats[] {
    const nowMs = performance.now();
    return this.members.map(({ worker, jobsDone }) => ({
      id: worker.id,
      pid: worker.pid,
      device: worker.device,
      state: worker.isStarting ? "starting" : worker.isReady ? "ready" : "stopping",
      running: worker.running,
      jobsDone,
      ageMs: nowMs - worker.startedAtMs,
      rssBytes: worker.rssBytes(),
      codec: worker.codec,
    }));
  }

  /** How a process for the slot is set up. */
  processOptions(slot: WorkerSlot): WorkerProcessOptions {
    const { entry, libraryPath, threads, nice, limits, env, inlineBytesMax } = this.#options;
    const { device, jobsMax } = slot;
    return { entry, device, jobsMax, libraryPath, threads, nice, limits, env, inlineBytesMax };
  }

  /** Starts the workers that the demand needs, as far as slots and the start budget allow. */
  adapt({ queued, running }: Demand): void {
    this.#peakRunning = Math.max(this.#peakRunning, running);
    if (this.#isClosed) return;
    let starting = 0;
    let idle = 0;
    for (const { worker, isRetiring } of this.members) {
      if (worker.isStarting) starting += worker.jobsMax;
      if (!isRetiring) idle += worker.isStarting ? worker.jobsMax : worker.free;
    }
    for (;;) {
      const place = this.#emptyPlace();
      const isNeeded =
        queued > starting || this.#members.size < this.#options.warmWorkers || (running > 0 && idle === 0);
      if (place === null || !isNeeded || !this.#start(place)) break;
      starting += place.slot.jobsMax;
      idle += place.slot.jobsMax;
    }
    this.#armRetirement();
  }

  /** Keeps track of a process that is not a member, so that `close` waits for it. */
  track(exited: Promise<void>): void {
    this.#exits.add(exited);
    void exited.finally(() => this.#exits.delete(exited));
  }

  /** Ends every worker in the way given and waits until the processes are gone, in bounded time. */
  async close(end: (worker: WorkerProcess) => void): Promise<void> {
    this.#isClosed = true;
    if (this.#startTimer !== null) clearTimeout(this.#startTimer);
    if (this.#retireTimer !== null) clearTimeout(this.#retireTimer);
    for (const member of this.members) {
      member.isRetiring = true;
      end(member.worker);
    }
    // A process in the middle of a system call of a broken driver may ignore even SIGKILL.
    const limit = Promise.withResolvers<void>();
    const timer = setTimeout(limit.resolve, closeMsMax);
    await Promise.race([Promise.all(this.#exits), limit.promise]);
    clearTimeout(timer);
    this.#firstWorker.resolve("The workers were stopped.");
  }

  #emptyPlace(): Place | null {
    return this.#places.find(({ member }) => member === null) ?? null;
  }

  /** False when no process may start now; there will be another try. */
  #start(place: Place): boolean {
    const waitMs = this.#budget.waitMs(performance.now());
    if (waitMs > 0) {
      this.#adaptLater(waitMs);
      return false;
    }
    let worker: WorkerProcess;
    try {
      worker = new WorkerProcess(this.processOptions(place.slot), {
        onReady: (ready) => this.#workerReady(ready),
        onVerdict: (from, ticket, verdict, cpuMs) => this.#jobEnded(from, ticket, verdict, cpuMs),
        onEnd: (ended, end) => this.#workerEnded(ended, end),
        onExit: (gone, exit) => this.#workerExited(gone, exit),
      });
    } catch (error) {
      this.#startRefused(`The system refused a new process: ${errorText(error)}`);
      return false;
    }
    const lastUsedMs = performance.now();
    const member: Member = {
      worker,
      sessions: new Set(),
      jobsDone: 0,
      lastUsedMs,
      isRetiring: false,
      end: null,
    };
    place.member = member;
    this.#members.set(worker, member);
    this.counts.workersStarted += 1;
    this.track(worker.exited);
    this.#tell({ type: "started", workerId: worker.id, pid: worker.pid });
    return true;
  }

  #startRefused(reason: string): void {
    this.#startFailed(reason, false);
    const retryMs = this.#budget.waitMs(performance.now());
    this.#tell({ type: "startFailed", reason, retryMs, exitCode: null, signal: null, stderr: [] });
    this.#adaptLater(retryMs);
  }

  #adaptLater(waitMs: number): void {
    if (this.#startTimer !== null) clearTimeout(this.#startTimer);
    this.#startTimer = setTimeout(() => {
      this.#startTimer = null;
      this.#owner.onChange();
    }, waitMs);
  }

  #workerReady(worker: WorkerProcess): void {
    this.#budget.workerReady();
    this.problem = null;
    this.#firstWorker.resolve(null);
    const startMs = performance.now() - worker.startedAtMs;
    this.#tell({ type: "ready", workerId: worker.id, startMs, codec: worker.codec });
    this.#owner.onChange();
  }

  #jobEnded(worker: WorkerProcess, ticket: number, verdict: WorkerVerdict, cpuMs: number | null): void {
    const member = this.#members.get(worker);
    assert(member !== undefined, "Only living workers have verdicts.");
    member.jobsDone += 1;
    member.lastUsedMs = performance.now();
    this.#owner.onVerdict(member, ticket, verdict, cpuMs);
  }

  #workerEnded(worker: WorkerProcess, end: WorkerEnd): void {
    const member = this.#members.get(worker);
    assert(member !== undefined, "A worker ends once.");
    this.#members.delete(worker);
    this.#leaving.set(worker, member);
    for (const place of this.#places) if (place.member === member) place.member = null;
    const jobIds = this.#owner.onGone(member, end);
    if (!end.wasReady && !member.isRetiring) {
      this.#startFailed(end.reason, end.refused);
    } else if (!member.isRetiring) {
      this.counts.workersDied += 1;
      this.#budget.workerDied(performance.now());
    }
    member.end = { ...end, jobIds, retryMs: this.#budget.waitMs(performance.now()) };
    this.#owner.onChange();
  }

  /** Waiting work is given up when no worker will be there within a moment. */
  #startFailed(reason: string, refused: boolean): void {
    this.#budget.startFailed(performance.now(), refused);
    if (!refused && this.#budget.failures < failedStartsMax) return;
    this.problem = reason;
    this.#firstWorker.resolve(reason);
    if (!this.hasReadyWorker()) this.#owner.onHopeless();
  }

  #workerExited(worker: WorkerProcess, exit: WorkerExit): void {
    const member = this.#leaving.get(worker);
    this.#leaving.delete(worker);
    assert(member !== undefined && member.end !== null, "A process leaves after its end.");
    const { cause, reason, wasReady, jobIds, retryMs } = member.end;
    const workerId = worker.id;
    if (member.isRetiring) this.#tell({ type: "retired", workerId });
    else if (wasReady) this.#tell({ type: "died", workerId, cause, reason, jobIds, ...exit });
    else this.#tell({ type: "startFailed", reason, retryMs, ...exit });
  }

  #tell(event: WorkerEvent): void {
    this.#options.onEvent(event);
  }

  #armRetirement(): void {
    if (this.#retireTimer !== null || this.#isClosed) return;
    this.#retireTimer = setTimeout(() => this.#retire(), this.#options.idleRetireMs / 2);
    this.#retireTimer.unref();
  }

  /**
   * Looks back over one to two halves of the idle time: workers beyond the peak (and one ahead of it) are not
   * needed, the warm ones aside. In quiet times, a worker whose memory stayed large after its work makes room for
   * a fresh one.
   */
  #retire(): void {
    this.#retireTimer = null;
    const peak = Math.max(this.#peakRunning, this.#peakRunningBefore);
    this.#peakRunningBefore = this.#peakRunning;
    this.#peakRunning = this.members.reduce((sum, { worker }) => sum + worker.running, 0);
    const jobsMax = this.#places[0]?.slot.jobsMax ?? 1;
    const wanted = Math.max(this.#options.warmWorkers, peak === 0 ? 0 : Math.ceil((peak + 1) / jobsMax));
    let surplus = this.#members.size - wanted;
    const idle = this.members.filter(
      ({ worker, isRetiring }) => worker.isReady && worker.running === 0 && !isRetiring,
    );
    for (const member of idle.sort((a, b) => a.lastUsedMs - b.lastUsedMs)) {
      const rssBytes = member.worker.rssBytes() ?? 0;
      const isFat = peak === 0 && member.jobsDone > 0 && rssBytes > this.#options.idleRssBytesMax;
      if (surplus <= 0 && !isFat) continue;
      surplus -= 1;
      member.isRetiring = true;
      member.worker.stop();
    }
    if (this.#members.size > this.#options.warmWorkers || peak > 0) this.#armRetirement();
  }
}
