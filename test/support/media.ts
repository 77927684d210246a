import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type MediaRecipe, type MediaStep, mediaRecipes } from "./mediaRecipes.ts";

/*
 * Media for tests. Two kinds:
 *
 *   const path = await generatedMedia("gen-720p30-aac.ts");   // made by ffmpeg, cached in .build/media
 *   const found = referenceMedia("short-720p.ts");            // recorded file, or why it is absent
 *   if (found.path === null) console.log(`skipped: ${found.reason}`);
 *
 * Generated files are byte-equal to the recorded ones of the same name under Debian 12's FFmpeg 5.1 (but for
 * `gen-480p2997-bframes.ts` and `gen-garbage.ts`). Other encoder versions make other bytes: a test that compares
 * exact figures or hashes asks `referenceMedia`, or checks the hash of the input first.
 */

const repositoryDir = resolve(import.meta.dir, "../..");
const cacheDir = join(repositoryDir, ".build/media");

/** A recorded media file, or the reason why this machine has none. */
export type ReferenceMedia =
  { readonly path: string; readonly reason: null } | { readonly path: null; readonly reason: string };

/**
 * Finds a recorded file (see `docs/how-to/run-the-tests.md`) in `REPRISE_MEDIA_DIR`, else in `../shared/media`
 * beside the repository. Never generates one.
 */
export function referenceMedia(name: string): ReferenceMedia {
  const dir = process.env["REPRISE_MEDIA_DIR"] ?? resolve(repositoryDir, "../shared/media");
  const path = join(dir, name);
  if (existsSync(path)) return { path, reason: null };
  return { path: null, reason: `${name} is not in ${dir} (set REPRISE_MEDIA_DIR to the recorded media)` };
}

/**
 * Path of a generated segment; makes it with ffmpeg the first time. Safe to call from several processes at once.
 *
 * @param name - a key of `mediaRecipes`, for example `gen-live-0.ts`
 * @throws Error for an unknown name, or when ffmpeg is missing or fails (with its last lines)
 */
export function generatedMedia(name: string): Promise<string> {
  const known = pending.get(name);
  if (known !== undefined) return known;
  const made = generate(name);
  pending.set(name, made);
  return made;
}

/** The bytes of a generated segment. */
export async function generatedMediaBytes(name: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(await generatedMedia(name)));
}

/** The recorded file where there is one, else the generated one of the same name. */
export async function anyMedia(name: string): Promise<string> {
  return referenceMedia(name).path ?? (await generatedMedia(name));
}

/** What a live stream of {@link liveMedia} looks like. */
export type LiveMediaOptions = {
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
  readonly segmentSeconds: number;
  readonly segmentCount: number;
  /** Video bits per second; constant quality (crf 28) when absent. */
  readonly bitrate?: number;
};

/**
 * Consecutive MPEG-TS segments of one generated stream (H.264 without B-frames, AAC), each starting with a key
 * frame, time stamps running on from one to the next. Cached like {@link generatedMedia}.
 *
 * @returns paths in stream order
 */
export async function liveMedia(options: LiveMediaOptions): Promise<string[]> {
  const { width, height, framesPerSecond, segmentSeconds, segmentCount } = options;
  const seconds = segmentSeconds * segmentCount;
  const gop = String(framesPerSecond * segmentSeconds);
  const rate = options.bitrate === undefined ? ["-crf", "28"] : ["-b:v", String(options.bitrate)];
  const recipe: MediaRecipe = {
    needs: [],
    steps: [
      {
        type: "ffmpeg",
        args: [
          ...[
            "-f",
            "lavfi",
            "-i",
            `testsrc2=size=${width}x${height}:rate=${framesPerSecond}:duration=${seconds}`,
          ],
          ...["-f", "lavfi", "-i", `sine=frequency=440:sample_rate=48000:duration=${seconds}`],
          ...["-c:v", "libx264", "-preset", "veryfast", ...rate, "-pix_fmt", "yuv420p", "-bf", "0"],
          ...["-g", gop, "-keyint_min", gop, "-sc_threshold", "0", "-c:a", "aac", "-b:a", "96k", "-ac", "2"],
          ...[
            "-f",
            "segment",
            "-segment_time",
            String(segmentSeconds),
            "-segment_format",
            "mpegts",
            "live-%d.ts",
          ],
        ],
      },
    ],
  };
  const dir = await cached(recipe);
  return Array.from({ length: segmentCount }, (_, index) => join(dir, `live-${index}.ts`));
}

