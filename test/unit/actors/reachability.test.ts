import { describe, expect, test } from "bun:test";
import type { AnyMachineSnapshot } from "xstate";
import { getShortestPaths } from "xstate/graph";
import { Fold, ImpossibleEventError } from "../../../src/actors/fold.ts";
import type { ActorKind } from "../../../src/actors/kind.ts";
import { segmentKind } from "../../../src/actors/segment/decide.ts";
import { sessionKind } from "../../../src/actors/session/decide.ts";
import { stateName } from "../../../src/actors/snapshot.ts";
import type { AnyEvent } from "../../../src/events/definition.ts";
import type { SegmentEvent } from "../../../src/events/segment.ts";
import type { SessionEvent } from "../../../src/events/session.ts";
import { renderJson, renderTable } from "../../../src/replay/render.ts";
import {
  segmentAccepted,
  segmentDelivered,
  segmentDispatched,
  segmentEnded,
  segmentFailed,
  segmentReceived,
  segmentStarted,
  segmentTranscoded,
  segmentWorkerLost,
  sessionEnded,
  sessionOpened,
} from "./facts.ts";

/*
 * Goal: no state of a machine is dead text, and no event meets a state that nobody thought about. Method: XState
 * walks the machine breadth-first; every state name must turn up. Then every event is offered to every state, and
 * the table of answers, "." for a refusal, is compared with the one below.
 */

const segmentFacts: readonly SegmentEvent[] = [
  segmentAccepted,
  segmentReceived,
  segmentDispatched,
  segmentWorkerLost,
  segmentTranscoded,
  segmentDelivered,
  segmentFailed,
];
const sessionFacts: readonly SessionEvent[] = [
  sessionOpened,
  segmentStarted("a"),
  segmentStarted("b"),
  segmentEnded("a"),
  segmentEnded("b"),
  sessionEnded,
];

/** The parts of a context that decide where a machine can go: counters are left out, or the walk never ends. */
function essence(snapshot: AnyMachineSnapshot): string {
  const { openSegments } = snapshot.context as { openSegments?: readonly string[] };
  return JSON.stringify([snapshot.value, openSegments ?? null]);
}

/** One snapshot of every state that the events can reach, with the steps there. */
function reach(kind: ActorKind, facts: readonly AnyEvent[]) {
  const isNew = (snapshot: AnyMachineSnapshot, event: AnyEvent): boolean => {
    const { openSegments } = snapshot.context as { openSegments?: readonly string[] };
    const { segmentId } = event as { segmentId?: string };
    return event.type !== "SessionSegmentStarted" || !openSegments?.includes(segmentId ?? "");
  };
  return getShortestPaths(kind.machine, {
    input: { id: "test" },
    events: facts as never,
    filterEvents: (snapshot, event) =>
      (snapshot as AnyMachineSnapshot).can(event) && isNew(snapshot as AnyMachineSnapshot, event),
    serializeState: (snapshot) => essence(snapshot as AnyMachineSnapshot),
    serializeEvent: (event) => renderJson(event),
  }).map(({ state, steps }) => ({ snapshot: state as AnyMachineSnapshot, steps: steps.length }));
}

/** What every event does in every reached state, state by state in the order of the machine. */
function answers(kind: ActorKind, facts: readonly AnyEvent[]): string {
  const fold = new Fold(kind);
  const names = Object.keys(kind.machine.states);
  const types = [...new Set(facts.map(({ type }) => type))];
  const reached = reach(kind, facts);
  const rows = names.map((name) => {
    const snapshots = reached.map(({ snapshot }) => snapshot).filter((found) => stateName(found) === name);
    return [
      name,
      ...types.map((type) => {
        const targets = snapshots.flatMap((snapshot) =>
          facts.filter((event) => event.type === type).map((event) => answer(fold, snapshot, event)),
        );
        const taken = [...new Set(targets.filter((target) => target !== null))].sort();
        return taken.length === 0 ? "." : taken.join("|");
      }),
    ];
  });
  return renderTable(["", ...types], rows);
}

