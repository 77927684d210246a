import type {
  CodecTimings,
  Rendition,
  RenditionProfile,
  TranscodeJob,
  VideoEncoder,
} from "../runtime/ports.ts";
import { assert } from "../shared/assert.ts";
import type { PixelCount } from "../shared/brand.ts";
import { buildCodecLibrary } from "./build.ts";
import { CodecLibrary, type NativeProbe, type NativeProfile, type NativeResult } from "./ffi.ts";
import { abiVersion, jobsMax } from "./layout.ts";

/** How a codec is opened. Everything has a default that suits a worker with software encoders. */
export type CodecOptions = {
  /** Path of `libreprise.so`; built (or taken from the cache) when absent. */
  readonly libraryPath?: string;
  /** Segments that may run at the same time, 1 to 64. Further ones wait in the order of arrival. Default 1. */
  readonly jobsMax?: number;
  /** Number of an NVIDIA card, or null (default) for software. */
  readonly device?: number | null;
  /** Encoders that may be used. Default: all that the device or the system's libraries really have. */
  readonly encoders?: readonly VideoEncoder[];
  /** Processor threads one job may use; 0 (default) = as many as the machine has. */
  readonly threads?: number;
  /** Verbosity of the media libraries on stderr, in FFmpeg's numbers (16 = errors). Default −8, silent. */
  readonly logLevel?: number;
};

/** A job and the bounds of one run. */
export type CodecJob = TranscodeJob & {
  /** Milliseconds after which the run is given up with the text `TranscoderStopped`; 0 or absent = no limit. */
  readonly timeLimitMs?: number;
};

/**
 * What the input turned out to be: `status` 0 readable, 1 a video stream without frames, 2 no stream at all,
 * −1 unreadable; names as FFmpeg has them, empty where there is none; whole seconds; `pixelFormat` −1 = unknown.
 */
export type MediaProbe = NativeProbe;

/** The codec's verdict about one segment. `failed` texts may reach the gateway word for word. */
export type CodecOutcome =
  | {
      readonly type: "transcoded";
      readonly renditions: readonly Rendition[];
      readonly decodedPixels: PixelCount;
      readonly timings: CodecTimings;
      readonly probe: MediaProbe;
    }
  | { readonly type: "failed"; readonly text: string; readonly probe: MediaProbe };

/** One submitted segment. */
export type CodecTask = {
  /** Never rejects: failures are outcomes. */
  readonly done: Promise<CodecOutcome>;
  /** Gives the work up at its next packet; `done` resolves with the text `TranscoderStopped`. */
  cancel(): void;
};

/** A codec library with its threads. One per process is enough. */
export type Codec = {
  readonly abiVersion: number;
  /** What was found by really opening each encoder, for example `{ h264: "libx264", vp8: null, … }`. */
  readonly encoders: Readonly<Record<VideoEncoder, string | null>>;
  /** The NVIDIA card at work, or null when the processor does it, also because the asked card cannot encode. */
  readonly device: number | null;
  /** Versions of the media libraries, for example `libavcodec 59.37.100`. */
  readonly libraries: readonly string[];
  /** Starts or queues one segment. `media` must not be changed until `done` has resolved. */
  submit(media: Uint8Array, job: CodecJob): CodecTask;
  /** Cancels what still runs, waits for the threads and unloads. */
  close(): Promise<void>;
};

/**
 * Loads the codec and finds out what it can do, by really opening each encoder.
 *
 * @throws CompileError when the library must be built and cannot be, CodecLibraryError when it cannot be used.
 */
export async function openCodec(options: CodecOptions = {}): Promise<Codec> {
  const path = options.libraryPath ?? buildCodecLibrary();
  const atOnce = options.jobsMax ?? 1;
  assert(Number.isInteger(atOnce) && atOnce >= 1 && atOnce <= jobsMax, `jobsMax must be 1 to ${jobsMax}.`);
  return new LoadedCodec(path, options, atOnce);
}

/** Results are also looked for on a timer: it keeps the process alive and survives a lost notification. */
const pollEveryMs = 200;
const clipMsMax = Number.MAX_SAFE_INTEGER;

const encoderNumbers = { h264: 0, h265: 1, vp8: 2, vp9: 3 } as const satisfies Record<VideoEncoder, number>;
const formatNumbers = { mpegts: 0, mp4: 1 } as const;
const profileNumbers = { default: 0, baseline: 1, main: 2, high: 3, "constrained-high": 4 } as const;

