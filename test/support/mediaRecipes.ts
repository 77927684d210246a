/*
 * What each generated segment is made of, as data. The names are those of the vectors in
 * `test/vectors/transcode*.json`, so that a test can run on a generated file when the recorded one is absent.
 * Picture: `testsrc2`; sound: a 440 Hz sine at 48 kHz; two seconds unless the name says otherwise.
 */

/** One ffmpeg run, or a change of bytes made from files of earlier steps. Paths are relative to a scratch folder. */
export type MediaStep =
  | { readonly type: "ffmpeg"; readonly args: readonly string[] }
  | { readonly type: "head"; readonly from: string; readonly to: string; readonly byteCount: number }
  | { readonly type: "concat"; readonly from: readonly string[]; readonly to: string }
  | { readonly type: "noise"; readonly to: string; readonly byteCount: number; readonly seed: number };

export type MediaRecipe = {
  /** Recipes whose files the steps read. */
  readonly needs: readonly string[];
  readonly steps: readonly MediaStep[];
};

const x264 = ["-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-crf", "34"] as const;
const aac = ["-c:a", "aac", "-b:a", "48k", "-ac", "2"] as const;
const fromZero = ["-muxdelay", "0", "-muxpreload", "0"] as const;

/** Every generated segment by its file name. A step writes the file of that name. */
export const mediaRecipes: ReadonlyMap<string, MediaRecipe> = new Map([
  ...pictureRecipes(),
  ...scalingRecipes(),
  ...liveRecipes(),
  ...oddRecipes(),
]);

type Encoding = {
  readonly size: string;
  readonly rate: string;
  readonly seconds?: number;
  readonly sound?: boolean;
  readonly extra: readonly string[];
  readonly container?: "mpegts" | "mp4";
};

function encode(name: string, encoding: Encoding): [string, MediaRecipe] {
  const seconds = String(encoding.seconds ?? 2);
  const sound = encoding.sound ?? true;
  const args = [
    ...source(`testsrc2=size=${encoding.size}:rate=${encoding.rate}:duration=${seconds}`),
    ...(sound ? source(`sine=frequency=440:sample_rate=48000:duration=${seconds}`) : []),
    ...x264,
    ...(sound ? aac : []),
    ...encoding.extra,
    ...["-f", encoding.container ?? "mpegts", name],
  ];
  return [name, { needs: [], steps: [{ type: "ffmpeg", args }] }];
}

function source(graph: string): string[] {
  return ["-f", "lavfi", "-i", graph];
}

function pictureRecipes(): [string, MediaRecipe][] {
  const small = { size: "640x360", rate: "30" } as const;
  const irregular = "select='not(mod(n,2))+not(mod(n,5))+gt(n,80)'";
  return [
    encode("gen-720p30-aac.ts", { size: "1280x720", rate: "30", extra: gop(60, 0) }),
    encode("gen-720p25-aac.ts", { size: "1280x720", rate: "25", extra: gop(50, 0) }),
    encode("gen-480p2997-bframes.ts", { size: "854x480", rate: "30000/1001", extra: gop(60, 2) }),
    encode("gen-360p5994.ts", { size: "640x360", rate: "60000/1001", extra: gop(120, 0) }),
    encode("gen-360p23976.ts", { size: "640x360", rate: "24000/1001", extra: gop(48, 2) }),
    encode("gen-360p30-noaudio-bpyramid.ts", {
      ...small,
      sound: false,
      extra: [...gop(60, 3), "-x264-params", "b-pyramid=normal"],
    }),
    encode("gen-360p30.mp4", {
      ...small,
      container: "mp4",
      extra: [...gop(60, 2), "-movflags", "faststart"],
    }),
    encode("gen-640x480.ts", { size: "640x480", rate: "30", extra: gop(60, 0) }),
    encode("gen-360p30-pts0.ts", { ...small, extra: [...gop(60, 0), ...fromZero] }),
    encode("gen-360p30-wrap.ts", {
      ...small,
      extra: [...gop(60, 2), "-output_ts_offset", "95442.7", ...fromZero],
    }),
    encode("gen-360p-vfr.ts", {
      size: "640x360",
      rate: "60",
      extra: ["-vf", irregular, "-vsync", "vfr", ...gop(60, 0)],
    }),
    // The smallest segment that still is one: for latency, where the codec should cost next to nothing.
    encode("gen-tiny-180p.ts", { size: "320x180", rate: "30", seconds: 0.2, extra: gop(60, 0) }),
  ];
}

function scalingRecipes(): [string, MediaRecipe][] {
  const sizes = [
    "1080x1920",
    "123x123",
    "123x456",
    "150x200",
    "200x300",
    "400x456",
    "456x123",
    "456x400",
    "500x100",
    "56x100",
  ];
  return sizes.map((size) => {
    // 4:2:0 cannot hold an odd side; the recorded files are 4:4:4 there.
    const isOdd = size.split("x").some((side) => Number(side) % 2 === 1);
    const graph = `${isOdd ? "testsrc" : "testsrc2"}=size=${size}:rate=30`;
    const pixels = isOdd ? ["-pix_fmt", "yuv444p"] : [];
    const codec = ["-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-crf", "40", "-bf", "0"];
    const name = `gen-dim-${size}.ts`;
    const args = [...source(graph), "-frames:v", "5", ...codec, ...pixels, "-f", "mpegts", name];
    return [name, { needs: [], steps: [{ type: "ffmpeg", args }] }];
  });
}

