import { capabilitiesToNet } from "../protocol/capabilities.ts";
import { jobNeeds } from "../protocol/jobNeeds.ts";
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { presetProfile } from "../protocol/presets.ts";
import type { RenditionProfile } from "../protocol/profile.ts";
import { assert } from "../shared/assert.ts";
import { errorText } from "../shared/errors.ts";
import { decodedPixels } from "./decodedPixels.ts";
import { GatewayClient } from "./gatewayClient.ts";
import { choosePicture, type LiveSegment, liveSegments } from "./liveSource.ts";

/** What {@link runDemo} needs. */
export type DemoOptions = {
  /** Of the running node, `https://host:port`. */
  readonly serviceUri: string;
  /** Everything is written to a new folder under `<dataDir>/demo`. */
  readonly dataDir: string;
  /** Length of the stream. */
  readonly seconds: number;
  /** Takes one line without line end. */
  readonly print: (line: string) => void;
  /** Ends the stream early; what was sent by then is still judged. */
  readonly signal?: AbortSignal;
};

const SEGMENT_SECONDS = 2;
const profileNames = {
  720: ["P240p30fps16x9", "P360p30fps16x9", "P576p30fps16x9"],
  360: ["P144p30fps16x9", "P240p30fps16x9"],
} as const;

/**
 * Plays a generated stream against a running node as a gateway would, in real time, and shows what each segment
 * took. Afterwards decodes every rendition with ffprobe: the demo is `ok` only if each one holds exactly the
 * pixels that the node would have billed.
 *
 * @throws DemoToolError when ffmpeg or ffprobe is missing; GatewayCallError when the node does not answer
 */
export async function runDemo(options: DemoOptions): Promise<{ readonly ok: boolean }> {
  const { print } = options;
  const picture = await choosePicture();
  const profiles = profileNames[picture.height === 720 ? 720 : 360].map(preset);
  const dir = resolve(options.dataDir, "demo", new Date().toISOString().replace(/[:.]/g, "-"));
  const client = new GatewayClient({ serviceUri: options.serviceUri });
  try {
    const needs = jobNeeds({
      inputCodec: "h264",
      pixelFormat: "yuv420p",
      profiles,
      store: null,
      verifiesFast: false,
      isSliced: true,
    });
    const info = await client.getOrchestrator({ capabilities: capabilitiesToNet(needs) });
    assert(info.authToken !== undefined, "an orchestrator's answer carries an auth token");
    const sizes = profiles.map((profile) => `${profile.width}x${profile.height}`).join(", ");
    print(`Demo: ${options.seconds} s of ${picture.width}x${picture.height} at 30 fps in real time`);
    print(`      to ${info.transcoder}, session ${info.authToken.sessionId}, renditions ${sizes}`);
    print("");
    print(tableHead());

    const tracks: Track[] = profiles.map((profile) => ({ profile, entries: [] }));
    const run: Run = { client, authToken: info.authToken, manifestId: `demo-${Date.now()}`, tracks, dir };
    const played = await playStream(options, run, picture);
    await client.endTranscodingSession(info.authToken);

    const checked = await checkTracks(run);
    for (const fault of [...played.faults, ...checked.faults]) print(`  FAULT ${fault}`);
    await writePlaylists(run);
    return { ok: printSummary(options, run, played, checked) };
  } finally {
    await client.close();
  }
}

type Entry = {
  readonly seq: number;
  readonly durationMs: number;
  readonly path: string;
  readonly pixels: bigint;
};
type Track = { readonly profile: RenditionProfile; readonly entries: Entry[] };
type Run = {
  readonly client: GatewayClient;
  readonly authToken: NonNullable<Parameters<GatewayClient["endTranscodingSession"]>[0]>;
  readonly manifestId: string;
  readonly tracks: readonly Track[];
  readonly dir: string;
};
type Played = { readonly segmentCount: number; readonly faults: readonly string[] };
type Checked = {
  readonly fileCount: number;
  readonly frames: number;
  readonly pixels: number;
  readonly faults: readonly string[];
};

