import { availableParallelism, totalmem } from "node:os";
import { expect, test } from "bun:test";
import { cpuQuota, usableCores, usableMemoryBytes } from "../../../src/workers/usableCores.ts";

test.each([
  ["200000 100000\n", 2],
  ["50000 100000\n", 0.5],
  ["max 100000\n", null],
  ["", null],
  ["garbage", null],
  ["0 0", null],
])("a CPU quota of %j is %p cores", (text, cores) => {
  expect(cpuQuota(text)).toBe(cores);
});

test("what may be used is no more than what is there, and no less than one core", () => {
  expect(usableCores()).toBeGreaterThanOrEqual(1);
  expect(usableCores()).toBeLessThanOrEqual(availableParallelism());
  expect(usableMemoryBytes()).toBeGreaterThan(0);
  expect(usableMemoryBytes()).toBeLessThanOrEqual(totalmem());
});
