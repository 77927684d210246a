import { expect, test } from "bun:test";
import { GasMemory } from "../../../../src/runtime/chain/gasMemory.ts";

const gwei = 1_000_000_000n;
const hourMs = 3_600_000;

/** Notes a price every 12 seconds for so many hours, and returns the moment after the last. */
function noteFor(memory: GasMemory, price: bigint, fromMs: number, hours: number): number {
  let nowMs = fromMs;
  for (; nowMs < fromMs + hours * hourMs; nowMs += 12_000) memory.note(price, nowMs);
  return nowMs;
}

test("nothing is a spike before a price is known, and the first price is the usual one", () => {
  const memory = new GasMemory();
  expect(memory.isSpike(1_000n * gwei)).toBe(false);
  memory.note(2n * gwei, 0);
  expect(memory.isSpike(3n * gwei)).toBe(false);
  expect(memory.isSpike(3n * gwei + 1_000_000n)).toBe(true);
});

test("a high price becomes usual in hours, not in minutes", () => {
  const memory = new GasMemory();
  let nowMs = noteFor(memory, gwei, 0, 6);
  nowMs = noteFor(memory, 10n * gwei, nowMs, 0.25);
  expect(memory.isSpike(10n * gwei)).toBe(true);
  noteFor(memory, 10n * gwei, nowMs, 24);
  expect(memory.isSpike(10n * gwei)).toBe(false);
});

test("a node that starts in a spike has forgotten it a few looks after it is over", () => {
  const memory = new GasMemory();
  memory.note(100n * gwei, 0);
  for (let look = 1; look <= 8; look += 1) memory.note(gwei, look * 12_000);
  expect(memory.isSpike(3n * gwei)).toBe(true);
});

test("the time between two prices counts, not how many there were", () => {
  const [often, rarely] = [new GasMemory(), new GasMemory()];
  for (const memory of [often, rarely]) memory.note(gwei, 0);
  for (let nowMs = 12_000; nowMs <= 6 * hourMs; nowMs += 12_000) often.note(3n * gwei, nowMs);
  rarely.note(3n * gwei, 6 * hourMs);
  // After six hours at three times the price, 1 − 1/e of the way: 2.26, and half above that is 3.4.
  for (const memory of [often, rarely]) {
    expect(memory.isSpike((338n * gwei) / 100n)).toBe(false);
    expect(memory.isSpike((342n * gwei) / 100n)).toBe(true);
  }
});

test("a price of nothing is a price", () => {
  const memory = new GasMemory();
  memory.note(0n, 0);
  expect(memory.isSpike(0n)).toBe(false);
  expect(memory.isSpike(1n)).toBe(true);
});
