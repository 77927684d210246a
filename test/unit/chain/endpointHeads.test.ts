import { expect, test } from "bun:test";
import type { Endpoint } from "../../../src/chain/endpoint.ts";
import { HeadWatch } from "../../../src/chain/endpointHeads.ts";
import { EndpointHealth } from "../../../src/chain/endpointHealth.ts";

/*
 * Goal: an endpoint that has fallen silent is known to be dead after seconds, without anybody asking for its vote, and
 * is left in peace after that. Method: a clock that waits move, and an endpoint that takes its time to say nothing.
 */

function silentFor(tookMs: number, answersAtMs = Number.POSITIVE_INFINITY) {
  const health = new EndpointHealth();
  const endpoint = { health } as Endpoint;
  let nowMs = 0;
  const asked: number[] = [];
  const ask = (): void => {
    const startMs = nowMs;
    asked.push(startMs);
    if (startMs < answersAtMs) {
      nowMs += tookMs;
      health.silent(startMs, nowMs);
    } else health.heard(nowMs);
  };
  const watch = new HeadWatch({
    ...{ endpoints: [endpoint, { health: new EndpointHealth() } as Endpoint], behindMs: 2_000 },
    ...{ monotonicMs: () => nowMs, silentMs: 15_000, isClosed: () => asked.length > 20 },
    readHead: async () => {
      ask();
      return null;
    },
    wait: async (ms) => {
      nowMs += ms;
    },
  });
  ask();
  return { health, asked, pursued: watch.pursue(endpoint), now: () => nowMs };
}

test("one that refuses connections: proved after 15 s", async () => {
  const { asked, pursued, health, now } = silentFor(0);
  await pursued;
  expect(asked).toEqual([0, 5_000, 10_000, 15_000]);
  expect(health.provedSilentMs(0, now())).toBe(15_000);
});

test("one that swallows requests: proved after two time-outs more at the most", async () => {
  const { asked, pursued } = silentFor(5_000);
  await pursued;
  expect(asked).toEqual([0, 5_000 + 5_000, 15_000 + 1_000]);
});

test("one that answers again is left in peace", async () => {
  const { asked, pursued, health } = silentFor(0, 10_000);
  await pursued;
  expect(asked).toEqual([0, 5_000, 10_000]);
  expect(health.silentSinceMs).toBeNull();
});
