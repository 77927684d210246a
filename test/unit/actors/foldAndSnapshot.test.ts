import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { setup } from "xstate";
import { Fold, ImpossibleEventError } from "../../../src/actors/fold.ts";
import { type ActorKind, effect } from "../../../src/actors/kind.ts";
import { segmentKind } from "../../../src/actors/segment/decide.ts";
import { sessionKind } from "../../../src/actors/session/decide.ts";
import { decodeSnapshot, encodeSnapshot, stateName } from "../../../src/actors/snapshot.ts";
import { object } from "../../../src/events/codec.ts";
import type { AnyEvent } from "../../../src/events/definition.ts";
import { segmentIn, sessionIn } from "./facts.ts";
import { foldAll } from "./given.ts";

type Life = readonly [kind: ActorKind, state: string, events: readonly AnyEvent[]];

const lives: readonly Life[] = [
  ...Object.entries(segmentIn).map(([state, events]): Life => [segmentKind, state, events]),
  ...Object.entries(sessionIn).map(([state, events]): Life => [sessionKind, state, events]),
];

describe("snapshots", () => {
  for (const [kind, state, events] of lives) {
    test(`${kind.kind} ${state}: text and back is the same state with the same future`, () => {
      const fold = new Fold(kind);
      const before = foldAll(fold, events);
      const text = encodeSnapshot(kind, before);
      const after = decodeSnapshot(kind, text);
      expect(encodeSnapshot(kind, after)).toBe(text);
      expect(after.status).toBe(before.status);
      expect(kind.deadline(after)).toEqual(kind.deadline(before));
      for (const next of lives.filter(([other]) => other === kind).flatMap(([, , all]) => all)) {
        expect(after.can(next)).toBe(before.can(next));
        if (!before.can(next)) continue;
        const left = fold.apply(before, next);
        const right = fold.apply(after, next);
        expect(encodeSnapshot(kind, right.snapshot)).toBe(encodeSnapshot(kind, left.snapshot));
        expect(right.effects).toEqual(left.effects);
      }
    });
  }

  test("a snapshot whose context does not fit is refused, not guessed", () => {
    const text = encodeSnapshot(segmentKind, foldAll(new Fold(segmentKind), segmentIn.running));
    expect(() => decodeSnapshot(segmentKind, text.replace('"attempt":1', '"attempt":"1"'))).toThrow(
      "attempt",
    );
    expect(() => decodeSnapshot(segmentKind, text.replace('"attempt":1,', ""))).toThrow("attempt");
  });

  test("the text of a snapshot is exactly this: stored hashes depend on it", () => {
    const text = encodeSnapshot(segmentKind, foldAll(new Fold(segmentKind), segmentIn.requeued));
    expect(text).toMatchInlineSnapshot(
      `"{"status":"active","value":"queued","context":{"sessionId":"5e55.1","mediaHash":"0xabababababababababababababababababababababababababababababababab","uploadDeadlineMs":8000,"deadlineMs":16000,"attempt":1,"lostWorkers":["w1"],"pixels":0,"outcome":null}}"`,
    );
  });
});

describe("fold", () => {
  test("an event that the state does not take throws, and changes nothing", () => {
    const fold = new Fold(segmentKind);
    const snapshot = foldAll(fold, segmentIn.uploading);
    const [, , dispatched] = segmentIn.running;
    expect(() => fold.apply(snapshot, dispatched ?? { type: "none" })).toThrow(ImpossibleEventError);
    expect(stateName(snapshot)).toBe("uploading");
    expect(() => fold.apply(snapshot, { type: "NeverHeardOf" })).toThrow(ImpossibleEventError);
  });

  test("is deterministic: the same events give the same bytes, with other lives folded in between", () => {
    // Method: one shared fold against a fresh one for each life, in random interleavings.
    const names = Object.keys(segmentIn) as (keyof typeof segmentIn)[];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 12 }), (picks) => {
        const shared = new Fold(segmentKind);
        for (const pick of picks) {
          const alone = foldAll(new Fold(segmentKind), segmentIn[pick]);
          const together = foldAll(shared, segmentIn[pick]);
          expect(encodeSnapshot(segmentKind, together)).toBe(encodeSnapshot(segmentKind, alone));
        }
      }),
      { numRuns: 50 },
    );
  });

  test("an initial state that asks for effects is refused: nothing would record them", () => {
    const machine = setup({ actions: { shout: effect<Record<never, never>>() } }).createMachine({
      initial: "here",
      states: { here: { entry: { type: "shout", params: {} } } },
    });
    const kind = { ...segmentKind, kind: "loud", machine, context: object({}) } as unknown as ActorKind;
    expect(() => new Fold(kind).initial("x")).toThrow("asks for effects");
  });

  test("nested states have readable names", () => {
    const machine = setup({}).createMachine({
      initial: "outer",
      states: { outer: { initial: "inner", states: { inner: {} } } },
    });
    const kind = { ...segmentKind, kind: "nested", machine } as unknown as ActorKind;
    expect(stateName(new Fold(kind).initial("x"))).toBe("outer.inner");
  });
});
