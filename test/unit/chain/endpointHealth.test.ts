import { describe, expect, test } from "bun:test";
import { EndpointHealth } from "../../../src/chain/endpointHealth.ts";

/* Goal: the state of an endpoint follows what it does. Method: a clock that the test owns. */

const head = (block: bigint) => ({ block, l1Block: null });

describe("failing", () => {
  test("begins with the second failure in a row, counts from the first one, and ends with an answer", () => {
    const health = new EndpointHealth();
    health.failed("a", 1_000);
    expect(health.state(1_000)).toBe("healthy");
    expect(health.unfitSinceMs(1_000)).toBeNull();
    health.failed("b", 4_000);
    expect(health.state(4_000)).toBe("failing");
    expect(health.unfitSinceMs(4_000)).toBe(1_000);
    for (let count = 0; count < 100; count += 1) health.failed("c", 5_000);
    health.succeeded();
    expect(health.state(6_000)).toBe("healthy");
    expect(health.lastError).toBe("c");
  });

  test("is also what fails every other time, until it has proved itself", () => {
    const health = new EndpointHealth();
    for (let count = 0; count < 20; count += 1) {
      health.failed("a", count);
      health.succeeded();
    }
    expect(health.state(20)).toBe("failing");
    health.succeeded();
    health.succeeded();
    expect(health.state(20)).toBe("healthy");
  });

  test("is looked after at ever longer intervals, up to a minute", () => {
    const health = new EndpointHealth();
    health.failed("a", 0);
    health.failed("a", 0);
    const probes: number[] = [];
    for (let nowMs = 0; nowMs <= 300_000; nowMs += 1_000)
      if (health.takeProbe(nowMs)) probes.push(nowMs / 1_000);
    expect(probes).toEqual([5, 15, 35, 75, 135, 195, 255]);
  });
});

describe("silence", () => {
  test("counts from the first request that nothing came back to, and not from before the last answer", () => {
    const health = new EndpointHealth();
    health.heard(1_000);
    for (const startMs of [500, 6_000, 12_000]) health.silent(startMs, startMs + 5_000);
    expect(health.silentSinceMs).toBe(1_000);
    expect(health.provedSilentMs(0, 17_000)).toBe(16_000);
    expect(health.provedSilentMs(7_000, 17_000)).toBe(10_000);
    health.heard(18_000);
    expect(health.silentSinceMs).toBeNull();
    expect(health.provedSilentMs(0, 18_000)).toBe(0);
  });

  test("is not proved by requests that were out together, nor by what is long past", () => {
    const health = new EndpointHealth();
    for (let count = 0; count < 9; count += 1) health.silent(0, 5_000);
    expect(health.provedSilentMs(0, 5_000)).toBe(0);
    health.silent(10_000, 20_000);
    health.silent(20_000, 30_000);
    expect(health.provedSilentMs(0, 30_000)).toBe(30_000);
    expect(health.provedSilentMs(0, 120_001)).toBe(0);
  });

  test("ends the time of a witness with its second failure, not with its first", () => {
    const health = new EndpointHealth();
    health.heard(1_000);
    health.silent(2_000, 3_000);
    expect(health.answeringSinceMs).toBe(1_000);
    health.heard(4_000);
    expect(health.answeringSinceMs).toBe(1_000);
    health.silent(5_000, 6_000);
    health.silent(6_000, 7_000);
    expect(health.answeringSinceMs).toBeNull();
    health.heard(8_000);
    expect(health.answeringSinceMs).toBe(8_000);
  });
});

describe("limits", () => {
  test("without a time are waited out, longer each time, but do not forbid to ask", () => {
    const health = new EndpointHealth();
    let nowMs = 0;
    const waits: number[] = [];
    for (let count = 0; count < 7; count += 1) {
      health.limited("429", null, nowMs);
      const startMs = nowMs;
      expect(health.askedAwayMs(nowMs)).toBe(0);
      while (health.state(nowMs) === "paused") nowMs += 500;
      waits.push(nowMs - startMs);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    health.limited("429", null, nowMs);
    expect(health.unfitSinceMs(nowMs)).toBe(0);
  });

  test("with a time hold, whatever an earlier request brings", () => {
    const health = new EndpointHealth();
    health.limited("429", 10_000, 0);
    health.succeeded();
    expect(health.askedAwayMs(4_000)).toBe(6_000);
    expect(health.state(10_000)).toBe("healthy");
  });
});

describe("hedgeMs", () => {
  test("follows the 95th percentile of the last answers, within bounds", () => {
    const health = new EndpointHealth();
    expect(health.hedgeMs).toBe(1_000);
    for (let count = 0; count < 32; count += 1) health.answered(10);
    expect(health.hedgeMs).toBe(150);
    for (let count = 0; count < 32; count += 1) health.answered(count < 30 ? 400 : 30_000);
    expect(health.latencyP95Ms).toBe(30_000);
    expect(health.hedgeMs).toBe(2_000);
    for (let count = 0; count < 32; count += 1) health.answered(400);
    expect(health.hedgeMs).toBe(600);
  });
});

describe("headAt", () => {
  test("tells what was shown then, and forgets what is long past", () => {
    const health = new EndpointHealth();
    for (let count = 0; count < 10_000; count += 1) health.saw(head(BigInt(count)), count * 10);
    const nowMs = 100_000;
    const told = health.headAt(nowMs - 2_000) ?? -1n;
    expect(told).toBeLessThanOrEqual(9_800n);
    expect(told).toBeGreaterThanOrEqual(9_775n);
    expect(health.headAt(nowMs - 20_000)).toBeNull();
  });

  test("forgets what a re-org took away", () => {
    const health = new EndpointHealth();
    health.saw(head(10n), 0);
    health.saw(head(12n), 1_000);
    health.saw(head(11n), 2_000);
    expect(health.headAt(1_500)).toBe(10n);
    expect(health.headAt(2_000)).toBe(11n);
    expect(health.roseAtMs).toBe(1_000);
  });
});
