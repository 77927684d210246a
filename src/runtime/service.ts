import type { NamedRecipient, QueuedTicket, Unreadable } from "../protocol/redeemer.ts";
import type { AuthToken, OrchestratorInfo, OrchestratorRequest } from "../protocol/gen/lp_rpc_pb.ts";

/*
 * The door between the listener (`src/server`) and the node. The listener owns sockets, bounds, time-outs and
 * wire formats; the node owns every decision. All methods are safe to call with whatever a peer sent.
 */

/** Who is calling, as far as the socket tells. */
export type Peer = { readonly remoteAddress: string };

/** A refusal that the protocol foresees: an HTTP status and the exact text a gateway compares. */
export type HttpRefusal = { readonly type: "refused"; readonly status: number; readonly text: string };

/** A gRPC refusal: always status UNKNOWN (2) with this message, as go-livepeer's plain errors are. */
export type RpcRefusal = { readonly type: "refused"; readonly text: string };

export type RpcAnswer<T> = { readonly type: "answer"; readonly value: T } | RpcRefusal;

/** Headers of POST /segment, untouched. `null` means absent. */
export type SegmentHeaders = {
  readonly segment: string | null;
  readonly payment: string | null;
  readonly contentType: string | null;
};

/**
 * An admitted upload. The listener streams the body, hashes it on the way (Keccak-256) and then calls exactly
 * one of `complete` and `abort`, once.
 */
export type SegmentUpload = {
  readonly type: "upload";
  /** Accepted body bytes; one more is refused with 500 `Internal Server Error`. */
  readonly bodyBytesMax: number;
  /** Unix milliseconds after which the listener gives the upload up and calls `abort("timeout")`. */
  readonly uploadDeadlineMs: number;
  /**
   * Hands the whole body over. Resolves when the acceptance is durable: the listener then sends the early
   * status 200 and flushes it, waits for `result`, and writes it as the body.
   */
  complete(body: Uint8Array, keccak256: Uint8Array): Promise<HttpRefusal | AcceptedSegment>;
  abort(cause: "client-gone" | "too-large" | "timeout"): void;
};

export type AcceptedSegment = {
  readonly type: "accepted";
  /** The encoded `net.TranscodeResult`. Never rejects: failures travel inside the message. */
  readonly result: Promise<Uint8Array>;
  /** The listener reports whether the result reached the peer's socket. Called once. */
  delivered(outcome: "sent" | "client-gone"): void;
};

export type StoredRendition = { readonly bytes: Uint8Array; readonly contentType: string };

/** Headers of POST /payment, untouched. `null` means absent. */
export type PaymentHeaders = Omit<SegmentHeaders, "contentType">;

export type PaidAnswer = { readonly type: "paid"; readonly result: Uint8Array };

/** What `/refresh-payment` asks for, read from its JSON body. */
export type RefreshPaymentRequest = { readonly sender: Uint8Array; readonly manifestId: string };

export type RefreshedPayment = { readonly type: "refreshed"; readonly info: OrchestratorInfo };

export type OrchestratorService = {
  /** Synchronous where it can be: discovery must stay cheap. */
  getOrchestrator(
    request: OrchestratorRequest,
    peer: Peer,
  ): RpcAnswer<OrchestratorInfo> | Promise<RpcAnswer<OrchestratorInfo>>;
  ping(value: Uint8Array, peer: Peer): RpcAnswer<Uint8Array> | Promise<RpcAnswer<Uint8Array>>;
  endTranscodingSession(token: AuthToken | undefined, peer: Peer): Promise<RpcAnswer<null>>;
  openSegment(headers: SegmentHeaders, peer: Peer): Promise<HttpRefusal | SegmentUpload>;
  /** POST /payment: credits tickets without a job. The result is an encoded `net.PaymentResult`. */
  pay(headers: PaymentHeaders, peer: Peer): Promise<HttpRefusal | PaidAnswer>;
  /**
   * POST /refresh-payment: fresh ticket parameters for a gateway whose signer lives elsewhere. `manifestId` is the
   * account that it pays into. The node decides; the listener only reads and writes JSON.
   */
  refreshPayment(request: RefreshPaymentRequest, peer: Peer): Promise<HttpRefusal | RefreshedPayment>;
  /** `path` is what follows `/stream/`, percent-decoded by nobody. Null = 404 `ErrNotFound`. */
  readRendition(path: string): StoredRendition | null;
  /** Called when a rendition was written to a peer completely. */
  renditionServed(path: string): void;
  /** What `/healthz` says: null = healthy (200, empty), else 503 with the text. */
  unhealthyReason(): string | null;
};

/** A refusal of a redeemer: a status of gRPC by its name, and a text. */
export type RedeemerRefusal = {
  readonly type: "refused";
  readonly status:
    "invalid-argument" | "permission-denied" | "resource-exhausted" | "unavailable" | "internal";
  readonly text: string;
};

/** What a listener hears of one sender's max float. */
export type MaxFloatListener = {
  /** Wei; may be below 0. */
  changed(maxFloat: bigint): void;
  /** The redeemer stops. */
  ended(): void;
};

/** The door between the listener of a redeemer and the node. Source: payments sheet 7. */
export type RedeemerService = {
  /** Resolves with `queued` when the ticket is durable; the same ticket again is no mistake. */
  queueTicket(message: {
    readonly ticket: QueuedTicket | Unreadable;
    readonly recipient: NamedRecipient;
  }): Promise<RedeemerRefusal | { readonly type: "queued" }>;
  /** `maxFloat` in wei; may be below 0. */
  maxFloat(
    sender: Uint8Array,
  ): Promise<RedeemerRefusal | { readonly type: "max-float"; readonly maxFloat: bigint }>;
  /** Nothing is said at first. `stop` must be called when the listener has gone. */
  monitorMaxFloat(
    sender: Uint8Array,
    peer: Peer,
    listener: MaxFloatListener,
  ): RedeemerRefusal | { readonly type: "monitored"; stop(): void };
  /** As of an orchestrator. */
  unhealthyReason(): string | null;
};
