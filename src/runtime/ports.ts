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
