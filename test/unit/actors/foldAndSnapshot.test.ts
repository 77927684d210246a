import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { setup } from "xstate";
import { accountKind } from "../../../src/actors/account/decide.ts";
import { chainKind } from "../../../src/actors/chain/decide.ts";
import { Fold, ImpossibleEventError } from "../../../src/actors/fold.ts";
import { gatewayKind } from "../../../src/actors/gateway/decide.ts";
import { type ActorKind, effect } from "../../../src/actors/kind.ts";
import { pricingKind } from "../../../src/actors/pricing/decide.ts";
import { segmentKind } from "../../../src/actors/segment/decide.ts";
import { sessionKind } from "../../../src/actors/session/decide.ts";
import { decodeSnapshot, encodeSnapshot, stateName } from "../../../src/actors/snapshot.ts";
import { ticketKind } from "../../../src/actors/ticket/decide.ts";
import { object } from "../../../src/events/codec.ts";
import type { AnyEvent } from "../../../src/events/definition.ts";
import { rational } from "../../../src/protocol/rational.ts";
import { segmentIn, sessionIn } from "./facts.ts";
import { foldAll } from "./given.ts";
import { accountIn, chainIn, gatewayIn, paymentAccepted, pricingIn, ticketIn } from "./moneyFacts.ts";

type Life = readonly [kind: ActorKind, state: string, events: readonly AnyEvent[]];

const livesOf = (kind: ActorKind, states: Readonly<Record<string, readonly AnyEvent[]>>): readonly Life[] =>
  Object.entries(states).map(([state, events]) => [kind, state, events]);

const lives: readonly Life[] = [
  ...livesOf(segmentKind, segmentIn),
  ...livesOf(sessionKind, sessionIn),
  ...livesOf(accountKind, accountIn),
  ...livesOf(ticketKind, ticketIn),
  ...livesOf(gatewayKind, gatewayIn),
  ...livesOf(chainKind, chainIn),
  ...livesOf(pricingKind, pricingIn),
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
    const account = encodeSnapshot(accountKind, foldAll(new Fold(accountKind), accountIn.busy));
    expect(account).toMatchInlineSnapshot(
      `"{"status":"active","value":"open","context":{"sender":"0xb1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1","price":{"numerator":"1","denominator":"5"},"credited":{"numerator":"2000","denominator":"1"},"debited":{"numerator":"0","denominator":"1"},"openJobs":[{"jobId":"a","price":{"numerator":"1","denominator":"5"},"fee":{"numerator":"100","denominator":"1"}}],"ticketValue":{"numerator":"36185027886661311069865932815214971204146870208012676262330495002472853012480000","denominator":"23158417847463239084714197001737581570653996933128112807891516801582625927987"},"tickets":2,"winners":0,"idleDeadlineMs":901000}}"`,
    );
    const text = encodeSnapshot(segmentKind, foldAll(new Fold(segmentKind), segmentIn.requeued));
    expect(text).toMatchInlineSnapshot(
      `"{"status":"active","value":"queued","context":{"sessionId":"5e55.1","mediaHash":"0xabababababababababababababababababababababababababababababababab","uploadDeadlineMs":8000,"deadlineMs":16000,"attempt":1,"lostWorkers":["w1"],"pixels":0,"outcome":null}}"`,
    );
  });
});

describe("the fold over an account", () => {
  // Goal: money does not depend on when a snapshot was taken. Method: cut a random life anywhere, go through the
  // text of a snapshot there, and compare the end with the uncut fold, byte for byte.
  test("gives the same bytes whether or not it went through a snapshot on the way", () => {
    const amounts = fc.array(fc.tuple(fc.bigInt({ min: 0n, max: 1n << 256n }), fc.bigInt(1n, 1n << 63n)), {
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(amounts, fc.nat(), (credits, cutAt) => {
        const events = credits.map(([wei, parts]) => ({
          ...paymentAccepted(1),
          credit: rational(wei, parts),
        }));
        const cut = cutAt % (events.length + 1);
        const fold = new Fold(accountKind);
        const half = encodeSnapshot(accountKind, foldAll(fold, events.slice(0, cut)));
        let snapshot = decodeSnapshot(accountKind, half);
        for (const event of events.slice(cut)) snapshot = fold.apply(snapshot, event).snapshot;
        expect(encodeSnapshot(accountKind, snapshot)).toBe(
          encodeSnapshot(accountKind, foldAll(new Fold(accountKind), events)),
        );
      }),
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
