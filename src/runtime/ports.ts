import type { ClipWindow, RenditionProfile } from "../protocol/profile.ts";
import type { PixelCount, UnixMs } from "../shared/brand.ts";

export type {
  ClipWindow,
  ContainerFormat,
  EncoderProfile,
  RenditionProfile,
  VideoEncoder,
} from "../protocol/profile.ts";

/*
 * What the runtime asks of the outside world. Every implementation lives in an outer room (`gpu`, `workers`,
 * `chain`, `server`, `telemetry`) and is handed in by the composition root; tests hand in simulated ones.
 */

/** Time and randomness are read at the edge only, through this port. */
export type Edge = {
  /** Milliseconds since the Unix epoch. */
  nowMs(): UnixMs;
  /** Cryptographically secure random bytes. */
  randomBytes(length: number): Uint8Array;
  /** Keccak-256 of bytes that are whole in memory: 32 bytes. Pure, but native where it can be. */
  keccak256(bytes: Uint8Array): Uint8Array;
  /** Milliseconds that never go back and do not follow the wall clock; `performance.now()` when absent. */
  readonly monotonicMs?: () => number;
};

/** Everything a codec needs to know about one segment, apart from its bytes. */
export type TranscodeJob = {
  readonly profiles: readonly RenditionProfile[];
  readonly clip: ClipWindow | null;
  readonly calcPerceptualHash: boolean;
  /** Text of the container's `service_provider` tag, for example `Livepeer Transcoder 0.1.0 (offchain)`. */
  readonly provider: string;
};

export type Rendition = {
  readonly bytes: Uint8Array;
  readonly frames: number;
  /** Encoded pixels: frames × real width × real height, summed. This is what gets billed. */
  readonly pixels: PixelCount;
  /** Keccak-256 of `bytes`, 32 bytes. */
  readonly keccak256: Uint8Array;
  /** MPEG-7 video signature, when the job asked for it and the rendition holds frames. */
  readonly perceptualHash: Uint8Array | null;
};

export type CodecTimings = { readonly decodedFrames: number; readonly codecMs: number };

/**
 * What became of one segment in a worker. `failed` is the codec's verdict about the input (its text may reach the
 * gateway word for word); `lost` says that the worker died, hung or was stopped before it had a verdict.
 */
export type TranscodeOutcome =
  | {
      readonly type: "transcoded";
      readonly renditions: readonly Rendition[];
      readonly decodedPixels: PixelCount;
      readonly timings: CodecTimings;
    }
  | { readonly type: "failed"; readonly text: string }
  | { readonly type: "lost"; readonly cause: WorkerLossCause; readonly workerId: string };

export type WorkerLossCause = "exited" | "hung" | "oversized" | "stopped" | "not-started";

/** A handle on one dispatched segment. */
export type DispatchedJob = {
  readonly workerId: string;
  readonly outcome: Promise<TranscodeOutcome>;
  /** Gives the work up; its outcome becomes `lost` with cause `stopped`. */
  cancel(): void;
};

/**
 * Local codec workers. Segments wait here for a free worker in the order of arrival, spread fairly over
 * sessions.
 */
export type TranscodeWorkers = {
  /**
   * Starts `job` on a free worker, or queues it. `media` must not be changed by the caller afterwards.
   * `onStart` is called once, with the worker's id, when a worker takes the job.
   */
  submit(work: {
    readonly jobId: string;
    readonly sessionId: string;
    readonly media: Uint8Array;
    readonly job: TranscodeJob;
    /**
     * Unix milliseconds. A job that runs then is asked to stop (`lost`, cause `stopped`), and its worker is killed
     * when it does not (`hung`). One that still waits is `lost` with cause `not-started` and no worker.
     */
    readonly deadlineMs: UnixMs;
    /** Workers that lost this segment before: another one is preferred. */
    readonly avoid: readonly string[];
    readonly onStart: (workerId: string) => void;
  }): DispatchedJob;
  /** Tells the workers that a session ended, so that codec state kept for it can go. */
  endSession(sessionId: string): void;
  /** Measured ability in pixels per second, and how much of it is in use. */
  capacity(): WorkerCapacity;
  /** Lets running work finish, then ends every worker. */
  stop(): Promise<void>;
};

export type WorkerCapacity = {
  /** Encoded pixels per second that the self-bench or real work has shown; null until something was measured. */
  readonly pixelsPerSecond: number | null;
  readonly workers: number;
  readonly running: number;
  readonly queued: number;
};

/** Fetches media that a gateway named by URL instead of sending it (`application/vnd+livepeer.uri`). */
export type MediaFetcher = {
  /**
   * Reads `url` whole. Refuses private and loopback addresses (unless it is our own object store), more than
   * `bytesMax` bytes, any status but 200, and anything slower than `timeoutMs`.
   */
  fetch(
    url: string,
    limits: { readonly bytesMax: number; readonly timeoutMs: number },
  ): Promise<
    | { readonly type: "fetched"; readonly bytes: Uint8Array }
    | { readonly type: "refused"; readonly reason: string }
  >;
};

/** A gateway's own bucket, granted for one job (`net.OSInfo` of type S3 or GOOGLE). */
export type ForeignBucket = {
  readonly type: "s3" | "gcs";
  readonly host: string;
  readonly key: string;
  readonly policy: string;
  readonly signature: string;
  readonly credential: string;
  readonly xAmzDate: string;
};

