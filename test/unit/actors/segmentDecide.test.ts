import { isInputsFault } from "../../../src/events/segment.ts";
import { describe, expect, test } from "bun:test";
import {
  poisonedText,
  retryTimeMinMs,
  type SegmentCommand,
  segmentKind,
  workerLostText,
} from "../../../src/actors/segment/decide.ts";
import type { SegmentContext } from "../../../src/actors/segment/machine.ts";
import type { SegmentEvent } from "../../../src/events/segment.ts";
import {
  acceptSegment,
  completeSegment,
  deadlineMs,
  mediaHash,
  segmentIn,
  segmentTranscoded,
  uploadDeadlineMs,
} from "./facts.ts";
import { Given, type Outcome } from "./given.ts";

const given = (events: readonly SegmentEvent[]): Given<SegmentEvent, SegmentCommand> =>
  new Given(segmentKind, events);

type Loss = Extract<SegmentCommand, { readonly type: "ReportWorkerLoss" }>;
const loss = (change: Partial<Loss> = {}): Loss => ({
  type: "ReportWorkerLoss",
  workerId: "w1",
  cause: "exited",
  earlierLosses: 0,
  ...change,
});

const effectNames = (outcome: Outcome): readonly string[] => outcome.effects.map(({ type }) => type);
const ends = (outcome: Outcome): readonly string[] =>
  outcome.events.map((event) =>
    event["code"] === undefined ? event.type : `${event.type} ${String(event["code"])}`,
  );
const context = (outcome: Outcome): SegmentContext => outcome.snapshot.context as SegmentContext;

describe("acceptance", () => {
  test("a segment that does not exist is accepted with everything that decided it", () => {
    const outcome = given([]).accepts(acceptSegment);
    expect(outcome.events).toEqual([{ ...acceptSegment, type: "SegmentAccepted" }]);
    expect(outcome.state).toBe("uploading");
    expect(outcome.effects).toEqual([]);
  });

  for (const [state, events] of Object.entries(segmentIn)) {
    test(`a segment that is ${state} is not accepted a second time`, () => {
      given(events).refuses(acceptSegment, "SEGMENT_EXISTS");
    });
  }
});

describe("every command in every state", () => {
  // Method: the whole table, so that no state takes a command by accident. "-" is a refusal.
  const commands: Readonly<Record<string, SegmentCommand>> = {
    receive: { type: "ReceiveSegment", bytes: 10 },
    dispatch: { type: "DispatchSegment", workerId: "w9" },
    lose: loss(),
    complete: completeSegment,
    confirm: { type: "ConfirmDelivery" },
    fail: { type: "FailSegment", code: "ANY", text: "why" },
    expireUpload: { type: "ExpireUpload", dueMs: uploadDeadlineMs },
    expire: { type: "ExpireSegment", dueMs: deadlineMs },
  };
  const table: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    nothing: {},
    uploading: { receive: "queued", fail: "failed", expireUpload: "failed", expire: "failed" },
    queued: { dispatch: "running", lose: "queued", fail: "failed", expire: "failed" },
    running: { lose: "queued", complete: "encoded", fail: "failed", expire: "failed" },
    encoded: { confirm: "delivered", fail: "failed", expire: "failed" },
    delivered: {},
    failed: {},
  };
  for (const [state, row] of Object.entries(table)) {
    const events = state === "nothing" ? [] : (segmentIn[state as keyof typeof segmentIn] ?? []);
    for (const [name, command] of Object.entries(commands)) {
      const wanted = row[name];
      test(`${name} when ${state}: ${wanted ?? "refused"}`, () => {
        const start = given(events);
        expect(start.state).toBe(state);
        if (wanted !== undefined) expect(start.accepts(command).state).toBe(wanted);
        else {
          const isOpen = ["uploading", "queued", "running", "encoded"].includes(state);
          start.refuses(command, isOpen ? "SEGMENT_OUT_OF_TURN" : "SEGMENT_NOT_OPEN");
        }
      });
    }
  }
});

