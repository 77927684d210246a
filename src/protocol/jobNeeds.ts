import { bitstringOf } from "./bitstring.ts";
import { type CapabilitySet, capabilitySet } from "./capabilities.ts";
import { capability } from "./capability.ts";
import type { RenditionProfile, VideoEncoder } from "./profile.ts";

/** What a gateway knows about its stream before it looks for an orchestrator. */
export type StreamFacts = {
  readonly inputCodec: VideoEncoder;
  /** Pixel format of H.264 input, such as `yuv422p10`. */
  readonly pixelFormat: H264PixelFormat;
  readonly profiles: readonly RenditionProfile[];
  /** The gateway's own store; null = memory. */
  readonly store: "direct" | "s3" | "google" | null;
  /** The gateway compares perceptual hashes. */
  readonly verifiesFast: boolean;
  /** The stream came over HTTP, so segments may be clipped. */
  readonly isSliced: boolean;
};

export type H264PixelFormat = "yuv420p" | "yuv422p" | "yuv444p" | "yuv420p10" | "yuv422p10" | "yuv444p10";

/**
 * What a gateway asks of an orchestrator for a stream. Used by our own gateway client and by tests.
 * Source: video sheet 10.5.
 */
export function jobNeeds(stream: StreamFacts): CapabilitySet {
  const numbers = new Set<number>([capability.authToken, decodeCapability[stream.inputCodec]]);
  for (const profile of stream.profiles) {
    numbers.add(profile.format === "mpegts" ? capability.mpegts : capability.mp4);
    numbers.add(encodeCapability[profile.encoder]);
    if (profile.fpsDen > 0) numbers.add(capability.fractionalFramerates);
    if (profile.gopMs !== 0) numbers.add(capability.gop);
    if (profile.profile !== "default") numbers.add(profileCapability[profile.profile]);
  }
  if (stream.store !== null) numbers.add(storeCapability[stream.store]);
  if (stream.verifiesFast) numbers.add(capability.perceptualHash);
  if (stream.isSliced) numbers.add(capability.segmentSlicing);
  const pixelFormat = stream.inputCodec === "h264" ? pixelFormatCapability[stream.pixelFormat] : null;
  if (pixelFormat !== null) numbers.add(pixelFormat);
  return { ...capabilitySet([], ""), bitstring: bitstringOf(numbers) };
}

const decodeCapability = {
  h264: capability.h264,
  h265: capability.hevcDecode,
  vp8: capability.vp8Decode,
  vp9: capability.vp9Decode,
} as const;

const encodeCapability = {
  h264: capability.h264,
  h265: capability.hevcEncode,
  vp8: capability.vp8Encode,
  vp9: capability.vp9Encode,
} as const;

const profileCapability = {
  baseline: capability.profileH264Baseline,
  main: capability.profileH264Main,
  high: capability.profileH264High,
  "constrained-high": capability.profileH264ConstrainedHigh,
} as const;

const storeCapability = {
  direct: capability.storageDirect,
  s3: capability.storageS3,
  google: capability.storageGcs,
} as const;

const pixelFormatCapability = {
  yuv420p: null,
  yuv444p: capability.h264Decode444,
  yuv422p: capability.h264Decode422,
  yuv444p10: capability.h264Decode444TenBit,
  yuv422p10: capability.h264Decode422TenBit,
  yuv420p10: capability.h264Decode420TenBit,
} as const;
