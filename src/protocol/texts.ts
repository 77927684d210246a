/*
 * Texts that peers compare or show. They are part of the wire contract: never reword one.
 * Source: video sheet 3.2, 4.2, 4.5, 6.2, 8.3.
 */

/** Refusals of `/segment` and `/payment` before any work is done. */
export const segmentTexts = {
  notBase64: "ErrorSegEncoding",
  badFormat: "unrecognized profile output format",
  badEncoderProfile: "unrecognized encoder profile",
  badVideoCodec: "unrecognized video codec",
  badDuration: "invalid duration",
  badSignature: "ErrSegSig",
  incompatible: "incompatible capabilities",
  tokenMissing: "missing auth token",
  tokenInvalid: "invalid auth token",
  tokenExpired: "expired auth token",
  hashMismatch: "Forbidden",
  sourceUnavailable: "BadRequest",
  internal: "Internal Server Error",
} as const;

/** Text of a full node; gateways look for it inside 403 bodies and results. */
export const CAPPED_TEXT = "OrchestratorCapped";

/** Refusals of the gRPC calls. */
export const rpcTexts = {
  badRequestSignature: "Invalid orchestrator request: orchestrator req sig check failed",
  capped: `Invalid orchestrator request: ${CAPPED_TEXT}`,
  badToken: "Invalid auth token",
} as const;

/** Errors inside a `TranscodeResult` that do not come from the codec. A gateway tries another node on each. */
export const resultTexts = {
  capped: CAPPED_TEXT,
  /** The session has as much work in its queue as it may have. */
  busy: "OrchestratorBusy",
  /** No live worker can take the segment. */
  noTranscoder: "ErrTranscoderUnavailable",
  /** The codec gave another number of renditions than asked for. */
  mismatched: "MismatchedSegments",
  /** A rendition is too small to hold media. */
  empty: "ZeroSegments",
  sessionEnded: "Session ended",
  /** What a gateway gets for a path under `/stream/` that holds nothing. */
  notFound: "ErrNotFound",
} as const;

/**
 * Errors that a gateway takes as the fault of the input: it keeps the orchestrator, does not retry and tells its
 * ingest client 422. Compared as whole strings. Everything else makes it suspend the orchestrator and try
 * another one, so an error of ours must never use one of these by accident.
 */
export const nonRetryableTexts: readonly string[] = [
  "Unsupported input pixel format",
  "Error initializing filtergraph",
  "Too many outputs",
  "Unsupported input codec",
  "No keyframes in input",
  "Unrecoverable state, restart process",
  "Encoded frames runaway",
  "Decoder not found",
  "Demuxer not found",
  "Encoder not found",
  "Muxer not found",
  "Option not found",
  "Invalid argument",
  "TranscoderInvalidResolution",
  "TranscoderInvalidVideo",
  "TranscoderUnrecognizedFormat",
  "TranscoderUnrecognizedProfile",
  "TranscoderInvalidGOP",
  "TranscoderIncompatibleDevices",
];

/** Whether a gateway gives the segment up on this error instead of trying another orchestrator. */
export function isNonRetryable(text: string): boolean {
  return nonRetryableTexts.includes(text);
}
