import { keccak_256 } from "@noble/hashes/sha3";
import { concatBytes, fitBytes, uint256Bytes, utf8 } from "./bytes.ts";
import { type CapabilitySet, capabilitiesFromNet } from "./capabilities.ts";
import { type ForeignStore, foreignStore } from "./foreignStore.ts";
import type { AuthToken, SegData, SegParameters } from "./gen/lp_rpc_pb.ts";
import type { ClipWindow, RenditionProfile } from "./profile.ts";
import { profileId, renditionProfiles } from "./profiles.ts";
import { type Refusal, refuse } from "./refusal.ts";
import { segmentTexts } from "./texts.ts";

/** Everything a gateway says about one segment, decoded, defaulted and bounded. Not yet verified. */
export type SegmentCredentials = {
  readonly type: "credentials";
  /** Stream id chosen by the gateway: any bytes. Never part of a path. */
  readonly manifestId: Uint8Array;
  /** Signed 64-bit number of the segment. */
  readonly seq: bigint;
  /** Keccak-256 of the media, 32 bytes. */
  readonly hash: Uint8Array;
  readonly signature: Uint8Array;
  /** 1 to 300,000. */
  readonly durationMs: number;
  readonly profiles: readonly RenditionProfile[];
  /** What the job needs. */
  readonly capabilities: CapabilitySet;
  readonly authToken: AuthToken | null;
  readonly clip: ClipWindow | null;
  readonly calcPerceptualHash: boolean;
  readonly forceSessionReinit: boolean;
  /** The gateway's own store for renditions; null = they stay with us. */
  readonly store: ForeignStore | null;
};

/** Longest segment that is accepted. */
export const DURATION_MS_MAX = 300_000;
/** Duration of a segment whose gateway did not say. */
export const DURATION_MS_DEFAULT = 2_000;

/**
 * Turns the message of a segment header into credentials, or says why not: rows 5 and 6 of video sheet 4.2, and
 * our own refusal of a store without details.
 *
 * @param ownVersion - our version, which stands in where the gateway sent no capabilities
 */
export function segmentCredentials(data: SegData, ownVersion: string): SegmentCredentials | Refusal {
  const profiles = renditionProfiles(data);
  if ("status" in profiles) return profiles;
  if (data.duration < 0 || data.duration > DURATION_MS_MAX) return refuse(403, segmentTexts.badDuration);
  const store = foreignStore(data.storage[0]);
  if (store !== null && "status" in store) return store;
  return {
    type: "credentials",
    manifestId: data.manifestId,
    seq: data.seq,
    hash: fitBytes(data.hash, 32),
    signature: data.sig,
    durationMs: data.duration === 0 ? DURATION_MS_DEFAULT : data.duration,
    profiles,
    capabilities: capabilitiesFromNet(data.capabilities, ownVersion),
    authToken: data.authToken ?? null,
    clip: clipWindow(data.segmentParameters),
    calcPerceptualHash: data.calcPerceptualHash,
    forceSessionReinit: data.ForceSessionReinit,
    store,
  };
}

/**
 * The bytes that a segment's signature covers: manifest id, |seq|, hash, and the ids of the profile names. Sizes,
 * bitrates, duration, token and clip are not covered. Source: video sheet 4.3.
 */
export function flattenSegment(
  segment: Pick<SegmentCredentials, "manifestId" | "seq" | "hash" | "profiles">,
): Uint8Array {
  const magnitude = segment.seq < 0n ? -segment.seq : segment.seq;
  const ids = segment.profiles.map(({ name }) => profileId(name)).join("");
  return concatBytes(segment.manifestId, uint256Bytes(magnitude), segment.hash, utf8(ids));
}

/** The 32 bytes that a gateway signs, as a personal message, for a segment. */
export function segmentMessage(
  segment: Pick<SegmentCredentials, "manifestId" | "seq" | "hash" | "profiles">,
): Uint8Array {
  return keccak_256(flattenSegment(segment));
}

/**
 * The window in milliseconds. Senders work in signed nanoseconds, so what does not fit there wraps; a negative
 * end is refused later by the codec (`TranscoderInvalidClipConfig`).
 */
function clipWindow(parameters: SegParameters | undefined): ClipWindow | null {
  if (parameters === undefined) return null;
  return { fromMs: wrappedMs(parameters.from), toMs: wrappedMs(parameters.to) };
}

function wrappedMs(milliseconds: bigint): number {
  return Number(BigInt.asIntN(64, milliseconds * 1_000_000n) / 1_000_000n);
}
