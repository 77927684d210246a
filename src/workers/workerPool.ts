import type { DispatchedJob, TranscodeOutcome, WorkerCapacity, WorkerLossCause } from "../runtime/ports.ts";
import { assert } from "../shared/assert.ts";
import { FairQueue } from "./fairQueue.ts";
import type {
  LocalTranscodeWorkers,
  TranscodeWorkersStats,
  WorkerPoolOptions,
} from "./openTranscodeWorkers.ts";
import { runSelfBench } from "./selfBench.ts";
import { Throughput } from "./throughput.ts";
import type { WorkerEnd } from "./workerProcess.ts";
import type { Member } from "./workerRoster.ts";
import { WorkerRoster } from "./workerRoster.ts";
import type { WorkerVerdict } from "./workerVerdict.ts";

type Submission = Parameters<LocalTranscodeWorkers["submit"]>[0];

/** One submitted segment, from `submit` until no process holds it any more. */
type Work = Submission & {
  readonly ticket: number;
  readonly resolve: (outcome: TranscodeOutcome) => void;
  deadlineTimer: Timer | null;
  isSettled: boolean;
  /** The deadline passed while it ran. */
  isLate: boolean;
  /** The worker that took it; null while it waits. */
  member: Member | null;
  startedAtMs: number;
  /** `#load` when the job started: see there. */
  loadAtStart: number;
};

const timeoutMsMax = 2 ** 31 - 1;

/** The pool behind `openTranscodeWorkers`: places the waiting work on the worker processes of its roster. */
export class WorkerPool implements LocalTranscodeWorkers {
  readonly #options: WorkerPoolOptions;
  readonly #roster: WorkerRoster;
  readonly #queue: FairQueue<Work>;
  /** Work in the processes by ticket. A cancelled job stays until its process has let go of it. */
  readonly #running = new Map<number, Work>();
  readonly #throughput: Throughput;
  readonly #counts = { transcoded: 0, failed: 0 };
  readonly #lost = { exited: 0, hung: 0, oversized: 0, stopped: 0, "not-started": 0 };
  readonly #benches = new Set<() => void>();
  readonly #jobSlots: number;
  #wakeStop: (() => void) | null = null;
  #lastTicket = 0;
  /** Running jobs integrated over time, in job-milliseconds: the mean concurrency of a job is its difference. */
  #load = 0;
  #loadAtMs = performance.now();
  #isPumpDue = false;
  #isStopping = false;

