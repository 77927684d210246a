import type { Codec, CodecOutcome } from "../../../src/gpu/codec.ts";
import type { RenditionProfile } from "../../../src/runtime/ports.ts";
import vectors from "../../vectors/transcode.json";
import { inspectRendition, type RenditionFacts } from "./inspectRendition.ts";
import { sha256Of } from "./testMedia.ts";

/** One recorded case, as the file has it. */
export type GoldenCase = (typeof vectors.cases)[number];
export const goldenCases: readonly GoldenCase[] = vectors.cases;

/** A field that differs: path, what was recorded, what came. */
export type Difference = { readonly path: string; readonly wanted: unknown; readonly got: unknown };

const formats = ["mpegts", "mp4"] as const;
const encoders = ["h264", "h265", "vp8", "vp9"] as const;
const profiles = ["default", "baseline", "main", "high", "constrained-high"] as const;

/** The recorded wire profiles in our types, or null where the credentials check refuses them before any codec. */
export function profilesOf(golden: GoldenCase): RenditionProfile[] | null {
  const translated: RenditionProfile[] = [];
  for (const wire of golden.profiles) {
    const format = formats[wire.format];
    const encoder = encoders[wire.encoder];
    const profile = profiles[wire.profile];
    if (format === undefined || encoder === undefined || profile === undefined) return null;
    translated.push({
      name: wire.name,
      width: wire.width,
      height: wire.height,
      bitrate: wire.bitrate,
      fps: wire.fps,
      fpsDen: wire.fpsDen,
      gopMs: wire.gop,
      profile,
      format,
      encoder,
      quality: wire.quality,
    });
  }
  return translated;
}

/** Runs one case as the orchestrator would. */
export function runGolden(codec: Codec, golden: GoldenCase, media: Uint8Array): Promise<CodecOutcome> {
  const params: { sign?: boolean; clip?: { from: number; to: number } } = golden.params;
  const clip = params.clip === undefined ? null : { fromMs: params.clip.from, toMs: params.clip.to };
  const job = {
    profiles: profilesOf(golden) ?? [],
    clip,
    calcPerceptualHash: params.sign ?? false,
    provider: "Livepeer Transcoder undefined (offchain)",
  };
  return codec.submit(media, job).done;
}

/** Every recorded field that is not what came out. */
export async function compareGolden(golden: GoldenCase, outcome: CodecOutcome): Promise<Difference[]> {
  const wanted = golden.expect as Record<string, unknown>;
  const differences: Difference[] = [];
  const compare = (path: string, expected: unknown, got: unknown) => {
    if (!Bun.deepEquals(expected, got, true)) differences.push({ path, wanted: expected, got });
  };
  compareProbe(wanted["probe"], outcome, compare);
  if (outcome.type === "failed") {
    const crash = wanted["wanted"] as { error: string } | undefined;
    compare("ok", wanted["ok"], false);
    compare("error", crash?.error ?? wanted["error"], outcome.text);
    return differences;
  }
  compare("ok", wanted["ok"], true);
  compare("decodedFrames", wanted["decodedFrames"], outcome.timings.decodedFrames);
  compare("decodedPixels", wanted["decodedPixels"], outcome.decodedPixels);
  const renditions = (wanted["renditions"] ?? []) as Record<string, unknown>[];
  compare("renditions.length", renditions.length, outcome.renditions.length);
  for (const [index, expected] of renditions.entries()) {
    const rendition = outcome.renditions[index];
    if (rendition === undefined) continue;
    const facts = await inspectRendition(rendition.bytes);
    const got = { ...facts, frames: rendition.frames, pixels: rendition.pixels };
    const path = `renditions[${index}]`;
    compareRendition(path, expected, got, compare);
    const signature = rendition.perceptualHash;
    const hash = signature === null ? undefined : { length: signature.length, sha256: sha256Of(signature) };
    compare(`${path}.signature`, expected["signature"] ?? undefined, hash);
  }
  return differences;
}

type Compare = (path: string, expected: unknown, got: unknown) => void;

function compareProbe(expected: unknown, outcome: CodecOutcome, compare: Compare): void {
  if (expected === undefined) return;
  const { pixelFormat, ...probe } = outcome.probe;
  for (const [key, value] of Object.entries(expected as object)) {
    const got = key === "pixFmt" ? pixelFormat : (probe as Record<string, unknown>)[key];
    // Rates were recorded in single precision.
    if (key === "fps") compare("probe.fps", Math.fround(Number(value)), Math.fround(outcome.probe.fps));
    else compare(`probe.${key}`, value, got);
  }
}

type Got = RenditionFacts & { readonly frames: number; readonly pixels: number };

function compareRendition(path: string, expected: Record<string, unknown>, got: Got, compare: Compare): void {
  compare(`${path}.frames`, expected["frames"], got.frames);
  compare(`${path}.pixels`, expected["pixels"], got.pixels);
  compare(
    `${path}.pixelsCountedByGateway`,
    expected["pixelsCountedByGateway"] ?? got.pixels,
    got.countedPixels,
  );
  compare(`${path}.streams`, expected["streams"], got.streams);
  compare(`${path}.container`, expected["container"], got.container);
  if (expected["moovBeforeMdat"] !== undefined) compare(`${path}.moovBeforeMdat`, true, got.moovBeforeMdat);
  compareStream(`${path}.video`, expected["video"], got.video, compare);
  compareStream(`${path}.audio`, expected["audio"], got.audio, compare);
}

/** Fields that say something about the input, or that the hashes beside them imply. */
const impliedFields = new Set(["packetsIn", "bitExactCopyOfInputStream", "firstFrameIsKey"]);

function compareStream(path: string, expected: unknown, got: object | null, compare: Compare): void {
  if (expected === undefined || expected === null) {
    compare(path, null, got);
    return;
  }
  const actual = (got ?? {}) as Record<string, unknown>;
  const { firstFrameIsKey } = expected as { firstFrameIsKey?: boolean };
  if (firstFrameIsKey === true) compare(`${path}.firstFrameIsKey`, 0, (actual["keyFrames"] as number[])?.[0]);
  for (const [key, value] of Object.entries(expected)) {
    if (impliedFields.has(key)) continue;
    if (key !== "pts") {
      compare(`${path}.${key}`, value, actual[key]);
      continue;
    }
    const pts = actual["pts"] as VideoPts | undefined;
    const wanted = value as VideoPts;
    for (const part of ["count", "sha256", "steps"] as const) {
      // Run lengths were left out where they are many; the hash covers them.
      if (wanted[part] !== undefined) compare(`${path}.pts.${part}`, wanted[part], pts?.[part]);
    }
  }
}

type VideoPts = { readonly count: number; readonly sha256: string; readonly steps?: readonly number[][] };
