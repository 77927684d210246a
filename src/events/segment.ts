import type { EventOf } from "./definition.ts";
import type { Decoded } from "./codec.ts";
import { bigInteger, flag, hex, integer, list, nullable, object, oneOf, text } from "./codec.ts";
import { catalogueOf, defineEvent } from "./definition.ts";

/** A wanted rendition, as the gateway asked for it (video sheet 4.4). */
export const profileFields = object({
  name: text,
  width: integer,
  height: integer,
  bitrate: integer,
  fps: integer,
  fpsDen: integer,
  gopMs: integer,
  profile: oneOf("default", "baseline", "main", "high", "constrained-high"),
  format: oneOf("mpegts", "mp4"),
  encoder: oneOf("h264", "h265", "vp8", "vp9"),
  quality: integer,
});

/** A rendition that exists: what was encoded, where it lies, what gets billed. */
export const renditionFields = object({
  name: text,
  path: text,
  bytes: integer,
  frames: integer,
  pixels: integer,
  keccak256: hex,
  hasPerceptualHash: flag,
});

/** Why a worker lost a segment. */
export const workerLossCause = oneOf("exited", "hung", "oversized", "stopped", "not-started");

/** A gateway's segment passed every check of its headers; the body is still to come. */
export const segmentAccepted = defineEvent("SegmentAccepted", {
  sessionId: text,
  /** 20 bytes; zero off-chain. */
  sender: hex,
  manifestId: hex,
  seq: bigInteger,
  /** Keccak-256 that the body must have. */
  mediaHash: hex,
  durationMs: integer,
  profiles: list(profileFields),
  clip: nullable(object({ fromMs: integer, toMs: integer })),
  calcPerceptualHash: flag,
  uploadDeadlineMs: integer,
  /** The verdict must be there by then. */
  deadlineMs: integer,
});

/** The whole body arrived and has the promised hash. */
export const segmentReceived = defineEvent("SegmentReceived", { bytes: integer });

/** A worker took the segment. */
export const segmentDispatched = defineEvent("SegmentDispatched", { workerId: text, attempt: integer });

/** The worker died, hung or was stopped before it had a verdict; the segment goes back to the queue. */
export const segmentWorkerLost = defineEvent("SegmentWorkerLost", {
  workerId: text,
  cause: workerLossCause,
  attempt: integer,
  /** Repeated here so that the list of harmful inputs is a fold over this one type. */
  mediaHash: hex,
});

/** Every rendition is encoded, stored and hashed. */
export const segmentTranscoded = defineEvent("SegmentTranscoded", {
  decodedFrames: integer,
  decodedPixels: integer,
  /** Wall time from decode to mux, in microseconds. */
  codecUs: integer,
  renditions: list(renditionFields),
});

/** The result reached the gateway's socket. */
export const segmentDelivered = defineEvent("SegmentDelivered", {});

/** The segment ended without a result that reached the gateway. */
export const segmentFailed = defineEvent("SegmentFailed", {
  /** Stable identifier in upper snake case. */
  code: text,
  /** What the gateway was told, or would have been. */
  text: text,
});

/** Whether a loss of this kind counts against the input. A worker that we stopped, or that never ran, does not. */
export function isInputsFault(cause: Decoded<typeof workerLossCause>): boolean {
  return cause === "exited" || cause === "hung" || cause === "oversized";
}

export const segmentEvents = catalogueOf([
  segmentAccepted,
  segmentReceived,
  segmentDispatched,
  segmentWorkerLost,
  segmentTranscoded,
  segmentDelivered,
  segmentFailed,
]);

export type SegmentEvent =
  | EventOf<typeof segmentAccepted>
  | EventOf<typeof segmentReceived>
  | EventOf<typeof segmentDispatched>
  | EventOf<typeof segmentWorkerLost>
  | EventOf<typeof segmentTranscoded>
  | EventOf<typeof segmentDelivered>
  | EventOf<typeof segmentFailed>;
