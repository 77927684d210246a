import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FairQueue } from "../../../src/workers/fairQueue.ts";

function takeAll<Item>(queue: FairQueue<Item>): Item[] {
  const items: Item[] = [];
  for (;;) {
    const next = queue.take(() => true);
    if (next === null) return items;
    items.push(next.item);
  }
}

describe("FairQueue", () => {
  test("serves sessions in turn and each session in order", () => {
    const queue = new FairQueue<string>(10);
    for (const item of ["a1", "a2", "a3", "b1", "c1", "c2"]) queue.push(item.slice(0, 1), item);
    expect(takeAll(queue)).toEqual(["a1", "b1", "c1", "a2", "c2", "a3"]);
  });

  test("a session that comes later waits for one item of each other session at most", () => {
    const queue = new FairQueue<string>(100);
    for (let i = 0; i < 20; i += 1) queue.push("long", `long${i}`);
    queue.take(() => true);
    queue.push("late", "late0");
    expect(takeAll(queue).indexOf("late0")).toBe(1);
  });

  test("skips a session whose head finds no place, without changing its order", () => {
    const queue = new FairQueue<string>(10);
    for (const item of ["a1", "a2", "b1"]) queue.push(item.slice(0, 1), item);
    expect(queue.take((item) => (item === "a1" ? null : "here"))).toEqual({ item: "b1", place: "here" });
    expect(queue.take(() => null)).toBeNull();
    expect(takeAll(queue)).toEqual(["a1", "a2"]);
  });

  test("is bounded, and a removed item makes room", () => {
    const queue = new FairQueue<string>(2);
    expect([queue.push("a", "a1"), queue.push("b", "b1"), queue.push("c", "c1")]).toEqual([
      true,
      true,
      false,
    ]);
    expect(queue.remove("a", "a1")).toBeTrue();
    expect(queue.remove("a", "a1")).toBeFalse();
    expect(queue.push("c", "c1")).toBeTrue();
    expect(queue.drain()).toEqual(["b1", "c1"]);
    expect(queue.size).toBe(0);
  });

  // Goal: no item is lost, doubled or overtaken within its session, whatever the mix of operations.
  test("conserves items and the order within a session", () => {
    const operation = fc.oneof(
      fc.record({ type: fc.constant("push" as const), session: fc.integer({ min: 0, max: 4 }) }),
      fc.record({ type: fc.constant("take" as const), refuse: fc.integer({ min: 0, max: 4 }) }),
      fc.record({ type: fc.constant("remove" as const), at: fc.nat(30) }),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
        const queue = new FairQueue<{ session: string; number: number }>(16);
        const waiting: { session: string; number: number }[] = [];
        let number = 0;
        for (const step of operations) {
          if (step.type === "push") {
            number += 1;
            const item = { session: String(step.session), number };
            const isTaken = queue.push(item.session, item);
            expect(isTaken).toBe(waiting.length < 16);
            if (isTaken) waiting.push(item);
          } else if (step.type === "take") {
            const refused = String(step.refuse);
            const next = queue.take((item) => (item.session === refused ? null : true));
            const candidates = waiting.filter((item) => item.session !== refused);
            expect(next === null).toBe(candidates.length === 0);
            if (next === null) continue;
            expect(next.item).toBe(
              candidates.find((item) => item.session === next.item.session) ?? next.item,
            );
            waiting.splice(waiting.indexOf(next.item), 1);
          } else {
            const item = waiting[step.at];
            if (item === undefined) continue;
            expect(queue.remove(item.session, item)).toBeTrue();
            waiting.splice(step.at, 1);
          }
          expect(queue.size).toBe(waiting.length);
        }
        expect(takeAll(queue).sort((a, b) => a.number - b.number)).toEqual(waiting);
      }),
    );
  });
});
