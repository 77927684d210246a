import { segmentKind, type SegmentCommand } from "../../src/actors/segment/decide.ts";
import { isInputsFault } from "../../src/events/segment.ts";
import { sessionKind, type SessionCommand } from "../../src/actors/session/decide.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import type { RenditionProfile } from "../../src/protocol/profile.ts";
import type { EffectHandler, Host } from "../../src/runtime/host.ts";
import { assert } from "../../src/shared/assert.ts";
import type { StandingClock } from "./hostHarness.ts";

/*
 * A morning in the life of a node, told as commands to a real host: every way a segment and a session can go. The
 * worker and the gateway are the lines below, so the log says exactly the same every time.
 */

/** The kinds of a node. */
export const nodeKinds = [sessionKind, segmentKind];

/** The effects of a node, of which only the one that gives commands does anything. */
export function walkEffects(host: () => Host): Readonly<Record<string, EffectHandler>> {
  return {
    transcodeSegment: { when: "local", run: () => {} },
    deliverResult: { when: "durable", run: () => {} },
    answerFailure: { when: "volatile", run: () => {} },
    releaseSession: { when: "volatile", run: () => {} },
    // Off-chain, nothing is owed.
    settleFee: { when: "inTurn", run: () => {} },
    reportToSession: {
      when: "inTurn",
      run: (params: { sessionId: string; outcome: "delivered" | "failed"; pixels: number }, context) => {
        const { outcome, pixels } = params;
        const command: SessionCommand = { type: "EndSessionSegment", segmentId: context.id, outcome, pixels };
        host().execute("session", params.sessionId, command, context.origin);
      },
    },
  };
}

const profile: RenditionProfile = {
  name: "P144p30fps16x9",
  width: 256,
  height: 144,
  bitrate: 400_000,
  fps: 30,
  fpsDen: 1,
  gopMs: 0,
  profile: "default",
  format: "mpegts",
  encoder: "h264",
  quality: 0,
};

/** Gives commands and moves the clock; every command must be accepted. */
export class Walk {
  readonly #host: Host;
  readonly #clock: StandingClock;
  readonly #losses = new Map<string, number>();
  readonly #segments = new Map<string, number>();

  constructor(host: Host, clock: StandingClock) {
    this.#host = host;
    this.#clock = clock;
  }

  session(id: string, command: SessionCommand, causationId = "segment-request"): void {
    this.#clock.ms += 1;
    const result = this.#host.execute("session", id, command, { correlationId: id, causationId });
    assert(result.type === "accepted", `session ${id} refused ${command.type}`);
  }

  segment(id: string, command: SegmentCommand, causationId = "segment-request"): void {
    this.#clock.ms += 3;
    const correlationId = id.split("/", 1)[0] ?? id;
    const result = this.#host.execute("segment", id, command, { correlationId, causationId });
    assert(result.type === "accepted", `segment ${id} refused ${command.type}`);
  }

  open(session: string, manifest: string): void {
    this.session(session, {
      type: "OpenSession",
      sender: `0x${"00".repeat(20)}`,
      manifestId: toHex(new TextEncoder().encode(manifest)),
      remoteAddress: "203.0.113.9",
      tokenExpiration: 1_800_000_000n,
      demandPixelsPerSecond: 9_970_560,
    });
  }

  /** Accepts one more segment of the session. Returns its id. */
  accept(session: string, media: string): string {
    const number = (this.#segments.get(session) ?? 0) + 1;
    this.#segments.set(session, number);
    const id = `${session}/${number}`;
    const { ms } = this.#clock;
    this.session(session, { type: "StartSessionSegment", segmentId: id, seq: BigInt(number) });
    this.segment(id, {
      type: "AcceptSegment",
      sessionId: session,
      sender: `0x${"00".repeat(20)}`,
      manifestId: "0x6d",
      seq: BigInt(number),
      mediaHash: mediaHash(media),
      durationMs: 2_000,
      profiles: [profile],
      clip: null,
      calcPerceptualHash: false,
      uploadDeadlineMs: ms + 8_000,
      deadlineMs: ms + 16_000,
    });
    return id;
  }

  receive(id: string): void {
    this.segment(id, { type: "ReceiveSegment", bytes: 123_456 });
  }

  dispatch(id: string, workerId: string): void {
    this.segment(id, { type: "DispatchSegment", workerId }, "worker");
  }

  lose(
    id: string,
    media: string,
    cause: "exited" | "hung" | "oversized" | "stopped" | "not-started",
    workerId: string,
  ): void {
    const earlierLosses = this.#losses.get(media) ?? 0;
    if (isInputsFault(cause)) this.#losses.set(media, earlierLosses + 1);
    this.segment(id, { type: "ReportWorkerLoss", workerId, cause, earlierLosses }, "worker");
  }

  complete(id: string): void {
    this.segment(
      id,
      {
        type: "CompleteSegment",
        decodedFrames: 60,
        decodedPixels: 55_296_000,
        codecUs: 41_234,
        renditions: [
          {
            name: profile.name,
            path: `${id.split(".", 1)[0]}/${profile.name}/1.ts`,
            bytes: 51_200,
            frames: 60,
            pixels: 2_211_840,
            keccak256: mediaHash(`${id}${profile.name}`),
            hasPerceptualHash: false,
          },
        ],
      },
      "worker",
    );
  }

  /** A segment from its headers to its delivery. */
  deliver(session: string, media: string): void {
    const id = this.accept(session, media);
    this.receive(id);
    this.dispatch(id, "w1");
    this.complete(id);
    this.segment(id, { type: "ConfirmDelivery" });
  }

  expire(id: string): void {
    const context = this.#host.snapshot("segment", id)?.context as {
      readonly uploadDeadlineMs: number;
      readonly deadlineMs: number;
    };
    const isUploading = this.#host.snapshot("segment", id)?.value === "uploading";
    const dueMs = isUploading ? context.uploadDeadlineMs : context.deadlineMs;
    this.#clock.ms = Math.max(this.#clock.ms, dueMs);
    this.segment(id, { type: isUploading ? "ExpireUpload" : "ExpireSegment", dueMs }, "deadline");
  }

