import type { GatewayClient, SegmentAnswer, SegmentSubmission } from "../../src/demo/gatewayClient.ts";
import type { TranscodeData, TranscodeResult } from "../../src/protocol/gen/lp_rpc_pb.ts";
import type { RenditionProfile } from "../../src/protocol/profile.ts";
import { generatedMediaBytes } from "./media.ts";

/** A small rendition; tests name only what matters to them. */
export function profileOf(changes: Partial<RenditionProfile> = {}): RenditionProfile {
  return {
    name: "P144p30fps16x9",
    width: 256,
    height: 144,
    bitrate: 400_000,
    fps: 0,
    fpsDen: 1,
    gopMs: 0,
    profile: "default",
    format: "mpegts",
    encoder: "h264",
    quality: 0,
    ...changes,
  };
}

/** 320x180, six frames, with sound: the smallest segment that still is one. */
export function tinySegment(): Promise<Uint8Array> {
  return generatedMediaBytes("gen-tiny-180p.ts");
}

/** A segment that keeps a worker busy for a while: 720p, 60 frames. */
export function heavySegment(): Promise<Uint8Array> {
  return generatedMediaBytes("gen-720p30-aac.ts");
}

/** Renditions that take a few seconds of CPU on `heavySegment`. */
export const heavyProfiles: readonly RenditionProfile[] = [
  profileOf({ name: "a", width: 1280, height: 720, bitrate: 3_000_000 }),
  profileOf({ name: "b", width: 1024, height: 576, bitrate: 1_500_000 }),
];

/** Opens a session and says what a gateway says about its segment `seq`. */
export async function submissionOf(
  client: GatewayClient,
  changes: Partial<SegmentSubmission> = {},
): Promise<SegmentSubmission> {
  return {
    authToken: "authToken" in changes ? undefined : (await client.getOrchestrator()).authToken,
    manifestId: "movie",
    seq: 0,
    media: changes.media ?? (await tinySegment()),
    durationMs: 200,
    profiles: [profileOf()],
    ...changes,
  };
}

/** The result of an accepted segment. @throws Error with the refusal otherwise */
export function resultOf(answer: SegmentAnswer): TranscodeResult {
  if (answer.type === "answer") return answer.result;
  throw new Error(`The node refused with ${answer.status}: ${answer.text}`);
}

/** What was delivered. @throws Error with the text of a failed segment */
export function dataOf(answer: SegmentAnswer): TranscodeData {
  const { result } = resultOf(answer);
  if (result.case === "data") return result.value;
  throw new Error(`The segment failed: ${result.value}`);
}

/** Fetches all renditions as a gateway does; a node that drains waits a while for that. */
export async function fetchAll(client: GatewayClient, answer: SegmentAnswer): Promise<void> {
  for (const { url } of dataOf(answer).segments) await client.download(url);
}

/** The error text of an accepted segment. @throws Error when it did not fail */
export function errorOf(answer: SegmentAnswer): string {
  const { result } = resultOf(answer);
  if (result.case === "error") return result.value;
  throw new Error("The segment did not fail.");
}

/** A refusal before any work. @throws Error when the segment was accepted */
export function refusalOf(answer: SegmentAnswer): { readonly status: number; readonly text: string } {
  if (answer.type === "refused") return { status: answer.status, text: answer.text.trimEnd() };
  throw new Error(`The node accepted the segment: ${JSON.stringify(answer.result.result.value)}`);
}