function answer(fold: Fold, snapshot: AnyMachineSnapshot, event: AnyEvent): string | null {
  try {
    return stateName(fold.apply(snapshot, event).snapshot);
  } catch (error) {
    if (error instanceof ImpossibleEventError) return null;
    throw error;
  }
}

describe("segment", () => {
  test("every state is reached", () => {
    const reached = new Set(reach(segmentKind, segmentFacts).map(({ snapshot }) => stateName(snapshot)));
    expect([...reached].sort()).toEqual(Object.keys(segmentKind.machine.states).sort());
  });

  test("every event is taken or refused in every state, as written here", () => {
    expect(`\n${answers(segmentKind, segmentFacts)}\n`).toMatchInlineSnapshot(`
      "
                 SegmentAccepted  SegmentReceived  SegmentDispatched  SegmentWorkerLost  SegmentTranscoded  SegmentDelivered  SegmentFailed
      announced  uploading        .                .                  .                  .                  .                 .
      uploading  .                queued           .                  .                  .                  .                 failed
      queued     .                .                running            queued             .                  .                 failed
      running    .                .                .                  queued             encoded            .                 failed
      encoded    .                .                .                  .                  .                  delivered         failed
      delivered  .                .                .                  .                  .                  .                 .
      failed     .                .                .                  .                  .                  .                 .
      "
    `);
  });
});

describe("session", () => {
  test("every state is reached", () => {
    const reached = new Set(reach(sessionKind, sessionFacts).map(({ snapshot }) => stateName(snapshot)));
    expect([...reached].sort()).toEqual(Object.keys(sessionKind.machine.states).sort());
  });

  test("every event is taken or refused in every state, as written here", () => {
    expect(`\n${answers(sessionKind, sessionFacts)}\n`).toMatchInlineSnapshot(`
      "
                  SessionOpened  SessionSegmentStarted  SessionSegmentEnded  SessionEnded
      negotiated  idle           .                      .                    .
      idle        .              active                 .                    ended
      active      .              active                 active|idle          ending
      ending      .              .                      ended|ending         .
      ended       .              .                      .                    .
      "
    `);
  });
});

for (const [kind, facts] of [
  [segmentKind, segmentFacts],
  [sessionKind, sessionFacts],
] as const) {
  test(`${kind.kind}: the facts above are one of each event of the catalogue`, () => {
    const types = new Set<string>(facts.map(({ type }) => type));
    expect([...types].sort()).toEqual([...kind.events.keys()].sort());
  });

  test(`${kind.kind}: only final states take nothing, and they have no deadline`, () => {
    for (const { snapshot } of reach(kind, facts)) {
      const takes = facts.filter((event) => snapshot.can(event));
      expect([stateName(snapshot), takes.length === 0]).toEqual([
        stateName(snapshot),
        snapshot.status === "done",
      ]);
      if (snapshot.status === "done") expect(kind.deadline(snapshot)).toBeNull();
    }
  });

  test(`${kind.kind}: from every state an end is in reach`, () => {
    // Method: walk on from each reached snapshot until a final state turns up.
    const fold = new Fold(kind);
    for (const { snapshot } of reach(kind, facts)) {
      const seen = new Set([essence(snapshot)]);
      let front = [snapshot];
      while (front.length > 0 && front.every(({ status }) => status !== "done")) {
        front = front
          .flatMap((from) => facts.filter((event) => from.can(event)).map((event) => [from, event] as const))
          .map(([from, event]) => fold.apply(from, event).snapshot)
          .filter((next) => next.status === "done" || !seen.has(essence(next)));
        for (const next of front) seen.add(essence(next));
        if (seen.size > 500) break;
      }
      expect([stateName(snapshot), front.some(({ status }) => status === "done")]).toEqual([
        stateName(snapshot),
        true,
      ]);
    }
  });
}
