import { resultWaitMs } from "./timeLimits.ts";
import { poisonedText, type SegmentCommand } from "../../actors/segment/decide.ts";
import { sessionQueueMax, type SessionCommand } from "../../actors/session/decide.ts";
import { toHex } from "../../protocol/bytes.ts";
import type { AuthToken, OrchestratorInfo } from "../../protocol/gen/lp_rpc_pb.ts";
import { readSegmentRequest } from "../../protocol/headers.ts";
import { loadCost } from "../../protocol/profiles.ts";
import { renditionDirectories, renditionObject, streamPath } from "../../protocol/renditionPath.ts";
import type { SegmentCredentials } from "../../protocol/segmentCredentials.ts";
import { CAPPED_TEXT, resultTexts, segmentTexts } from "../../protocol/texts.ts";
import { verifySegment } from "../../protocol/verifySegment.ts";
import type { CapabilitySet } from "../../protocol/capabilities.ts";
import type { Host, Origin } from "../host.ts";
import type { Edge, Identity, MediaFetcher } from "../ports.ts";
import type { AcceptedSegment, HttpRefusal, Peer, SegmentHeaders, SegmentUpload } from "../service.ts";
import type { Admission } from "./admission.ts";
import { deferred, type OpenWork } from "./openWork.ts";
import type { SegmentWork } from "./segmentWork.ts";

export type SegmentDoorOptions = {
  readonly edge: Edge;
  readonly identity: Identity;
  readonly capabilities: CapabilitySet;
  readonly version: string;
  readonly host: Host;
  readonly work: SegmentWork;
  readonly admission: Admission;
  readonly mediaFetcher: MediaFetcher | null;
  readonly checkToken: (token: AuthToken, account: Uint8Array) => "valid" | "invalid" | "expired";
  /** The answer's `info`, with the token that the request carried. */
  readonly infoFor: (token: AuthToken) => OrchestratorInfo;
  /** The number of a session's next incarnation, from 1. */
  readonly nextIncarnation: (sessionId: string) => number;
  /** Why no new work may be taken, or null. */
  readonly refusal: () => string | null;
  readonly newTraceId: () => string | null;
};

/** Media that may be uploaded in one segment. Source: video sheet 4.2, step 16. */
const bodyBytesMax = 300_000_000;
/** Uploads and segments of one session at a time; the queue of five, and as many on their way. */
const openPerSessionMax = 10;
/** Media of all sessions that may be in memory at a time. */
const openBytesMax = 1024 * 1024 * 1024;

/** The content type that makes the body a URL. Source: video sheet 4.1. */
const uriContentType = "application/vnd+livepeer.uri";
const uriBytesMax = 4_096;

/**
 * POST /segment: from the headers to the early 200. Every check in the sheet's order, then one commit for the
 * acceptance and one for the received body; the rest is the segment's own life.
 */
export class SegmentDoor {
  readonly #options: SegmentDoorOptions;
  readonly #opened = new Map<string, { segments: number; uploading: number }>();
  #arriving = 0;

  constructor(options: SegmentDoorOptions) {
    this.#options = options;
  }

  /** Steps 1 to 15 of video sheet 4.2. */
  open(headers: SegmentHeaders, peer: Peer): HttpRefusal | SegmentUpload {
    const options = this.#options;
    const request = readSegmentRequest(headers, options.version);
    if (request.type === "refused") return request;
    const { segment } = request;
    const sender = request.payment.sender;
    const senderHex = toHex(sender);
    const manifestId = toHex(segment.manifestId);
    const demand = Math.max(0, Math.round(loadCost(segment.profiles)));
    const verified = verifySegment(segment, sender, {
      isSignedBy: options.identity.isSignedBy,
      capabilities: options.capabilities,
      checkToken: (token) => options.checkToken(token, sender),
      hasCapacity: (sessionId) =>
        options.admission.live(sessionId) !== null ||
        options.admission.mayOpen(senderHex, manifestId, demand),
    });
    if (verified.type === "refused") return verified;
    if (options.refusal() !== null || options.work.openBytes > openBytesMax) return capped();
    const { authToken } = verified;
    const sessionStream = this.#session(authToken, senderHex, manifestId, peer, demand);
    const counts = this.#opened.get(sessionStream) ?? { segments: 0, uploading: 0 };
    if (counts.uploading + options.work.queueLength(sessionStream) >= openPerSessionMax) return capped();
    const isUri = headers.contentType === uriContentType;
    return this.#accept({ segment, authToken, senderHex, manifestId, sessionStream, isUri });
  }

