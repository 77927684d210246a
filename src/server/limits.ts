/**
 * Bounds of the listener. Peers are unknown: every quantity they choose has one. All times in milliseconds,
 * all sizes in bytes.
 */
export type ListenerLimits = {
  /** Open connections, all peers together. */
  readonly connectionsMax: number;
  /** Open connections of one IPv4 address or one IPv6 /64 network. */
  readonly connectionsPerAddressMax: number;
  /** Open HTTP/2 streams of one connection; more are refused with REFUSED_STREAM. */
  readonly streamsPerConnectionMax: number;
  readonly handshakeTimeoutMs: number;
  /** From the first byte of a connection (or of the next request on it) to the end of its header block. */
  readonly headerTimeoutMs: number;
  /** A connection without an open request is closed after this long. */
  readonly idleTimeoutMs: number;
  /** An upload that sends nothing for this long is given up. */
  readonly bodyIdleTimeoutMs: number;
  /** The peer must have taken the whole answer this long after it was ready. */
  readonly answerTimeoutMs: number;
  /** One unary call, from its header block to its answer; a shorter `grpc-timeout` wins. */
  readonly rpcTimeoutMs: number;
  /** Header block of HTTP/1.1. */
  readonly http1HeaderBytesMax: number;
  /**
   * SETTINGS_MAX_HEADER_LIST_SIZE of HTTP/2 (names + values + 32 each). Bun ends the whole connection on a
   * field of 65,535 bytes or more, so the advertised sum must keep a conforming client below that: the
   * leanest request has 328 bytes besides the large field, and 65,850 − 328 = 65,522. A 600-ticket payment
   * (58 kB) fits.
   */
  readonly http2HeaderListBytesMax: number;
  /** One gRPC request message. */
  readonly rpcRequestBytesMax: number;
  /** Body of any route that is not an upload. */
  readonly bodyBytesMax: number;
  /** Upload bytes held for all peers together; more uploads are answered 503. */
  readonly uploadBytesHeldMax: number;
  /** Streams a peer may reset: a bucket of `burst`, refilled at `perSecond`. */
  readonly resets: RateLimit;
  readonly pings: RateLimit;
  readonly settings: RateLimit;
};

/** A token bucket. */
export type RateLimit = { readonly burst: number; readonly perSecond: number };

const kibi = 1024;
const mebi = 1024 * kibi;

/**
 * Defaults. Where go-livepeer has a limit (idle 10 min, header block 1 MiB, gRPC message 4 MiB) it is the
 * same.
 */
export const defaultListenerLimits: ListenerLimits = {
  connectionsMax: 8192,
  connectionsPerAddressMax: 1024,
  streamsPerConnectionMax: 250,
  handshakeTimeoutMs: 10_000,
  headerTimeoutMs: 20_000,
  idleTimeoutMs: 600_000,
  bodyIdleTimeoutMs: 10_000,
  answerTimeoutMs: 60_000,
  rpcTimeoutMs: 30_000,
  http1HeaderBytesMax: mebi,
  http2HeaderListBytesMax: 65_850,
  rpcRequestBytesMax: 4 * mebi,
  bodyBytesMax: mebi,
  uploadBytesHeldMax: 2048 * mebi,
  resets: { burst: 200, perSecond: 20 },
  // grpc-go measures bandwidth with a ping per round trip while answers arrive: pings also earn with each
  // request.
  pings: { burst: 1000, perSecond: 100 },
  settings: { burst: 100, perSecond: 10 },
};
