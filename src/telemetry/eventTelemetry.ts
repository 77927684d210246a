import type { AccountEvent } from "../events/account.ts";
import type { EventOf } from "../events/definition.ts";
import { parseStreamId, type RecordedEvent } from "../events/envelope.ts";
import type { PricingEvent } from "../events/pricing.ts";
import type { SegmentEvent, segmentAccepted } from "../events/segment.ts";
import type { RoundEvent } from "../events/round.ts";
import type { SessionEvent } from "../events/session.ts";
import type { TicketEvent } from "../events/ticket.ts";
import type { TransactionEvent } from "../events/transaction.ts";
import type { WalletEvent } from "../events/wallet.ts";
import type { WatchEvent } from "../events/watch.ts";
import type { LivepeerMetrics, StreamLabels } from "./livepeerMetrics.ts";
import type { Logger } from "./logger.ts";
import { MoneyTelemetry, type OpenMoneyFacts } from "./moneyTelemetry.ts";
import type { RepriseMetrics } from "./repriseMetrics.ts";
import { type OpenTransactionFacts, SpendingTelemetry } from "./spendingTelemetry.ts";
import type { Span, Tracer } from "./tracing.ts";

export type EventTelemetryOptions = {
  readonly livepeer: LivepeerMetrics;
  readonly reprise: RepriseMetrics;
  readonly logger: Logger;
  readonly tracer: Tracer;
};

/** What is remembered of a segment in flight, to measure its walk. */
type Walk = {
  readonly accepted: EventOf<typeof segmentAccepted>;
  readonly acceptedMs: number;
  readonly span: Span;
  readonly stream: StreamLabels;
  receivedMs: number;
  stage: Span | null;
};

/**
 * Metrics, log lines and traces as one more fold over the events: whoever reads the log later can derive the
 * same. Memory is proportional to the segments in flight.
 */
export class EventTelemetry {
  readonly #options: EventTelemetryOptions;
  readonly #money: MoneyTelemetry;
  readonly #spending: SpendingTelemetry;
  readonly #walks = new Map<string, Walk>();
  readonly #begun = new Map<string, Span>();

  constructor(options: EventTelemetryOptions) {
    this.#options = options;
    this.#money = new MoneyTelemetry(options);
    const { livepeer, logger, reprise } = options;
    this.#spending = new SpendingTelemetry({ livepeer, logger, spending: reprise.spending });
  }

  /** Opens the trace of a segment that is about to be accepted. Null when tracing is off. */
  begin(): string | null {
    const { tracer } = this.#options;
    if (!tracer.isOn) return null;
    const span = tracer.startSpan("segment");
    this.#begun.set(span.traceId, span);
    return span.traceId;
  }

  /** Takes up the accounts and winning tickets that are open at a start. On-chain only. */
  resumeMoney(open: OpenMoneyFacts): void {
    this.#money.resume(open);
  }

  /** Takes up the transactions that are under way at a start. On-chain only. */
  resumeTransactions(open: Iterable<OpenTransactionFacts>): void {
    this.#spending.resume(open);
  }

  onRecorded(recorded: RecordedEvent): void {
    const { event } = recorded;
    switch (parseStreamId(recorded.stream).kind) {
      case "segment":
        this.#onSegment(recorded, event as SegmentEvent);
        return;
      case "session":
        this.#onSession(recorded, event as SessionEvent);
        return;
      case "account":
        this.#money.onAccount(recorded, event as AccountEvent);
        return;
      case "ticket":
        this.#money.onTicket(recorded, event as TicketEvent);
        return;
      case "pricing":
        this.#money.onPricing(event as PricingEvent);
        return;
      case "transaction":
        this.#spending.onTransaction(recorded, event as TransactionEvent);
        return;
      case "round":
        this.#spending.onRound(recorded, event as RoundEvent);
        return;
      case "wallet":
        this.#spending.onWallet(recorded, event as WalletEvent);
        return;
      case "watch":
        this.#spending.onWatch(event as WatchEvent);
        return;
      default:
    }
  }

