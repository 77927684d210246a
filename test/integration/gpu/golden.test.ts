import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Codec, type CodecOutcome, openCodec } from "../../../src/gpu/codec.ts";
import {
  compareGolden,
  type Difference,
  type GoldenCase,
  goldenCases,
  profilesOf,
  runGolden,
} from "./golden.ts";
import { recordedMedia, type TestMedia } from "./testMedia.ts";

// Goal: every segment comes out as the network's reference made it (video sheet 11, checks 42 to 47).
// Method: all recorded cases through our codec; each recorded exact field is compared with what the system's
// ffprobe and ffmpeg read from our renditions. Differences are allowed only by name, below, with the reason.

type Deviation = {
  /** Fields that may differ. */
  readonly paths: RegExp;
  readonly reason: string;
  /** What must hold instead. */
  readonly check?: (outcome: CodecOutcome, differences: readonly Difference[]) => void;
};

const readerReason =
  "ffprobe before version 7 guesses another r_frame_rate from the very same file; 7.0.1 reads the recorded value";
const statelessReason =
  "recorded from a persistent session of the reference's library; a segment of ours never depends on earlier ones";

const video = (differences: readonly Difference[], field: string): unknown =>
  differences.find((difference) => difference.path === `renditions[0].video.${field}`)?.got;

/** Where we differ on purpose (video sheet 16) or because of the tools that read the files. */
const deviations: Readonly<Record<string, Deviation>> = {
  "opt-720p30/fps-1-1": { paths: /video\.rFrameRate$/, reason: readerReason },
  "opt-720p30/fps-1-2": { paths: /video\.rFrameRate$/, reason: readerReason },
  "opt-720p30/clip-33-66": { paths: /video\.rFrameRate$/, reason: readerReason },
  "opt-720p30/clip-1000-1000": { paths: /video\.rFrameRate$/, reason: readerReason },
  "opt-720p30/gop-1000-2997": {
    paths: /video\.keyFrames$/,
    reason: "better: one second at 30000/1001 is 30 pictures, not 30,000",
    check: (_, differences) => expect(video(differences, "keyFrames")).toEqual([0, 30]),
  },
  "opt-720p30/clip-500-1500-pass": clippedTogether([0]),
  // 31 pictures with a key at least every 300 ms.
  "opt-720p30/clip-500-1500-pass-gop-300": clippedTogether([0, 9, 18, 27]),
  "mp4-out/gen-360p30-wrap": {
    paths: /(video|audio)\.|pixelsCountedByGateway$/,
    reason: "better: no edit list hides billed pictures, no sound is lost",
    check: (outcome, differences) => {
      const counted = differences.filter((difference) => difference.path.endsWith("pixelsCountedByGateway"));
      if (outcome.type !== "transcoded") throw new Error(outcome.text);
      expect(counted.map((difference) => difference.got)).toEqual(
        outcome.renditions.map((each) => each.pixels),
      );
      expect(
        differences.filter((each) => each.path.endsWith("audio.packets")).map((each) => each.got),
      ).toEqual([95, 95]);
    },
  },
  "library-session/change-count#1": {
    paths: /^(ok|decoded|renditions)/,
    reason: statelessReason,
    check: isWhole,
  },
  "library-session/clip-then-none#1": { paths: /^renditions/, reason: statelessReason, check: isWhole },
  "library-session/audio-only-second#1": { paths: /^error$/, reason: statelessReason, check: isRefusedVideo },
  "library-session/garbage-second#1": { paths: /^error$/, reason: statelessReason, check: isRefusedVideo },
};

/** A clip whose picture and sound were moved to the same new time line; the reference leaves the picture behind. */
function clippedTogether(keyFrames: readonly number[]): Deviation {
  return {
    paths: /video\.(startPts|lastPts|pts\.sha256|firstDts|keyFrames)$|audio\.(startPts|lastPts|ptsSha256)$/,
    reason: "better: picture and sound of a clip move together, key frames stay",
    check: (_, differences) => {
      // One picture's decode delay of two frames, as for every stream that starts at zero.
      expect(video(differences, "startPts")).toBe(6000);
      expect(video(differences, "lastPts")).toBe(96_000);
      const sound = differences.find((difference) => difference.path.endsWith("audio.startPts"));
      expect(sound?.got).toBe(7080);
      expect(video(differences, "keyFrames") ?? [0]).toEqual(keyFrames);
    },
  };
}

