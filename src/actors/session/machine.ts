import { assign, setup } from "xstate";
import type { Decoded } from "../../events/codec.ts";
import { hex, integer, list, nullable, object, oneOf, text } from "../../events/codec.ts";
import type { SessionEvent } from "../../events/session.ts";
import { effect } from "../kind.ts";

/*
 * One auth token in use: the life of a gateway's stream with us, from its first segment.
 *
 *   negotiated ─SessionOpened─▶ idle ─SessionSegmentStarted─▶ active
 *                                ▲ │                           │  │
 *                                │ │                           │  └─SessionEnded─▶ ending
 *                                │ └─SessionEnded─▶ ended ◀────┼───── last ──────────┘
 *                                └─ last SessionSegmentEnded ──┘
 *
 * `negotiated` exists only in the token that the gateway holds: it authenticates itself and costs us nothing
 * until its first segment. A token stays usable after the session ended: the next segment then opens a new
 * incarnation of it, which is a stream of its own (`session:<id>.<n>`).
 */

export const sessionContext = object({
  sender: nullable(hex),
  manifestId: nullable(hex),
  remoteAddress: text,
  demandPixelsPerSecond: integer,
  openSegments: list(text),
  segmentsDelivered: integer,
  segmentsFailed: integer,
  pixels: integer,
  idleDeadlineMs: nullable(integer),
  endCause: nullable(oneOf("idle", "ended-by-gateway")),
});

export type SessionContext = Decoded<typeof sessionContext>;
export type SessionInput = { readonly id: string };

const emptyContext: SessionContext = {
  sender: null,
  manifestId: null,
  remoteAddress: "",
  demandPixelsPerSecond: 0,
  openSegments: [],
  segmentsDelivered: 0,
  segmentsFailed: 0,
  pixels: 0,
  idleDeadlineMs: null,
  endCause: null,
};

export const sessionMachine = setup({
  types: {
    context: {} as SessionContext,
    events: {} as SessionEvent,
    input: {} as SessionInput,
  },
  guards: {
    isLastOpenSegment: ({ context }, params: { segmentId: string }) =>
      context.openSegments.length === 1 && context.openSegments[0] === params.segmentId,
    isOpenSegment: ({ context }, params: { segmentId: string }) =>
      context.openSegments.includes(params.segmentId),
  },
  actions: {
    remember: assign((_, params: Partial<SessionContext>) => params),
    addSegment: assign(({ context }, params: { segmentId: string }) => ({
      openSegments: [...context.openSegments, params.segmentId],
      idleDeadlineMs: null,
    })),
    settleSegment: assign(
      (
        { context },
        params: {
          segmentId: string;
          outcome: "delivered" | "failed";
          pixels: number;
          idleDeadlineMs: number;
        },
      ) => {
        const openSegments = context.openSegments.filter((id) => id !== params.segmentId);
        return {
          openSegments,
          segmentsDelivered: context.segmentsDelivered + (params.outcome === "delivered" ? 1 : 0),
          segmentsFailed: context.segmentsFailed + (params.outcome === "failed" ? 1 : 0),
          pixels: context.pixels + params.pixels,
          idleDeadlineMs: openSegments.length === 0 ? params.idleDeadlineMs : null,
        };
      },
    ),
    /** Drops the session's renditions and its codec state in the workers. */
    releaseSession: effect<Record<never, never>>(),
  },
}).createMachine({
  id: "session",
  context: emptyContext,
  initial: "negotiated",
  states: {
    negotiated: {
      on: {
        SessionOpened: {
          target: "idle",
          actions: {
            type: "remember",
            params: ({ event }) => ({
              sender: event.sender,
              manifestId: event.manifestId,
              remoteAddress: event.remoteAddress,
              demandPixelsPerSecond: event.demandPixelsPerSecond,
            }),
          },
        },
      },
    },
    idle: {
      on: {
        SessionSegmentStarted: {
          target: "active",
          actions: { type: "addSegment", params: ({ event }) => ({ segmentId: event.segmentId }) },
        },
        SessionEnded: {
          target: "ended",
          actions: { type: "remember", params: ({ event }) => ({ endCause: event.cause }) },
        },
      },
    },
    active: {
      on: {
        SessionSegmentStarted: {
          actions: { type: "addSegment", params: ({ event }) => ({ segmentId: event.segmentId }) },
        },
        SessionSegmentEnded: [
          {
            target: "idle",
            guard: { type: "isLastOpenSegment", params: ({ event }) => ({ segmentId: event.segmentId }) },
            actions: { type: "settleSegment", params: ({ event }) => event },
          },
          {
            guard: { type: "isOpenSegment", params: ({ event }) => ({ segmentId: event.segmentId }) },
            actions: { type: "settleSegment", params: ({ event }) => event },
          },
        ],
        SessionEnded: {
          target: "ending",
          actions: { type: "remember", params: ({ event }) => ({ endCause: event.cause }) },
        },
      },
    },
    ending: {
      entry: { type: "releaseSession", params: {} },
      on: {
        SessionSegmentEnded: [
          {
            target: "ended",
            guard: { type: "isLastOpenSegment", params: ({ event }) => ({ segmentId: event.segmentId }) },
            actions: { type: "settleSegment", params: ({ event }) => event },
          },
          {
            guard: { type: "isOpenSegment", params: ({ event }) => ({ segmentId: event.segmentId }) },
            actions: { type: "settleSegment", params: ({ event }) => event },
          },
        ],
      },
    },
    ended: { type: "final", entry: { type: "releaseSession", params: {} } },
  },
});
