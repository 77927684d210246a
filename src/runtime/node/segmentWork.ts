import {
  poisonedText,
  type SegmentCommand,
  workerLostText,
  workersPerSegmentMax,
} from "../../actors/segment/decide.ts";
import { isInputsFault } from "../../events/segment.ts";
import type { SessionCommand } from "../../actors/session/decide.ts";
import { toHex } from "../../protocol/bytes.ts";
import { mediaTypeOf, PERCEPTUAL_HASH_MEDIA_TYPE, providerText } from "../../protocol/container.ts";
import { perceptualHashObject, streamUrl } from "../../protocol/renditionPath.ts";
import {
  type DeliveredRendition,
  deliveredResult,
  encodeResult,
  failedResult,
  renditionsFault,
  resultMessage,
} from "../../protocol/transcodeResult.ts";
import type { EffectContext, EffectHandler, Host, Origin } from "../host.ts";
import type { Edge, Identity, ObjectStore, Rendition, TranscodeOutcome, TranscodeWorkers } from "../ports.ts";
import type { OpenWork } from "./openWork.ts";
import type { RenditionStore } from "./renditionStore.ts";
import { SessionQueues } from "./sessionQueues.ts";

export type SegmentWorkOptions = {
  readonly edge: Edge;
  readonly identity: Identity;
  readonly workers: TranscodeWorkers;
  readonly objectStore: ObjectStore | null;
  readonly renditions: RenditionStore;
  readonly serviceUri: string;
  readonly version: string;
  /** Workers that each input has cost so far: what the log says at start. */
  readonly harmfulInputs: Iterable<{ readonly mediaHash: string; readonly losses: number }>;
  /** Where fees are settled; null off-chain. A job that nobody pays for is no concern of it. */
  readonly fees: Fees | null;
  readonly onSessionReleased: (sessionStream: string) => void;
  readonly onFault: (error: unknown) => void;
};

/** The accounts, as far as work is concerned. */
export type Fees = {
  debit(jobId: string, units: bigint, origin: Origin): void;
  release(jobId: string, origin: Origin): void;
};

/**
 * A worker must let go so long before the segment's own deadline: a second to stop or be killed, half of one to tell.
 * Otherwise the segment would end first, and an input that hangs workers would never be counted. Milliseconds.
 */
const verdictMarginMs = 1_500;

/** Inputs with losses that are remembered in memory; the oldest go first. The log keeps them all. */
const lossesMax = 10_000;

/**
 * The effects of the segment and session machines: queues, workers, stores, answers. It holds only what a
 * restart may forget; every outcome goes back to the machines as a command.
 */
export class SegmentWork {
  readonly #options: SegmentWorkOptions;
  readonly #open = new Map<string, OpenWork>();
  readonly #queues = new SessionQueues();
  readonly #losses = new Map<string, number>();
  #host: Host | null = null;
  #serviceUri: string;

  constructor(options: SegmentWorkOptions) {
    this.#options = options;
    this.#serviceUri = options.serviceUri;
    for (const { mediaHash, losses } of options.harmfulInputs) this.#losses.set(mediaHash, losses);
  }

  /** The host needs the effects and the effects need the host: the composition ties the knot. */
  attach(host: Host): void {
    this.#host = host;
  }

  /** Renditions that are kept here are found at this address from now on. */
  advertise(serviceUri: string): void {
    this.#serviceUri = serviceUri;
  }