  idle(session: string): void {
    const context = this.#host.snapshot("session", session)?.context as { readonly idleDeadlineMs: number };
    this.#clock.ms = Math.max(this.#clock.ms, context.idleDeadlineMs);
    this.session(session, { type: "EndSession", cause: "idle", dueMs: context.idleDeadlineMs }, "deadline");
  }
}

function mediaHash(media: string): `0x${string}` {
  return `0x${new Bun.CryptoHasher("sha256").update(media).digest("hex")}`;
}

/** Everything that can happen to segments and sessions, each at least once; some of it is still open at the end. */
export function walkEverything(walk: Walk): void {
  walk.open("a11.1", "delivered");
  for (let index = 0; index < 3; index++) walk.deliver("a11.1", `good ${index}`);

  walk.open("b22.1", "failures");
  const refused = walk.accept("b22.1", "garbage");
  walk.receive(refused);
  walk.dispatch(refused, "w1");
  walk.segment(refused, { type: "FailSegment", code: "CODEC_REFUSED", text: 'Invalid data \u0000 "found"' });
  const aborted = walk.accept("b22.1", "aborted");
  walk.segment(aborted, { type: "FailSegment", code: "UPLOAD_CLIENT_GONE", text: "Internal Server Error" });
  walk.expire(walk.accept("b22.1", "slow upload"));
  const gone = walk.accept("b22.1", "gone");
  walk.receive(gone);
  walk.dispatch(gone, "w1");
  walk.complete(gone);
  walk.segment(gone, { type: "FailSegment", code: "GATEWAY_GONE", text: "" });

  walk.open("c33.1", "retries");
  const retried = walk.accept("c33.1", "retried");
  walk.receive(retried);
  walk.dispatch(retried, "w1");
  walk.lose(retried, "retried", "exited", "w1");
  walk.dispatch(retried, "w2");
  walk.complete(retried);
  walk.segment(retried, { type: "ConfirmDelivery" });
  const unlucky = walk.accept("c33.1", "unlucky");
  walk.receive(unlucky);
  walk.lose(unlucky, "unlucky", "not-started", "");
  walk.dispatch(unlucky, "w2");
  walk.lose(unlucky, "unlucky", "stopped", "w2");
  const poison = walk.accept("c33.1", "poison");
  walk.receive(poison);
  walk.dispatch(poison, "w1");
  walk.lose(poison, "poison", "hung", "w1");
  walk.dispatch(poison, "w2");
  walk.lose(poison, "poison", "oversized", "w2");
  const late = walk.accept("c33.1", "late");
  walk.receive(late);
  walk.dispatch(late, "w1");
  walk.expire(late);

  walk.open("d44.1", "ended by gateway");
  walk.deliver("d44.1", "first");
  const last = walk.accept("d44.1", "last");
  walk.receive(last);
  walk.session(
    "d44.1",
    { type: "EndSession", cause: "ended-by-gateway", dueMs: null },
    "end-transcoding-session",
  );
  walk.dispatch(last, "w1");
  walk.complete(last);
  walk.segment(last, { type: "ConfirmDelivery" });
  walk.idle("a11.1");

  walk.open("a11.2", "open again");
  walk.deliver("a11.2", "again");
  const running = walk.accept("a11.2", "running");
  walk.receive(running);
  walk.dispatch(running, "w1");
  walk.receive(walk.accept("a11.2", "queued"));
}
