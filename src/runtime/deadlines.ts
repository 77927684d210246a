import type { AnyCommand } from "../actors/kind.ts";
import type { StreamId } from "../events/envelope.ts";
import type { UnixMs } from "../shared/brand.ts";

type Entry = { readonly atMs: UnixMs; readonly stream: StreamId; readonly command: AnyCommand };

/**
 * The deadlines of all loaded entities, soonest first. It is derived from snapshots and rebuilt at start: a
 * deadline cannot be lost with a timer. A binary heap; moved deadlines are skipped when they surface.
 */
export class Deadlines {
  readonly #heap: Entry[] = [];
  readonly #current = new Map<StreamId, Entry>();

  /** Replaces the stream's deadline. */
  set(stream: StreamId, deadline: { readonly atMs: UnixMs; readonly command: AnyCommand } | null): void {
    const known = this.#current.get(stream);
    if (deadline === null) {
      if (known !== undefined) this.#current.delete(stream);
      return;
    }
    if (known?.atMs === deadline.atMs) {
      // Same moment: keep the heap entry's place, whatever the command is now.
      if (known.command.type === deadline.command.type) return;
    }
    const entry: Entry = { atMs: deadline.atMs, stream, command: deadline.command };
    this.#current.set(stream, entry);
    this.#push(entry);
    if (this.#heap.length > 64 && this.#heap.length > 4 * this.#current.size) this.#compact();
  }

  /** When the next deadline falls, or null. */
  nextMs(): UnixMs | null {
    this.#dropStale();
    return this.#heap[0]?.atMs ?? null;
  }

  /** Takes one deadline that has passed, soonest first. */
  takeDue(nowMs: UnixMs): { readonly stream: StreamId; readonly command: AnyCommand } | null {
    this.#dropStale();
    const top = this.#heap[0];
    if (top === undefined || top.atMs > nowMs) return null;
    this.#pop();
    this.#current.delete(top.stream);
    return top;
  }

  get size(): number {
    return this.#current.size;
  }

  /** Entries in memory, those of moved deadlines included: bounded by `size`, however often deadlines move. */
  get heldCount(): number {
    return this.#heap.length;
  }

  #dropStale(): void {
    for (
      let top = this.#heap[0];
      top !== undefined && this.#current.get(top.stream) !== top;
      top = this.#heap[0]
    ) {
      this.#pop();
    }
  }

  /** Bounds the heap by the number of live deadlines, however often they move. */
  #compact(): void {
    this.#heap.length = 0;
    for (const entry of this.#current.values()) this.#push(entry);
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || above.atMs <= entry.atMs) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const right = left + 1;
      const leftEntry = heap[left];
      if (leftEntry === undefined) break;
      const rightEntry = heap[right];
      const child = rightEntry !== undefined && rightEntry.atMs < leftEntry.atMs ? right : left;
      const below = heap[child];
      if (below === undefined || below.atMs >= last.atMs) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = last;
  }
}