  #onSession({ stream, correlationId }: RecordedEvent, event: SessionEvent): void {
    const { logger } = this.#options;
    if (event.type === "SessionOpened") {
      logger.info("Session opened", {
        stream,
        correlationId,
        manifestId: textOf(event.manifestId),
        remoteAddress: event.remoteAddress,
      });
    } else if (event.type === "SessionEnded") {
      this.#money.sessionEnded(parseStreamId(stream).id);
      logger.info("Session ended", { stream, correlationId, cause: event.cause });
    }
  }

  #onSegment(recorded: RecordedEvent, event: SegmentEvent): void {
    if (event.type === "SegmentAccepted") {
      this.#onAccepted(recorded, event);
      return;
    }
    const walk = this.#walks.get(recorded.stream);
    if (walk === undefined) return;
    const { atMs } = recorded;
    switch (event.type) {
      case "SegmentReceived":
        walk.receivedMs = atMs;
        this.#options.livepeer.segmentDownloaded(walk.stream, (atMs - walk.acceptedMs) / 1_000);
        this.#stage(walk, "segment.queue", atMs, { bytes: event.bytes });
        return;
      case "SegmentDispatched":
        this.#stage(walk, "segment.transcode", atMs, { workerId: event.workerId, attempt: event.attempt });
        return;
      case "SegmentWorkerLost":
        this.#options.logger.warn("A worker lost a segment", {
          stream: recorded.stream,
          correlationId: recorded.correlationId,
          workerId: event.workerId,
          cause: event.cause,
        });
        this.#stage(walk, "segment.queue", atMs, { lostWorker: event.workerId, cause: event.cause });
        return;
      case "SegmentTranscoded":
        this.#onTranscoded(walk, event, atMs);
        return;
      case "SegmentDelivered":
        this.#options.logger.debug("Segment delivered", {
          stream: recorded.stream,
          correlationId: recorded.correlationId,
          seq: walk.accepted.seq,
          totalMs: atMs - walk.acceptedMs,
        });
        this.#end(recorded, walk, null);
        return;
      case "SegmentFailed":
        this.#options.reprise.segmentsFailed.add(1, [event.code]);
        this.#options.logger.info("Segment failed", {
          stream: recorded.stream,
          correlationId: recorded.correlationId,
          seq: walk.accepted.seq,
          code: event.code,
          text: event.text,
        });
        this.#end(recorded, walk, event.code);
        return;
    }
  }

  #onAccepted(recorded: RecordedEvent, accepted: EventOf<typeof segmentAccepted>): void {
    const { livepeer, tracer, reprise } = this.#options;
    const begun = recorded.traceId === null ? undefined : this.#begun.get(recorded.traceId);
    if (recorded.traceId !== null) this.#begun.delete(recorded.traceId);
    const span = begun ?? tracer.startSpan("segment");
    span.set({ stream: recorded.stream, seq: accepted.seq.toString(), profiles: accepted.profiles.length });
    const walk: Walk = {
      accepted,
      acceptedMs: recorded.atMs,
      span,
      stream: { manifestId: textOf(accepted.manifestId), clientIp: "" },
      receivedMs: recorded.atMs,
      stage: null,
    };
    this.#walks.set(recorded.stream, walk);
    reprise.segmentsOpen.set(this.#walks.size);
    this.#money.sessionNamed(accepted.sessionId, walk.stream.manifestId);
    livepeer.segmentEmerged(walk.stream, accepted.durationMs / 1_000);
    this.#stage(walk, "segment.upload", recorded.atMs, {});
  }

  #onTranscoded(
    walk: Walk,
    event: SegmentEvent & { readonly type: "SegmentTranscoded" },
    atMs: number,
  ): void {
    const { livepeer, reprise } = this.#options;
    const names = walk.accepted.profiles.map(({ name }) => name);
    livepeer.segmentTranscoded(names, walk.accepted.durationMs / 1_000, (atMs - walk.receivedMs) / 1_000);
    livepeer.pixelsProcessed(
      walk.stream,
      event.renditions.reduce((sum, { pixels }) => sum + pixels, 0),
    );
    reprise.segmentOverheadSeconds.observe(
      Math.max(0, atMs - walk.receivedMs - event.codecUs / 1_000) / 1_000,
    );
    this.#stage(walk, "segment.deliver", atMs, { codecUs: event.codecUs });
  }

  /** Ends the running part of the walk and begins the next. */
  #stage(walk: Walk, name: string, atMs: number, attributes: Record<string, string | number>): void {
    const { tracer } = this.#options;
    if (!tracer.isOn) return;
    walk.stage?.end({ endMs: atMs });
    walk.stage = tracer.startSpan(name, { parent: walk.span, startMs: atMs, attributes });
  }

  #end(recorded: RecordedEvent, walk: Walk, failure: string | null): void {
    walk.stage?.end({ endMs: recorded.atMs });
    walk.span.end({ endMs: recorded.atMs, ...(failure === null ? {} : { errorText: failure }) });
    this.#walks.delete(recorded.stream);
    this.#options.reprise.segmentsOpen.set(this.#walks.size);
  }
}

/** A manifest id is bytes; most gateways send text. */
function textOf(manifestId: string): string {
  return Buffer.from(manifestId.slice(2), "hex").toString("utf8");
}
