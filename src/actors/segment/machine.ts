import { assign, setup } from "xstate";
import { hex, integer, list, nullable, object, oneOf, text } from "../../events/codec.ts";
import type { Decoded } from "../../events/codec.ts";
import type { SegmentEvent } from "../../events/segment.ts";
import { effect } from "../kind.ts";

/*
 * One segment of a stream, from its accepted headers to its one end.
 *
 *   announced ─SegmentAccepted─▶ uploading ─SegmentReceived─▶ queued ─SegmentDispatched─▶ running
 *                                    │                        ▲   │                        │   │
 *                                    │                        └───┼──SegmentWorkerLost─────┘   │
 *                                    ▼                            ▼                            ▼
 *                                 failed ◀─────────── SegmentFailed ──────────────── SegmentTranscoded
 *                                    ▲                                                         ▼
 *                                    └───────────────── SegmentFailed ──────────────────── encoded
 *                                                                                              │
 *                                                               delivered ◀─SegmentDelivered───┘
 */

/** What guards and deadlines read. Everything else about a segment is in its events. */
export const segmentContext = object({
  sessionId: text,
  mediaHash: nullable(hex),
  uploadDeadlineMs: integer,
  deadlineMs: integer,
  attempt: integer,
  /** Workers that lost this segment. */
  lostWorkers: list(text),
  /** Encoded pixels of all renditions; 0 until they exist. */
  pixels: integer,
  outcome: nullable(oneOf("delivered", "failed")),
});

export type SegmentContext = Decoded<typeof segmentContext>;
export type SegmentInput = { readonly id: string };

const emptyContext: SegmentContext = {
  sessionId: "",
  mediaHash: null,
  uploadDeadlineMs: 0,
  deadlineMs: 0,
  attempt: 0,
  lostWorkers: [],
  pixels: 0,
  outcome: null,
};

export const segmentMachine = setup({
  types: {
    context: {} as SegmentContext,
    events: {} as SegmentEvent,
    input: {} as SegmentInput,
  },
  actions: {
    remember: assign((_, params: Partial<SegmentContext>) => params),
    rememberLoss: assign(({ context }, params: { workerId: string }) => ({
      lostWorkers: [...context.lostWorkers, params.workerId],
    })),
    /** Puts the media before the workers; answers with DispatchSegment and then a verdict. */
    transcodeSegment: effect<{ deadlineMs: number; avoid: readonly string[] }>(),
    /** Hands the result to the waiting gateway; answers with ConfirmDelivery or FailSegment. */
    deliverResult: effect<Record<never, never>>(),
    /** Tells the waiting gateway why there is no result, and gives up whatever still runs. */
    answerFailure: effect<{ text: string }>(),
    /** In the same commit: takes the fee for what was encoded, or lets go of it when nothing was. */
    settleFee: effect<{ pixels: number }>(),
    /** Tells the session in the same commit, so that its queue moves on. */
    reportToSession: effect<{ sessionId: string; outcome: "delivered" | "failed"; pixels: number }>(),
  },
}).createMachine({
  id: "segment",
  context: emptyContext,
  initial: "announced",
  states: {
    announced: {
      on: {
        SegmentAccepted: {
          target: "uploading",
          actions: {
            type: "remember",
            params: ({ event }) => ({
              sessionId: event.sessionId,
              mediaHash: event.mediaHash,
              uploadDeadlineMs: event.uploadDeadlineMs,
              deadlineMs: event.deadlineMs,
            }),
          },
        },
      },
    },
    uploading: {
      on: {
        SegmentReceived: { target: "queued" },
        SegmentFailed: { target: "failed" },
      },
    },
    queued: {
      entry: {
        type: "transcodeSegment",
        params: ({ context }) => ({ deadlineMs: context.deadlineMs, avoid: context.lostWorkers }),
      },
      on: {
        SegmentDispatched: {
          target: "running",
          actions: { type: "remember", params: ({ event }) => ({ attempt: event.attempt }) },
        },
        // A worker that cannot even start has lost the segment without taking it.
        SegmentWorkerLost: {
          target: "queued",
          reenter: true,
          actions: { type: "rememberLoss", params: ({ event }) => ({ workerId: event.workerId }) },
        },
        SegmentFailed: { target: "failed" },
      },
    },
    running: {
      on: {
        SegmentTranscoded: {
          target: "encoded",
          actions: {
            type: "remember",
            params: ({ event }) => ({
              pixels: event.renditions.reduce((sum, rendition) => sum + rendition.pixels, 0),
            }),
          },
        },
        SegmentWorkerLost: {
          target: "queued",
          actions: { type: "rememberLoss", params: ({ event }) => ({ workerId: event.workerId }) },
        },
        SegmentFailed: { target: "failed" },
      },
    },
    encoded: {
      entry: [
        { type: "deliverResult", params: {} },
        { type: "settleFee", params: ({ context }) => ({ pixels: context.pixels }) },
      ],
      on: {
        SegmentDelivered: { target: "delivered" },
        SegmentFailed: { target: "failed" },
      },
    },
    delivered: {
      type: "final",
      entry: [
        { type: "remember", params: { outcome: "delivered" } },
        {
          type: "reportToSession",
          params: ({ context }) => ({
            sessionId: context.sessionId,
            outcome: "delivered",
            pixels: context.pixels,
          }),
        },
      ],
    },
    failed: {
      type: "final",
      entry: [
        { type: "remember", params: { outcome: "failed" } },
        {
          type: "reportToSession",
          params: ({ context }) => ({ sessionId: context.sessionId, outcome: "failed", pixels: 0 }),
        },
        {
          type: "answerFailure",
          params: ({ event }) => ({ text: event.type === "SegmentFailed" ? event.text : "" }),
        },
        { type: "settleFee", params: { pixels: 0 } },
      ],
    },
  },
});
