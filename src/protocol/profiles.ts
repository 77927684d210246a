import { keccak_256 } from "@noble/hashes/sha3";
import { plainHex, utf8 } from "./bytes.ts";
import type { SegData, VideoProfile } from "./gen/lp_rpc_pb.ts";
import type { ContainerFormat, EncoderProfile, RenditionProfile, VideoEncoder } from "./profile.ts";
import { type Refusal, refuse } from "./refusal.ts";
import { segmentTexts } from "./texts.ts";

/**
 * Profiles in one segment that we are willing to decode. Ten outputs is all a codec takes (`Too many outputs`);
 * beyond this number only an attacker would go.
 */
export const PROFILES_MAX = 64;

/**
 * The wanted renditions of a segment: the highest of the three lists that holds anything.
 *
 * @returns the profiles in the gateway's order, or the refusal 403 for an enum value that nobody knows
 * Source: video sheet 4.4; `net.SegData.fullProfiles`, `fullProfiles2`, `fullProfiles3`.
 */
export function renditionProfiles(data: SegData): readonly RenditionProfile[] | Refusal {
  const list = [data.fullProfiles3, data.fullProfiles2].find((some) => some.length > 0) ?? data.fullProfiles;
  if (list.length > PROFILES_MAX) return refuse(403, "Too many outputs");
  const profiles: RenditionProfile[] = [];
  for (const wanted of list) {
    const profile = renditionProfile(wanted);
    if ("status" in profile) return profile;
    profiles.push(profile);
  }
  return profiles;
}

/**
 * The first 4 bytes of the name's Keccak-256 in hex: what the segment signature covers of a profile.
 * Source: video sheet 4.3.
 */
export function profileId(name: string): string {
  return plainHex(keccak_256(utf8(name)).subarray(0, 4));
}

/**
 * The load that a set of renditions puts on a device, in pixels per second. Frames that are passed through count
 * as 30 a second, fractions of a frame are dropped. Source: video sheet 6.4.
 */
export function loadCost(profiles: readonly RenditionProfile[]): number {
  let cost = 0;
  for (const { width, height, fps, fpsDen } of profiles) {
    const framesPerSecond = fps === 0 ? 30 : Math.floor(fps / (fpsDen === 0 ? 1 : fpsDen));
    cost += width * height * framesPerSecond;
  }
  return cost;
}

const formats: readonly ContainerFormat[] = ["mpegts", "mp4"];
const encoderProfiles: readonly EncoderProfile[] = [
  "default",
  "baseline",
  "main",
  "high",
  "constrained-high",
];
const encoders: readonly VideoEncoder[] = ["h264", "h265", "vp8", "vp9"];

/** The checks come in the peer's order: format, profile, encoder. */
function renditionProfile(wanted: VideoProfile): RenditionProfile | Refusal {
  const format = formats[wanted.format];
  if (format === undefined) return refuse(403, segmentTexts.badFormat);
  const profile = encoderProfiles[wanted.profile];
  if (profile === undefined) return refuse(403, segmentTexts.badEncoderProfile);
  const encoder = encoders[wanted.encoder];
  if (encoder === undefined) return refuse(403, segmentTexts.badVideoCodec);
  const { width, height, bitrate } = wanted;
  const name = wanted.name === "" ? `net_${width}x${height}_${bitrate}` : wanted.name;
  const { fps, fpsDen, gop: gopMs, quality } = wanted;
  return { name, width, height, bitrate, fps, fpsDen, gopMs, profile, format, encoder, quality };
}