function isWhole(outcome: CodecOutcome): void {
  if (outcome.type !== "transcoded") throw new Error(outcome.text);
  expect(outcome.renditions.map((rendition) => rendition.frames)).toEqual(outcome.renditions.map(() => 60));
}

function isRefusedVideo(outcome: CodecOutcome): void {
  expect(outcome).toMatchObject({ type: "failed", text: "TranscoderInvalidVideo" });
}

/**
 * All 331 cases take minutes. `REPRISE_GOLDEN=quick` runs every eighth and all that have a deviation: for the
 * loop of editing and trying, not for a release.
 */
const isQuick = process.env["REPRISE_GOLDEN"] === "quick";
const selectedCases = goldenCases.filter(
  (golden, index) => !isQuick || index % 8 === 0 || deviations[golden.id] !== undefined,
);

const codecAtOnce = 2;
const inspectionsAtOnce = 3;
let codec: Codec;
const counts = { exact: 0, deviating: 0, skipped: new Map<string, number>() };

const media = new Map<string, TestMedia>();
for (const { media: name, mediaSha256 } of selectedCases) {
  if (!media.has(name)) media.set(name, await recordedMedia(name, mediaSha256));
}

beforeAll(async () => {
  // The reference's software build has no other encoder; what we make of the others is tested elsewhere.
  codec = await openCodec({ encoders: ["h264"], jobsMax: codecAtOnce });
});

afterAll(async () => {
  await codec.close();
  console.log(`golden: ${counts.exact} exact, ${counts.deviating} with a named deviation`);
  for (const [reason, count] of counts.skipped) console.log(`golden: ${count} skipped: ${reason}`);
});

const slots: (() => void)[] = [];
let free = inspectionsAtOnce;

/** Bounds how many cases hold renditions and run probes at the same time. */
async function withSlot(work: () => Promise<void>): Promise<void> {
  if (free > 0) free--;
  else await new Promise<void>((resolve) => slots.push(resolve));
  try {
    await work();
  } finally {
    const next = slots.shift();
    if (next === undefined) free++;
    else next();
  }
}

async function runCase(golden: GoldenCase, bytes: Uint8Array): Promise<void> {
  const outcome = await runGolden(codec, golden, bytes);
  const differences = await compareGolden(golden, outcome);
  const deviation = deviations[golden.id];
  const unexplained = differences.filter((difference) => deviation?.paths.test(difference.path) !== true);
  expect(unexplained).toEqual([]);
  if (differences.length === 0) counts.exact++;
  else counts.deviating++;
  deviation?.check?.(outcome, differences);
}

function skipReason(golden: GoldenCase): string | null {
  if (golden.api === "library-transmux") return "packet copying is out of a gateway's reach and not offered";
  if (profilesOf(golden) === null) return "refused with the credentials, before any codec";
  if ("segmentDurationMs" in golden.params && golden.expect.stage === "segment-credentials") {
    return "refused with the credentials, before any codec";
  }
  const found = media.get(golden.media);
  return found?.type === "absent" ? found.reason : null;
}

describe("golden transcodes", () => {
  for (const golden of selectedCases) {
    const reason = skipReason(golden);
    if (reason !== null) {
      counts.skipped.set(reason, (counts.skipped.get(reason) ?? 0) + 1);
      test.skip(`video check 42: ${golden.id} (${reason})`, () => {});
      continue;
    }
    const found = media.get(golden.media);
    if (found?.type !== "found") continue;
    test.concurrent(
      `video check 42: ${golden.id}`,
      () => withSlot(() => runCase(golden, found.bytes)),
      1_200_000,
    );
  }
});