const pending = new Map<string, Promise<string>>();

async function generate(name: string): Promise<string> {
  const recipe = mediaRecipes.get(name);
  if (recipe === undefined) throw new Error(`No recipe makes \`${name}\`; see test/support/mediaRecipes.ts.`);
  return join(await cached(recipe), name);
}

/** A folder that holds the files of `recipe`, named after the recipe and the version of ffmpeg. */
async function cached(recipe: MediaRecipe): Promise<string> {
  const needed = await Promise.all(recipe.needs.map(generatedMedia));
  const hash = createHash("sha256");
  hash.update(JSON.stringify([await ffmpegVersion(), needed, recipe.steps]));
  const dir = join(cacheDir, hash.digest("hex").slice(0, 20));
  if (existsSync(dir)) return dir;

  await mkdir(cacheDir, { recursive: true });
  const scratch = await mkdtemp(join(cacheDir, "making-"));
  try {
    for (const step of recipe.steps) await perform(step, scratch, needed);
    // A rename is atomic: a reader sees all files or none. Losing the race to another process is fine.
    await rename(scratch, dir).catch((error) => {
      if (!existsSync(dir)) throw error;
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return dir;
}

async function perform(step: MediaStep, scratch: string, needed: readonly string[]): Promise<void> {
  switch (step.type) {
    case "ffmpeg":
      await ffmpeg(step.args, scratch);
      return;
    case "head": {
      const from = needed.find((path) => path.endsWith(`/${step.from}`)) ?? join(scratch, step.from);
      await writeFile(join(scratch, step.to), (await readFile(from)).subarray(0, step.byteCount));
      return;
    }
    case "concat": {
      const parts = await Promise.all(step.from.map((name) => readFile(join(scratch, name))));
      await writeFile(join(scratch, step.to), Buffer.concat(parts));
      return;
    }
    case "noise":
      await writeFile(join(scratch, step.to), noise(step.byteCount, step.seed));
      return;
  }
}

/** Runs `ffmpeg` in `cwd`. @throws Error with the last lines of its log when it fails. */
async function ffmpeg(args: readonly string[], cwd: string): Promise<void> {
  const child = Bun.spawn(["ffmpeg", "-nostdin", "-v", "error", "-y", ...args], {
    cwd,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const log = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) throw new Error(`ffmpeg ${args.join(" ")} failed:\n${log.slice(-2000)}`);
}

let version: Promise<string> | null = null;

function ffmpegVersion(): Promise<string> {
  version ??= (async () => {
    if (Bun.which("ffmpeg") === null) {
      throw new Error("These tests need the `ffmpeg` command: run `apt-get install ffmpeg`.");
    }
    const child = Bun.spawn(["ffmpeg", "-version"], { stdin: "ignore", stderr: "ignore" });
    return (await new Response(child.stdout).text()).split("\n", 1)[0] ?? "";
  })();
  return version;
}

/** The same bytes for the same seed on every machine (SHA-256 in counter mode). */
function noise(byteCount: number, seed: number): Uint8Array {
  const blocks: Buffer[] = [];
  for (let counter = 0; counter * 32 < byteCount; counter += 1) {
    blocks.push(createHash("sha256").update(`${seed}:${counter}`).digest());
  }
  return Buffer.concat(blocks).subarray(0, byteCount);
}
