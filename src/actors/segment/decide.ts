import type { SnapshotFrom } from "xstate";
import type { EventOf } from "../../events/definition.ts";
import { isInputsFault, segmentEvents } from "../../events/segment.ts";
import type {
  SegmentEvent,
  segmentAccepted,
  segmentTranscoded,
  segmentWorkerLost,
} from "../../events/segment.ts";
import type { UnixMs } from "../../shared/brand.ts";
import type { ActorKind, Decided, Deadline, Facts } from "../kind.ts";
import { decided, rejected } from "../kind.ts";
import { segmentContext, segmentMachine } from "./machine.ts";

/** Workers that one segment may cost: the first and one more. */
export const workersPerSegmentMax = 2;

/**
 * Less time than this is not worth a second try: a second of work, before the one and a half that workers keep free
 * to let go of a job. Milliseconds.
 */
export const retryTimeMinMs = 2_500;

/**
 * The text for a segment that no worker finished. It is not among the texts that a gateway reads as "the input
 * is at fault", so the gateway tries another orchestrator. Source: video sheet 8.3 and 16.15.
 */
export const workerLostText = "TranscoderStopped";

/** The text for an input that has killed two workers: the gateway must not carry it to others. */
export const poisonedText = "TranscoderInvalidVideo";

export type SegmentCommand =
  | ({ readonly type: "AcceptSegment" } & Omit<EventOf<typeof segmentAccepted>, "type">)
  | { readonly type: "ReceiveSegment"; readonly bytes: number }
  | { readonly type: "DispatchSegment"; readonly workerId: string }
  | {
      readonly type: "ReportWorkerLoss";
      readonly workerId: string;
      readonly cause: EventOf<typeof segmentWorkerLost>["cause"];
      /** Workers that this input has cost so far, over all its segments and before this one. */
      readonly earlierLosses: number;
    }
  | ({ readonly type: "CompleteSegment" } & Omit<EventOf<typeof segmentTranscoded>, "type">)
  | { readonly type: "ConfirmDelivery" }
  | { readonly type: "FailSegment"; readonly code: string; readonly text: string }
  | { readonly type: "ExpireUpload"; readonly dueMs: UnixMs }
  | { readonly type: "ExpireSegment"; readonly dueMs: UnixMs };

export type SegmentSnapshot = SnapshotFrom<typeof segmentMachine>;

const notOpen = rejected("SEGMENT_NOT_OPEN", "The segment has ended already.");
const outOfTurn = rejected("SEGMENT_OUT_OF_TURN", "The segment is not in a state for this command.");

/** Pure: what becomes of a command to a segment. */
export function decideSegment(
  snapshot: SegmentSnapshot | null,
  command: SegmentCommand,
  facts: Facts,
): Decided<SegmentEvent> {
  if (command.type === "AcceptSegment") {
    if (snapshot !== null) return rejected("SEGMENT_EXISTS", "The segment exists already.");
    const { type: _, ...fields } = command;
    return decided({ type: "SegmentAccepted", ...fields });
  }
  if (snapshot === null || snapshot.status !== "active") return notOpen;
  switch (command.type) {
    case "ReceiveSegment":
      return snapshot.matches("uploading")
        ? decided({ type: "SegmentReceived", bytes: command.bytes })
        : outOfTurn;
    case "DispatchSegment":
      return snapshot.matches("queued")
        ? decided({
            type: "SegmentDispatched",
            workerId: command.workerId,
            attempt: snapshot.context.attempt + 1,
          })
        : outOfTurn;
    case "ReportWorkerLoss":
      return decideLoss(snapshot, command, facts);
    case "CompleteSegment": {
      if (!snapshot.matches("running")) return outOfTurn;
      const { type: _, ...fields } = command;
      return decided({ type: "SegmentTranscoded", ...fields });
    }
    case "ConfirmDelivery":
      return snapshot.matches("encoded") ? decided({ type: "SegmentDelivered" }) : outOfTurn;
    case "FailSegment":
      return decided({ type: "SegmentFailed", code: command.code, text: command.text });
    case "ExpireUpload":
      return snapshot.matches("uploading") && command.dueMs === snapshot.context.uploadDeadlineMs
        ? decided({ type: "SegmentFailed", code: "UPLOAD_TIMED_OUT", text: "Internal Server Error" })
        : outOfTurn;
    case "ExpireSegment":
      return command.dueMs === snapshot.context.deadlineMs
        ? decided({ type: "SegmentFailed", code: "DEADLINE_PASSED", text: workerLostText })
        : outOfTurn;
  }
}

/** A lost worker costs one retry, if the input is not proven harmful and time remains. */
function decideLoss(
  snapshot: SegmentSnapshot,
  command: SegmentCommand & { readonly type: "ReportWorkerLoss" },
  facts: Facts,
): Decided<SegmentEvent> {
  const { context } = snapshot;
  if (!(snapshot.matches("running") || snapshot.matches("queued")) || context.mediaHash === null) {
    return outOfTurn;
  }
  const lost: SegmentEvent = {
    type: "SegmentWorkerLost",
    workerId: command.workerId,
    cause: command.cause,
    attempt: context.attempt,
    mediaHash: context.mediaHash,
  };
  const fail = (code: string, text: string): Decided<SegmentEvent> =>
    decided<SegmentEvent>(lost, { type: "SegmentFailed", code, text });
  const isInputSuspect = isInputsFault(command.cause);
  if (isInputSuspect && command.earlierLosses + 1 >= workersPerSegmentMax) {
    return fail("INPUT_POISONED", poisonedText);
  }
  if (context.lostWorkers.length + 1 >= workersPerSegmentMax) return fail("WORKERS_LOST", workerLostText);
  if (context.deadlineMs - facts.nowMs < retryTimeMinMs) return fail("NO_TIME_TO_RETRY", workerLostText);
  return decided<SegmentEvent>(lost);
}

function segmentDeadline(snapshot: SegmentSnapshot): Deadline | null {
  const { uploadDeadlineMs, deadlineMs } = snapshot.context;
  if (snapshot.matches("uploading")) {
    return { atMs: uploadDeadlineMs, command: { type: "ExpireUpload", dueMs: uploadDeadlineMs } };
  }
  if (snapshot.status !== "active" || snapshot.matches("announced")) return null;
  return { atMs: deadlineMs, command: { type: "ExpireSegment", dueMs: deadlineMs } };
}

export const segmentKind: ActorKind = {
  kind: "segment",
  machine: segmentMachine,
  events: segmentEvents,
  context: segmentContext as ActorKind["context"],
  decide: decideSegment as ActorKind["decide"],
  deadline: segmentDeadline as ActorKind["deadline"],
};
