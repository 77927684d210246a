/**
 * The order of work inside sessions: one segment of a session runs at a time, the next starts when it ended.
 * Derived state: it holds only segments whose media is in memory.
 */
export class SessionQueues {
  readonly #queues = new Map<string, { running: string | null; readonly waiting: string[] }>();

  /** Segments of the session that run or wait. */
  length(sessionStream: string): number {
    const queue = this.#queues.get(sessionStream);
    return queue === undefined ? 0 : queue.waiting.length + (queue.running === null ? 0 : 1);
  }

  /** Puts a segment at the end. Returns what may start now. */
  add(sessionStream: string, segmentId: string): string | null {
    const queue = this.#queues.get(sessionStream) ?? { running: null, waiting: [] };
    this.#queues.set(sessionStream, queue);
    queue.waiting.push(segmentId);
    return this.#startNext(sessionStream);
  }

  /** Takes a segment out, wherever it is. Returns what may start now. */
  remove(sessionStream: string, segmentId: string): string | null {
    const queue = this.#queues.get(sessionStream);
    if (queue === undefined) return null;
    if (queue.running === segmentId) queue.running = null;
    const index = queue.waiting.indexOf(segmentId);
    if (index >= 0) queue.waiting.splice(index, 1);
    return this.#startNext(sessionStream);
  }

  #startNext(sessionStream: string): string | null {
    const queue = this.#queues.get(sessionStream);
    if (queue === undefined || queue.running !== null) return null;
    const next = queue.waiting.shift();
    if (next === undefined) {
      this.#queues.delete(sessionStream);
      return null;
    }
    queue.running = next;
    return next;
  }
}
