import { describe, expect, test } from "bun:test";
import { Throughput } from "../../../src/workers/throughput.ts";

describe("Throughput", () => {
  test("knows nothing before the first sample, and learns nothing from one without pixels", () => {
    const rate = new Throughput(2, 2);
    expect(rate.pixelsPerSecond).toBeNull();
    rate.record({ pixels: 0, wallMs: 100, cpuMs: 100, concurrency: 1 });
    expect(rate.pixelsPerSecond).toBeNull();
  });

  test("with slots free, CPU time speaks for all cores, whatever the wall time", () => {
    // 10 Mpixel for one CPU second: four cores deliver 40 Mpixel/s.
    for (const wallMs of [250, 1_000, 5_000]) {
      const rate = new Throughput(4, 4);
      rate.record({ pixels: 10_000_000, wallMs, cpuMs: 1_000, concurrency: 1 });
      expect(rate.pixelsPerSecond).toBeCloseTo(40_000_000, 0);
    }
  });

  test("under full load, wall time tells", () => {
    const rate = new Throughput(2, 2);
    // Two jobs side by side, each 10 Mpixel in a second; CPU time claims more than the machine delivers.
    rate.record({ pixels: 10_000_000, wallMs: 1_000, cpuMs: 500, concurrency: 2 });
    expect(rate.pixelsPerSecond).toBeCloseTo(20_000_000, 0);
  });

  test("a GPU with free slots is at least as fast as it was seen", () => {
    const rate = new Throughput(4, null);
    const at = (pixels: number, concurrency: number) =>
      rate.record({ pixels, wallMs: 1_000, cpuMs: null, concurrency });
    at(10_000_000, 1);
    expect(rate.pixelsPerSecond).toBeCloseTo(10_000_000, 0);
    at(5_000_000, 1);
    expect(rate.pixelsPerSecond).toBeCloseTo(10_000_000, 0);
    for (let i = 0; i < 1_000; i += 1) at(10_000_000, 4);
    expect(rate.pixelsPerSecond).toBeCloseTo(40_000_000, -5);
  });

  test("tiny segments move the figure little, a changed load takes over within a minute of work", () => {
    const rate = new Throughput(1, 1);
    for (let i = 0; i < 60; i += 1)
      rate.record({ pixels: 30_000_000, wallMs: 1_000, cpuMs: 1_000, concurrency: 1 });
    rate.record({ pixels: 1_000, wallMs: 10, cpuMs: 10, concurrency: 1 });
    expect(rate.pixelsPerSecond).toBeGreaterThan(29_900_000);
    for (let i = 0; i < 60; i += 1)
      rate.record({ pixels: 10_000_000, wallMs: 1_000, cpuMs: 1_000, concurrency: 1 });
    expect(rate.pixelsPerSecond).toBeLessThan(13_000_000);
  });
});
