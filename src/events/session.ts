import type { EventOf } from "./definition.ts";
import { bigInteger, hex, integer, oneOf, text } from "./codec.ts";
import { catalogueOf, defineEvent } from "./definition.ts";

/**
 * The first segment under an auth token arrived. A token that nobody used leaves no trace: it authenticates
 * itself.
 */
export const sessionOpened = defineEvent("SessionOpened", {
  /** 20 bytes; zero off-chain. */
  sender: hex,
  manifestId: hex,
  remoteAddress: text,
  /** Unix seconds at which the token ends. */
  tokenExpiration: bigInteger,
  /** Encoded pixels per second that the first segment asked for. */
  demandPixelsPerSecond: integer,
});

/** A segment of this session was accepted. */
export const sessionSegmentStarted = defineEvent("SessionSegmentStarted", {
  segmentId: text,
  seq: bigInteger,
});

/** A segment of this session ended. */
export const sessionSegmentEnded = defineEvent("SessionSegmentEnded", {
  segmentId: text,
  outcome: oneOf("delivered", "failed"),
  /** Encoded pixels; 0 when it failed. */
  pixels: integer,
  /** The session ends at this time unless another segment comes. Unix milliseconds. */
  idleDeadlineMs: integer,
});

/** The session's queue, renditions and codec state are gone. */
export const sessionEnded = defineEvent("SessionEnded", {
  cause: oneOf("idle", "ended-by-gateway"),
});

export const sessionEvents = catalogueOf([
  sessionOpened,
  sessionSegmentStarted,
  sessionSegmentEnded,
  sessionEnded,
]);

export type SessionEvent =
  | EventOf<typeof sessionOpened>
  | EventOf<typeof sessionSegmentStarted>
  | EventOf<typeof sessionSegmentEnded>
  | EventOf<typeof sessionEnded>;