  constructor(options: WorkerPoolOptions) {
    assert(options.slots.length > 0, "A pool has at least one slot.");
    assert(
      options.slots.every((slot) => slot.jobsMax >= 1),
      "A slot takes at least one job.",
    );
    this.#options = options;
    this.#queue = new FairQueue(options.queueMax);
    this.#jobSlots = options.slots.reduce((sum, { jobsMax }) => sum + jobsMax, 0);
    const isSoftware = options.slots.every((slot) => slot.device.type === "software");
    this.#throughput = new Throughput(this.#jobSlots, isSoftware ? options.cores : null);
    this.#roster = new WorkerRoster(options, {
      onVerdict: (member, ticket, verdict, cpuMs) => this.#jobEnded(member, ticket, verdict, cpuMs),
      onGone: (member, end) => this.#giveUp(member, end),
      onHopeless: () => this.#loseWaiting("not-started"),
      onChange: () => this.#pumpSoon(),
    });
    this.#pumpSoon();
  }

  submit(submission: Submission): DispatchedJob {
    const { promise, resolve } = Promise.withResolvers<TranscodeOutcome>();
    this.#lastTicket += 1;
    const work: Work = {
      ...submission,
      ticket: this.#lastTicket,
      resolve,
      deadlineTimer: null,
      isSettled: false,
      isLate: false,
      member: null,
      startedAtMs: 0,
      loadAtStart: 0,
    };
    if (this.#isStopping) this.#lose(work, "stopped");
    else if (this.#roster.problem !== null && !this.#roster.hasReadyWorker()) this.#lose(work, "not-started");
    else if (!this.#queue.push(work.sessionId, work)) this.#lose(work, "not-started");
    else this.#armDeadline(work);
    this.#pumpSoon();
    return {
      get workerId() {
        return work.member?.worker.id ?? "";
      },
      outcome: promise,
      cancel: () => this.#cancel(work),
    };
  }

  endSession(sessionId: string): void {
    for (const { sessions } of this.#roster.members) sessions.delete(sessionId);
  }

  capacity(): WorkerCapacity {
    return {
      pixelsPerSecond: this.#throughput.pixelsPerSecond,
      workers: this.#roster.members.length,
      running: this.#running.size,
      queued: this.#queue.size,
    };
  }

  stats(): TranscodeWorkersStats {
    return {
      workers: this.#roster.stats(),
      jobSlots: this.#jobSlots,
      running: this.#running.size,
      queued: this.#queue.size,
      ...this.#counts,
      ...this.#roster.counts,
      lost: { ...this.#lost },
      problem: this.#roster.problem,
    };
  }

  whenReady(): Promise<string | null> {
    return this.#roster.firstWorker;
  }

  async measureCapacity(): Promise<number | null> {
    const slot = this.#options.slots[0];
    if (slot === undefined || this.#isStopping) return null;
    const nice = Math.max(10, this.#options.nice);
    const bench = runSelfBench({ ...this.#roster.processOptions(slot), nice });
    this.#roster.track(bench.exited);
    this.#benches.add(bench.stop);
    const sample = await bench.sample;
    this.#benches.delete(bench.stop);
    if (sample === null) return null;
    // A GPU's figure holds for one device; CPU time speaks for the whole machine (see `Throughput`).
    const concurrency = sample.cpuMs === null ? this.#options.slots.length : 0;
    this.#throughput.record({ ...sample, concurrency });
    const rate = this.#throughput.pixelsPerSecond;
    if (rate !== null) this.#options.onEvent({ type: "measured", pixelsPerSecond: rate });
    return rate;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const stopBench of this.#benches) stopBench();
    if (!this.#isIdle()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wakeStop = resolve;
      await promise;
    }
    await this.#roster.close((worker) => worker.stop());
  }

  async kill(): Promise<void> {
    this.#isStopping = true;
    for (const stopBench of this.#benches) stopBench();
    this.#loseWaiting("stopped");
    await this.#roster.close((worker) => worker.kill("stopped", "the pool is closed"));
  }

  #isIdle(): boolean {
    return this.#running.size === 0 && this.#queue.size === 0;
  }

  #armDeadline(work: Work): void {
    const delayMs = Math.min(Math.max(0, work.deadlineMs - Date.now()), timeoutMsMax);
    work.deadlineTimer = setTimeout(() => this.#deadlinePassed(work), delayMs);
  }

  #deadlinePassed(work: Work): void {
    if (this.#queue.remove(work.sessionId, work)) {
      this.#lose(work, "not-started");
      this.#pumpSoon();
      return;
    }
    // A slow job on a sound worker stops when asked (`stopped`); one that does not is killed (`hung`).
    work.isLate = true;
    work.member?.worker.cancel(work.ticket);
  }

  #cancel(work: Work): void {
    if (work.isSettled) return;
    this.#queue.remove(work.sessionId, work);
    this.#lose(work, "stopped");
    work.member?.worker.cancel(work.ticket);
    this.#pumpSoon();
  }

  #loseWaiting(cause: WorkerLossCause): void {
    for (const work of this.#queue.drain()) this.#lose(work, cause);
  }

  #lose(work: Work, cause: WorkerLossCause): void {
    if (work.isSettled) return;
    this.#lost[cause] += 1;
    this.#settle(work, { type: "lost", cause, workerId: work.member?.worker.id ?? "" });
  }

  #settle(work: Work, outcome: TranscodeOutcome): void {
    work.isSettled = true;
    if (work.deadlineTimer !== null) clearTimeout(work.deadlineTimer);
    work.resolve(outcome);
  }

  /** Work is placed after the caller's turn: `submit` returns before `onStart` is called. */
  #pumpSoon(): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    queueMicrotask(() => {
      this.#isPumpDue = false;
      this.#pump();
    });
  }

  #pump(): void {
    for (;;) {
      const next = this.#queue.take((work) => this.#memberFor(work));
      if (next === null) break;
      this.#start(next.item, next.place);
    }
    if (!this.#isStopping || !this.#isIdle()) {
      this.#roster.adapt({ queued: this.#queue.size, running: this.#running.size });
    } else if (this.#wakeStop !== null) {
      this.#wakeStop();
    }
  }

  /** The best worker with room for `work`; null when there is none, or when a better one is worth the wait. */
  #memberFor(work: Work): Member | null {
    let best: Member | null = null;
    for (const member of this.#roster.members) {
      if (member.worker.free === 0 || member.isRetiring) continue;
      if (best === null || score(member, work) > score(best, work)) best = member;
    }
    if (best === null || !work.avoid.includes(best.worker.id)) return best;
    const isAnotherAlive = this.#roster.members.some(
      ({ worker, isRetiring }) => !isRetiring && !work.avoid.includes(worker.id),
    );
    return isAnotherAlive || this.#roster.canGrow() ? null : best;
  }

  #start(work: Work, member: Member): void {
    this.#advanceLoad();
    work.member = member;
    work.startedAtMs = this.#loadAtMs;
    work.loadAtStart = this.#load;
    this.#running.set(work.ticket, work);
    member.sessions.add(work.sessionId);
    member.lastUsedMs = work.startedAtMs;
    work.onStart(member.worker.id);
    member.worker.transcode(work.ticket, work.media, work.job);
  }

  #jobEnded(member: Member, ticket: number, verdict: WorkerVerdict, cpuMs: number | null): void {
    const work = this.#running.get(ticket);
    assert(work !== undefined, "A worker answers only jobs that it has.");
    this.#advanceLoad();
    this.#running.delete(ticket);
    if (verdict.type === "transcoded" && verdict.renditions.length !== work.job.profiles.length) {
      this.#lose(work, "exited");
      member.worker.kill("exited", "it answered with another number of renditions than asked for");
    } else if (verdict.type === "cancelled") {
      this.#lose(work, "stopped");
    } else if (!work.isSettled) {
      this.#counts[verdict.type] += 1;
      if (verdict.type === "transcoded") this.#measure(work, verdict, cpuMs);
      this.#settle(work, verdict);
    }
    this.#pumpSoon();
  }

  /** The jobs of a worker that is gone are lost; those that ended its life by not ending are `hung`. */
  #giveUp(member: Member, end: WorkerEnd): readonly string[] {
    this.#advanceLoad();
    const held = [...this.#running.values()].filter((work) => work.member === member);
    const lost = held.filter((work) => !work.isSettled);
    for (const work of held) {
      this.#running.delete(work.ticket);
      this.#lose(work, work.isLate ? "hung" : end.cause);
    }
    return lost.map((work) => work.jobId);
  }

  #measure(work: Work, verdict: WorkerVerdict & { type: "transcoded" }, cpuMs: number | null): void {
    const wallMs = this.#loadAtMs - work.startedAtMs;
    const pixels = verdict.renditions.reduce((sum, rendition) => sum + rendition.pixels, 0);
    const concurrency = wallMs > 0 ? (this.#load - work.loadAtStart) / wallMs : 1;
    this.#throughput.record({ pixels, wallMs, cpuMs, concurrency });
  }

  /** Brings the load integral up to now; due before each change of the number of running jobs. */
  #advanceLoad(): void {
    const nowMs = performance.now();
    this.#load += this.#running.size * (nowMs - this.#loadAtMs);
    this.#loadAtMs = nowMs;
  }
}

/**
 * How good a place the worker is for the work. Not avoided comes before avoided; on a GPU, the one that served the
 * session before, then the least loaded; in software, the one used last, so that the others become idle and can end.
 */
function score({ worker, sessions, lastUsedMs }: Member, work: Submission): number {
  const isAllowed = work.avoid.includes(worker.id) ? 0 : 4;
  const isHome = worker.device.type !== "software" && sessions.has(work.sessionId) ? 2 : 0;
  const room = worker.jobsMax === 1 ? 0 : worker.free / (worker.jobsMax + 1);
  // Milliseconds since the start of the process stay below 10¹² for 30 years.
  return isAllowed + isHome + room + lastUsedMs * 1e-12;
}
