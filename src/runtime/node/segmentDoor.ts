import { lastIncarnation } from "../../events/log/incarnations.ts";
import { poisonedText, type SegmentCommand } from "../../actors/segment/decide.ts";
import { sessionQueueMax, type SessionCommand } from "../../actors/session/decide.ts";
import { toHex } from "../../protocol/bytes.ts";
import type { AuthToken, OrchestratorInfo } from "../../protocol/gen/lp_rpc_pb.ts";
import { readSegmentRequest } from "../../protocol/headers.ts";
import { estimatedUnits } from "../../protocol/price.ts";
import { loadCost } from "../../protocol/profiles.ts";
import { renditionDirectories, renditionObject, streamPath } from "../../protocol/renditionPath.ts";
import type { SegmentCredentials } from "../../protocol/segmentCredentials.ts";
import { CAPPED_TEXT, resultTexts, segmentTexts } from "../../protocol/texts.ts";
import { verifySegment } from "../../protocol/verifySegment.ts";
import type { CapabilitySet } from "../../protocol/capabilities.ts";
import type { Host, Origin } from "../host.ts";
import type { Sale } from "../money/market.ts";
import type { Till } from "../money/till.ts";
import type { Edge, Identity, MediaFetcher } from "../ports.ts";
import type { AcceptedSegment, HttpRefusal, Peer, SegmentHeaders, SegmentUpload } from "../service.ts";
import type { Admission } from "./admission.ts";
import { deferred, type OpenWork } from "./openWork.ts";
import type { SegmentWork } from "./segmentWork.ts";
import { resultWaitMs } from "./timeLimits.ts";

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
  /** The answer's `info`, with the token that the request carried. No sale off-chain. */
  readonly infoFor: (token: AuthToken, sale: Sale | null) => OrchestratorInfo;
  /** The number of a session's next incarnation, from 1. The same until that incarnation is opened. */
  readonly nextIncarnation: (sessionId: string) => number;
  readonly incarnationOpened: (sessionId: string, incarnation: number) => void;
  /** Null off-chain: everybody is served for nothing. */
  readonly till: Till | null;
  /** Why no new work may be taken, or null. */
  readonly refusal: () => string | null;
  readonly newTraceId: () => string | null;
};

