import type {
  DispatchedJob,
  Rendition,
  TranscodeOutcome,
  TranscodeWorkers,
  WorkerCapacity,
  WorkerLossCause,
} from "../../src/runtime/ports.ts";
import type { Chance, Owner, SimulatedTime } from "./simulatedTime.ts";

type Profile = Parameters<TranscodeWorkers["submit"]>[0]["job"]["profiles"][number];
type Work = Parameters<TranscodeWorkers["submit"]>[0];

/** What the worker will do with one job. */
type Fate =
  | { readonly type: "transcodes"; readonly renditions: "good" | "too few" | "empty" }
  | { readonly type: "refuses" }
  | { readonly type: "dies"; readonly cause: WorkerLossCause }
  | { readonly type: "never starts" }
  | { readonly type: "is slow" }
  | { readonly type: "never answers" };

type Job = {
  readonly work: Work;
  readonly fate: Fate;
  readonly resolve: (outcome: TranscodeOutcome) => void;
  workerId: string | null;
  isOver: boolean;
  /** Somebody asked it to stop: it still needs a moment, and may even finish first. */
  isCancelled: boolean;
};

/** What the workers of all processes of one simulation did; the checker asks it who is to blame. */
export type WorkersReport = {
  /** Losses that were caused, by segment. */
  readonly losses: Map<string, WorkerLossCause[]>;
  /** Segments whose input a worker refused. */
  readonly refused: Set<string>;
  /** Segments whose worker was slow, silent or gave useless renditions. */
  readonly troubled: Set<string>;
  /** What a worker saw that must not happen. */
  readonly problems: string[];
  started: number;
};

/** Faults of workers, as probabilities of one job. */
export type WorkerFaults = {
  readonly refuses: number;
  readonly dies: number;
  readonly neverStarts: number;
  readonly isSlow: number;
  readonly neverAnswers: number;
  readonly isUseless: number;
};

/** Media that begins with this byte kills every worker that touches it. */
export const poisonByte = 0xee;

/**
 * Codec workers that live in virtual time: as many at work as there are slots, jobs in the order of arrival. They
 * keep the contract of the port, and use every freedom that it leaves.
 */
export class SimulatedWorkers implements TranscodeWorkers {
  readonly #time: SimulatedTime;
  readonly #chance: Chance;
  readonly #process: Owner;
  readonly #slots: number;
  readonly #faults: WorkerFaults;
  readonly #queue: Job[] = [];
  readonly #busy = new Map<string, Job>();
  readonly #report: WorkersReport;
  readonly #isOpen: (segmentId: string) => boolean;
  readonly #isPoisoned: (media: Uint8Array) => boolean;
  readonly #pixelsMax: ((profile: Profile) => number) | null;
  #nextWorker = 1;

  constructor(options: {
    readonly time: SimulatedTime;
    readonly chance: Chance;
    readonly process: Owner;
    readonly slots: number;
    readonly faults: WorkerFaults;
    readonly report: WorkersReport;
    /** Whether the node has the segment open: nothing may be started for one that ended. */
    readonly isOpen: (segmentId: string) => boolean;
    /** Whether the log says that this input has cost two workers. */
    readonly isPoisoned: (media: Uint8Array) => boolean;
    /** Most pixels of a rendition; null = whatever comes. */
    readonly pixelsMax: ((profile: Profile) => number) | null;
  }) {
    this.#time = options.time;
    this.#chance = options.chance;
    this.#process = options.process;
    this.#slots = options.slots;
    this.#faults = options.faults;
    this.#report = options.report;
    this.#isOpen = options.isOpen;
    this.#isPoisoned = options.isPoisoned;
    this.#pixelsMax = options.pixelsMax;
  }

  submit(work: Work): DispatchedJob {
    const { promise, resolve } = Promise.withResolvers<TranscodeOutcome>();
    const fate = this.#fateOf(work);
    const job: Job = { work, fate, resolve, workerId: null, isOver: false, isCancelled: false };
    this.#checkSubmission(work);
    this.#queue.push(job);
    this.#time.schedule(0, this.#process, () => this.#startSome());
    // A job that nobody starts in time is given up, as one that runs is.
    const lateMs = work.deadlineMs - this.#time.wallMs + this.#chance.between(0, 2_000);
    this.#time.schedule(lateMs, this.#process, () => this.#late(job));
    return {
      workerId: "",
      outcome: promise,
      cancel: () => this.#cancel(job),
    };
  }

  endSession(): void {}

  capacity(): WorkerCapacity {
    return {
      pixelsPerSecond: null,
      workers: this.#slots,
      running: this.#busy.size,
      queued: this.#queue.length,
    };
  }

  async stop(): Promise<void> {}

  get isIdle(): boolean {
    return this.#queue.length === 0 && this.#busy.size === 0;
  }

