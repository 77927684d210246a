import { decodeSnapshot, encodeSnapshot, stateName } from "../actors/snapshot.ts";
import type { RecordedEvent, StreamId } from "../events/envelope.ts";
import { stateHash } from "../runtime/machineHash.ts";
import { errorText } from "../shared/errors.ts";
import { kindOf, Replay } from "./kinds.ts";
import type { ReplaySource } from "./source.ts";

export type Finding = { readonly stream: string; readonly problem: string };

export type Verification = {
  readonly events: number;
  readonly streams: number;
  readonly open: number;
  /** Final states and cached snapshots that were compared, byte for byte. */
  readonly compared: number;
  /** Those of another release's machine: replayed, but not comparable. */
  readonly incomparable: number;
  /** Differences, damage, and work that nobody will ever finish. Empty = all is well. */
  readonly findings: readonly Finding[];
};

/** An open entity whose deadline passed while the node went on for longer than this was forgotten by it. */
const forgottenAfterMs = 60_000;
const findingsMax = 1_000;

/**
 * Folds the whole log from nothing and compares it with everything the node wrote beside it: final states,
 * cached snapshots, stream heads, the outbox.
 */
export function verify(source: ReplaySource): Verification {
  return new Verifier(source).run();
}

class Verifier {
  readonly #source: ReplaySource;
  readonly #replay = new Replay();
  readonly #versions = new Map<StreamId, number>();
  readonly #findings: Finding[] = [];
  readonly #damaged = new Set<string>();
  #events = 0;
  #streams = 0;
  #compared = 0;
  #incomparable = 0;
  #lastSeq = 0;
  #newestMs = 0;

  constructor(source: ReplaySource) {
    this.#source = source;
  }

  run(): Verification {
    const cached = new Map(this.#source.reader.snapshots().map((row) => [row.stream, row]));
    try {
      for (const recorded of this.#source.reader.all()) {
        this.#take(recorded);
        const snapshot = cached.get(recorded.stream);
        if (snapshot?.version !== recorded.version) continue;
        this.#compareCached(recorded.stream, snapshot);
        cached.delete(recorded.stream);
      }
      this.#checkLeftOver(cached.keys());
    } catch (error) {
      this.#find("", errorText(error));
    }
    this.#checkOpen();
    return {
      events: this.#events,
      streams: this.#streams,
      open: this.#versions.size,
      compared: this.#compared,
      incomparable: this.#incomparable,
      findings: this.#findings,
    };
  }

  #find(stream: string, problem: string): void {
    this.#damaged.add(stream);
    if (this.#findings.length < findingsMax) this.#findings.push({ stream, problem });
  }

  #take(recorded: RecordedEvent): void {
    const { stream, version, seq } = recorded;
    this.#events += 1;
    if (!this.#source.isSlice && seq !== this.#lastSeq + 1) {
      this.#find(stream, `The global order jumps from ${this.#lastSeq} to ${seq}.`);
    }
    this.#lastSeq = seq;
    this.#newestMs = Math.max(this.#newestMs, recorded.atMs);
    if (version === 1) this.#streams += 1;
    const known = this.#versions.get(stream) ?? 0;
    if (version !== known + 1) this.#find(stream, `Version ${version} follows version ${known}.`);
    this.#versions.set(stream, version);
    if (this.#damaged.has(stream)) return;
    try {
      const snapshot = this.#replay.apply(recorded);
      if (snapshot.status === "done") this.#close(stream, version);
    } catch (error) {
      this.#find(stream, `Event ${version} (\`${recorded.event.type}\`): ${errorText(error)}`);
    }
  }

  /** A stream that ended must have been recorded so, with the state that the fold reaches. */
  #close(stream: StreamId, version: number): void {
    const snapshot = this.#replay.state(stream);
    const row = this.#source.reader.stream(stream);
    this.#versions.delete(stream);
    this.#replay.drop(stream);
    if (snapshot === null) return;
    if (row === null || row.isClosed !== 1 || row.version !== version) {
      this.#find(stream, `It ended at version ${version}, but the log's list of streams does not say so.`);
      return;
    }
    const { kind, hash } = kindOf(stream);
    const [machine, state] = (row.finalState ?? ":").split(":");
    if (machine !== hash) {
      this.#incomparable += 1;
      return;
    }
    this.#compared += 1;
    if (state !== stateHash(encodeSnapshot(kind, snapshot))) {
      this.#find(stream, "Its final state differs from the one that the node reached.");
    }
  }

