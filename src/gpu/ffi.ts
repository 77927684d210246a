import { CString, dlopen, JSCallback, type Library, type Pointer, ptr, toArrayBuffer } from "bun:ffi";
import { BaseError } from "../shared/errors.ts";
import {
  abiVersion,
  jobLayout,
  jobSignature,
  optionsLayout,
  probeLayout,
  profileLayout,
  renditionLayout,
  resultLayout,
  textBytes,
} from "./layout.ts";

/*
 * The only file of this room that imports `bun:ffi`: it turns plain values into the structs of shim/reprise.h and
 * results into plain values. Ownership is written in the header.
 */

/** One wanted rendition in the numbers of the header. */
export type NativeProfile = {
  readonly width: number;
  readonly height: number;
  readonly bitrate: number;
  readonly fps: number;
  readonly fpsDen: number;
  readonly gopMs: number;
  readonly profile: number;
  readonly format: number;
  readonly encoder: number;
  readonly quality: number;
};

export type NativeJob = {
  /** 1 to 2³²−1, unique among the jobs that are not polled yet. */
  readonly id: number;
  readonly profiles: readonly NativeProfile[];
  readonly wantsSignature: boolean;
  readonly provider: string;
  readonly clipFromMs: number;
  readonly clipToMs: number;
  readonly timeLimitMs: number;
};

export type NativeOptions = {
  readonly jobsMax: number;
  /** CUDA device number, −1 = software. */
  readonly device: number;
  /** Bit i allows encoder i; 0 allows all. */
  readonly encoders: number;
  readonly threads: number;
  readonly logLevel: number;
};

export type NativeRendition = {
  readonly bytes: Uint8Array;
  readonly frames: number;
  readonly pixels: number;
  readonly keccak256: Uint8Array;
  readonly perceptualHash: Uint8Array | null;
};

export type NativeProbe = {
  readonly status: number;
  readonly format: string;
  readonly videoCodec: string;
  readonly audioCodec: string;
  readonly width: number;
  readonly height: number;
  readonly pixelFormat: number;
  readonly fps: number;
  readonly durationSeconds: number;
};

export type NativeResult = {
  readonly id: number;
  readonly isOk: boolean;
  /** Why not; empty when it is. */
  readonly text: string;
  readonly renditions: readonly NativeRendition[];
  readonly decodedFrames: number;
  readonly decodedPixels: number;
  readonly elapsedMs: number;
  readonly probe: NativeProbe;
};

const symbols = {
  reprise_abi_version: { args: [], returns: "u32" },
  reprise_libraries: { args: [], returns: "ptr" },
  reprise_open: { args: ["ptr", "ptr"], returns: "ptr" },
  reprise_encoder_name: { args: ["ptr", "u32"], returns: "ptr" },
  reprise_submit: { args: ["ptr", "ptr"], returns: "i32" },
  reprise_poll: { args: ["ptr"], returns: "ptr" },
  reprise_cancel: { args: ["ptr", "u32"], returns: "i32" },
  reprise_release: { args: ["ptr"], returns: "void" },
  reprise_close: { args: ["ptr"], returns: "void" },
} as const;

/** How long after the library's last thread its callback is kept. */
const notifyGraceMs = 1_000;

/** An opened codec library: the functions of the header with JavaScript's types. */
export class CodecLibrary {
  readonly #library: Library<typeof symbols>;
  readonly #notify: JSCallback;
  #codec: Pointer | null;

  /**
   * @param onReady called on the event loop after a result has become ready; fetch it by `poll`.
   * @throws CodecLibraryError when the file is no codec library of this ABI or cannot start.
   */
  constructor(path: string, options: NativeOptions, onReady: () => void) {
    this.#library = openLibrary(path);
    const functions = this.#library.symbols;
    const version = functions.reprise_abi_version();
    if (version !== abiVersion) {
      this.#library.close();
      throw new CodecLibraryError(`The codec library has ABI version ${version}, not ${abiVersion}.`);
    }
    this.#notify = new JSCallback(onReady, { args: ["u32"], returns: "void", threadsafe: true });
    this.#codec = asPointer(functions.reprise_open(ptr(encodeOptions(options)), this.#notify.ptr));
    if (this.#codec === null) {
      this.#notify.close();
      throw new CodecLibraryError("The codec library could not be started.");
    }
  }