  #checkSubmission({ jobId, media }: Work): void {
    const { problems } = this.#report;
    const session = (id: string): string => id.slice(0, id.lastIndexOf("/"));
    const other = [...this.#queue, ...this.#busy.values()].find(
      ({ work, isOver, isCancelled }) =>
        session(work.jobId) === session(jobId) && !isOver && !isCancelled && this.#isOpen(work.jobId),
    );
    if (other !== undefined) problems.push(`${jobId} is submitted while ${other.work.jobId} runs`);
    if (!this.#isOpen(jobId)) problems.push(`${jobId} is submitted although it has ended`);
    if (this.#isPoisoned(media)) problems.push(`${jobId} is submitted although its input is poison`);
  }

  #fateOf({ media }: Work): Fate {
    const { refuses, dies, neverStarts, isSlow, neverAnswers, isUseless } = this.#faults;
    if (media[0] === poisonByte) {
      return { type: "dies", cause: this.#chance.pick(["exited", "hung", "oversized"]) };
    }
    if (this.#chance.isTrue(refuses)) return { type: "refuses" };
    if (this.#chance.isTrue(dies)) {
      return { type: "dies", cause: this.#chance.pick(["exited", "hung", "oversized", "stopped"]) };
    }
    if (this.#chance.isTrue(neverStarts)) return { type: "never starts" };
    if (this.#chance.isTrue(isSlow)) return { type: "is slow" };
    if (this.#chance.isTrue(neverAnswers)) return { type: "never answers" };
    const useless = this.#chance.pick<"too few" | "empty">(["too few", "empty"]);
    const renditions = this.#chance.isTrue(isUseless) ? useless : "good";
    return { type: "transcodes", renditions };
  }

  #startSome(): void {
    while (this.#busy.size < this.#slots && this.#queue.length > 0) {
      const job = this.#queue.shift();
      if (job === undefined || job.isOver) continue;
      this.#run(job);
    }
  }

  #run(job: Job): void {
    const { work, fate } = job;
    if (fate.type === "never starts") {
      this.#lose(job, "not-started");
      return;
    }
    const workerId = `w${this.#nextWorker++}`;
    job.workerId = workerId;
    this.#busy.set(workerId, job);
    this.#report.started += 1;
    work.onStart(workerId);
    // Mostly in time; sometimes within a hair of the deadline, before or after.
    const hairMs = Math.max(1, work.deadlineMs - this.#time.wallMs + this.#chance.between(-20, 2_000));
    const soonMs = this.#chance.isTrue(0.03) ? hairMs : this.#chance.between(1, 1_500);
    const after = (delayMs: number, run: () => void): void => {
      this.#time.schedule(delayMs, this.#process, run);
    };
    switch (fate.type) {
      case "transcodes":
        if (fate.renditions !== "good") this.#report.troubled.add(work.jobId);
        after(soonMs, () => this.#end(job, this.#verdict(job, fate.renditions)));
        return;
      case "refuses":
        after(soonMs, () => {
          if (!job.isOver) this.#report.refused.add(work.jobId);
          this.#end(job, { type: "failed", text: "Invalid data found when processing input" });
        });
        return;
      case "dies":
        after(soonMs, () => this.#lose(job, fate.cause));
        return;
      case "is slow":
      case "never answers":
        this.#report.troubled.add(work.jobId);
    }
  }

  #verdict({ work }: Job, kind: "good" | "too few" | "empty"): TranscodeOutcome {
    const wanted = kind === "too few" ? work.job.profiles.slice(1) : work.job.profiles;
    const renditions: Rendition[] = wanted.map((profile) => ({
      bytes: new TextEncoder().encode(kind === "empty" ? "" : `${work.jobId} as ${profile.name}`.padEnd(30)),
      frames: 60,
      pixels: this.#chance.between(1_000, this.#pixelsMax?.(profile) ?? 9_000_000),
      keccak256: new Uint8Array(32).fill(1),
      perceptualHash: null,
    }));
    const timings = { decodedFrames: 60, codecMs: this.#chance.next() * 100 };
    return { type: "transcoded", renditions, decodedPixels: 55_296_000, timings };
  }

  /** The deadline of a job: a sound worker stops it, a silent one is killed, and a broken promise stays broken. */
  #late(job: Job): void {
    if (job.isOver || job.fate.type === "never answers") return;
    this.#report.troubled.add(job.work.jobId);
    this.#lose(job, job.fate.type === "is slow" ? this.#chance.pick(["hung", "stopped"]) : "stopped");
  }

  #cancel(job: Job): void {
    if (job.isOver || job.isCancelled) return;
    job.isCancelled = true;
    if (job.workerId === null) {
      this.#lose(job, "stopped");
      return;
    }
    this.#time.schedule(this.#chance.between(0, 50), this.#process, () => this.#lose(job, "stopped"));
  }

  #lose(job: Job, cause: WorkerLossCause): void {
    if (job.isOver) return;
    const { work } = job;
    const list = this.#report.losses.get(work.jobId) ?? [];
    this.#report.losses.set(work.jobId, [...list, cause]);
    this.#end(job, { type: "lost", cause, workerId: job.workerId ?? "" });
  }

  #end(job: Job, outcome: TranscodeOutcome): void {
    if (job.isOver) return;
    job.isOver = true;
    if (job.workerId !== null) this.#busy.delete(job.workerId);
    job.resolve(outcome);
    // Some pools report twice; a promise hears the first word only.
    if (this.#chance.isTrue(0.1)) job.resolve({ type: "failed", text: "a second verdict" });
    this.#time.schedule(0, this.#process, () => this.#startSome());
  }
}