/** A segment whose headers and payment were good. */
type Accepting = {
  readonly segment: SegmentCredentials;
  readonly authToken: AuthToken;
  readonly senderHex: `0x${string}`;
  readonly manifestId: `0x${string}`;
  /** Encoded pixels per second that it asks for. */
  readonly demand: number;
  readonly peer: Peer;
  readonly isUri: boolean;
  readonly sale: Sale | null;
  /** Pixels to speak for; null off-chain. */
  readonly units: bigint | null;
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
  async open(headers: SegmentHeaders, peer: Peer): Promise<HttpRefusal | SegmentUpload> {
    const options = this.#options;
    const request = readSegmentRequest(headers, options.version);
    if (request.type === "refused") return request;
    const { segment } = request;
    const sender = request.payment.sender;
    const senderHex = toHex(sender);
    const manifestId = toHex(segment.manifestId);
    const demand = Math.max(0, Math.round(loadCost(segment.profiles)));
    const hasCapacity = (sessionId: string): boolean =>
      options.admission.live(sessionId) !== null || options.admission.mayOpen(senderHex, manifestId, demand);
    const verified = verifySegment(segment, sender, {
      isSignedBy: options.identity.isSignedBy,
      capabilities: options.capabilities,
      checkToken: (token) => options.checkToken(token, sender),
      hasCapacity,
    });
    if (verified.type === "refused") return verified;
    const { authToken } = verified;
    if (this.#isForeign(authToken, senderHex)) return refused(403, segmentTexts.tokenInvalid);
    if (this.#isFull(authToken)) return capped();
    const isUri = headers.contentType === uriContentType;
    const { sessionId } = authToken;
    const upload = { segment, authToken, senderHex, manifestId, demand, peer, isUri };
    if (options.till === null) return this.#accept({ ...upload, sale: null, units: null });

    const { sessionStream } = this.#place(authToken);
    const origin: Origin = { correlationId: sessionStream, causationId: "segment-request" };
    const account = { sender: senderHex, manifestId: sessionId };
    const paid = await options.till.take(
      request.payment,
      { account, priceOf: account, isForWork: true },
      origin,
    );
    if (paid.type === "refused") return paid;
    // Others went on while this payment was verified: the last room may have gone to one of them.
    if (this.#isForeign(authToken, senderHex) || this.#isFull(authToken) || !hasCapacity(sessionId)) {
      await options.host.committed();
      return capped();
    }
    const units = estimatedUnits(segment.profiles, segment.durationMs);
    const accepted = this.#accept({ ...upload, sale: paid.sale, units });
    if (accepted.type === "refused") await options.host.committed();
    return accepted;
  }

  /** Whether somebody else's session has this name: `/refresh-payment` gives a token for any account that pays. */
  #isForeign({ sessionId }: AuthToken, senderHex: `0x${string}`): boolean {
    const { admission, till } = this.#options;
    const live = admission.live(sessionId);
    return till !== null && live !== null && live.sender !== senderHex;
  }

  /** Whether a segment more would be too much for the node or for its session. */
  #isFull({ sessionId }: AuthToken): boolean {
    const { admission, refusal, work } = this.#options;
    if (refusal() !== null || work.openBytes > openBytesMax) return true;
    const streamId = admission.live(sessionId)?.streamId;
    if (streamId === undefined) return false;
    const uploading = this.#opened.get(streamId)?.uploading ?? 0;
    return uploading + work.queueLength(streamId) >= openPerSessionMax;
  }

  /** Accepted segments whose media is still on its way. */
  get arrivingCount(): number {
    return this.#arriving;
  }

  /** Forgets the counts of a session that is gone. */
  released(sessionStream: string): void {
    this.#opened.delete(sessionStream);
  }

  /** The open session of this token, or the name of a new incarnation of it. */
  #place({ sessionId }: AuthToken): { readonly sessionStream: string; readonly isNew: boolean } {
    const { admission, host, nextIncarnation } = this.#options;
    const live = admission.live(sessionId);
    // One that was ended a moment ago is released only when that is durable; nothing may join it any more.
    const snapshot = live === null ? null : host.snapshot("session", live.streamId);
    if (live !== null && snapshot !== null && !snapshot.matches("ending")) {
      return { sessionStream: live.streamId, isNew: false };
    }
    return { sessionStream: `${sessionId}.${nextIncarnation(sessionId)}`, isNew: true };
  }

  #openSession(streamId: string, request: Accepting): void {
    const { admission, host, incarnationOpened } = this.#options;
    const { authToken, senderHex: sender, manifestId, demand, peer } = request;
    const command: SessionCommand = {
      type: "OpenSession",
      sender,
      manifestId,
      remoteAddress: peer.remoteAddress,
      tokenExpiration: authToken.expiration,
      demandPixelsPerSecond: demand,
    };
    host.execute("session", streamId, command, { correlationId: streamId, causationId: "segment-request" });
    incarnationOpened(authToken.sessionId, lastIncarnation([{ stream: streamId }]));
    admission.opened(authToken.sessionId, {
      streamId,
      sender,
      manifestId,
      remoteAddress: peer.remoteAddress,
      demandPixelsPerSecond: demand,
    });
  }

  /** One turn, one commit: the fee is spoken for, the session is open, the segment is accepted. */
  #accept(request: Accepting): HttpRefusal | SegmentUpload {
    const { segment, authToken, senderHex } = request;
    const { edge, host, infoFor, newTraceId, till } = this.#options;
    const { sessionStream, isNew } = this.#place(authToken);
    const segmentId = `${sessionStream}/${this.#countsOf(sessionStream).segments + 1}`;
    const asked: Origin = { correlationId: sessionStream, causationId: "segment-request" };
    if (till !== null && request.units !== null) {
      const account = { sender: senderHex, manifestId: authToken.sessionId };
      const refusal = till.reserve(account, { jobId: segmentId, units: request.units }, asked);
      if (refusal !== null) return refused(400, refusal);
    }
    // A trace that is begun is ended with its segment: not before it is certain that there is one.
    const origin: Origin = { ...asked, traceId: newTraceId() };
    if (isNew) this.#openSession(sessionStream, request);
    const counts = this.#countsOf(sessionStream);
    this.#opened.set(sessionStream, counts);
    counts.segments += 1;
    counts.uploading += 1;
    this.#arriving += 1;
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
      sender: senderHex,
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
    const work = this.#openWork(
      segmentId,
      sessionStream,
      segment,
      authToken,
      infoFor(authToken, request.sale),
    );
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
    return { segments, uploading: 0 };
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
