import { create, toBinary } from "@bufbuild/protobuf";
import { keccak_256 } from "@noble/hashes/sha3";
import type { PixelCount } from "../shared/brand.ts";
import { concatBytes } from "./bytes.ts";
import { type OrchestratorInfo, type TranscodeResult, TranscodeResultSchema } from "./gen/lp_rpc_pb.ts";
import { resultTexts } from "./texts.ts";

/** Where one rendition lies and what it costs. */
export type DeliveredRendition = {
  readonly url: string;
  readonly pixels: PixelCount;
  /** Null when no perceptual hash was asked for, or none could be made. */
  readonly perceptualHashUrl: string | null;
};

/** Smaller renditions cannot hold media. */
export const RENDITION_BYTES_MIN = 25;

/**
 * What is wrong with the renditions that a codec gave, as the text for the gateway; null = nothing.
 *
 * @param sizes - bytes of each rendition, in order
 * Source: video sheet 4.5.
 */
export function renditionsFault(sizes: readonly number[], profileCount: number): string | null {
  if (sizes.length !== profileCount) return resultTexts.mismatched;
  return sizes.some((size) => size < RENDITION_BYTES_MIN) ? resultTexts.empty : null;
}

/**
 * The 32 bytes that an orchestrator signs, as a personal message, for its renditions.
 *
 * @param hashes - Keccak-256 of each rendition in profile order
 * Source: video sheet 4.7. Perceptual hashes are not covered.
 */
export function resultMessage(hashes: readonly Uint8Array[]): Uint8Array {
  return keccak_256(concatBytes(...hashes));
}

/**
 * The answer for a transcoded segment.
 *
 * @param renditions - in profile order
 * @param signature - over `resultMessage`; empty off-chain
 */
export function deliveredResult(
  seq: bigint,
  renditions: readonly DeliveredRendition[],
  signature: Uint8Array,
  info: OrchestratorInfo,
): TranscodeResult {
  const segments = renditions.map(({ url, pixels, perceptualHashUrl }) => ({
    url,
    pixels: BigInt(pixels),
    perceptualHashUrl: perceptualHashUrl ?? "",
  }));
  return create(TranscodeResultSchema, {
    seq,
    result: { case: "data", value: { segments, sig: signature } },
    info,
  });
}

/** The answer for a segment that failed after the early 200. The text decides whether a gateway tries elsewhere. */
export function failedResult(seq: bigint, text: string, info: OrchestratorInfo): TranscodeResult {
  return create(TranscodeResultSchema, { seq, result: { case: "error", value: text.toWellFormed() }, info });
}

/** The body of the answer to POST /segment. */
export function encodeResult(result: TranscodeResult): Uint8Array {
  return toBinary(TranscodeResultSchema, result);
}