  /** What the effects of the machines mean. */
  readonly effects: Readonly<Record<string, EffectHandler>> = {
    transcodeSegment: { when: "local", run: (params, context) => this.#onTranscode(params, context) },
    deliverResult: { when: "durable", run: (_, context) => void this.#onDeliver(context) },
    answerFailure: { when: "volatile", run: (params, context) => this.#onFailure(params, context) },
    settleFee: { when: "inTurn", run: (params, context) => this.#onSettleFee(params, context) },
    reportToSession: { when: "inTurn", run: (params, context) => this.#onSegmentEnded(params, context) },
    releaseSession: { when: "volatile", run: (_, context) => this.#onRelease(context) },
  };

  get openCount(): number {
    return this.#open.size;
  }

  get openBytes(): number {
    let bytes = 0;
    for (const work of this.#open.values()) bytes += work.media?.length ?? 0;
    return bytes;
  }

  add(work: OpenWork): void {
    this.#open.set(work.segmentId, work);
  }

  /** Takes back what {@link add} added, for a segment that had ended before its body was whole. */
  drop(work: OpenWork): void {
    this.#forget(work);
  }

  /** Segments of the session that run or wait for a worker. */
  queueLength(sessionStream: string): number {
    return this.#queues.length(sessionStream);
  }

  /** Whether this input has killed so many workers that it is refused unseen. */
  isPoisoned(mediaHash: string): boolean {
    return (this.#losses.get(mediaHash) ?? 0) >= workersPerSegmentMax;
  }

  command(segmentId: string, command: SegmentCommand, origin: Origin): boolean {
    return this.#hosted().execute("segment", segmentId, command, origin).type === "accepted";
  }

  #hosted(): Host {
    if (this.#host === null) throw new Error("The host is not attached.");
    return this.#host;
  }

  #onTranscode(params: { deadlineMs: number; avoid: readonly string[] }, context: EffectContext): void {
    const work = this.#open.get(context.id);
    if (work === undefined || work.media === null) {
      // The bytes went with the process that held them, and so did the connection of the gateway.
      context.settle();
      this.command(
        context.id,
        { type: "FailSegment", code: "NODE_RESTARTED", text: workerLostText },
        context.origin,
      );
      return;
    }
    const start = (): void => this.#submit(work, params, context);
    if (work.hasStarted) {
      start();
      return;
    }
    this.#starters.set(work.segmentId, start);
    this.#startNext(this.#queues.add(work.sessionStream, work.segmentId));
  }

  readonly #starters = new Map<string, () => void>();

  #onSettleFee({ pixels }: { pixels: number }, { id, origin }: EffectContext): void {
    const { fees } = this.#options;
    if (pixels > 0) fees?.debit(id, BigInt(pixels), origin);
    else fees?.release(id, origin);
  }

  #startNext(segmentId: string | null): void {
    if (segmentId === null) return;
    const start = this.#starters.get(segmentId);
    this.#starters.delete(segmentId);
    start?.();
  }

  #submit(
    work: OpenWork,
    params: { deadlineMs: number; avoid: readonly string[] },
    context: EffectContext,
  ): void {
    const { media, credentials } = work;
    if (media === null) return;
    // It may have killed its second worker, under another segment, while this one waited.
    if (this.isPoisoned(work.mediaHash)) {
      this.#fail(work, "INPUT_POISONED", poisonedText, context.origin);
      return;
    }
    work.hasStarted = true;
    const { origin } = context;
    work.job = this.#options.workers.submit({
      jobId: work.segmentId,
      sessionId: work.sessionId,
      media,
      job: {
        profiles: credentials.profiles,
        clip: credentials.clip,
        calcPerceptualHash: credentials.calcPerceptualHash,
        provider: providerText(
          this.#options.version,
          this.#options.identity.account === null ? "offchain" : toHex(this.#options.identity.account),
        ),
      },
      deadlineMs: params.deadlineMs - verdictMarginMs,
      avoid: params.avoid,
      onStart: (workerId) => this.command(work.segmentId, { type: "DispatchSegment", workerId }, origin),
    });
    work.job.outcome.then(
      (outcome) => {
        context.settle();
        this.#onOutcome(work, outcome, origin);
      },
      (error: unknown) => this.#options.onFault(error),
    );
  }

  #onOutcome(work: OpenWork, outcome: TranscodeOutcome, origin: Origin): void {
    if (!this.#open.has(work.segmentId)) return;
    switch (outcome.type) {
      case "failed":
        this.#fail(work, "CODEC_REFUSED", outcome.text, origin);
        return;
      case "lost": {
        const earlierLosses = this.#losses.get(work.mediaHash) ?? 0;
        if (isInputsFault(outcome.cause)) this.#countLoss(work.mediaHash, earlierLosses + 1);
        const { cause, workerId } = outcome;
        this.command(work.segmentId, { type: "ReportWorkerLoss", workerId, cause, earlierLosses }, origin);
        return;
      }
      case "transcoded": {
        const sizes = outcome.renditions.map(({ bytes }) => bytes.length);
        const fault = renditionsFault(sizes, work.credentials.profiles.length);
        if (fault !== null) {
          this.#fail(work, "RENDITIONS_UNUSABLE", fault, origin);
          return;
        }
        work.renditions = outcome.renditions;
        work.media = null;
        this.#startNext(this.#queues.remove(work.sessionStream, work.segmentId));
        const { decodedFrames, codecMs } = outcome.timings;
        const done = this.command(
          work.segmentId,
          {
            type: "CompleteSegment",
            decodedFrames,
            decodedPixels: outcome.decodedPixels,
            codecUs: Math.round(codecMs * 1_000),
            renditions: outcome.renditions.map((rendition, index) => ({
              name: work.credentials.profiles[index]?.name ?? "",
              path: work.places[index]?.path ?? "",
              bytes: rendition.bytes.length,
              frames: rendition.frames,
              pixels: rendition.pixels,
              keccak256: toHex(rendition.keccak256),
              hasPerceptualHash: rendition.perceptualHash !== null,
            })),
          },
          origin,
        );
        // Refused because the segment has just ended: the gateway's answer is on its way, behind that commit.
        if (!done) this.#fail(work, "VERDICT_OUT_OF_TURN", workerLostText, origin);
        return;
      }
    }
  }

  #countLoss(mediaHash: string, losses: number): void {
    this.#losses.delete(mediaHash);
    this.#losses.set(mediaHash, losses);
    const oldest = this.#losses.keys().next().value;
    if (this.#losses.size > lossesMax && oldest !== undefined) this.#losses.delete(oldest);
  }

  #fail(work: OpenWork, code: string, text: string, origin: Origin): void {
    this.command(work.segmentId, { type: "FailSegment", code, text }, origin);
  }

  /** The result is durable: store the renditions, answer, and wait until the answer is with the gateway. */
  async #onDeliver(context: EffectContext): Promise<void> {
    const work = this.#open.get(context.id);
    if (work === undefined) {
      context.settle();
      this.command(
        context.id,
        { type: "FailSegment", code: "NODE_RESTARTED", text: workerLostText },
        context.origin,
      );
      return;
    }
    try {
      const stored = await this.#store(work);
      if (typeof stored === "string") {
        context.settle();
        this.#fail(work, "STORE_REFUSED", stored, context.origin);
        return;
      }
      const message = resultMessage(work.renditions.map(({ keccak256 }) => keccak256));
      const signature = this.#options.identity.sign(message);
      work.answer(encodeResult(deliveredResult(work.credentials.seq, stored, signature, work.info)));
      const outcome = await work.delivery;
      context.settle();
      const isOpen = this.#open.has(work.segmentId);
      if (!isOpen) return;
      if (outcome === "sent") this.command(work.segmentId, { type: "ConfirmDelivery" }, context.origin);
      else this.#fail(work, "GATEWAY_GONE", "", context.origin);
    } catch (error) {
      this.#options.onFault(error);
    }
  }

