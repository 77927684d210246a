import { describe, expect, test } from "bun:test";
import { StartBudget } from "../../../src/workers/startBudget.ts";

describe("StartBudget", () => {
  test("the first start is free, and so is the replacement of a worker that died", () => {
    const budget = new StartBudget();
    expect(budget.waitMs(0)).toBe(0);
    budget.workerDied(0);
    expect(budget.waitMs(0)).toBe(0);
  });

  test("starts that fail wait 250 ms, then twice as long each time, up to a minute", () => {
    const budget = new StartBudget();
    const waits: number[] = [];
    let nowMs = 1_000;
    for (let i = 0; i < 11; i += 1) {
      budget.startFailed(nowMs, false);
      waits.push(budget.waitMs(nowMs));
      nowMs += budget.waitMs(nowMs);
      expect(budget.waitMs(nowMs)).toBe(0);
    }
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    expect(budget.failures).toBe(11);
    budget.workerReady();
    expect([budget.failures, budget.waitMs(nowMs)]).toEqual([0, 0]);
  });

  test("a refusal by the worker itself waits at least five seconds", () => {
    const budget = new StartBudget();
    budget.startFailed(0, true);
    expect(budget.waitMs(0)).toBe(5_000);
  });

  // Goal: a stream of poison that kills every worker cannot make a hot loop. Method: a worker dies whenever one may
  // start; count the starts of ten minutes.
  test("deaths at work are replaced at once only a few times, then once a second", () => {
    const budget = new StartBudget();
    let starts = 0;
    for (let nowMs = 0; nowMs < 600_000; nowMs += 10) {
      if (budget.waitMs(nowMs) > 0) continue;
      starts += 1;
      budget.workerReady();
      budget.workerDied(nowMs);
    }
    expect(starts).toBeGreaterThan(590);
    expect(starts).toBeLessThan(610);
  });
});
