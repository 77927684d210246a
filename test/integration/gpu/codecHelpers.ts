import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join, resolve } from "node:path";
import { $ } from "bun";
import type { CodecJob, CodecOutcome } from "../../../src/gpu/codec.ts";
import type { RenditionProfile } from "../../../src/runtime/ports.ts";

/** A profile with the common values: 256x144 at 30 frames/s, MPEG-TS, H.264. */
export function profileWith(changes: Partial<RenditionProfile> = {}): RenditionProfile {
  return {
    name: "test",
    width: 256,
    height: 144,
    bitrate: 400_000,
    fps: 30,
    fpsDen: 0,
    gopMs: 0,
    profile: "default",
    format: "mpegts",
    encoder: "h264",
    quality: 0,
    ...changes,
  };
}

/** A job without clip or signature for these profiles. */
export function jobFor(profiles: readonly RenditionProfile[], changes: Partial<CodecJob> = {}): CodecJob {
  return {
    profiles,
    clip: null,
    calcPerceptualHash: false,
    provider: "Livepeer Transcoder test (offchain)",
    ...changes,
  };
}

export type Transcoded = Extract<CodecOutcome, { type: "transcoded" }>;

/** Narrows an outcome that must be a success. */
export function transcoded(outcome: CodecOutcome): Transcoded {
  if (outcome.type !== "transcoded") throw new Error(`The codec failed: ${outcome.text}`);
  return outcome;
}

const cacheFolder = resolve(import.meta.dir, "../../../.build/test-media");

/** Media made by ffmpeg with these arguments; `name` is its file in the cache, so change it with the arguments. */
export async function madeMedia(name: string, args: string): Promise<Uint8Array> {
  const path = join(cacheFolder, name);
  if (!existsSync(path)) {
    mkdirSync(cacheFolder, { recursive: true });
    const draft = join(cacheFolder, `draft-${process.pid}-${name}`);
    await $`ffmpeg -hide_banner -nostdin -loglevel error -y ${args.split(/\s+/)} ${draft}`.quiet();
    renameSync(draft, path);
  }
  return new Uint8Array(readFileSync(path));
}

/** Path of a cached file, for use as ffmpeg's input. */
export function madePath(name: string): string {
  return join(cacheFolder, name);
}

/** FFmpeg arguments of a test picture. */
export const testPicture = (size: string, rate: number, seconds: number) =>
  `-f lavfi -i testsrc2=size=${size}:rate=${rate}:duration=${seconds}`;

/** Options of a quick H.264 encoder with a fixed result. */
export const quickH264 = "-c:v libx264 -preset veryfast -threads 1 -crf 34 -bf 0";
