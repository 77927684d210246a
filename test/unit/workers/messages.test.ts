import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { readWorkerReport } from "../../../src/workers/messages.ts";

const rendition = {
  bytes: new Uint8Array(3),
  byteLength: 3,
  frames: 2,
  pixels: 100,
  keccak256: new Uint8Array(32),
  perceptualHash: null,
};
const transcoded = {
  type: "transcoded",
  ticket: 1,
  cpuMs: 1.5,
  renditions: [rendition],
  decodedPixels: 100,
  timings: { decodedFrames: 2, codecMs: 3 },
};

describe("readWorkerReport", () => {
  test("accepts each kind of report", () => {
    const reports = [
      { type: "ready", codec: "libx264" },
      { type: "refused", text: "no library" },
      { type: "pong", id: 4 },
      { type: "failed", ticket: 1, cpuMs: null, text: "bad" },
      { type: "cancelled", ticket: 1, cpuMs: 0 },
      transcoded,
      { ...transcoded, renditions: [{ ...rendition, perceptualHash: new Uint8Array(9) }] },
      { ...transcoded, renditions: [{ ...rendition, bytes: null, byteLength: 1e9 }] },
    ];
    for (const report of reports) expect(readWorkerReport(report) === report).toBeTrue();
  });

  test("refuses a report with any field damaged", () => {
    const damaged = [
      { ...transcoded, ticket: 1.5 },
      { ...transcoded, cpuMs: "1" },
      { ...transcoded, cpuMs: Number.NaN },
      { ...transcoded, renditions: {} },
      { ...transcoded, renditions: [null] },
      { ...transcoded, decodedPixels: -1 },
      { ...transcoded, timings: null },
      { ...transcoded, timings: { decodedFrames: 1 } },
      { ...transcoded, renditions: [{ ...rendition, byteLength: 4 }] },
      { ...transcoded, renditions: [{ ...rendition, bytes: null }, rendition] },
      { ...transcoded, renditions: [{ ...rendition, bytes: null, byteLength: 2 ** 33 }] },
      ...["bytes", "byteLength", "frames", "pixels", "keccak256"].map((field) => ({
        ...transcoded,
        renditions: [{ ...rendition, [field]: undefined }],
      })),
      { ...transcoded, renditions: [{ ...rendition, keccak256: new Uint8Array(31) }] },
      { ...transcoded, renditions: [{ ...rendition, perceptualHash: "x" }] },
      { type: "failed", ticket: 1, cpuMs: null },
      { type: "pong" },
      { type: "ready" },
      { type: "refused", text: 1 },
    ];
    for (const report of damaged) expect(readWorkerReport(report)).toBeNull();
  });

  test("never throws, and accepts nothing by chance", () => {
    fc.assert(fc.property(fc.anything(), (value) => expect(readWorkerReport(value)).toBeNull()));
  });
});