describe("dispatch and verdict", () => {
  test("a received segment asks for a worker, with its deadline and nobody to avoid", () => {
    const outcome = given(segmentIn.uploading).accepts({ type: "ReceiveSegment", bytes: 1_234 });
    expect(outcome.events).toEqual([{ type: "SegmentReceived", bytes: 1_234 }]);
    expect(outcome.effects).toEqual([{ type: "transcodeSegment", params: { deadlineMs, avoid: [] } }]);
  });

  test("attempts are counted over worker losses", () => {
    const first = given(segmentIn.queued).accepts({ type: "DispatchSegment", workerId: "w1" });
    expect(first.events).toEqual([{ type: "SegmentDispatched", workerId: "w1", attempt: 1 }]);
    const second = given(segmentIn.requeued).accepts({ type: "DispatchSegment", workerId: "w2" });
    expect(second.events).toEqual([{ type: "SegmentDispatched", workerId: "w2", attempt: 2 }]);
  });

  test("the renditions' pixels are what the session will be told", () => {
    const encoded = given(segmentIn.running).accepts(completeSegment);
    expect(context(encoded).pixels).toBe(2_212_840);
    expect(effectNames(encoded)).toEqual(["deliverResult", "settleFee"]);
    expect(encoded.effects[1]?.params).toEqual({ pixels: 2_212_840 });
    const delivered = given(segmentIn.encoded).accepts({ type: "ConfirmDelivery" });
    expect(delivered.effects).toEqual([
      {
        type: "reportToSession",
        params: { sessionId: "5e55.1", outcome: "delivered", pixels: 2_212_840 },
      },
    ]);
  });

  test("a failure tells the session nothing was delivered, and the gateway why", () => {
    const failed = given(segmentIn.encoded).accepts({ type: "FailSegment", code: "ANY", text: "why" });
    expect(failed.effects).toEqual([
      { type: "reportToSession", params: { sessionId: "5e55.1", outcome: "failed", pixels: 0 } },
      { type: "answerFailure", params: { text: "why" } },
      // What was encoded was paid for then, and is paid only once: the account holds no such job any more.
      { type: "settleFee", params: { pixels: 0 } },
    ]);
  });

  test("a failure before anything is encoded owes nothing, and the fee is settled once on every way", () => {
    for (const state of ["uploading", "queued", "running", "requeued"] as const) {
      const failed = given(segmentIn[state]).accepts({ type: "FailSegment", code: "ANY", text: "why" });
      expect(failed.effects.filter(({ type }) => type === "settleFee")).toEqual([
        { type: "settleFee", params: { pixels: 0 } },
      ]);
    }
    const delivered = given(segmentIn.encoded).accepts({ type: "ConfirmDelivery" });
    expect(effectNames(delivered)).not.toContain("settleFee");
  });

  test("a late verdict after the segment has failed changes nothing", () => {
    given([...segmentIn.failed]).refuses(completeSegment, "SEGMENT_NOT_OPEN");
    given([...segmentIn.failed]).refuses(loss(), "SEGMENT_NOT_OPEN");
  });

  test("a second verdict for an encoded segment changes nothing", () => {
    given(segmentIn.encoded).refuses(completeSegment, "SEGMENT_OUT_OF_TURN");
    given([...segmentIn.encoded]).refuses(loss(), "SEGMENT_OUT_OF_TURN");
    expect(segmentTranscoded.type).toBe("SegmentTranscoded");
  });
});

