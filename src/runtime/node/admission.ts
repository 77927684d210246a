import type { Hex } from "../../shared/brand.ts";
import type { WorkerCapacity } from "../ports.ts";

/** A session that is open now. */
export type LiveSession = {
  /** Id of its stream: `<session id>.<incarnation>`. */
  readonly streamId: string;
  readonly sender: Hex;
  readonly manifestId: Hex;
  readonly remoteAddress: string;
  readonly demandPixelsPerSecond: number;
};

export type AdmissionOptions = {
  /** Measured, or what the operator says may be sold. */
  readonly capacity: () => WorkerCapacity;
  /** Pixels per second that may be sold whatever was measured; null = measured. */
  readonly pixelsPerSecond: number | null;
  readonly maxSessions: number;
};

/** What a stream asks for that has not shown its profiles yet: 240p and 360p at 30 frames per second. */
const demandUnknown = 426 * 240 * 30 + 640 * 360 * 30;

/**
 * Decides who may open a session. What is sold is never more than what was measured; the number of sessions is
 * a cap beside it. Everything is derived from the sessions that are open, so no counter can leak.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #live = new Map<string, LiveSession>();
  #maxSessions: number;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#maxSessions = options.maxSessions;
  }

  get maxSessions(): number {
    return this.#maxSessions;
  }

  set maxSessions(sessions: number) {
    this.#maxSessions = sessions;
  }

  get count(): number {
    return this.#live.size;
  }

  live(sessionId: string): LiveSession | null {
    return this.#live.get(sessionId) ?? null;
  }

  opened(sessionId: string, session: LiveSession): void {
    this.#live.set(sessionId, session);
  }

  /** Forgets the session unless a newer incarnation of it is open. */
  ended(sessionId: string, streamId: string): void {
    if (this.#live.get(sessionId)?.streamId === streamId) this.#live.delete(sessionId);
  }

  /**
   * Whether a token may be given to this gateway. One that has a session open may always have another token:
   * that is how a running stream refreshes, and refusing it would break the stream (video sheet 16.6).
   */
  mayNegotiate(sender: Hex, remoteAddress: string): boolean {
    for (const session of this.#live.values()) {
      if (session.sender === sender && session.remoteAddress === remoteAddress) return true;
    }
    return this.#hasRoom(this.#demandExpected());
  }

  /** Whether a session with this demand may be opened. A stream that goes on under a new token always may. */
  mayOpen(sender: Hex, manifestId: Hex, demandPixelsPerSecond: number): boolean {
    for (const session of this.#live.values()) {
      if (session.sender === sender && session.manifestId === manifestId) return true;
    }
    return this.#hasRoom(demandPixelsPerSecond);
  }

  #hasRoom(demand: number): boolean {
    if (this.#live.size >= this.#maxSessions) return false;
    const capacity = this.#options.capacity();
    const deliverable = this.#options.pixelsPerSecond ?? capacity.pixelsPerSecond;
    // Before anything was measured: one session a worker is certain enough.
    if (deliverable === null) return this.#live.size < Math.max(1, capacity.workers);
    // A node that serves nobody always serves one: its first stream is the best measurement there is.
    if (this.#live.size === 0) return true;
    let sold = 0;
    for (const session of this.#live.values()) sold += session.demandPixelsPerSecond;
    return sold + demand <= deliverable;
  }

  #demandExpected(): number {
    if (this.#live.size === 0) return demandUnknown;
    let sold = 0;
    for (const session of this.#live.values()) sold += session.demandPixelsPerSecond;
    return sold / this.#live.size;
  }
}
