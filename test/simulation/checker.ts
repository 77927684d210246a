import type { SegmentContext } from "../../src/actors/segment/machine.ts";
import type { SessionContext } from "../../src/actors/session/machine.ts";
import { encodeSnapshot } from "../../src/actors/snapshot.ts";
import type { AnyEvent } from "../../src/events/definition.ts";
import type { RecordedEvent } from "../../src/events/envelope.ts";
import { parseStreamId } from "../../src/events/envelope.ts";
import { kindOf, Replay } from "../../src/replay/kinds.ts";
import { verify } from "../../src/replay/verify.ts";
import type { Gateway, Upload } from "./gateway.ts";
import { everlasting, type World } from "./world.ts";

/*
 * What must hold after every step, read from the durable log alone and from what gateways and workers saw. The
 * numbers are those of the invariants in ARCHITECTURE.md: durable before visible (1), sold is deliverable (5), every
 * segment ends once in bounded time (6), replay is exact (7), a worker's death touches only its own work (8).
 */

type Fields = Readonly<Record<string, unknown>>;

/** Slower than this after a deadline is forgotten. The host looks at the clock once a second. */
const lateMs = 2_500;

/** A session is released when its end is durable: two slow trips to the disk, and one that was under way. */
const releaseMs = 2_000;

export class Checker {
  readonly #world: World;
  readonly #gateways: readonly Gateway[];
  readonly #replay = new Replay();
  readonly #open = new Set<string>();
  /** Segments that the log accepted: how often each ended, and when the node crashed last before that. */
  readonly #ends = new Map<string, { readonly type: string; readonly code: string; readonly text: string }>();
  readonly #crashesAtStart = new Map<string, number>();
  readonly #pixels = new Map<string, number>();
  #lastSeq = 0;
  #commits = 0;
  #nextLookMs = 0;

  constructor(world: World, gateways: readonly Gateway[]) {
    this.#world = world;
    this.#gateways = gateways;
  }

  get segments(): number {
    return this.#crashesAtStart.size;
  }

  get events(): number {
    return this.#lastSeq;
  }

  /** How segments ended, by kind of end. */
  tally(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { type, code } of this.#ends.values()) {
      const name = code === "" ? type : code;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return counts;
  }

  /** After every step: the events that became durable in it, and whatever is late by now. */
  step(): void {
    if (this.#world.disk.commits !== this.#commits) {
      this.#commits = this.#world.disk.commits;
      const committed = [...this.#world.disk.reader.all({ afterSeq: this.#lastSeq })];
      for (const recorded of committed) this.#take(recorded);
      this.#world.money?.checker.take(committed, this.#replay);
    }
    const { nowMs } = this.#world.time;
    if (nowMs <= this.#world.excusedUntilMs || nowMs < this.#nextLookMs) return;
    this.#nextLookMs = nowMs + 200;
    this.#checkLate();
  }

  #problem(text: string): void {
    this.#world.problems.push(text);
  }

  #take(recorded: RecordedEvent): void {
    const { seq, stream, event } = recorded;
    if (seq !== this.#lastSeq + 1) this.#problem(`the log jumps from ${this.#lastSeq} to ${seq}`);
    this.#lastSeq = seq;
    const fields = event as AnyEvent & Fields;
    const { kind, id } = parseStreamId(stream);
    if (event.type === "SessionOpened") this.#checkRoom(stream, fields);
    // (7) Whatever is durable folds.
    const { status } = this.#replay.apply(recorded);
    if (status === "done") this.#open.delete(stream);
    else this.#open.add(stream);
    if (kind === "segment") this.#takeSegment(id, fields);
  }

  #takeSegment(id: string, event: AnyEvent & Fields): void {
    const session = `session:${id.slice(0, id.lastIndexOf("/"))}`;
    if (event.type === "SegmentAccepted") {
      this.#crashesAtStart.set(id, this.#world.crashes);
      const context = this.#replay.state(session)?.context as SessionContext | undefined;
      if (!context?.openSegments.includes(id)) this.#problem(`${id} was accepted, but not by its session`);
    }
    if (event.type === "SegmentTranscoded") {
      const renditions = event["renditions"] as readonly { readonly pixels: number }[];
      this.#pixels.set(
        id,
        renditions.reduce((sum, { pixels }) => sum + pixels, 0),
      );
    }
    if (event.type === "SegmentWorkerLost") this.#checkLoss(id, event);
    if (event.type !== "SegmentDelivered" && event.type !== "SegmentFailed") return;
    if (this.#ends.has(id)) this.#problem(`${id} ended twice`);
    const code = String(event["code"] ?? "");
    this.#ends.set(id, { type: event.type, code, text: String(event["text"] ?? "") });
    if (event.type === "SegmentFailed") this.#checkCause(id, code);
  }