  #compareCached(stream: string, row: { readonly machineHash: string; readonly data: string }): void {
    const snapshot = this.#replay.state(stream);
    const { kind, hash } = kindOf(stream);
    if (snapshot === null) return;
    if (row.machineHash !== hash) {
      this.#incomparable += 1;
      return;
    }
    this.#compared += 1;
    if (row.data !== encodeSnapshot(kind, snapshot)) {
      this.#find(stream, "Its cached snapshot differs from the fold of its events.");
      return;
    }
    // A snapshot that does not survive its own codec would come back different after a restart.
    if (encodeSnapshot(kind, decodeSnapshot(kind, row.data)) !== row.data) {
      this.#find(stream, "Its cached snapshot does not survive reading.");
    }
  }

  /** What the node wrote about events that the log does not hold: its end was cut off. */
  #checkLeftOver(cached: Iterable<string>): void {
    for (const stream of cached) this.#find(stream, "Its cached snapshot is of an event that is missing.");
    const missing = this.#source.reader.streamCount() - this.#streams;
    if (missing > 0) this.#find("", `The log's list names ${missing} streams without any event.`);
  }

  /** Every open entity must be known as open and have something that will move it on. */
  #checkOpen(): void {
    const rows = new Map(this.#source.reader.openStreams().map((row) => [row.stream, row]));
    const owed = new Set(this.#source.reader.outbox().map((row) => row.stream as StreamId));
    for (const [stream, version] of this.#versions) {
      const row = rows.get(stream);
      const snapshot = this.#replay.state(stream);
      if (snapshot === null || this.#damaged.has(stream)) continue;
      if (row === undefined || row.version !== version) {
        this.#find(
          stream,
          `It is open at version ${version}, but the log's list of streams does not say so.`,
        );
        continue;
      }
      const { kind } = kindOf(stream);
      const deadline = kind.deadline(snapshot);
      const isAwaited =
        owed.has(stream) || this.#hasOpenParts(stream, snapshot.context) || kind.isMovedFromOutside === true;
      if (deadline === null && !isAwaited) {
        this.#find(
          stream,
          `It is \`${stateName(snapshot)}\`, and neither a deadline nor an effect will move it.`,
        );
      } else if (deadline !== null && this.#isForgotten(stream, deadline.atMs)) {
        this.#find(stream, `It is \`${stateName(snapshot)}\`, and its deadline passed unnoticed.`);
      }
    }
    for (const stream of owed) {
      if (!this.#versions.has(stream)) this.#find(stream, "The outbox owes it an effect, but it has ended.");
    }
  }

  #isForgotten(stream: StreamId, atMs: number): boolean {
    if (atMs + forgottenAfterMs >= this.#newestMs) return false;
    return this.#source.reader.activityAfterMs(stream, atMs) > forgottenAfterMs;
  }

  /** A session waits for its segments, an account for the jobs that it holds: they move it on. */
  #hasOpenParts(stream: string, context: unknown): boolean {
    const { openJobs } = context as { readonly openJobs?: readonly { readonly jobId: string }[] };
    // Money that is spoken for by a job that has ended would never be free again.
    if (openJobs !== undefined) return openJobs.every(({ jobId }) => this.#versions.has(`segment:${jobId}`));
    const id = stream.slice(stream.indexOf(":") + 1);
    for (const other of this.#versions.keys()) if (other.includes(`:${id}/`)) return true;
    return false;
  }
}
