import type { SegmentCredentials } from "../../protocol/segmentCredentials.ts";
import type { OrchestratorInfo } from "../../protocol/gen/lp_rpc_pb.ts";
import type { DispatchedJob, Rendition } from "../ports.ts";

/** Where a rendition lies: the path below `/stream/`, or inside the gateway's bucket. */
export type RenditionPlace = { readonly object: string; readonly path: string };

/**
 * What only memory holds about a segment in flight: its bytes, its waiting gateway, its job. A restart forgets
 * it, and the outbox then fails the segment with that reason.
 */
export type OpenWork = {
  readonly segmentId: string;
  readonly sessionStream: string;
  readonly sessionId: string;
  readonly credentials: SegmentCredentials;
  readonly info: OrchestratorInfo;
  readonly places: readonly RenditionPlace[];
  media: Uint8Array | null;
  mediaHash: string;
  job: DispatchedJob | null;
  hasStarted: boolean;
  renditions: readonly Rendition[];
  /** Resolves the result of the waiting gateway; the encoded `net.TranscodeResult`. */
  readonly answer: (result: Uint8Array) => void;
  readonly result: Promise<Uint8Array>;
  /** Resolves when the listener knows what became of the result. */
  readonly deliveryKnown: (outcome: "sent" | "client-gone") => void;
  readonly delivery: Promise<"sent" | "client-gone">;
};

/** A promise with its resolver outside. */
export function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  return Promise.withResolvers<T>();
}