/** Saves renditions outside this process. */
export type ObjectStore = {
  /** Saves one object below the bucket's key prefix; the URL goes into the result. Bounded to 10 seconds. */
  saveForeign(
    bucket: ForeignBucket,
    name: string,
    bytes: Uint8Array,
    contentType: string,
  ): Promise<
    { readonly type: "saved"; readonly url: string } | { readonly type: "failed"; readonly text: string }
  >;
  /** Our own store (`-objectStore`), or null when renditions are served from memory under `/stream/`. */
  readonly own: OwnObjectStore | null;
};

export type OwnObjectStore = {
  /** The upload grant offered to gateways in `OrchestratorInfo.storage`; key prefix = session id. */
  grant(sessionId: string, nowMs: UnixMs): ForeignBucket;
  save(
    path: string,
    bytes: Uint8Array,
    contentType: string,
  ): Promise<
    { readonly type: "saved"; readonly url: string } | { readonly type: "failed"; readonly text: string }
  >;
  /** True when `url` points into this store, so that fetching it is no server-side request forgery. */
  owns(url: string): boolean;
};

/** The operator's decision about a gateway (`-authWebhookUrl`), asked at GetOrchestrator. */
export type GatewayAuthorizer = {
  /** `text` of a refusal is the whole message for the gateway: `authentication failed: …`. */
  authorize(senderChecksumAddress: string): Promise<
    | {
        readonly type: "allowed";
        readonly price: { readonly pricePerUnit: bigint; readonly pixelsPerUnit: bigint } | null;
      }
    | { readonly type: "refused"; readonly text: string }
  >;
};

/** The account under which this node answers. Off-chain there is none: nothing is signed, everybody is believed. */
export type Identity = {
  /** 20 bytes; null off-chain. */
  readonly account: Uint8Array | null;
  /** Signs 32 bytes as a personal message (EIP-191): 65 bytes, or none off-chain. */
  sign(message: Uint8Array): Uint8Array;
  /** Whether `signature` is the account's over the 32-byte `message` as a personal message. */
  isSignedBy(message: Uint8Array, signature: Uint8Array, account: Uint8Array): boolean;
};

/** Where the chain stands, as far as this node knows. */
export type ChainClock = {
  readonly lastInitializedRound: bigint;
  /** L1 block hash of that round, 32 bytes; all zero when the chain stored none (it happens on Arbitrum). */
  readonly roundBlockHash: Uint8Array;
  /** The same of the round before it. */
  readonly previousRoundBlockHash: Uint8Array;
  /**
   * L1 block number. Never goes back. While the chain cannot be read it goes on by the clock, one block every
   * 12 seconds, so that what we sign does not expire under the feet of honest gateways.
   */
  readonly l1Block: bigint;
  readonly transcoderPoolSize: bigint;
  /** Rounds for which a ticket stays redeemable, its own included. */
  readonly ticketValidityPeriod: bigint;
  /** Whether our recipient is in the active set of that round. */
  readonly isRecipientActive: boolean;
  /** When the chain was last read with success. Unix milliseconds. */
  readonly readAtMs: UnixMs;
};

/** What a gateway has put into the TicketBroker, in wei. Source: payments sheet 5.2. */
export type SenderFunds = {
  readonly deposit: bigint;
  /** What remains of its reserve (F). */
  readonly reserve: bigint;
  /** Claimed from that reserve in this round by everybody (C). */
  readonly claimedInRound: bigint;
  /** Claimed by our recipient in this round (c). */
  readonly claimedByUs: bigint;
  /** Round in which it may take everything back; 0 = it has not asked to. */
  readonly withdrawRound: bigint;
  /** When this was read. Unix milliseconds. */
  readonly readAtMs: UnixMs;
};

/** The chain as payments need it. Everything but the two reads answers at once, from memory. */
export type ChainView = {
  /** The registered account that tickets are made out to, 20 bytes. */
  readonly recipient: Uint8Array;
  /** Null until the chain was read once, in this life of the node or in an earlier one. */
  clock(): ChainClock | null;
  /** Wei per gas, already between the configured bounds; 0 when unknown. */
  gasPrice(): bigint;
  /** The last known funds of a gateway; null when they were never read. Keeps them fresh for a while. */
  funds(sender: Uint8Array): SenderFunds | null;
  /** Reads what {@link funds} does not know or what is old. Null when the chain cannot be read now. */
  readFunds(sender: Uint8Array): Promise<SenderFunds | null>;
  /** Why the chain cannot be read, or null. */
  readonly trouble: string | null;
  close(): void;
};

/** Tickets of one payment that share everything but nonce and signature. */
export type TicketBatch = {
  /** What the ticket hash covers, with a nonce of zero: 168 or 232 bytes. */
  readonly preimage: Uint8Array;
  /** 20 bytes: who must have signed. */
  readonly sender: Uint8Array;
  /** 32 bytes. */
  readonly recipientRand: Uint8Array;
  /** 32 bytes, big-endian. */
  readonly winProb: Uint8Array;
  readonly nonces: Uint32Array;
  /** 65 bytes a ticket, one after the other; zeros where the length was another. */
  readonly signatures: Uint8Array;
};

/** Verifies and draws tickets off the event loop. */
export type TicketVerifier = {
  /** A byte a ticket, in order: 0 = bad signature, 1 = good and loses, 2 = good and wins. */
  verify(batch: TicketBatch): Promise<Uint8Array> | Uint8Array;
};
