import type { UnixMs } from "../shared/brand.ts";
import type { AnyEvent } from "./definition.ts";

/** `kind:id`, for example `session:4f1a…`. One stream is the life of one entity. */
export type StreamId = `${string}:${string}`;

/** What every recorded fact carries besides its own fields. */
export type Envelope = {
  /** Position in the one global order, from 1 without gaps. */
  readonly seq: number;
  readonly stream: StreamId;
  /** Position in the stream, from 1 without gaps. `(stream, version)` identifies the event for ever. */
  readonly version: number;
  readonly schemaVersion: number;
  /** When it was decided. */
  readonly atMs: UnixMs;
  /** Ties together everything that one session or request caused; starts at the edge. */
  readonly correlationId: string;
  /** The event (`stream@version`) or the command that led here. */
  readonly causationId: string;
  /** OpenTelemetry trace, when tracing was on. */
  readonly traceId: string | null;
};

export type RecordedEvent = Envelope & { readonly event: AnyEvent };

export function streamId(kind: string, id: string): StreamId {
  return `${kind}:${id}`;
}

/** Splits a stream id; the id itself may contain colons. */
export function parseStreamId(stream: string): { readonly kind: string; readonly id: string } {
  const colon = stream.indexOf(":");
  return { kind: stream.slice(0, colon), id: stream.slice(colon + 1) };
}