  /** (5) A session is opened only while there is room, or as another session of a stream that has one. */
  #checkRoom(stream: string, event: Fields): void {
    const live = [...this.#open].filter((open) => {
      const snapshot = open.startsWith("session:") ? this.#replay.state(open) : null;
      return snapshot !== null && !snapshot.matches("ending");
    });
    // One that was decided to end a moment before is not released yet: it still counts as the stream that goes on.
    const { openedMs, endedMs } = this.#world;
    const decidedMs = openedMs.get(stream) ?? 0;
    // While the disk was full nothing was released.
    const writableMs = Math.min(this.#world.disk.fullUntilMs, decidedMs);
    const justEnded = [...endedMs].filter(
      ([, ms]) => ms <= decidedMs && decidedMs - Math.max(ms, writableMs) <= releaseMs,
    );
    const isRefresh = [...live, ...justEnded.map(([ended]) => ended)].some((known) => {
      const context = this.#replay.state(known)?.context as SessionContext | undefined;
      return context?.manifestId === event["manifestId"] && context?.sender === event["sender"];
    });
    const { maxSessions, slots } = this.#world.climate;
    const room = Math.min(maxSessions, Math.max(1, slots));
    if (!isRefresh && live.length >= room) {
      this.#problem(`${stream} was opened as number ${live.length + 1}, but there is room for ${room}`);
    }
  }

  /** (8) A loss in the log is one that a worker had, of this very segment. */
  #checkLoss(id: string, event: Fields): void {
    const caused = this.#world.report.losses.get(id) ?? [];
    if (!caused.includes(event["cause"] as never)) {
      this.#problem(`${id} lost a worker (${String(event["cause"])}) that no worker knows of`);
    }
  }

  /** (8) A segment fails for what happened to it, never for what happened to another one. */
  #checkCause(id: string, code: string): void {
    const { report, crashes } = this.#world;
    const upload = this.#uploads().get(id);
    const losses = report.losses.get(id) ?? [];
    const hasCrashed = crashes > (this.#crashesAtStart.get(id) ?? 0);
    const causes: Readonly<Record<string, boolean>> = {
      CODEC_REFUSED: report.refused.has(id),
      RENDITIONS_UNUSABLE: report.troubled.has(id),
      WORKERS_LOST: losses.length >= 2,
      NO_TIME_TO_RETRY: losses.length >= 1,
      // The input may have cost both workers under other segments.
      INPUT_POISONED: true,
      NODE_RESTARTED: hasCrashed,
      HASH_MISMATCH: upload?.intent === "wrong hash",
      UPLOAD_CLIENT_GONE: upload?.intent === "abort",
      UPLOAD_TOO_LARGE: upload?.intent === "abort",
      // An upload that was on its way when the node crashed has nobody left to end it.
      UPLOAD_TIMED_OUT: upload?.intent === "stuck" || upload?.state !== "answered" || hasCrashed,
      UPLOAD_TIMEOUT: true,
      GATEWAY_GONE: upload?.told === "client-gone",
      SESSION_BUSY: true,
      DEADLINE_PASSED: true,
    };
    const isJustified = causes[code];
    if (isJustified === undefined) this.#problem(`${id} failed with the unknown code ${code}`);
    else if (!isJustified) this.#problem(`${id} failed with ${code} for no reason of its own`);
  }

  /** (6) Nothing stays open past its deadline. */
  #checkLate(): void {
    const nowMs = this.#world.time.wallMs;
    for (const stream of this.#open) {
      const snapshot = this.#replay.state(stream);
      if (snapshot === null) continue;
      const deadline = kindOf(stream).kind.deadline(snapshot);
      if (deadline !== null && deadline.atMs + lateMs < nowMs) {
        this.#problem(`${stream} is open ${nowMs - deadline.atMs} ms after its deadline`);
        this.#open.delete(stream);
      }
    }
  }

  /** (7) What a process has loaded is the fold of what is durable. Right after a start nothing else has happened. */
  checkLoaded(): void {
    const { process } = this.#world;
    if (process === null) return;
    // Prices are those of the start, whatever the log says; the first start also opens their stream.
    const same = [...this.#open].filter((stream) => parseStreamId(stream).kind !== "pricing");
    const loaded = process.host.openCount - [...process.host.idsOf("pricing")].length;
    if (loaded !== same.length) this.#problem(`${loaded} entities were loaded of ${same.length}`);
    for (const stream of same) {
      const { kind, id } = parseStreamId(stream);
      const ours = process.host.snapshot(kind, id);
      const folded = this.#replay.state(stream);
      const codec = kindOf(stream).kind;
      if (ours === null || folded === null) this.#problem(`${stream} was not loaded`);
      else if (encodeSnapshot(codec, ours) !== encodeSnapshot(codec, folded)) {
        this.#problem(`${stream} was loaded as something else than its events say`);
      }
    }
  }

  /** The log agrees with everything beside it. */
  checkLog(): void {
    const { db, reader } = this.#world.disk;
    const { findings } = verify({ db, reader, path: "simulated", isSlice: false, close: () => {} });
    for (const { stream, problem } of findings) {
      if (!isWaiting(stream, problem)) this.#problem(`verify: ${stream}: ${problem}`);
    }
    this.#world.money?.checker.checkViews();
  }

  /** At the end, when everybody has gone home: nothing is left, and everybody was answered. */
  checkQuiet(): void {
    this.checkLog();
    for (const stream of this.#open) {
      if (!everlasting.includes(parseStreamId(stream).kind)) this.#problem(`${stream} never ended`);
    }
    this.#world.money?.checker.checkQuiet();
    for (const [id] of this.#crashesAtStart) if (!this.#ends.has(id)) this.#problem(`${id} never ended`);
    this.#checkAnswers();
    this.#checkSums();
    const { process, disk } = this.#world;
    if (disk.reader.outbox().length > 0) this.#problem("the outbox still owes effects");
    if (process === null) return;
    const leftovers: Readonly<Record<string, number>> = {
      "entities in the host":
        process.host.openCount - everlasting.flatMap((kind) => [...process.host.idsOf(kind)]).length,
      "segments in work": process.work.openCount,
      "media bytes": process.work.openBytes,
      sessions: process.node.sessionCount,
      renditions: process.renditions.count,
    };
    for (const [what, count] of Object.entries(leftovers)) {
      if (count !== 0) this.#problem(`${count} ${what} are left in memory`);
    }
  }

  /** By segment. An id that a crash left undurable is given out again: the newest upload is the one in the log. */
  #uploads(): ReadonlyMap<string, Upload> {
    return new Map(
      this.#gateways.flatMap(({ uploads }) => uploads).map((upload) => [upload.segmentId, upload]),
    );
  }

  /** (6) Every gateway whose node lived got exactly one answer, and the log says the same. */
  #checkAnswers(): void {
    for (const upload of this.#uploads().values()) {
      const { segmentId, process, state, answer, told } = upload;
      const end = this.#ends.get(segmentId);
      const hasLived = process.owner.isAlive;
      if (hasLived && (state === "accepted" || state === "uploading")) {
        this.#problem(`${segmentId}: the gateway still waits (${state})`);
      }
      if (end === undefined) continue;
      if (answer?.type === "error" && end.type !== "SegmentFailed") {
        this.#problem(`${segmentId}: the gateway was told of a failure, the log of a success`);
      }
      const isLost = !hasLived || end.code === "DEADLINE_PASSED";
      if (answer?.type === "data" && told === "sent" && end.type !== "SegmentDelivered" && !isLost) {
        this.#problem(`${segmentId}: delivered, but the log says ${end.code}`);
      }
      if (end.type === "SegmentDelivered" && told !== "sent") {
        this.#problem(`${segmentId}: the log says delivered, but nobody was told`);
      }
    }
  }

  /** A session's account is the sum of its segments: nothing is created, nothing lost. */
  #checkSums(): void {
    const sums = new Map<string, { delivered: number; failed: number; pixels: number }>();
    for (const [id, { type }] of this.#ends) {
      const session = `session:${id.slice(0, id.lastIndexOf("/"))}`;
      const sum = sums.get(session) ?? { delivered: 0, failed: 0, pixels: 0 };
      sums.set(session, sum);
      if (type === "SegmentDelivered") {
        sum.delivered += 1;
        sum.pixels += this.#pixels.get(id) ?? Number.NaN;
      } else sum.failed += 1;
    }
    for (const [session, sum] of sums) {
      const { segmentsDelivered, segmentsFailed, pixels } = (this.#replay.state(session)?.context ??
        {}) as SessionContext;
      const account = { delivered: segmentsDelivered, failed: segmentsFailed, pixels };
      if (JSON.stringify(account) !== JSON.stringify(sum)) {
        this.#problem(`${session} counted ${JSON.stringify(account)}, its segments ${JSON.stringify(sum)}`);
      }
    }
    const summaries = this.#world.disk.reader.sessionSummaries(-1);
    for (const { stream, delivered, failed, pixels } of summaries) {
      const sum = sums.get(stream) ?? { delivered: 0, failed: 0, pixels: 0 };
      if (JSON.stringify({ delivered, failed, pixels }) !== JSON.stringify(sum)) {
        this.#problem(`the view of ${stream} says ${JSON.stringify({ delivered, failed, pixels })}`);
      }
    }
  }

  /** A line a segment, for a failing seed. */
  describe(id: string): string {
    const { context } = this.#replay.state(`segment:${id}`) as { context: SegmentContext };
    return `${id}: ${JSON.stringify(this.#ends.get(id))} ${JSON.stringify(context)}`;
  }
}

/** Tickets wait for the chain, accounts for their jobs, and some entities for nothing: they have no deadline. */
function isWaiting(stream: string, problem: string): boolean {
  const kinds = ["ticket", "account", ...everlasting];
  return kinds.includes(parseStreamId(stream as never).kind) && problem.includes("neither a deadline");
}
