import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GatewayClient } from "../src/demo/gatewayClient.ts";
import { presetProfile } from "../src/protocol/presets.ts";
import type { RenditionProfile } from "../src/protocol/profile.ts";
import { liveMedia } from "../test/support/media.ts";
import { type NodeProcess, startNodeProcess } from "./nodeProcess.ts";
import { argument, isSmall, percentile, printFigure, printHeader, resultHash } from "./support.ts";

/*
 * Question: does the way through the whole node cost anything? N = 1, 2, 4 streams of 2-second 720p30 segments to
 * 240p/360p/576p at once, upload to downloaded renditions, compared with N `ffmpeg` processes at once with the
 * same settings (and, with `--peer https://host:port`, with another orchestrator).
 *
 * Bound: the codec is all of it. Of our own a segment pays TLS, two copies through the worker's channel (0.5 MB
 * in, 1 MB out: about 1 ms of a second) and two commits; ffmpeg pays a process start (30 to 50 ms) and a probe.
 * More streams than cores wait in our queue where the ffmpeg processes share the cores: the sum is the same, the
 * latency of one is not.
 *
 * Wanted: ratio ≥ 1.0 for each N (go-livepeer: 1.01, 1.02, 1.08); all our processes together < 600 MB, and back
 * to idle after the sessions ended.
 *
 * The sides take turns within each round, so that a busy machine is busy for all.
 *
 * Last, 2 × AMD EPYC: 1.026, 1.103, 1.098 × ffmpeg for N = 1, 2, 4, and 0.998, 1.005, 1.013 × go-livepeer 0.9.1 in the
 * same run.
 */

const streamCounts = isSmall ? [1, 2] : [1, 2, 4];
const rounds = isSmall ? 1 : 3;
const segmentsPerRound = isSmall ? 1 : 3;
/** Workers beyond the first end after 30 s without work. */
const restMs = isSmall ? 500 : 40_000;

const ladder: readonly RenditionProfile[] = ["P240p30fps16x9", "P360p30fps16x9", "P576p30fps16x9"].map(
  (name) => {
    const profile = presetProfile(name);
    if (profile === null) throw new Error(`There is no preset \`${name}\`.`);
    return profile;
  },
);

/** Transcodes one segment of one stream; resolves with what makes the result comparable. */
type Contender = {
  readonly name: string;
  readonly transcode: (stream: number, path: string) => Promise<string>;
};
type Side = { readonly contender: Contender; readonly wallMs: number[]; readonly segmentMs: number[] };

const dir = mkdtempSync(join(argument("dir") ?? tmpdir(), "reprise-bench-transcode-"));
const results = new Set<string>();
let sent = 0;

printHeader("Transcode through the whole node, compared with ffmpeg processes");
const node = await startNodeProcess(join(dir, "data"), ["-capacity", "1000000000"]);
try {
  await main(node);
} finally {
  await node.stop();
  rmSync(dir, { recursive: true });
}

async function main(own: NodeProcess): Promise<void> {
  const peer = argument("peer");
  const segments = await liveMedia({
    width: 1_280,
    height: 720,
    framesPerSecond: 30,
    segmentSeconds: 2,
    segmentCount: segmentsPerRound,
    bitrate: 2_500_000,
  });
  const ours = orchestrator("ours", own.serviceUri);
  const others = [
    { name: "ffmpeg", transcode: ffmpeg },
    ...(peer === null ? [] : [orchestrator("peer", peer)]),
  ];
  for (const { transcode } of [ours, ...others]) await transcode(0, segments[0] ?? "");
  printFigure("memory, idle, with one warm worker", megabytes(memory(own.pid)));
  for (const streams of streamCounts) await compare(streams, segments, ours, others, own);
  await Bun.sleep(restMs);
  printFigure(`memory, ${restMs / 1_000} s after the last segment`, megabytes(memory(own.pid)));
  printFigure("result hash (frames and pixels of every rendition)", resultHash([...results].sort()));
}

async function compare(
  streams: number,
  segments: readonly string[],
  ours: Contender,
  others: readonly Contender[],
  own: NodeProcess,
): Promise<void> {
  const sides = [ours, ...others].map((contender): Side => ({ contender, wallMs: [], segmentMs: [] }));
  const peak = { rss: 0, pss: 0 };
  // Reading `smaps_rollup` walks the page tables: a few times in a second would already slow the workers down.
  const sampler = setInterval(() => {
    const now = memory(own.pid);
    peak.rss = Math.max(peak.rss, now.rss);
    peak.pss = Math.max(peak.pss, now.pss);
  }, 700);
  for (let round = 0; round < rounds; round++) {
    // Who goes first alternates: the second finds warmer caches and a warmer CPU.
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) await run(streams, segments, side);
  }
  clearInterval(sampler);
  const [mine, ...theirs] = sides;
  if (mine === undefined) return;
  const perSegment = (side: Side): string =>
    `p50 ${percentile(side.segmentMs, 0.5).toFixed(0)}, p99 ${percentile(side.segmentMs, 0.99).toFixed(0)} ms`;
  for (const side of theirs) {
    const ratio = sum(side.wallMs) / sum(mine.wallMs);
    const { name } = side.contender;
    printFigure(`N=${streams}: ${name}'s time ÷ ours (wanted ≥ 1.0)`, `${ratio.toFixed(3)} ×`);
    printFigure(`N=${streams}: a segment, ours / ${name}`, `${perSegment(mine)} / ${perSegment(side)}`);
  }
  printFigure(`N=${streams}: peak memory, all our processes (wanted < 600 MB)`, megabytes(peak));
}

