import { describe, expect, test } from "bun:test";
import { type SessionCommand, sessionIdleMs, sessionKind } from "../../../src/actors/session/decide.ts";
import type { SessionContext } from "../../../src/actors/session/machine.ts";
import type { SessionEvent } from "../../../src/events/session.ts";
import {
  endSegment,
  openSession,
  segmentEnded,
  segmentStarted,
  sessionEnded,
  sessionIn,
  sessionOpened,
  startSegment,
} from "./facts.ts";
import { Given, type Outcome } from "./given.ts";

const given = (events: readonly SessionEvent[]): Given<SessionEvent, SessionCommand> =>
  new Given(sessionKind, events);
const end = (
  dueMs: number | null,
  cause: "idle" | "ended-by-gateway" = "idle",
): Extract<SessionCommand, { readonly type: "EndSession" }> => ({ type: "EndSession", cause, dueMs });
const context = (outcome: Outcome): SessionContext => outcome.snapshot.context as SessionContext;

describe("opening", () => {
  test("the first segment opens the session with what the token and the socket say", () => {
    const outcome = given([]).accepts(openSession);
    expect(outcome.events).toEqual([{ ...openSession, type: "SessionOpened" }]);
    expect(outcome.state).toBe("idle");
    expect(outcome.effects).toEqual([]);
    expect(context(outcome).remoteAddress).toBe("203.0.113.9");
  });

  for (const [state, events] of Object.entries(sessionIn)) {
    test(`a session that is ${state} is not opened again`, () => {
      given(events).refuses(openSession, "SESSION_OPEN");
    });
  }
});

describe("segments", () => {
  for (const state of ["idle", "active", "idleAgain"] as const) {
    test(`one more starts when ${state}`, () => {
      const outcome = given(sessionIn[state]).accepts(startSegment("z"));
      expect(outcome.events).toEqual([segmentStarted("z")]);
      expect(outcome.state).toBe("active");
      expect(context(outcome).openSegments).toContain("z");
    });
  }

  for (const state of ["ending", "ended"] as const) {
    test(`none starts when ${state}`, () => {
      given(sessionIn[state]).refuses(startSegment("z"), "SESSION_NOT_OPEN");
    });
  }

  test("none starts in a session that does not exist", () => {
    given([]).refuses(startSegment("z"), "SESSION_NOT_OPEN");
  });

  test("the last one to end makes the session idle, and sets when it ends", () => {
    const outcome = given(sessionIn.active).accepts(endSegment("a"), 5_000);
    expect(outcome.events).toEqual([
      {
        type: "SessionSegmentEnded",
        segmentId: "a",
        outcome: "delivered",
        pixels: 500,
        idleDeadlineMs: 5_000 + sessionIdleMs,
      },
    ]);
    expect(outcome.state).toBe("idle");
    expect(context(outcome)).toMatchObject({ segmentsDelivered: 1, segmentsFailed: 0, pixels: 500 });
  });

  test("one of two leaves the session active without a deadline", () => {
    const outcome = given([...sessionIn.active, segmentStarted("b")]).accepts(endSegment("a", "failed"));
    expect(outcome.state).toBe("active");
    expect(context(outcome)).toMatchObject({
      openSegments: ["b"],
      segmentsDelivered: 0,
      segmentsFailed: 1,
      idleDeadlineMs: null,
    });
  });

  test("a segment that is not open does not end, nor does one end twice", () => {
    given([]).refuses(endSegment("a"), "SEGMENT_NOT_OPEN");
    given(sessionIn.active).refuses(endSegment("b"), "SEGMENT_NOT_OPEN");
    given(sessionIn.idleAgain).refuses(endSegment("a"), "SEGMENT_NOT_OPEN");
    given(sessionIn.ended).refuses(endSegment("a"), "SEGMENT_NOT_OPEN");
  });
});

describe("ending", () => {
  test("a quiet session ends at its deadline and releases what it held", () => {
    const quiet = given(sessionIn.idleAgain);
    expect(quiet.deadline).toEqual({ atMs: 71_000, command: end(71_000) });
    const outcome = quiet.accepts(end(71_000));
    expect(outcome.events).toEqual([sessionEnded]);
    expect(outcome.state).toBe("ended");
    expect(outcome.effects.map(({ type }) => type)).toEqual(["releaseSession"]);
  });

  test("a deadline that a newer segment moved is stale, in both directions", () => {
    given([...sessionIn.idleAgain, segmentStarted("b")]).refuses(end(71_000), "DEADLINE_MOVED");
    const later = [...sessionIn.idleAgain, segmentStarted("b"), segmentEnded("b", "delivered", 80_000)];
    given(later).refuses(end(71_000), "DEADLINE_MOVED");
    expect(given(later).accepts(end(80_000)).state).toBe("ended");
  });

  test("an active session has no deadline", () => {
    expect(given(sessionIn.active).deadline).toBeNull();
    expect(given([sessionOpened]).deadline).toBeNull();
    expect(given(sessionIn.ending).deadline).toBeNull();
    expect(given(sessionIn.ended).deadline).toBeNull();
  });

  test("the gateway's word ends an idle session at once, whatever its deadline", () => {
    const outcome = given(sessionIn.idleAgain).accepts(end(null, "ended-by-gateway"));
    expect(outcome.events).toEqual([{ type: "SessionEnded", cause: "ended-by-gateway" }]);
    expect(outcome.state).toBe("ended");
    expect(context(outcome).endCause).toBe("ended-by-gateway");
  });

  test("the gateway's word lets open segments of an active session finish", () => {
    const outcome = given(sessionIn.active).accepts(end(null, "ended-by-gateway"));
    expect(outcome.state).toBe("ending");
    expect(outcome.effects.map(({ type }) => type)).toEqual(["releaseSession"]);
  });

  test("the last segment of an ending session ends it, one before the last does not", () => {
    const one = given(sessionIn.ending).accepts(endSegment("b"));
    expect(one.state).toBe("ending");
    expect(one.effects).toEqual([]);
    const last = given([...sessionIn.ending, segmentEnded("b")]).accepts(endSegment("a"));
    expect(last.state).toBe("ended");
    expect(last.effects.map(({ type }) => type)).toEqual(["releaseSession"]);
  });

  test("a session ends once", () => {
    given([]).refuses(end(null), "SESSION_NOT_OPEN");
    given(sessionIn.ending).refuses(end(null), "SESSION_NOT_OPEN");
    given(sessionIn.ended).refuses(end(null), "SESSION_NOT_OPEN");
  });
});
