import type { SnapshotFrom } from "xstate";
import { sessionEvents } from "../../events/session.ts";
import type { SessionEvent } from "../../events/session.ts";
import type { Hex, UnixMs } from "../../shared/brand.ts";
import type { ActorKind, Decided, Deadline, Facts } from "../kind.ts";
import { decided, rejected } from "../kind.ts";
import { sessionContext, sessionMachine } from "./machine.ts";

/** Milliseconds without a new segment after which a session ends. Source: video sheet 6.3. */
export const sessionIdleMs = 70_000;

/** Segments of one session that may be open beyond the running one. Source: video sheet 6.2. */
export const sessionQueueMax = 4;

export type SessionCommand =
  | {
      readonly type: "OpenSession";
      readonly sender: Hex;
      readonly manifestId: Hex;
      readonly remoteAddress: string;
      readonly tokenExpiration: bigint;
      readonly demandPixelsPerSecond: number;
    }
  | { readonly type: "StartSessionSegment"; readonly segmentId: string; readonly seq: bigint }
  | {
      readonly type: "EndSessionSegment";
      readonly segmentId: string;
      readonly outcome: "delivered" | "failed";
      readonly pixels: number;
    }
  | {
      readonly type: "EndSession";
      readonly cause: "idle" | "ended-by-gateway";
      readonly dueMs: UnixMs | null;
    };

export type SessionSnapshot = SnapshotFrom<typeof sessionMachine>;

/** Pure: what becomes of a command to a session. */
export function decideSession(
  snapshot: SessionSnapshot | null,
  command: SessionCommand,
  facts: Facts,
): Decided<SessionEvent> {
  switch (command.type) {
    case "OpenSession":
      if (snapshot !== null) return rejected("SESSION_OPEN", "The session is open already.");
      return decided({
        type: "SessionOpened",
        sender: command.sender,
        manifestId: command.manifestId,
        remoteAddress: command.remoteAddress,
        tokenExpiration: command.tokenExpiration,
        demandPixelsPerSecond: command.demandPixelsPerSecond,
      });
    case "StartSessionSegment":
      if (snapshot === null || !(snapshot.matches("idle") || snapshot.matches("active"))) {
        return rejected("SESSION_NOT_OPEN", "The session is not open.");
      }
      return decided({ type: "SessionSegmentStarted", segmentId: command.segmentId, seq: command.seq });
    case "EndSessionSegment":
      if (snapshot === null || !snapshot.context.openSegments.includes(command.segmentId)) {
        return rejected("SEGMENT_NOT_OPEN", "The session holds no such open segment.");
      }
      return decided({
        type: "SessionSegmentEnded",
        segmentId: command.segmentId,
        outcome: command.outcome,
        pixels: command.pixels,
        idleDeadlineMs: facts.nowMs + sessionIdleMs,
      });
    case "EndSession":
      return decideEnd(snapshot, command);
  }
}

/** A session that has no segment yet ends like one that went quiet: `idleDeadlineMs` is null until then. */
function decideEnd(
  snapshot: SessionSnapshot | null,
  command: SessionCommand & { readonly type: "EndSession" },
): Decided<SessionEvent> {
  if (snapshot === null || snapshot.matches("ending") || snapshot.matches("ended")) {
    return rejected("SESSION_NOT_OPEN", "The session is not open.");
  }
  // A deadline that a newer segment has moved is stale: the session lives on.
  if (command.dueMs !== null && snapshot.context.idleDeadlineMs !== command.dueMs) {
    return rejected("DEADLINE_MOVED", "The session was used since.");
  }
  return decided({ type: "SessionEnded", cause: command.cause });
}

function sessionDeadline(snapshot: SessionSnapshot): Deadline | null {
  const atMs = snapshot.matches("idle") ? snapshot.context.idleDeadlineMs : null;
  return atMs === null ? null : { atMs, command: { type: "EndSession", cause: "idle", dueMs: atMs } };
}

export const sessionKind: ActorKind = {
  kind: "session",
  machine: sessionMachine,
  events: sessionEvents,
  context: sessionContext as ActorKind["context"],
  decide: decideSession as ActorKind["decide"],
  deadline: sessionDeadline as ActorKind["deadline"],
};