/** All streams at once, the segments of each one after the other. */
async function run(streams: number, segments: readonly string[], side: Side): Promise<void> {
  const startMs = performance.now();
  const stream = async (number: number): Promise<void> => {
    for (const path of segments) {
      const segmentStartMs = performance.now();
      const result = await side.contender.transcode(number, path);
      if (result !== "") results.add(result);
      side.segmentMs.push(performance.now() - segmentStartMs);
    }
  };
  await Promise.all(Array.from({ length: streams }, (_, number) => stream(number)));
  side.wallMs.push(performance.now() - startMs);
}

/** An orchestrator as a gateway uses it: one session a stream, all renditions fetched. */
function orchestrator(name: string, serviceUri: string): Contender {
  const sessions = new Map<
    number,
    { client: GatewayClient; opened: ReturnType<GatewayClient["getOrchestrator"]> }
  >();
  return {
    name,
    transcode: async (stream, path) => {
      let session = sessions.get(stream);
      if (session === undefined) {
        const client = new GatewayClient({ serviceUri });
        session = { client, opened: client.getOrchestrator() };
        sessions.set(stream, session);
      }
      const { authToken } = await session.opened;
      const { client } = session;
      const answer = await client.submitSegment({
        authToken,
        manifestId: `${name}-${stream}`,
        seq: sent++,
        media: await Bun.file(path).bytes(),
        durationMs: 2_000,
        profiles: ladder,
      });
      if (answer.type === "refused") throw new Error(`${name} refused: ${answer.text}`);
      const { result } = answer.result;
      if (result.case !== "data") throw new Error(`${name} failed: ${String(result.value)}`);
      await Promise.all(result.value.segments.map(({ url }) => client.download(url)));
      return JSON.stringify(result.value.segments.map(({ pixels }) => pixels.toString()));
    },
  };
}

/** The same work for the command line tool: one decode, three encodes (video sheet 11.3 and 11.5). */
async function ffmpeg(stream: number, path: string): Promise<string> {
  const outputs = ladder.flatMap(({ name, width, height, bitrate }, index) => [
    ...["-map", `[v${index}]`, "-map", "0:a?", "-c:a", "copy", "-c:v", "libx264", "-preset", "medium"],
    ...["-forced-idr", "1", "-bf", "3", "-pix_fmt", "yuv420p"],
    ...["-b:v", `${bitrate}`, "-minrate", `${bitrate}`, "-maxrate", `${bitrate}`, "-bufsize", `${bitrate}`],
    ...["-s:v", `${width}x${height}`, "-muxdelay", "0", "-f", "mpegts", join(dir, `${stream}-${name}.ts`)],
  ]);
  const scale = ladder.map(
    ({ width, height }, index) => `[s${index}]scale=${width}:${height},fps=30[v${index}]`,
  );
  const split = `[0:v]split=${ladder.length}${ladder.map((_, index) => `[s${index}]`).join("")}`;
  const command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-copyts", "-i", path];
  const child = Bun.spawn([...command, "-filter_complex", [split, ...scale].join(";"), ...outputs], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  if ((await child.exited) !== 0) throw new Error("ffmpeg failed.");
  return "";
}

type Memory = { rss: number; pss: number };

/** The node and everything below it, in bytes; `pss` counts pages that they share once. */
function memory(pid: number): Memory {
  const total: Memory = { rss: 0, pss: 0 };
  for (const one of processTree(pid)) {
    try {
      const text = readFileSync(`/proc/${one}/smaps_rollup`, "latin1");
      total.rss += Number(/^Rss:\s+(\d+)/m.exec(text)?.[1] ?? 0) * 1_024;
      total.pss += Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0) * 1_024;
    } catch {
      // A worker that ended meanwhile takes no memory.
    }
  }
  return total;
}

function processTree(pid: number): readonly number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim();
    return [
      pid,
      ...children
        .split(" ")
        .filter(Boolean)
        .flatMap((child) => processTree(Number(child))),
    ];
  } catch {
    return [];
  }
}

function megabytes({ rss, pss }: Memory): string {
  return `RSS ${(rss / 1e6).toFixed(0)} MB, PSS ${(pss / 1e6).toFixed(0)} MB`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
