/*
 * Time, chance and scheduling of a simulation: everything that happens is an action at a moment of one virtual
 * time line, and one seed decides it all.
 */

/** Reproducible chance. The same seed gives the same numbers on every machine (mulberry32). */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  isTrue(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.between(0, items.length - 1)] ?? items[0];
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.between(0, 255));
  }
}

/** Whose actions end together: a process that crashes takes its timers and messages along. */
export type Owner = { isAlive: boolean };

type Action = {
  readonly atMs: number;
  readonly order: number;
  readonly owner: Owner;
  run: (() => void) | null;
};

/** What real globals a simulation replaces while it runs. */
const realTimers = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
};

/** A virtual time line. `nowMs` only ever grows; the clock on the wall may jump, see {@link wallMs}. */
export class SimulatedTime {
  nowMs = 0;
  /** Who owns the timers that code under test starts now. */
  process: Owner = { isAlive: true };
  #wallOffsetMs = 1_767_225_600_000;
  #order = 0;
  /** A binary heap by time, then by order of scheduling. */
  readonly #heap: Action[] = [];

  /** What a process reads as the time of day. */
  get wallMs(): number {
    return this.nowMs + this.#wallOffsetMs;
  }

  /** Somebody sets the clock on the wall. Timers do not notice. */
  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  /** Runs `run` after `delayMs`, unless its owner has died by then. Returns a way to call it off. */
  schedule(delayMs: number, owner: Owner, run: () => void): () => void {
    const action: Action = { atMs: this.nowMs + Math.max(0, delayMs), order: this.#order++, owner, run };
    this.#push(action);
    return () => {
      action.run = null;
    };
  }

  /** Does the next thing. False when nothing is left to do. */
  step(): boolean {
    for (let action = this.#pop(); action !== null; action = this.#pop()) {
      if (action.run === null || !action.owner.isAlive) continue;
      this.nowMs = Math.max(this.nowMs, action.atMs);
      action.run();
      return true;
    }
    return false;
  }

  /** Makes the global timers those of this time line, owned by {@link process}. Returns the way back. */
  takeGlobalTimers(): () => void {
    const calls = new Map<number, () => void>();
    let lastId = 0;
    const start = (run: () => void, delayMs: number, isRepeated: boolean) => {
      lastId += 1;
      const id = lastId;
      const owner = this.process;
      const go = (): void => {
        if (isRepeated) calls.set(id, this.schedule(Math.max(1, delayMs), owner, go));
        else calls.delete(id);
        run();
      };
      calls.set(id, this.schedule(delayMs, owner, go));
      const handle = { [Symbol.toPrimitive]: () => id, id, unref: () => handle, ref: () => handle };
      return handle;
    };
    const stop = (handle: { readonly id?: number } | undefined): void => {
      calls.get(handle?.id ?? 0)?.();
      calls.delete(handle?.id ?? 0);
    };
    Object.assign(globalThis, {
      setTimeout: (run: () => void, delayMs = 0) => start(run, delayMs, false),
      setInterval: (run: () => void, delayMs = 0) => start(run, delayMs, true),
      clearTimeout: stop,
      clearInterval: stop,
    });
    return () => Object.assign(globalThis, realTimers);
  }

  #isBefore(left: Action, right: Action): boolean {
    return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
  }

  #push(action: Action): void {
    const heap = this.#heap;
    let index = heap.push(action) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || this.#isBefore(above, action)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = action;
  }

  #pop(): Action | null {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined) return null;
    if (heap.length === 0) return top;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      const left = heap[child];
      if (left === undefined) break;
      const right = heap[child + 1];
      if (right !== undefined && this.#isBefore(right, left)) child += 1;
      const smaller = heap[child];
      if (smaller === undefined || this.#isBefore(last, smaller)) break;
      heap[index] = smaller;
      index = child;
    }
    heap[index] = last;
    return top;
  }
}

/** Lets every promise that can go on go on, in real time. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