async function playStream(
  options: DemoOptions,
  run: Run,
  picture: Awaited<ReturnType<typeof choosePicture>>,
): Promise<Played> {
  const faults: string[] = [];
  let segmentCount = 0;
  const segments = liveSegments({
    picture,
    segmentSeconds: SEGMENT_SECONDS,
    seconds: options.seconds,
    dir: join(run.dir, "source"),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  for await (const segment of segments) {
    segmentCount += 1;
    try {
      options.print(await playSegment(run, segment));
    } catch (error) {
      faults.push(`segment ${segment.seq}: ${errorText(error)}`);
      options.print(`${String(segment.seq).padStart(5)}  ${errorText(error)}`);
    }
  }
  return { segmentCount, faults };
}

/** Sends one segment, fetches and stores its renditions, and returns its line of the table. */
async function playSegment(run: Run, segment: LiveSegment): Promise<string> {
  const media = await Bun.file(segment.path).bytes();
  const startedMs = performance.now();
  const answer = await run.client.submitSegment({
    authToken: run.authToken,
    manifestId: run.manifestId,
    seq: segment.seq,
    media,
    durationMs: segment.durationMs,
    profiles: run.tracks.map((track) => track.profile),
  });
  if (answer.type === "refused") throw new Error(`refused with ${answer.status} ${answer.text.trim()}`);
  const { result } = answer.result;
  if (result.case !== "data") throw new Error(`failed: ${result.value ?? "no result"}`);
  const { segments } = result.value;
  if (segments.length !== run.tracks.length) throw new Error(`came back with ${segments.length} renditions`);

  const files = await Promise.all(segments.map(({ url }) => run.client.download(url)));
  const totalMs = performance.now() - startedMs;
  for (const [index, track] of run.tracks.entries()) {
    const bytes = files[index];
    const billed = segments[index];
    assert(bytes !== undefined && billed !== undefined, "one file for each rendition");
    const path = join(run.dir, track.profile.name, `${segment.seq}.ts`);
    await mkdir(join(run.dir, track.profile.name), { recursive: true });
    await writeFile(path, bytes);
    track.entries.push({ seq: segment.seq, durationMs: segment.durationMs, path, pixels: billed.pixels });
  }
  return tableRow({
    seq: segment.seq,
    uploadMs: answer.times.acceptedMs,
    transcodeMs: answer.times.answeredMs - answer.times.acceptedMs,
    totalMs,
    ratio: totalMs / segment.durationMs,
    inBytes: media.byteLength,
    outBytes: files.map((bytes) => bytes.byteLength),
  });
}

async function checkTracks(run: Run): Promise<Checked> {
  const faults: string[] = [];
  let fileCount = 0;
  let frames = 0;
  let pixels = 0;
  for (const { profile, entries } of run.tracks) {
    for (const entry of entries) {
      fileCount += 1;
      try {
        const decoded = await decodedPixels(entry.path);
        frames += decoded.frames;
        pixels += decoded.pixels;
        if (decoded.pixels > 0 && BigInt(decoded.pixels) === entry.pixels) continue;
        faults.push(`${profile.name}/${entry.seq}: billed ${entry.pixels} pixels, decoded ${decoded.pixels}`);
      } catch (error) {
        faults.push(`${profile.name}/${entry.seq}: ${errorText(error)}`);
      }
    }
  }
  return { fileCount, frames, pixels, faults };
}

function printSummary(options: DemoOptions, run: Run, played: Played, checked: Checked): boolean {
  const ok = played.segmentCount > 0 && played.faults.length === 0 && checked.faults.length === 0;
  const { print } = options;
  print("");
  print(
    `${played.segmentCount} segments sent, ${checked.fileCount} renditions decoded: ` +
      `${checked.frames} frames, ${checked.pixels} pixels`,
  );
  print(`Renditions: ${run.dir}`);
  const example = run.tracks.at(-1);
  if (example !== undefined) print(`Watch one:  ffplay ${join(run.dir, example.profile.name, "index.m3u8")}`);
  if (ok) print("Demo passed: every rendition decodes to exactly the billed pixels.");
  else print(`Demo FAILED: ${played.faults.length + checked.faults.length || "no"} faults, see above.`);
  return ok;
}

/** One HLS playlist for each rendition, so that any player can show the result as one stream. */
async function writePlaylists(run: Run): Promise<void> {
  for (const { profile, entries } of run.tracks) {
    if (entries.length === 0) continue;
    const target = Math.ceil(Math.max(...entries.map((entry) => entry.durationMs)) / 1000);
    const head = [
      "#EXTM3U",
      "#EXT-X-VERSION:3",
      `#EXT-X-TARGETDURATION:${target}`,
      "#EXT-X-PLAYLIST-TYPE:VOD",
    ];
    const body = entries.map((entry) => `#EXTINF:${(entry.durationMs / 1000).toFixed(3)},\n${entry.seq}.ts`);
    const path = join(run.dir, profile.name, "index.m3u8");
    await writeFile(path, [...head, ...body, "#EXT-X-ENDLIST", ""].join("\n"));
  }
}

function preset(name: string): RenditionProfile {
  const profile = presetProfile(name);
  assert(profile !== null, `\`${name}\` is a preset`);
  return profile;
}

function tableHead(): string {
  return "  seq    upload  transcode      total  of real time    in kB  out kB";
}

function tableRow(row: {
  readonly seq: number;
  readonly uploadMs: number;
  readonly transcodeMs: number;
  readonly totalMs: number;
  readonly ratio: number;
  readonly inBytes: number;
  readonly outBytes: readonly number[];
}): string {
  const ms = (value: number, width: number) => `${value.toFixed(1)} ms`.padStart(width);
  const kilobytes = (bytes: number) => (bytes / 1000).toFixed(0);
  return [
    String(row.seq).padStart(5),
    ms(row.uploadMs, 8),
    ms(row.transcodeMs, 9),
    ms(row.totalMs, 9),
    `${(row.ratio * 100).toFixed(0)} %`.padStart(12),
    kilobytes(row.inBytes).padStart(7),
    row.outBytes.map(kilobytes).join(" + "),
  ].join("  ");
}