function liveRecipes(): [string, MediaRecipe][] {
  const segmenter = ["-f", "segment", "-segment_time", "2", "-segment_format", "mpegts"];
  const args = [
    ...source("testsrc2=size=640x360:rate=30:duration=8"),
    ...source("sine=frequency=440:sample_rate=48000:duration=8"),
    ...[...x264, ...aac, ...gop(60, 0), "-keyint_min", "60", "-sc_threshold", "0"],
    ...[...segmenter, "gen-live-%d.ts"],
  ];
  const recipe: MediaRecipe = { needs: [], steps: [{ type: "ffmpeg", args }] };
  return [0, 1, 2, 3].map((index) => [`gen-live-${index}.ts`, recipe]);
}

function oddRecipes(): [string, MediaRecipe][] {
  return [
    encode("gen-16x4000.ts", { size: "16x4000", rate: "5", seconds: 1, sound: false, extra: gop(60, 0) }),
    encode("gen-300s.ts", { size: "64x64", rate: "2", seconds: 300, sound: false, extra: gop(60, 0) }),
    twoSounds(),
    soundOnly(),
    sizeChange(),
    withoutKeyFrame(),
    zeroFrame(),
    ["gen-truncated.ts", truncated("gen-360p5994.ts", "gen-truncated.ts", 40_000)],
    [
      "gen-garbage.ts",
      { needs: [], steps: [{ type: "noise", to: "gen-garbage.ts", byteCount: 65_536, seed: 1 }] },
    ],
    ["gen-empty.ts", { needs: [], steps: [{ type: "concat", from: [], to: "gen-empty.ts" }] }],
  ];
}

function twoSounds(): [string, MediaRecipe] {
  const name = "gen-360p30-two-audio.ts";
  const args = [
    ...source("testsrc2=size=640x360:rate=30:duration=2"),
    ...source("sine=frequency=440:sample_rate=48000:duration=2"),
    ...source("sine=frequency=880:sample_rate=44100:duration=2"),
    ...["-map", "0", "-map", "1", "-map", "2", ...x264, "-c:a", "aac", "-b:a:0", "48k", "-b:a:1", "96k"],
    ...[...gop(60, 0), "-f", "mpegts", name],
  ];
  return [name, { needs: [], steps: [{ type: "ffmpeg", args }] }];
}

function soundOnly(): [string, MediaRecipe] {
  const name = "gen-audio-only.ts";
  const args = [...source("sine=frequency=440:sample_rate=48000:duration=2"), ...aac, "-f", "mpegts", name];
  return [name, { needs: [], steps: [{ type: "ffmpeg", args }] }];
}

function sizeChange(): [string, MediaRecipe] {
  const name = "gen-size-change.ts";
  const second = (size: string, offset: readonly string[], to: string): MediaStep => ({
    type: "ffmpeg",
    args: [
      ...source(`testsrc2=size=${size}:rate=30:duration=1`),
      ...[...x264, ...gop(60, 0), ...offset, ...fromZero, "-f", "mpegts", to],
    ],
  });
  const steps: MediaStep[] = [
    second("640x360", [], "large.ts"),
    second("320x180", ["-output_ts_offset", "1"], "small.ts"),
    { type: "concat", from: ["large.ts", "small.ts"], to: name },
  ];
  return [name, { needs: [], steps }];
}

// The second half of a two-second group of pictures: valid packets, and not one that a decoder can start with.
function withoutKeyFrame(): [string, MediaRecipe] {
  const name = "gen-no-key-frame.ts";
  const segmenter = ["-f", "segment", "-segment_time", "1", "-break_non_keyframes", "1"];
  const args = [
    ...source("testsrc2=size=320x180:rate=30:duration=2"),
    ...[...x264, ...gop(60, 0), "-keyint_min", "60", "-sc_threshold", "0"],
    ...[...segmenter, "-segment_format", "mpegts", "half-%d.ts"],
  ];
  const steps: MediaStep[] = [
    { type: "ffmpeg", args },
    { type: "concat", from: ["half-1.ts"], to: name },
  ];
  return [name, { needs: [], steps }];
}

// Three packets of a stream: the tables (service, programme, map) announce a picture that never comes.
function zeroFrame(): [string, MediaRecipe] {
  const name = "gen-zero-frame.ts";
  return [name, truncated("gen-360p30-pts0.ts", name, 3 * 188)];
}

function truncated(from: string, to: string, byteCount: number): MediaRecipe {
  return { needs: [from], steps: [{ type: "head", from, to, byteCount }] };
}

function gop(frames: number, bFrames: number): string[] {
  return ["-g", String(frames), "-bf", String(bFrames)];
}
