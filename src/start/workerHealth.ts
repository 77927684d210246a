import type { WorkerEvent } from "../workers/openTranscodeWorkers.ts";

/** Tells from the events of the workers whether any of them can work. */
export class WorkerHealth {
  readonly #ready = new Set<string>();
  #failure: string | null = null;

  note(event: WorkerEvent): void {
    if (event.type === "ready") {
      this.#ready.add(event.workerId);
      this.#failure = null;
    } else if (event.type === "died" || event.type === "retired") {
      this.#ready.delete(event.workerId);
    } else if (event.type === "startFailed") {
      this.#failure = event.reason;
    }
  }

  /** Why no segment can be transcoded now, as a sentence for the operator; null when it can. */
  get problem(): string | null {
    if (this.#failure === null || this.#ready.size > 0) return null;
    return `No transcode worker can start: ${this.#failure}`;
  }
}