type Waiting = { readonly media: Uint8Array; readonly resolve: (outcome: CodecOutcome) => void };

class LoadedCodec implements Codec {
  readonly abiVersion = abiVersion;
  readonly encoders: Readonly<Record<VideoEncoder, string | null>>;
  readonly device: number | null;
  readonly libraries: readonly string[];
  readonly #library: CodecLibrary;
  /** Holds each segment's bytes until its result is there: the library only borrows them. */
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #timer: ReturnType<typeof setInterval> | null = null;
  #closing: PromiseWithResolvers<void> | null = null;

  constructor(path: string, options: CodecOptions, atOnce: number) {
    const allowed = (options.encoders ?? []).reduce((bits, name) => bits | (1 << encoderNumbers[name]), 0);
    const settings = {
      jobsMax: atOnce,
      device: options.device ?? -1,
      encoders: allowed,
      threads: options.threads ?? 0,
      logLevel: options.logLevel ?? -8,
    };
    this.#library = new CodecLibrary(path, settings, () => this.#collect());
    const name = (encoder: VideoEncoder) => this.#library.encoderName(encoderNumbers[encoder]);
    this.encoders = { h264: name("h264"), h265: name("h265"), vp8: name("vp8"), vp9: name("vp9") };
    const isOnCard = this.encoders.h264?.endsWith("_nvenc") === true;
    this.device = isOnCard ? (options.device ?? null) : null;
    this.libraries = this.#library.libraries();
  }

  submit(media: Uint8Array, job: CodecJob): CodecTask {
    assert(this.#closing === null, "The codec is closed.");
    const id = this.#nextId();
    const { promise, resolve } = Promise.withResolvers<CodecOutcome>();
    this.#library.submit(media, {
      id,
      profiles: job.profiles.map(toNative),
      wantsSignature: job.calcPerceptualHash,
      provider: job.provider,
      clipFromMs: wholeMs(job.clip?.fromMs ?? 0),
      clipToMs: wholeMs(job.clip?.toMs ?? 0),
      timeLimitMs: job.timeLimitMs ?? 0,
    });
    this.#waiting.set(id, { media, resolve });
    this.#timer ??= setInterval(() => this.#collect(), pollEveryMs);
    return {
      done: promise,
      cancel: () => {
        if (this.#waiting.has(id)) this.#library.cancel(id);
      },
    };
  }

  close(): Promise<void> {
    if (this.#closing === null) {
      this.#closing = Promise.withResolvers<void>();
      for (const id of this.#waiting.keys()) this.#library.cancel(id);
      this.#finishClosing();
    }
    return this.#closing.promise;
  }

  #nextId(): number {
    do {
      this.#lastId = this.#lastId === 0xffff_ffff ? 1 : this.#lastId + 1;
    } while (this.#waiting.has(this.#lastId));
    return this.#lastId;
  }

  #collect(): void {
    if (this.#waiting.size === 0) return;
    for (let result = this.#library.poll(); result !== null; result = this.#library.poll()) {
      const waiting = this.#waiting.get(result.id);
      this.#waiting.delete(result.id);
      waiting?.resolve(toOutcome(result));
    }
    if (this.#waiting.size > 0) return;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#finishClosing();
  }

  #finishClosing(): void {
    if (this.#closing === null || this.#waiting.size > 0) return;
    this.#library.close();
    this.#closing.resolve();
  }
}

function toNative(profile: RenditionProfile): NativeProfile {
  return {
    width: profile.width,
    height: profile.height,
    bitrate: profile.bitrate,
    fps: profile.fps,
    fpsDen: profile.fpsDen,
    gopMs: profile.gopMs,
    profile: profileNumbers[profile.profile],
    format: formatNumbers[profile.format],
    encoder: encoderNumbers[profile.encoder],
    quality: profile.quality,
  };
}

/** Absurd windows stay absurd, for the library to refuse with the text that a gateway knows. */
function wholeMs(ms: number): number {
  assert(!Number.isNaN(ms), "A clip window is a number of milliseconds.");
  return Math.trunc(Math.min(Math.max(ms, -clipMsMax), clipMsMax));
}

function toOutcome(result: NativeResult): CodecOutcome {
  if (!result.isOk) return { type: "failed", text: result.text, probe: result.probe };
  return {
    type: "transcoded",
    renditions: result.renditions,
    decodedPixels: result.decodedPixels,
    timings: { decodedFrames: result.decodedFrames, codecMs: result.elapsedMs },
    probe: result.probe,
  };
}
