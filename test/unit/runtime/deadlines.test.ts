import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { StreamId } from "../../../src/events/envelope.ts";
import { Deadlines } from "../../../src/runtime/deadlines.ts";

/*
 * Goal: the heap gives every deadline exactly once, at or after its time, soonest first, however often deadlines
 * move. Method: random sequences of moves and clock readings against a plain map that is searched from end to end.
 */

type Step =
  | { readonly type: "set"; readonly stream: number; readonly atMs: number | null; readonly word: string }
  | { readonly type: "take"; readonly nowMs: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("set" as const),
      stream: fc.nat(30),
      atMs: fc.option(fc.nat(50), { freq: 5 }),
      word: fc.constantFrom("A", "B"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("take" as const), nowMs: fc.nat(60) }) },
);

const id = (stream: number): StreamId => `x:${stream}`;

describe("deadlines", () => {
  test("against a plain list, over random moves", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const heap = new Deadlines();
        const plain = new Map<StreamId, { readonly atMs: number; readonly word: string }>();
        for (const now of steps) {
          if (now.type === "set") {
            const { stream, atMs, word } = now;
            heap.set(id(stream), atMs === null ? null : { atMs, command: { type: word } });
            if (atMs === null) plain.delete(id(stream));
            else plain.set(id(stream), { atMs, word });
          } else {
            const times: number[] = [];
            for (let due = heap.takeDue(now.nowMs); due !== null; due = heap.takeDue(now.nowMs)) {
              const wanted = plain.get(due.stream);
              expect({ stream: due.stream, word: due.command.type }).toEqual({
                stream: due.stream,
                word: wanted?.word ?? "nothing was due",
              });
              times.push(wanted?.atMs ?? -1);
              plain.delete(due.stream);
            }
            expect(times).toEqual(times.toSorted((left, right) => left - right));
            expect([...plain.values()].filter(({ atMs }) => atMs <= now.nowMs)).toEqual([]);
          }
          expect(heap.size).toBe(plain.size);
          const nextMs = Math.min(...[...plain.values()].map(({ atMs }) => atMs));
          expect(heap.nextMs()).toBe(plain.size === 0 ? null : nextMs);
        }
      }),
      { numRuns: 150 },
    );
  });

  test("moving deadlines a million times does not grow memory", () => {
    const heap = new Deadlines();
    for (let stream = 0; stream < 10; stream++) heap.set(id(stream), { atMs: 1, command: { type: "A" } });
    let heldMost = 0;
    for (let index = 0; index < 1_000_000; index++) {
      heap.set(id(index % 10), { atMs: index, command: { type: "A" } });
      heldMost = Math.max(heldMost, heap.heldCount);
    }
    // Counted, not weighed: the heap of the process depends on what other tests left behind.
    expect(heldMost).toBeLessThanOrEqual(65);
    expect(heap.size).toBe(10);
    expect(heap.nextMs()).toBe(999_990);
  });
});
