import type { PixelCount } from "../shared/brand.ts";

/*
 * How many encoded pixels per second can this machine deliver?
 *
 * When every slot was busy during a job, its wall time tells the truth about the whole machine: whatever else ran,
 * hyper-threads and thermal limits included. When slots were free, wall time says little (one job may use all the
 * cores or one of them); the CPU time that the job took does: cores ÷ (CPU seconds per pixel). A GPU job has no
 * telling CPU time: its rate times the jobs that ran beside it is what the device did at least.
 *
 * Decoding is part of both times, so its cost is in the figure.
 */

/** One finished job. */
export type ThroughputSample = {
  /** Encoded pixels, all renditions. */
  readonly pixels: PixelCount;
  readonly wallMs: number;
  /** CPU time of all threads; null when unknown. */
  readonly cpuMs: number | null;
  /** Jobs that ran at the same time, this one included, averaged over the job's time. */
  readonly concurrency: number;
};

/** Seconds of machine time after which an old sample weighs 1/e: some dozens of segments. */
const memorySeconds = 30;
/** A job this close to a full house counts as one under full load. */
const slotsFreeMax = 0.25;

/** A moving average of the machine's rate, weighted by work, so that tiny segments move it little. */
export class Throughput {
  readonly #slots: number;
  readonly #cores: number | null;
  #pixels = 0;
  #seconds = 0;

  /**
   * @param slots - jobs that can run at the same time.
   * @param cores - CPU cores that do the work; null when a GPU does it.
   */
  constructor(slots: number, cores: number | null) {
    this.#slots = slots;
    this.#cores = cores;
  }

  /** Encoded pixels per second of the whole machine; null until something was measured. */
  get pixelsPerSecond(): number | null {
    return this.#seconds > 0 ? this.#pixels / this.#seconds : null;
  }

  /** Takes a finished job into account. Jobs without pixels say nothing. */
  record(sample: ThroughputSample): void {
    const seconds = this.#machineSeconds(sample);
    if (!(sample.pixels > 0) || !(seconds > 0)) return;
    const saturated = sample.concurrency >= this.#slots - slotsFreeMax;
    const rate = this.pixelsPerSecond;
    // Without CPU time, a job that left slots free proves only that the machine is at least this fast.
    const isLowerBound = !saturated && (this.#cores === null || sample.cpuMs === null);
    if (isLowerBound && rate !== null && sample.pixels / seconds <= rate) return;
    const keep = Math.exp(-seconds / memorySeconds);
    this.#pixels = this.#pixels * keep + sample.pixels;
    this.#seconds = this.#seconds * keep + seconds;
  }

  /** The share of the whole machine's time that the job took. */
  #machineSeconds(sample: ThroughputSample): number {
    const saturated = sample.concurrency >= this.#slots - slotsFreeMax;
    if (!saturated && this.#cores !== null && sample.cpuMs !== null) {
      return sample.cpuMs / 1_000 / this.#cores;
    }
    return sample.wallMs / 1_000 / Math.max(1, sample.concurrency);
  }
}
