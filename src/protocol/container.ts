import type { ContainerFormat } from "./profile.ts";

/** File name extension of a rendition, with its dot. Source: video sheet 4.5. */
export function extensionOf(format: ContainerFormat): ".ts" | ".mp4" {
  return format === "mpegts" ? ".ts" : ".mp4";
}

/** Media type of a rendition. */
export function mediaTypeOf(format: ContainerFormat): "video/mp2t" | "video/mp4" {
  return format === "mpegts" ? "video/mp2t" : "video/mp4";
}

/** Media type of a perceptual hash. */
export const PERCEPTUAL_HASH_MEDIA_TYPE = "application/octet-stream";

/** Extension that is put behind a rendition's name for its perceptual hash. */
export const PERCEPTUAL_HASH_EXTENSION = ".phash";

/** Media type of a stored object by the end of its path; empty when nobody knows. Never throws. */
export function mediaTypeOfPath(path: string): string {
  if (path.endsWith(".ts")) return "video/mp2t";
  if (path.endsWith(".mp4")) return "video/mp4";
  if (path.endsWith(PERCEPTUAL_HASH_EXTENSION)) return PERCEPTUAL_HASH_MEDIA_TYPE;
  return "";
}

/**
 * The text of the container's provider tag (`service_provider` in MPEG-TS and MP4).
 *
 * @param version - the node's version as advertised
 * @param orchestratorId - checksummed recipient address, or `offchain`
 * Source: video sheet 11.3.
 */
export function providerText(version: string, orchestratorId: string): string {
  return `Livepeer Transcoder ${version} (${orchestratorId})`;
}
