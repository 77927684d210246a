import { renameSync, writeFileSync } from "node:fs";

/*
 * Preloaded into a node by a bench: samples how late its timers run, and writes the samples to the file that the
 * environment names, once a second: pairs of Unix milliseconds and milliseconds of delay. Not a bench itself.
 */

const path = process.env["BENCH_LOOP_PROBE"] ?? "";
const everyMs = 2;
const samplesMax = 60_000;
let samples: (readonly [number, number])[] = [];

if (path !== "") {
  let expectedMs = performance.now() + everyMs;
  setInterval(() => {
    const nowMs = performance.now();
    samples.push([Date.now(), Math.max(0, nowMs - expectedMs)]);
    expectedMs = nowMs + everyMs;
  }, everyMs).unref();
  setInterval(() => {
    if (samples.length > samplesMax) samples = samples.slice(-samplesMax);
    // The writing is our own delay: it lands between two samples of ours and must not be counted.
    writeFileSync(`${path}.new`, samples.map(([atMs, ms]) => `${atMs} ${ms.toFixed(3)}\n`).join(""));
    renameSync(`${path}.new`, path);
    expectedMs = performance.now() + everyMs;
  }, 1_000).unref();
}
