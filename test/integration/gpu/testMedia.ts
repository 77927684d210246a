import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join, resolve } from "node:path";
import { $ } from "bun";

/*
 * Segments for the codec's tests: recorded ones from a media folder when it is there, generated ones made by the
 * system's ffmpeg otherwise. Only bytes equal to the recorded ones may be compared with recorded results.
 */

const repository = resolve(import.meta.dir, "../../..");
const recordedFolder = process.env["REPRISE_MEDIA_DIR"] ?? resolve(repository, "../shared/media");
const generatedFolder = join(repository, ".build/test-media");

const x264 = "-c:v libx264 -preset veryfast -threads 1 -crf 34";
const aac = "-c:a aac -b:a 48k -ac 2";
const tone = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=2";
const picture = (size: string, rate: string, seconds = 2) =>
  `-f lavfi -i testsrc2=size=${size}:rate=${rate}:duration=${seconds}`;

/** Arguments of ffmpeg before the output's name, for one file with a picture and a tone. */
const plain = (size: string, rate: string, options: string) =>
  `${picture(size, rate)} ${tone} ${x264} ${options} ${aac} -f mpegts`;

const recipes: Readonly<Record<string, string>> = {
  "gen-720p30-aac.ts": plain("1280x720", "30", "-g 60 -bf 0"),
  "gen-720p25-aac.ts": plain("1280x720", "25", "-g 50 -bf 0"),
  "gen-480p2997-bframes.ts": plain("854x480", "30000/1001", "-g 60 -bf 2"),
  "gen-360p5994.ts": plain("640x360", "60000/1001", "-g 120 -bf 0"),
  "gen-360p23976.ts": plain("640x360", "24000/1001", "-g 48 -bf 2"),
  "gen-360p30-noaudio-bpyramid.ts": `${picture("640x360", "30")} ${x264} -g 60 -bf 3 -x264-params b-pyramid=normal -f mpegts`,
  "gen-audio-only.ts": `${tone} ${aac} -f mpegts`,
  "gen-360p30.mp4": `${picture("640x360", "30")} ${tone} ${x264} -g 60 -bf 2 ${aac} -movflags faststart -f mp4`,
  "gen-640x480.ts": plain("640x480", "30", "-g 60 -bf 0"),
  "gen-360p30-pts0.ts": plain("640x360", "30", "-g 60 -bf 0 -muxdelay 0 -muxpreload 0"),
  "gen-360p30-wrap.ts": plain(
    "640x360",
    "30",
    "-g 60 -bf 2 -output_ts_offset 95442.7 -muxdelay 0 -muxpreload 0",
  ),
};

const twoTones =
  "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=2 -f lavfi -i sine=frequency=880:sample_rate=44100:duration=2";
const fewerFrames = "select='not(mod(n,2))+not(mod(n,5))+gt(n,80)'";
const moreRecipes: Readonly<Record<string, string>> = {
  "gen-360p30-two-audio.ts":
    `${picture("640x360", "30")} ${twoTones} -map 0 -map 1 -map 2 ${x264} -g 60 -bf 0 ` +
    "-c:a aac -b:a:0 48k -b:a:1 96k -f mpegts",
  "gen-360p-vfr.ts": plain("640x360", "60", `-vf ${fewerFrames} -vsync vfr -g 60 -bf 0`),
};

export type TestMedia =
  | { readonly type: "found"; readonly bytes: Uint8Array }
  | { readonly type: "absent"; readonly reason: string };

/** A segment by its file name, if the very bytes with this SHA-256 can be had here. */
export async function recordedMedia(name: string, sha256: string): Promise<TestMedia> {
  const recorded = join(recordedFolder, name);
  if (existsSync(recorded)) {
    const bytes = new Uint8Array(readFileSync(recorded));
    if (sha256Of(bytes) === sha256) return { type: "found", bytes };
  }
  if (name === "gen-empty.ts") return { type: "found", bytes: new Uint8Array(0) };
  const made = await generatedMedia(name);
  if (made === null) return { type: "absent", reason: `${name} was recorded; set REPRISE_MEDIA_DIR` };
  if (sha256Of(made) === sha256) return { type: "found", bytes: made };
  return { type: "absent", reason: `this ffmpeg makes another ${name} than the recorded one` };
}

/** A generated segment, whatever its bytes are with this ffmpeg; null when there is no recipe for it. */
export async function generatedMedia(name: string): Promise<Uint8Array | null> {
  const path = join(generatedFolder, name);
  if (!existsSync(path)) {
    const isMade = await generate(name, path);
    if (!isMade) return null;
  }
  return new Uint8Array(readFileSync(path));
}

/** SHA-256 as lower-case hexadecimal. */
export function sha256Of(bytes: Uint8Array | string): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}

async function generate(name: string, path: string): Promise<boolean> {
  mkdirSync(generatedFolder, { recursive: true });
  const draft = `${path}.${process.pid}`;
  const size = /^gen-dim-(\d+)x(\d+)\.ts$/.exec(name);
  if (size !== null) {
    const isOdd = Number(size[1]) % 2 === 1 || Number(size[2]) % 2 === 1;
    const source = isOdd ? "testsrc" : "testsrc2";
    const format = isOdd ? "-pix_fmt yuv444p" : "";
    const args = `-f lavfi -i ${source}=size=${size[1]}x${size[2]}:rate=30 ${x264} ${format} -frames:v 5 -crf 40 -bf 0 -f mpegts`;
    await ffmpeg(args, draft);
  } else if (name === "gen-truncated.ts") {
    const whole = await generatedMedia("gen-360p5994.ts");
    if (whole === null) return false;
    await Bun.write(draft, whole.slice(0, 40_000));
  } else if (name === "gen-size-change.ts") {
    const part = `${x264} -g 60 -bf 0 -muxdelay 0 -muxpreload 0`;
    await ffmpeg(`${picture("640x360", "30", 1)} ${part} -f mpegts`, `${draft}.1`);
    await ffmpeg(`${picture("320x180", "30", 1)} ${part} -output_ts_offset 1 -f mpegts`, `${draft}.2`);
    await $`cat ${draft}.1 ${draft}.2 > ${draft} && rm ${draft}.1 ${draft}.2`.quiet();
  } else if (/^gen-live-[0-3]\.ts$/.test(name)) {
    const stream =
      `${picture("640x360", "30", 8)} ${tone.replace("duration=2", "duration=8")} ${x264} ` +
      `-g 60 -keyint_min 60 -sc_threshold 0 -bf 0 ${aac} -f segment -segment_time 2 -segment_format mpegts`;
    await ffmpeg(stream, `${draft}-%d.ts`);
    for (let i = 0; i < 4; i++) renameSync(`${draft}-${i}.ts`, join(generatedFolder, `gen-live-${i}.ts`));
    return true;
  } else {
    const recipe = recipes[name] ?? moreRecipes[name];
    if (recipe === undefined) return false;
    await ffmpeg(recipe, draft);
  }
  renameSync(draft, path);
  return true;
}

async function ffmpeg(args: string, target: string): Promise<void> {
  await $`ffmpeg -hide_banner -nostdin -loglevel error -y ${args.split(/\s+/)} ${target}`.quiet();
}
