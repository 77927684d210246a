import { existsSync } from "node:fs";
import { join } from "node:path";
import { allEvents } from "../../src/events/catalogue.ts";
import { encodeEvent } from "../../src/events/definition.ts";
import type { SegmentEvent } from "../../src/events/segment.ts";
import type { SessionEvent } from "../../src/events/session.ts";

/*
 * Writes the golden file of every event type at its current schema version, where there is none yet: run it when a
 * type is new or has a new version. What is there is never written again, so every form that was ever in a log stays
 * here for ever.
 */

type NodeEvent = SegmentEvent | SessionEvent;
type Examples = { readonly [T in NodeEvent["type"]]: Extract<NodeEvent, { readonly type: T }> };

const mediaHash = `0x${"5e".repeat(32)}` as const;
const sender = `0x${"00".repeat(19)}01` as const;

const examples: Examples = {
  SegmentAccepted: {
    type: "SegmentAccepted",
    sessionId: "0123456789abcdef0123456789abcdef.1",
    sender,
    manifestId: "0x6c697665",
    seq: 18_446_744_073_709_551_615n,
    mediaHash,
    durationMs: 2_000,
    profiles: [
      {
        name: 'P720 "live" \u0000 ü 👍',
        width: 1_280,
        height: 720,
        bitrate: 4_000_000,
        fps: 30_000,
        fpsDen: 1_001,
        gopMs: -1,
        profile: "constrained-high",
        format: "mp4",
        encoder: "h265",
        quality: 23,
      },
      {
        name: "P144p30fps16x9",
        width: 256,
        height: 144,
        bitrate: 400_000,
        fps: 30,
        fpsDen: 1,
        gopMs: 0,
        profile: "default",
        format: "mpegts",
        encoder: "h264",
        quality: 0,
      },
    ],
    clip: { fromMs: 100, toMs: 1_900 },
    calcPerceptualHash: true,
    uploadDeadlineMs: 1_767_225_608_000,
    deadlineMs: 1_767_225_616_000,
  },
  SegmentReceived: { type: "SegmentReceived", bytes: 1_234_567 },
  SegmentDispatched: { type: "SegmentDispatched", workerId: "software-0.3", attempt: 2 },
  SegmentWorkerLost: {
    type: "SegmentWorkerLost",
    workerId: "software-0.3",
    cause: "oversized",
    attempt: 2,
    mediaHash,
  },
  SegmentTranscoded: {
    type: "SegmentTranscoded",
    decodedFrames: 60,
    decodedPixels: 55_296_000,
    codecUs: 123_456,
    renditions: [
      {
        name: "P144p30fps16x9",
        path: "0123456789abcdef0123456789abcdef/P144p30fps16x9/7.ts",
        bytes: 51_200,
        frames: 60,
        pixels: 2_211_840,
        keccak256: mediaHash,
        hasPerceptualHash: true,
      },
    ],
  },
  SegmentDelivered: { type: "SegmentDelivered" },
  SegmentFailed: { type: "SegmentFailed", code: "CODEC_REFUSED", text: "Invalid data found" },
  SessionOpened: {
    type: "SessionOpened",
    sender,
    manifestId: "0x6c697665",
    remoteAddress: "2001:db8::1",
    tokenExpiration: 1_767_227_400n,
    demandPixelsPerSecond: 27_648_000,
  },
  SessionSegmentStarted: {
    type: "SessionSegmentStarted",
    segmentId: "0123456789abcdef0123456789abcdef.1/1",
    seq: 18_446_744_073_709_551_615n,
  },
  SessionSegmentEnded: {
    type: "SessionSegmentEnded",
    segmentId: "0123456789abcdef0123456789abcdef.1/1",
    outcome: "delivered",
    pixels: 2_211_840,
    idleDeadlineMs: 1_767_225_680_000,
  },
  SessionEnded: { type: "SessionEnded", cause: "ended-by-gateway" },
};

for (const [type, definition] of allEvents) {
  const path = join(import.meta.dir, "golden", `${type}.v${definition.schemaVersion}.jsonl`);
  const example = examples[type as keyof Examples];
  if (existsSync(path) || example === undefined) continue;
  await Bun.write(path, `${encodeEvent(definition, example)}\n`);
  console.log(`wrote ${path}`);
}