describe("a lost worker", () => {
  test("the first loss is recorded and the segment goes back to the queue, away from that worker", () => {
    const outcome = given(segmentIn.running).accepts(loss());
    expect(outcome.events).toEqual([
      { type: "SegmentWorkerLost", workerId: "w1", cause: "exited", attempt: 1, mediaHash },
    ]);
    expect(outcome.state).toBe("queued");
    expect(outcome.effects).toEqual([{ type: "transcodeSegment", params: { deadlineMs, avoid: ["w1"] } }]);
    expect(context(outcome).lostWorkers).toEqual(["w1"]);
  });

  test("a worker that cannot even start loses a queued segment", () => {
    const outcome = given(segmentIn.queued).accepts(loss({ cause: "not-started" }));
    expect(outcome.state).toBe("queued");
    expect(effectNames(outcome)).toEqual(["transcodeSegment"]);
    expect(context(outcome).lostWorkers).toEqual(["w1"]);
  });

  for (const cause of ["exited", "hung", "oversized"] as const) {
    test(`${cause}: an input that killed one worker before is poison`, () => {
      expect(isInputsFault(cause)).toBe(true);
      const outcome = given(segmentIn.running).accepts(loss({ cause, earlierLosses: 1 }));
      expect(ends(outcome)).toEqual(["SegmentWorkerLost", "SegmentFailed INPUT_POISONED"]);
      expect(outcome.events[1]).toMatchObject({ text: poisonedText });
      expect(outcome.state).toBe("failed");
    });

    test(`${cause}: an input without earlier losses gets its retry`, () => {
      expect(given(segmentIn.running).accepts(loss({ cause, earlierLosses: 0 })).state).toBe("queued");
    });
  }

  for (const cause of ["stopped", "not-started"] as const) {
    test(`${cause}: says nothing about the input, however many workers it has cost`, () => {
      expect(isInputsFault(cause)).toBe(false);
      expect(given(segmentIn.running).accepts(loss({ cause, earlierLosses: 9 })).state).toBe("queued");
    });

    test(`${cause}: the second one still ends the segment`, () => {
      const outcome = given(segmentIn.rerunning).accepts(loss({ cause, workerId: "w2" }));
      expect(ends(outcome)).toEqual(["SegmentWorkerLost", "SegmentFailed WORKERS_LOST"]);
      expect(outcome.events[1]).toMatchObject({ text: workerLostText });
    });
  }

  test("poison is named before the lack of workers, so that the gateway does not carry it on", () => {
    const outcome = given(segmentIn.rerunning).accepts(loss({ workerId: "w2", earlierLosses: 1 }));
    expect(ends(outcome)).toEqual(["SegmentWorkerLost", "SegmentFailed INPUT_POISONED"]);
  });

  test("a retry needs time: exactly enough is enough, one millisecond less is not", () => {
    const enough = given(segmentIn.running).accepts(loss(), deadlineMs - retryTimeMinMs);
    expect(ends(enough)).toEqual(["SegmentWorkerLost"]);
    const tooLate = given(segmentIn.running).accepts(loss(), deadlineMs - retryTimeMinMs + 1);
    expect(ends(tooLate)).toEqual(["SegmentWorkerLost", "SegmentFailed NO_TIME_TO_RETRY"]);
    expect(tooLate.events[1]).toMatchObject({ text: workerLostText });
  });

  test("the loss that fails a segment is recorded with its attempt", () => {
    const outcome = given(segmentIn.rerunning).accepts(loss({ workerId: "w2", cause: "hung" }));
    expect(outcome.events[0]).toEqual({
      type: "SegmentWorkerLost",
      workerId: "w2",
      cause: "hung",
      attempt: 2,
      mediaHash,
    });
  });
});

describe("deadlines", () => {
  test("an upload has its own deadline, everything later has the segment's", () => {
    expect(given(segmentIn.uploading).deadline).toEqual({
      atMs: uploadDeadlineMs,
      command: { type: "ExpireUpload", dueMs: uploadDeadlineMs },
    });
    for (const state of ["queued", "running", "encoded"] as const) {
      expect(given(segmentIn[state]).deadline).toEqual({
        atMs: deadlineMs,
        command: { type: "ExpireSegment", dueMs: deadlineMs },
      });
    }
  });

  test("an ended segment has none", () => {
    expect(given(segmentIn.delivered).deadline).toBeNull();
    expect(given(segmentIn.failed).deadline).toBeNull();
  });

  test("each deadline ends the segment with its reason", () => {
    const upload = given(segmentIn.uploading).accepts({ type: "ExpireUpload", dueMs: uploadDeadlineMs });
    expect(upload.events).toEqual([
      { type: "SegmentFailed", code: "UPLOAD_TIMED_OUT", text: "Internal Server Error" },
    ]);
    const verdict = given(segmentIn.running).accepts({ type: "ExpireSegment", dueMs: deadlineMs });
    expect(verdict.events).toEqual([
      { type: "SegmentFailed", code: "DEADLINE_PASSED", text: workerLostText },
    ]);
  });

  test("a deadline that is not the segment's own is stale", () => {
    const stale = { type: "ExpireUpload", dueMs: uploadDeadlineMs - 1 } as const;
    given(segmentIn.uploading).refuses(stale, "SEGMENT_OUT_OF_TURN");
    given(segmentIn.running).refuses({ type: "ExpireSegment", dueMs: 1 }, "SEGMENT_OUT_OF_TURN");
  });

  test("the upload's deadline does not touch a segment that has arrived", () => {
    const late = { type: "ExpireUpload", dueMs: uploadDeadlineMs } as const;
    given(segmentIn.queued).refuses(late, "SEGMENT_OUT_OF_TURN");
  });
});