  /** Versions of the media libraries that it runs on. */
  libraries(): readonly string[] {
    return textAt(asPointer(this.#library.symbols.reprise_libraries()))?.split("\n") ?? [];
  }

  /** The name of the encoder used for encoder number `encoder`, or null when there is none. */
  encoderName(encoder: number): string | null {
    return textAt(asPointer(this.#library.symbols.reprise_encoder_name(this.#open(), encoder)));
  }

  /**
   * Queues a job. The caller keeps `media` alive and unchanged until `poll` has returned the job's result.
   *
   * @throws CodecLibraryError when the arguments are refused.
   */
  submit(media: Uint8Array, job: NativeJob): void {
    const profiles = encodeProfiles(job.profiles);
    const provider = new TextEncoder().encode(job.provider);
    const encoded = encodeJob(job, media, profiles, provider);
    // `profiles` and `provider` are copied by the call; naming them after it keeps them alive until then.
    const answer = this.#library.symbols.reprise_submit(this.#open(), ptr(encoded));
    if (answer !== 0) {
      throw new CodecLibraryError(
        `The codec refused a job with code ${answer} (${profiles.length + provider.length} bytes of parameters).`,
      );
    }
  }

  /** The next finished job, or null. */
  poll(): NativeResult | null {
    const result = asPointer(this.#library.symbols.reprise_poll(this.#open()));
    if (result === null) return null;
    try {
      return decodeResult(result);
    } finally {
      this.#library.symbols.reprise_release(result);
    }
  }

  /** Asks a job to stop; its result comes all the same. */
  cancel(id: number): void {
    this.#library.symbols.reprise_cancel(this.#open(), id);
  }

  /** Ends the library's threads. Blocks while one still works: poll all jobs first. */
  close(): void {
    const codec = this.#codec;
    if (codec === null) return;
    this.#codec = null;
    this.#library.symbols.reprise_close(codec);
    // A last notification may still be on its way through the event loop. For the same reason the library stays
    // loaded.
    setTimeout(() => this.#notify.close(), notifyGraceMs).unref();
  }

  #open(): Pointer {
    if (this.#codec === null) throw new CodecLibraryError("The codec has been closed.");
    return this.#codec;
  }
}

/** The codec library is missing, of another version, or was used wrongly. */
export class CodecLibraryError extends BaseError {
  constructor(message: string, cause?: unknown) {
    super(message, {
      code: "CODEC_LIBRARY",
      disposition: "halt",
      action: "Remove the folder .build and start again, so that the library is built anew.",
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

function openLibrary(path: string): Library<typeof symbols> {
  try {
    return dlopen(path, symbols);
  } catch (error) {
    throw new CodecLibraryError(`The codec library ${path} cannot be loaded.`, error);
  }
}

function encodeOptions(options: NativeOptions): Uint8Array {
  const view = new DataView(new ArrayBuffer(optionsLayout.size));
  view.setUint32(optionsLayout.abi_version, abiVersion, true);
  view.setUint32(optionsLayout.jobs_max, options.jobsMax, true);
  view.setInt32(optionsLayout.device, options.device, true);
  view.setUint32(optionsLayout.encoders, options.encoders, true);
  view.setUint32(optionsLayout.threads, options.threads, true);
  view.setInt32(optionsLayout.log_level, options.logLevel, true);
  return new Uint8Array(view.buffer);
}

function encodeProfiles(profiles: readonly NativeProfile[]): Uint8Array {
  // One spare byte, so that an empty list has an address too.
  const view = new DataView(new ArrayBuffer(profiles.length * profileLayout.size + 1));
  profiles.forEach((profile, index) => {
    const at = index * profileLayout.size;
    view.setInt32(at + profileLayout.width, profile.width, true);
    view.setInt32(at + profileLayout.height, profile.height, true);
    view.setInt32(at + profileLayout.bitrate, profile.bitrate, true);
    view.setUint32(at + profileLayout.fps, profile.fps, true);
    view.setUint32(at + profileLayout.fps_den, profile.fpsDen, true);
    view.setInt32(at + profileLayout.gop_ms, profile.gopMs, true);
    view.setUint32(at + profileLayout.profile, profile.profile, true);
    view.setUint32(at + profileLayout.format, profile.format, true);
    view.setUint32(at + profileLayout.encoder, profile.encoder, true);
    view.setUint32(at + profileLayout.quality, profile.quality, true);
  });
  return new Uint8Array(view.buffer);
}

function encodeJob(
  job: NativeJob,
  media: Uint8Array,
  profiles: Uint8Array,
  provider: Uint8Array,
): Uint8Array {
  const view = new DataView(new ArrayBuffer(jobLayout.size));
  view.setUint32(jobLayout.id, job.id, true);
  view.setUint32(jobLayout.flags, job.wantsSignature ? jobSignature : 0, true);
  view.setBigUint64(jobLayout.media, address(media), true);
  view.setBigUint64(jobLayout.media_length, BigInt(media.length), true);
  view.setBigUint64(jobLayout.profiles, address(profiles), true);
  view.setUint32(jobLayout.profile_count, job.profiles.length, true);
  view.setUint32(jobLayout.provider_length, provider.length, true);
  view.setBigUint64(jobLayout.provider, address(provider), true);
  view.setBigInt64(jobLayout.clip_from_ms, BigInt(job.clipFromMs), true);
  view.setBigInt64(jobLayout.clip_to_ms, BigInt(job.clipToMs), true);
  view.setUint32(jobLayout.time_limit_ms, job.timeLimitMs, true);
  return new Uint8Array(view.buffer);
}

function address(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(ptr(bytes));
}

function decodeResult(pointer: Pointer): NativeResult {
  const view = new DataView(toArrayBuffer(pointer, 0, resultLayout.size));
  const count = view.getUint32(resultLayout.rendition_count, true);
  const renditions: NativeRendition[] = [];
  if (count > 0) {
    const list = pointerAt(view, resultLayout.renditions);
    const listView = new DataView(toArrayBuffer(list, 0, count * renditionLayout.size));
    for (let i = 0; i < count; i++) renditions.push(decodeRendition(listView, i * renditionLayout.size));
  }
  return {
    id: view.getUint32(resultLayout.id, true),
    isOk: view.getInt32(resultLayout.ok, true) === 1,
    text: textIn(view, resultLayout.text, textBytes.message),
    renditions,
    decodedFrames: numberAt(view, resultLayout.decoded_frames),
    decodedPixels: numberAt(view, resultLayout.decoded_pixels),
    elapsedMs: numberAt(view, resultLayout.elapsed_us) / 1000,
    probe: decodeProbe(view, resultLayout.probe),
  };
}

function decodeRendition(view: DataView, at: number): NativeRendition {
  const signatureLength = numberAt(view, at + renditionLayout.signature_length);
  return {
    bytes: copyOf(view, at + renditionLayout.bytes, numberAt(view, at + renditionLayout.length)),
    frames: numberAt(view, at + renditionLayout.frames),
    pixels: numberAt(view, at + renditionLayout.pixels),
    keccak256: new Uint8Array(view.buffer, at + renditionLayout.keccak256, textBytes.hash).slice(),
    perceptualHash:
      signatureLength === 0 ? null : copyOf(view, at + renditionLayout.signature, signatureLength),
  };
}

function decodeProbe(view: DataView, at: number): NativeProbe {
  return {
    status: view.getInt32(at + probeLayout.status, true),
    format: textIn(view, at + probeLayout.format, textBytes.name),
    videoCodec: textIn(view, at + probeLayout.video_codec, textBytes.name),
    audioCodec: textIn(view, at + probeLayout.audio_codec, textBytes.name),
    width: view.getInt32(at + probeLayout.width, true),
    height: view.getInt32(at + probeLayout.height, true),
    pixelFormat: view.getInt32(at + probeLayout.pixel_format, true),
    fps: view.getFloat64(at + probeLayout.fps, true),
    durationSeconds: numberAt(view, at + probeLayout.duration_s),
  };
}

/** The types allow a bigint for platforms whose addresses pass 2⁵³; ours do not. */
function asPointer(value: Pointer | bigint | null): Pointer | null {
  return value === null ? null : (Number(value) as Pointer);
}

function pointerAt(view: DataView, offset: number): Pointer {
  return Number(view.getBigUint64(offset, true)) as Pointer;
}

function numberAt(view: DataView, offset: number): number {
  return Number(view.getBigInt64(offset, true));
}

/** Bytes of the library's heap, as memory of our own: the original goes with the result. */
function copyOf(view: DataView, offset: number, length: number): Uint8Array {
  if (length === 0) return new Uint8Array(0);
  return new Uint8Array(toArrayBuffer(pointerAt(view, offset), 0, length)).slice();
}

function textIn(view: DataView, offset: number, capacity: number): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, capacity);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(bytes.slice(0, end < 0 ? capacity : end));
}

function textAt(pointer: Pointer | null): string | null {
  return pointer === null ? null : new CString(pointer).toString();
}
