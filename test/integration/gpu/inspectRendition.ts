import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { $ } from "bun";
import { sha256Of } from "./testMedia.ts";

/*
 * Reads a rendition with the system's ffprobe and ffmpeg, not with our own code, into the shape of the golden
 * vectors.
 */

export type VideoFacts = {
  readonly codec: string;
  readonly profile: string;
  readonly width: number;
  readonly height: number;
  readonly pixFmt: string;
  readonly fieldOrder: string;
  readonly rFrameRate: string;
  readonly avgFrameRate: string;
  readonly timeBase: string;
  readonly packets: number;
  readonly startPts: number;
  readonly lastPts: number;
  readonly pts: { readonly count: number; readonly sha256: string; readonly steps: readonly number[][] };
  readonly firstDts: readonly number[];
  readonly dtsStrictlyIncreasing: boolean;
  readonly keyFrames: readonly number[];
};

export type AudioFacts = {
  readonly codec: string;
  readonly sampleRate: number;
  readonly channels: number;
  readonly timeBase: string;
  readonly packets: number;
  readonly payloadSha256: string;
  readonly startPts: number | null;
  readonly lastPts: number | null;
  readonly ptsSha256: string;
  readonly ptsStrictlyIncreasing: boolean;
};

export type RenditionFacts = {
  readonly container: string;
  readonly streams: readonly string[];
  readonly moovBeforeMdat: boolean | null;
  readonly countedPixels: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly video: VideoFacts | null;
  readonly audio: AudioFacts | null;
};

type Stream = Readonly<Record<string, string | number | undefined>> & {
  readonly index: number;
  readonly codec_type: string;
};
type Packet = {
  readonly stream_index: number;
  readonly pts?: number;
  readonly dts?: number;
  readonly flags: string;
};
type Frame = { readonly media_type: string; readonly width?: number; readonly height?: number };
type Probe = {
  readonly streams: readonly Stream[];
  readonly format: { readonly format_name: string; readonly tags?: Readonly<Record<string, string>> };
  readonly programs?: readonly { readonly tags?: Readonly<Record<string, string>> }[];
  readonly packets_and_frames?: readonly (
    ({ readonly type: "packet" } & Packet) | ({ readonly type: "frame" } & Frame)
  )[];
};

/** Everything that the vectors compare about one rendition. */
export async function inspectRendition(bytes: Uint8Array): Promise<RenditionFacts> {
  const folder = mkdtempSync(join(tmpdir(), "reprise-inspect-"));
  const path = join(folder, "rendition");
  try {
    writeFileSync(path, bytes);
    return await inspectFile(path, bytes);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function inspectFile(path: string, bytes: Uint8Array): Promise<RenditionFacts> {
  const entries =
    "stream:program:format=format_name:format_tags:packet=stream_index,pts,dts,flags:frame=media_type,width,height";
  const probe =
    (await $`ffprobe -v error -of json -show_streams -show_programs -show_format -show_packets -show_frames -show_entries ${entries} ${path}`
      .quiet()
      .json()) as Probe;
  const items = probe.packets_and_frames ?? [];
  const packets = items.filter((item) => item.type === "packet");
  const container = probe.format.format_name === "mpegts" ? "mpegts" : "mp4";
  const video = probe.streams.find((stream) => stream.codec_type === "video");
  const audio = probe.streams.find((stream) => stream.codec_type === "audio");
  let countedPixels = 0;
  for (const item of items) {
    if (item.type === "frame" && item.media_type === "video")
      countedPixels += (item.width ?? 0) * (item.height ?? 0);
  }
  return {
    container,
    streams: probe.streams.map((stream) => stream.codec_type),
    moovBeforeMdat: container === "mp4" ? isMoovFirst(bytes) : null,
    countedPixels,
    tags: { ...probe.format.tags, ...probe.programs?.[0]?.tags },
    video: video === undefined ? null : videoFacts(video, packets),
    audio: audio === undefined ? null : await audioFacts(audio, packets, path),
  };
}

function videoFacts(stream: Stream, all: readonly Packet[]): VideoFacts {
  const packets = all.filter((packet) => packet.stream_index === stream.index);
  const shown = [...packets].sort((a, b) => (a.pts ?? 0) - (b.pts ?? 0));
  const pts = shown.map((packet) => packet.pts ?? Number.NaN);
  const dts = packets.map((packet) => packet.dts ?? Number.NaN);
  return {
    codec: String(stream["codec_name"]),
    profile: String(stream["profile"]),
    width: Number(stream["width"]),
    height: Number(stream["height"]),
    pixFmt: String(stream["pix_fmt"]),
    fieldOrder: String(stream["field_order"]),
    rFrameRate: String(stream["r_frame_rate"]),
    avgFrameRate: String(stream["avg_frame_rate"]),
    timeBase: String(stream["time_base"]),
    packets: packets.length,
    startPts: pts[0] ?? Number.NaN,
    lastPts: pts[pts.length - 1] ?? Number.NaN,
    pts: { count: pts.length, sha256: sha256Of(pts.join(",")), steps: stepsOf(pts) },
    firstDts: dts.slice(0, 3),
    dtsStrictlyIncreasing: isIncreasing(dts),
    keyFrames: shown.flatMap((packet, index) => (packet.flags.startsWith("K") ? [index] : [])),
  };
}

async function audioFacts(stream: Stream, all: readonly Packet[], path: string): Promise<AudioFacts> {
  const pts = all
    .filter((packet) => packet.stream_index === stream.index)
    .map((packet) => packet.pts ?? Number.NaN);
  const codec = String(stream["codec_name"]);
  return {
    codec,
    sampleRate: Number(stream["sample_rate"]),
    channels: Number(stream["channels"]),
    timeBase: String(stream["time_base"]),
    packets: pts.length,
    payloadSha256: sha256Of(pts.length === 0 ? new Uint8Array(0) : await audioPayload(path, codec)),
    startPts: pts[0] ?? null,
    lastPts: pts[pts.length - 1] ?? null,
    ptsSha256: sha256Of(pts.join(",")),
    ptsStrictlyIncreasing: isIncreasing(pts),
  };
}

/** All access units of the (best) audio stream joined, without ADTS headers. */
export async function audioPayload(path: string, codec: string): Promise<Uint8Array> {
  const filter = codec === "aac" ? ["-bsf:a", "aac_adtstoasc"] : [];
  const output = await $`ffmpeg -v error -nostdin -copyts -i ${path} -map 0:a:0 -c copy ${filter} -f data -`
    .quiet()
    .arrayBuffer();
  return new Uint8Array(output);
}

function stepsOf(values: readonly number[]): number[][] {
  const steps: number[][] = [];
  for (let i = 1; i < values.length; i++) {
    const step = (values[i] ?? 0) - (values[i - 1] ?? 0);
    const last = steps[steps.length - 1];
    if (last !== undefined && last[0] === step) last[1] = (last[1] ?? 0) + 1;
    else steps.push([step, 1]);
  }
  return steps;
}

function isIncreasing(values: readonly number[]): boolean {
  return values.every((value, index) => index === 0 || value > (values[index - 1] ?? Number.NaN));
}

/** Walks the top-level boxes of an MP4 file. */
function isMoovFirst(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 8 <= bytes.length;) {
    const type = String.fromCharCode(...bytes.slice(at + 4, at + 8));
    if (type === "moov") return true;
    if (type === "mdat") return false;
    const size = view.getUint32(at);
    if (size < 8) return false;
    at += size;
  }
  return false;
}
