import type { SegmentCommand } from "../../../src/actors/segment/decide.ts";
import type { SessionCommand } from "../../../src/actors/session/decide.ts";
import type { SegmentEvent } from "../../../src/events/segment.ts";
import type { SessionEvent } from "../../../src/events/session.ts";

/* One good example of every command and event of both entities. Tests change what they are about. */

type Of<U extends { readonly type: string }, T extends U["type"]> = Extract<U, { readonly type: T }>;

export const mediaHash = `0x${"ab".repeat(32)}` as const;
export const uploadDeadlineMs = 8_000;
export const deadlineMs = 16_000;

export const acceptSegment: Of<SegmentCommand, "AcceptSegment"> = {
  type: "AcceptSegment",
  sessionId: "5e55.1",
  sender: `0x${"00".repeat(20)}`,
  manifestId: "0x6d31",
  seq: 7n,
  mediaHash,
  durationMs: 2_000,
  profiles: [],
  clip: null,
  calcPerceptualHash: false,
  uploadDeadlineMs,
  deadlineMs,
};

const rendition = (pixels: number) =>
  ({
    name: "P144p30fps16x9",
    path: "5e55/P144p30fps16x9/7.ts",
    bytes: 900,
    frames: 60,
    pixels,
    keccak256: mediaHash,
    hasPerceptualHash: false,
  }) as const;

export const completeSegment: Of<SegmentCommand, "CompleteSegment"> = {
  type: "CompleteSegment",
  decodedFrames: 60,
  decodedPixels: 55_296_000,
  codecUs: 40_000,
  renditions: [rendition(2_211_840), rendition(1_000)],
};

export const segmentAccepted: Of<SegmentEvent, "SegmentAccepted"> = {
  ...acceptSegment,
  type: "SegmentAccepted",
};
export const segmentReceived: Of<SegmentEvent, "SegmentReceived"> = { type: "SegmentReceived", bytes: 1_000 };
export const segmentDispatched: Of<SegmentEvent, "SegmentDispatched"> = {
  type: "SegmentDispatched",
  workerId: "w1",
  attempt: 1,
};
export const segmentWorkerLost: Of<SegmentEvent, "SegmentWorkerLost"> = {
  type: "SegmentWorkerLost",
  workerId: "w1",
  cause: "exited",
  attempt: 1,
  mediaHash,
};
export const segmentTranscoded: Of<SegmentEvent, "SegmentTranscoded"> = {
  ...completeSegment,
  type: "SegmentTranscoded",
};
export const segmentDelivered: Of<SegmentEvent, "SegmentDelivered"> = { type: "SegmentDelivered" };
export const segmentFailed: Of<SegmentEvent, "SegmentFailed"> = {
  type: "SegmentFailed",
  code: "CODEC_REFUSED",
  text: "Invalid data found",
};

/** The events that lead into each state of a segment. */
export const segmentIn = {
  uploading: [segmentAccepted],
  queued: [segmentAccepted, segmentReceived],
  running: [segmentAccepted, segmentReceived, segmentDispatched],
  requeued: [segmentAccepted, segmentReceived, segmentDispatched, segmentWorkerLost],
  rerunning: [
    segmentAccepted,
    segmentReceived,
    segmentDispatched,
    segmentWorkerLost,
    { ...segmentDispatched, workerId: "w2", attempt: 2 },
  ],
  encoded: [segmentAccepted, segmentReceived, segmentDispatched, segmentTranscoded],
  delivered: [segmentAccepted, segmentReceived, segmentDispatched, segmentTranscoded, segmentDelivered],
  failed: [segmentAccepted, segmentFailed],
} satisfies Readonly<Record<string, readonly SegmentEvent[]>>;

export const openSession: Of<SessionCommand, "OpenSession"> = {
  type: "OpenSession",
  sender: `0x${"00".repeat(20)}`,
  manifestId: "0x6d31",
  remoteAddress: "203.0.113.9",
  tokenExpiration: 1_700_000_000n,
  demandPixelsPerSecond: 9_000_000,
};
export const startSegment = (segmentId: string): Of<SessionCommand, "StartSessionSegment"> => ({
  type: "StartSessionSegment",
  segmentId,
  seq: 1n,
});
export const endSegment = (
  segmentId: string,
  outcome: "delivered" | "failed" = "delivered",
): Of<SessionCommand, "EndSessionSegment"> => ({
  type: "EndSessionSegment",
  segmentId,
  outcome,
  pixels: outcome === "delivered" ? 500 : 0,
});

export const sessionOpened: Of<SessionEvent, "SessionOpened"> = { ...openSession, type: "SessionOpened" };
export const segmentStarted = (segmentId: string): Of<SessionEvent, "SessionSegmentStarted"> => ({
  type: "SessionSegmentStarted",
  segmentId,
  seq: 1n,
});
export const segmentEnded = (
  segmentId: string,
  outcome: "delivered" | "failed" = "delivered",
  idleDeadlineMs = 71_000,
): Of<SessionEvent, "SessionSegmentEnded"> => ({
  type: "SessionSegmentEnded",
  segmentId,
  outcome,
  pixels: outcome === "delivered" ? 500 : 0,
  idleDeadlineMs,
});
export const sessionEnded: Of<SessionEvent, "SessionEnded"> = { type: "SessionEnded", cause: "idle" };

/** The events that lead into each state of a session. */
export const sessionIn = {
  idle: [sessionOpened],
  active: [sessionOpened, segmentStarted("a")],
  idleAgain: [sessionOpened, segmentStarted("a"), segmentEnded("a")],
  ending: [sessionOpened, segmentStarted("a"), segmentStarted("b"), sessionEnded],
  ended: [sessionOpened, sessionEnded],
} satisfies Readonly<Record<string, readonly SessionEvent[]>>;