  /** Puts every rendition where the gateway will look for it; a text says why that failed. */
  async #store(work: OpenWork): Promise<readonly DeliveredRendition[] | string> {
    const delivered: DeliveredRendition[] = [];
    for (const [index, rendition] of work.renditions.entries()) {
      const place = work.places[index];
      const profile = work.credentials.profiles[index];
      if (place === undefined || profile === undefined) return "MismatchedSegments";
      const url = await this.#save(work, place.object, rendition.bytes, mediaTypeOf(profile.format));
      if (url.type === "failed") return url.text;
      const hash = await this.#savePerceptualHash(work, rendition, place.object);
      if (hash?.type === "failed") return hash.text;
      delivered.push({
        url: url.url,
        pixels: rendition.pixels,
        perceptualHashUrl: hash === null ? null : hash.url,
      });
    }
    return delivered;
  }

  async #savePerceptualHash(work: OpenWork, rendition: Rendition, object: string): Promise<Saved | null> {
    if (rendition.perceptualHash === null) return null;
    const name = perceptualHashObject(object);
    return this.#save(work, name, rendition.perceptualHash, PERCEPTUAL_HASH_MEDIA_TYPE);
  }

  #save(work: OpenWork, object: string, bytes: Uint8Array, contentType: string): Saved | Promise<Saved> {
    const { objectStore, renditions, edge } = this.#options;
    const { store } = work.credentials;
    if (store !== null) {
      if (objectStore === null) return { type: "failed", text: "no object store client" };
      const type = store.kind === "s3" ? "s3" : "gcs";
      return objectStore.saveForeign({ ...store, type }, object, bytes, contentType);
    }
    const path = `${work.sessionId}/${object}`;
    if (objectStore?.own !== undefined && objectStore.own !== null) {
      return objectStore.own.save(path, bytes, contentType);
    }
    renditions.put(work.sessionStream, path, { bytes, contentType }, edge.nowMs());
    return { type: "saved", url: streamUrl(this.#serviceUri, path) };
  }

  /** The failure is durable: tell the gateway and stop what still runs. */
  #onFailure(params: { text: string }, context: EffectContext): void {
    const work = this.#open.get(context.id);
    if (work === undefined) return;
    work.job?.cancel();
    work.answer(encodeResult(failedResult(work.credentials.seq, params.text, work.info)));
    this.#forget(work);
  }

  /** In the commit of the segment's end: the session's account of it, and the next segment of the session. */
  #onSegmentEnded(
    params: { sessionId: string; outcome: "delivered" | "failed"; pixels: number },
    context: EffectContext,
  ): void {
    const { outcome, pixels } = params;
    const command: SessionCommand = {
      type: "EndSessionSegment",
      segmentId: context.id,
      outcome,
      pixels,
    };
    this.#hosted().execute("session", params.sessionId, command, context.origin);
    const work = this.#open.get(context.id);
    if (work === undefined) return;
    if (outcome === "delivered") this.#forget(work);
    else this.#startNext(this.#queues.remove(work.sessionStream, work.segmentId));
  }

  #forget(work: OpenWork): void {
    this.#open.delete(work.segmentId);
    this.#starters.delete(work.segmentId);
    work.media = null;
    work.renditions = [];
    this.#startNext(this.#queues.remove(work.sessionStream, work.segmentId));
  }

  #onRelease(context: EffectContext): void {
    const sessionId = context.id.slice(0, context.id.lastIndexOf("."));
    this.#options.workers.endSession(sessionId);
    // Not those of a newer incarnation that has opened under the same token meanwhile.
    this.#options.renditions.dropSession(context.id, this.#options.edge.nowMs());
    this.#options.onSessionReleased(context.id);
  }
}

type Saved =
  { readonly type: "saved"; readonly url: string } | { readonly type: "failed"; readonly text: string };
