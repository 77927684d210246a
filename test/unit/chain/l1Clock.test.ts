import { expect, test } from "bun:test";
import fc from "fast-check";
import { L1Clock } from "../../../src/chain/l1Clock.ts";

/*
 * Goal: the L1 number that tickets live and die by goes on in an outage, and never back. Method: the test owns the
 * monotonic clock.
 */

function clockAt(seed: { block: bigint; ageMs: number } | null) {
  let atMs = 1_000;
  const clock = new L1Clock({ monotonicMs: () => atMs, seed });
  return {
    clock,
    pass: (ms: number) => {
      atMs += ms;
    },
  };
}

test("nothing is known before the chain was read once", () => {
  const { clock, pass } = clockAt(null);
  pass(1_000_000);
  expect(clock.now()).toBeNull();
  expect(clock.observe(7n, null)).toBe("taken");
  expect(clock.now()).toBe(7n);
});

test("for 15 s without news the number stands, then it goes on by one each 12 s of silence", () => {
  const { clock, pass } = clockAt(null);
  clock.observe(100n, null);
  pass(15_000);
  expect(clock.now()).toBe(100n);
  pass(1);
  expect(clock.now()).toBe(101n);
  pass(9_000);
  expect(clock.now()).toBe(102n);
  pass(3_600_000 - 24_001);
  expect(clock.now()).toBe(400n);
});

test("a chain that comes back behind our clock is waited for; one ahead is taken at once", () => {
  const { clock, pass } = clockAt(null);
  clock.observe(100n, null);
  pass(120_000);
  expect(clock.now()).toBe(110n);
  clock.observe(105n, null);
  expect(clock.now()).toBe(110n);
  pass(5_000);
  clock.observe(106n, null);
  expect(clock.now()).toBe(110n);
  clock.observe(111n, null);
  expect(clock.now()).toBe(111n);
});

test("a seed goes on for the time that the node was away, a day at most, and not into the past", () => {
  expect(clockAt({ block: 1_000n, ageMs: 600_000 }).clock.now()).toBe(1_050n);
  expect(clockAt({ block: 1_000n, ageMs: 1e15 }).clock.now()).toBe(1_000n + 7_200n);
  expect(clockAt({ block: 1_000n, ageMs: -1e15 }).clock.now()).toBe(1_000n);
});

test("a jump of more than an hour is believed when it is seen twice, and a lie is forgotten", () => {
  const { clock } = clockAt(null);
  clock.observe(100n, null);
  expect(clock.observe(401n, null)).toBe("doubted");
  expect(clock.now()).toBe(100n);
  expect(clock.observe(101n, null)).toBe("taken");
  expect(clock.observe(10n ** 15n, null)).toBe("doubted");
  expect(clock.observe(500n, null)).toBe("doubted");
  expect(clock.observe(501n, null)).toBe("taken");
  expect(clock.now()).toBe(501n);
});

test("on a chain that never rests, a number that stands still is an outage", () => {
  const { clock, pass } = clockAt(null);
  clock.observe(100n, 60_000);
  for (let poll = 0; poll < 12; poll++) {
    pass(5_000);
    expect(clock.observe(100n, 60_000)).toBe("taken");
  }
  expect(clock.now()).toBe(100n);
  pass(5_000);
  expect(clock.observe(100n, 60_000)).toBe("stalled");
  pass(12_000);
  expect(clock.observe(100n, 60_000)).toBe("stalled");
  expect(clock.now()).toBe(101n);
  expect(clock.observe(102n, 60_000)).toBe("taken");
});

test("a chain that mines when it likes may rest for ever", () => {
  const { clock, pass } = clockAt(null);
  clock.observe(100n, null);
  for (let poll = 0; poll < 100; poll++) {
    pass(10_000);
    expect(clock.observe(100n, null)).toBe("taken");
  }
  expect(clock.now()).toBe(100n);
});

test("property: whatever the chain says and however long it is silent, the number never goes back", () => {
  const step = fc.record({
    passMs: fc.nat(200_000),
    block: fc.option(fc.bigInt({ min: 0n, max: 5_000n })),
    stallMs: fc.constantFrom(null, 60_000),
  });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 50 }),
      fc.option(fc.bigInt({ min: 0n, max: 2_000n })),
      (steps, seed) => {
        const { clock, pass } = clockAt(seed === null ? null : { block: seed, ageMs: 0 });
        let last = clock.now() ?? 0n;
        for (const { passMs, block, stallMs } of steps) {
          pass(passMs);
          if (block !== null) clock.observe(block, stallMs);
          const now = clock.now() ?? 0n;
          if (now < last) return false;
          last = now;
        }
        return true;
      },
    ),
  );
});

test("in silence it goes on at the pace that was seen: a chain of one's own may have a block a second", () => {
  const { clock, pass } = clockAt(null);
  for (let block = 100n; block < 110n; block += 1n) {
    clock.observe(block, null);
    pass(1_000);
  }
  pass(59_000);
  // 60 s after block 109.
  expect(clock.now()).toBe(169n);
});

test("a burst of blocks is no pace, and neither are a few observations", () => {
  const bursty = clockAt(null);
  for (let look = 0n; look < 10n; look += 1n) {
    bursty.clock.observe(100n + (look === 5n ? 41n : look > 5n ? 41n : 0n), null);
    bursty.pass(1_000);
  }
  bursty.pass(119_000);
  expect(bursty.clock.now()).toBe(151n);
  const fresh = clockAt(null);
  for (const block of [100n, 101n, 102n]) {
    fresh.clock.observe(block, null);
    fresh.pass(1_000);
  }
  fresh.pass(119_000);
  expect(fresh.clock.now()).toBe(112n);
});

test("however fast the chain was, no more than a block a second is counted", () => {
  const { clock, pass } = clockAt(null);
  for (let block = 100n; block < 200n; block += 10n) {
    clock.observe(block, null);
    pass(1_000);
  }
  pass(99_000);
  expect(clock.now()).toBe(290n);
});