  /** Accepted segments whose media is still on its way. */
  get arrivingCount(): number {
    return this.#arriving;
  }

  /** Forgets the counts of a session that is gone. */
  released(sessionStream: string): void {
    this.#opened.delete(sessionStream);
  }

  /** The open session of this token, or a new incarnation of it. */
  #session(
    token: AuthToken,
    sender: `0x${string}`,
    manifestId: `0x${string}`,
    peer: Peer,
    demand: number,
  ): string {
    const { admission, host, nextIncarnation } = this.#options;
    const live = admission.live(token.sessionId);
    // One that was ended a moment ago is released only when that is durable; nothing may join it any more.
    const snapshot = live === null ? null : host.snapshot("session", live.streamId);
    if (live !== null && snapshot !== null && !snapshot.matches("ending")) return live.streamId;
    const streamId = `${token.sessionId}.${nextIncarnation(token.sessionId)}`;
    const command: SessionCommand = {
      type: "OpenSession",
      sender,
      manifestId,
      remoteAddress: peer.remoteAddress,
      tokenExpiration: token.expiration,
      demandPixelsPerSecond: demand,
    };
    host.execute("session", streamId, command, { correlationId: streamId, causationId: "segment-request" });
    admission.opened(token.sessionId, {
      streamId,
      sender,
      manifestId,
      remoteAddress: peer.remoteAddress,
      demandPixelsPerSecond: demand,
    });
    return streamId;
  }

  #accept(request: {
    readonly segment: SegmentCredentials;
    readonly authToken: AuthToken;
    readonly senderHex: `0x${string}`;
    readonly manifestId: `0x${string}`;
    readonly sessionStream: string;
    readonly isUri: boolean;
  }): SegmentUpload {
    const { segment, authToken, sessionStream } = request;
    const { edge, host, infoFor, newTraceId } = this.#options;
    const counts = this.#countsOf(sessionStream);
    counts.segments += 1;
    counts.uploading += 1;
    this.#arriving += 1;
    const segmentId = `${sessionStream}/${counts.segments}`;
    const origin: Origin = {
      correlationId: sessionStream,
      causationId: "segment-request",
      traceId: newTraceId(),
    };
    const nowMs = edge.nowMs();
    const uploadDeadlineMs = nowMs + resultWaitMs(segment.durationMs);
    host.execute(
      "session",
      sessionStream,
      { type: "StartSessionSegment", segmentId, seq: segment.seq } as SessionCommand,
      origin,
    );
    const accept: SegmentCommand = {
      type: "AcceptSegment",
      sessionId: sessionStream,
      sender: request.senderHex,
      manifestId: request.manifestId,
      seq: segment.seq,
      mediaHash: toHex(segment.hash),
      durationMs: segment.durationMs,
      profiles: segment.profiles,
      clip: segment.clip,
      calcPerceptualHash: segment.calcPerceptualHash,
      uploadDeadlineMs,
      deadlineMs: uploadDeadlineMs + resultWaitMs(segment.durationMs),
    };
    host.execute("segment", segmentId, accept, origin);
    const work = this.#openWork(segmentId, sessionStream, segment, authToken, infoFor(authToken));
    let isSettled = false;
    const settle = (): boolean => {
      if (isSettled) return false;
      isSettled = true;
      counts.uploading -= 1;
      return true;
    };
    return {
      type: "upload",
      bodyBytesMax: request.isUri ? uriBytesMax : bodyBytesMax,
      uploadDeadlineMs,
      complete: async (body, keccak256) => {
        if (!settle()) return refused(500, segmentTexts.internal);
        try {
          if (request.isUri) return await this.#completeFromUri(work, body, origin);
          return await this.#complete(work, body, keccak256, origin);
        } finally {
          this.#arriving -= 1;
        }
      },
      abort: (cause) => {
        if (!settle()) return;
        this.#arriving -= 1;
        const code = `UPLOAD_${cause.toUpperCase().replace("-", "_")}`;
        this.#fail(segmentId, code, segmentTexts.internal, origin);
      },
    };
  }

  #countsOf(sessionStream: string): { segments: number; uploading: number } {
    const known = this.#opened.get(sessionStream);
    if (known !== undefined) return known;
    // After a restart the numbers go on behind those that the log holds.
    const snapshot = this.#options.host.snapshot("session", sessionStream);
    const context = snapshot?.context as
      { segmentsDelivered: number; segmentsFailed: number; openSegments: readonly string[] } | undefined;
    const segments =
      context === undefined
        ? 0
        : context.segmentsDelivered + context.segmentsFailed + context.openSegments.length;
    const counts = { segments, uploading: 0 };
    this.#opened.set(sessionStream, counts);
    return counts;
  }

  #openWork(
    segmentId: string,
    sessionStream: string,
    credentials: SegmentCredentials,
    authToken: AuthToken,
    info: OrchestratorInfo,
  ): OpenWork {
    const result = deferred<Uint8Array>();
    const delivery = deferred<"sent" | "client-gone">();
    const directories = renditionDirectories(credentials.profiles);
    return {
      segmentId,
      sessionStream,
      sessionId: authToken.sessionId,
      credentials,
      info,
      places: credentials.profiles.map((profile, index) => {
        const object = renditionObject(directories[index] ?? "", credentials.seq, profile);
        return { object, path: streamPath(authToken.sessionId, object) };
      }),
      media: null,
      mediaHash: toHex(credentials.hash),
      job: null,
      hasStarted: false,
      renditions: [],
      answer: result.resolve,
      result: result.promise,
      deliveryKnown: delivery.resolve,
      delivery: delivery.promise,
    };
  }

  /** Step 17: the body names the media. */
  async #completeFromUri(
    work: OpenWork,
    body: Uint8Array,
    origin: Origin,
  ): Promise<HttpRefusal | AcceptedSegment> {
    const { mediaFetcher } = this.#options;
    const url = new TextDecoder().decode(body).trim();
    const fetched =
      mediaFetcher === null
        ? ({ type: "refused", reason: "no fetcher" } as const)
        : await mediaFetcher.fetch(url, { bytesMax: bodyBytesMax, timeoutMs: 4_000 });
    if (fetched.type === "refused") {
      this.#fail(work.segmentId, "SOURCE_UNAVAILABLE", segmentTexts.sourceUnavailable, origin);
      await this.#options.host.committed();
      return refused(400, segmentTexts.sourceUnavailable);
    }
    return this.#complete(work, fetched.bytes, null, origin);
  }

  /** Steps 18 and 19: the hash, and then the early 200. */
  async #complete(
    work: OpenWork,
    media: Uint8Array,
    keccak256: Uint8Array | null,
    origin: Origin,
  ): Promise<HttpRefusal | AcceptedSegment> {
    const { host } = this.#options;
    const { segmentId } = work;
    const hash = toHex(keccak256 ?? this.#options.edge.keccak256(media));
    if (hash !== work.mediaHash) {
      this.#fail(segmentId, "HASH_MISMATCH", segmentTexts.hashMismatch, origin);
      await host.committed();
      return refused(403, segmentTexts.hashMismatch);
    }
    const waiting = this.#options.work.queueLength(work.sessionStream);
    this.#options.work.add(work);
    let isTaken: boolean;
    if (this.#options.work.isPoisoned(hash)) {
      isTaken = this.#fail(segmentId, "INPUT_POISONED", poisonedText, origin);
    } else if (waiting > sessionQueueMax) {
      isTaken = this.#fail(segmentId, "SESSION_BUSY", resultTexts.busy, origin);
    } else {
      work.media = media;
      const command: SegmentCommand = { type: "ReceiveSegment", bytes: media.length };
      isTaken = this.#options.work.command(segmentId, command, origin);
    }
    if (!isTaken) {
      // The deadline was faster than the body: the segment has failed, and nobody else will let go of the media.
      this.#options.work.drop(work);
      return refused(500, segmentTexts.internal);
    }
    await host.committed();
    return { type: "accepted", result: work.result, delivered: work.deliveryKnown };
  }

  #fail(segmentId: string, code: string, text: string, origin: Origin): boolean {
    return this.#options.work.command(segmentId, { type: "FailSegment", code, text }, origin);
  }
}

function refused(status: number, text: string): HttpRefusal {
  return { type: "refused", status, text };
}

function capped(): HttpRefusal {
  return refused(403, CAPPED_TEXT);
}
