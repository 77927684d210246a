/*
 * The structs of shim/reprise.h as byte offsets. A test compiles the header and compares every number; whoever
 * changes a struct changes both files and the ABI version.
 */

/** Must equal `REPRISE_ABI_VERSION`. */
export const abiVersion = 1;
/** Must equal `REPRISE_OUTPUTS_MAX`. */
export const outputsMax = 10;
/** Must equal `REPRISE_JOBS_MAX`. */
export const jobsMax = 64;
/** Must equal `REPRISE_JOB_SIGNATURE`. */
export const jobSignature = 1;

export const optionsLayout = {
  size: 24,
  abi_version: 0,
  jobs_max: 4,
  device: 8,
  encoders: 12,
  threads: 16,
  log_level: 20,
} as const;

export const profileLayout = {
  size: 40,
  width: 0,
  height: 4,
  bitrate: 8,
  fps: 12,
  fps_den: 16,
  gop_ms: 20,
  profile: 24,
  format: 28,
  encoder: 32,
  quality: 36,
} as const;

export const jobLayout = {
  size: 72,
  id: 0,
  flags: 4,
  media: 8,
  media_length: 16,
  profiles: 24,
  profile_count: 32,
  provider_length: 36,
  provider: 40,
  clip_from_ms: 48,
  clip_to_ms: 56,
  time_limit_ms: 64,
  reserved: 68,
} as const;

export const renditionLayout = {
  size: 80,
  bytes: 0,
  length: 8,
  signature: 16,
  signature_length: 24,
  frames: 32,
  pixels: 40,
  keccak256: 48,
} as const;

export const probeLayout = {
  size: 128,
  status: 0,
  width: 4,
  height: 8,
  pixel_format: 12,
  fps: 16,
  duration_s: 24,
  format: 32,
  video_codec: 64,
  audio_codec: 96,
} as const;

export const resultLayout = {
  size: 304,
  id: 0,
  ok: 4,
  rendition_count: 8,
  decode_errors: 12,
  decoded_frames: 16,
  decoded_pixels: 24,
  elapsed_us: 32,
  renditions: 40,
  text: 48,
  probe: 176,
} as const;

/** Bytes of the texts inside structs. */
export const textBytes = { name: 32, message: 128, hash: 32 } as const;
