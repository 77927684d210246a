import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RenditionProfile, TranscodeJob } from "../src/runtime/ports.ts";
import { openTranscodeWorkers } from "../src/workers/openTranscodeWorkers.ts";
import { liveMedia } from "../test/support/media.ts";
import { isSmall, percentile, printFigure, printHeader, resultHash } from "./support.ts";

/*
 * Question: does the way through our worker processes cost anything? N = 1, 2, 4 streams of 2-second 720p30
 * segments to 240p/360p/576p at once, compared with N `ffmpeg` processes at once with the same settings.
 *
 * Bound: the codec is all of it. Of our own a segment pays two copies through the IPC channel (0.5 MB in, 1 MB
 * out: about 1 ms of a second), ffmpeg pays a process start (30 to 50 ms) and a probe. More streams than cores wait
 * in our queue where the ffmpeg processes share the cores: the sum is the same, the latency of one is not.
 *
 * Wanted: ratio ≥ 1.0 for each N; all our processes together < 600 MB after four streams, and back to idle later.
 *
 * Both sides take turns within each round, so that a busy machine is busy for both. `--nice` keeps the workers at
 * the priority that the node gives them; without it they have ffmpeg's.
 */

const streamCounts = isSmall ? [1, 2] : [1, 2, 4];
const rounds = isSmall ? 1 : 3;
const segmentsPerRound = isSmall ? 1 : 3;

const ladder = [
  ["P240p30fps16x9", 426, 240, 600_000],
  ["P360p30fps16x9", 640, 360, 1_200_000],
  ["P576p30fps16x9", 1_024, 576, 1_500_000],
] as const;

const profiles: readonly RenditionProfile[] = ladder.map(([name, width, height, bitrate]) => ({
  name,
  width,
  height,
  bitrate,
  fps: 30,
  fpsDen: 1,
  gopMs: 0,
  profile: "default",
  format: "mpegts",
  encoder: "h264",
  quality: 0,
}));
const job: TranscodeJob = {
  profiles,
  clip: null,
  calcPerceptualHash: false,
  provider: "Livepeer Transcoder bench",
};

/** Transcodes one segment of one stream; resolves with what makes the result comparable. */
type Contender = (stream: number, path: string) => Promise<string>;

type Side = { readonly wallMs: number[]; readonly segmentMs: number[]; cpuMs: number };

let ffmpegCpuMs = 0;
const cpuMsByPid = new Map<number, number>();

const dir = mkdtempSync(join(tmpdir(), "reprise-bench-transcode-"));
const workers = openTranscodeWorkers(process.argv.includes("--nice") ? {} : { nice: 0 });

try {
  await main();
} finally {
  await workers.stop();
  rmSync(dir, { recursive: true });
}

async function main(): Promise<void> {
  printHeader("Transcode through the workers, compared with ffmpeg processes");
  const problem = await workers.whenReady();
  if (problem !== null) throw new Error(problem);
  const segments = await liveMedia({
    width: 1_280,
    height: 720,
    framesPerSecond: 30,
    segmentSeconds: 2,
    segmentCount: segmentsPerRound,
    bitrate: 2_500_000,
  });
  printMemory("memory, idle, before");
  const results = new Set<string>();
  const firstPath = segments[0] ?? "";
  results.add(await throughWorkers(0, firstPath));
  for (const streams of streamCounts) {
    const { ours, theirs, peak } = await compare(streams, segments, results);
    const ratio = sum(theirs.wallMs) / sum(ours.wallMs);
    const perSegment = (side: Side) =>
      `p50 ${percentile(side.segmentMs, 0.5).toFixed(0)} p99 ${percentile(side.segmentMs, 0.99).toFixed(0)} ms`;
    const mediaSeconds = (rounds * segmentsPerRound * streams * 2_000) / sum(ours.wallMs);
    printFigure(`N=${streams}: ffmpeg time ÷ our time (≥ 1.0 wanted)`, `${ratio.toFixed(3)} ×`);
    printFigure(`N=${streams}: the same in CPU time`, `${(theirs.cpuMs / ours.cpuMs).toFixed(3)} ×`);
    printFigure(`N=${streams}: a segment, ours / ffmpeg`, `${perSegment(ours)} / ${perSegment(theirs)}`);
    printFigure(`N=${streams}: media seconds per second, ours`, mediaSeconds.toFixed(2));
    printFigure(`N=${streams}: peak memory, all our processes`, megabytes(peak));
  }
  printMemory("memory, right after");
  await Bun.sleep(2_500);
  printMemory("memory, 2.5 s later");
  const rate = workers.capacity().pixelsPerSecond ?? Number.NaN;
  printFigure("capacity from this work", `${(rate / 1e6).toFixed(1)} Mpixel/s encoded`);
  printFigure("result hash (frames and pixels of every rendition)", resultHash([...results].sort()));
}

async function compare(streams: number, segments: readonly string[], results: Set<string>) {
  const ours: Side = { wallMs: [], segmentMs: [], cpuMs: 0 };
  const theirs: Side = { wallMs: [], segmentMs: [], cpuMs: 0 };
  const peak = { rss: 0, pss: 0 };
  // Reading `smaps_rollup` walks the page tables: a few times in a second would already slow the workers down.
  const sampler = setInterval(() => {
    const now = memory();
    ourCpuMs();
    peak.rss = Math.max(peak.rss, now.rss);
    peak.pss = Math.max(peak.pss, now.pss);
  }, 700);
  for (let round = 0; round < rounds; round += 1) {
    const sides = [
      () => run(streams, segments, throughWorkers, ours, results),
      () => run(streams, segments, ffmpeg, theirs),
    ];
    // Who goes first alternates: the second finds warmer caches and a warmer CPU.
    const cpuBeforeMs = ourCpuMs();
    for (const side of round % 2 === 0 ? sides : sides.reverse()) await side();
    ours.cpuMs += ourCpuMs() - cpuBeforeMs;
  }
  clearInterval(sampler);
  theirs.cpuMs = ffmpegCpuMs;
  ffmpegCpuMs = 0;
  return { ours, theirs, peak };
}

/** All streams at once, the segments of each one after the other. */
async function run(
  streams: number,
  segments: readonly string[],
  contender: Contender,
  side: Side,
  results?: Set<string>,
): Promise<void> {
  const startMs = performance.now();
  const stream = async (number: number) => {
    for (const path of segments) {
      const segmentStartMs = performance.now();
      const result = await contender(number, path);
      results?.add(result);
      side.segmentMs.push(performance.now() - segmentStartMs);
    }
  };
  await Promise.all(Array.from({ length: streams }, (_, number) => stream(number)));
  side.wallMs.push(performance.now() - startMs);
}

async function throughWorkers(stream: number, path: string): Promise<string> {
  const outcome = await workers.submit({
    jobId: `${stream}`,
    sessionId: `${stream}`,
    media: await Bun.file(path).bytes(),
    job,
    deadlineMs: Date.now() + 120_000,
    avoid: [],
    onStart: () => {},
  }).outcome;
  if (outcome.type !== "transcoded")
    throw new Error(`A segment was not transcoded: ${JSON.stringify(outcome)}`);
  return JSON.stringify(outcome.renditions.map(({ frames, pixels }) => [frames, pixels]));
}

/** The same work for the command line tool: one decode, three encodes (video sheet 11.3 and 11.5). */
async function ffmpeg(stream: number, path: string): Promise<string> {
  const outputs = ladder.flatMap(([name, width, height, bitrate], index) => [
    ...["-map", `[v${index}]`, "-map", "0:a?", "-c:a", "copy", "-c:v", "libx264", "-preset", "medium"],
    ...["-forced-idr", "1", "-bf", "3", "-pix_fmt", "yuv420p"],
    ...["-b:v", `${bitrate}`, "-minrate", `${bitrate}`, "-maxrate", `${bitrate}`, "-bufsize", `${bitrate}`],
    ...["-s:v", `${width}x${height}`, "-muxdelay", "0", "-f", "mpegts", join(dir, `${stream}-${name}.ts`)],
  ]);
  const scale = ladder.map(
    ([, width, height], index) => `[s${index}]scale=${width}:${height},fps=30[v${index}]`,
  );
  const split = `[0:v]split=${ladder.length}${ladder.map((_, index) => `[s${index}]`).join("")}`;
  const command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-copyts", "-i", path];
  const child = Bun.spawn([...command, "-filter_complex", [split, ...scale].join(";"), ...outputs], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  if ((await child.exited) !== 0) throw new Error("ffmpeg failed.");
  // Microseconds, as a bigint.
  ffmpegCpuMs += Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1_000;
  return "";
}

/**
 * CPU time of this process and all workers so far. The kernel counts it in ticks of 10 ms, and forgets a worker that
 * ended: what was last seen of each stays in the sum.
 */
function ourCpuMs(): number {
  for (const pid of [process.pid, ...workers.stats().workers.map((worker) => worker.pid)]) {
    try {
      // The fields after the name, which is in brackets: state is the 1st, utime the 12th, stime the 13th.
      const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? [];
      cpuMsByPid.set(pid, (Number(fields[11]) + Number(fields[12])) * 10);
    } catch {
      // It ended just now.
    }
  }
  return sum([...cpuMsByPid.values()]);
}

type Memory = { rss: number; pss: number };

/** This process (which stands for the orchestrator) and all workers, in bytes; `pss` counts shared pages once. */
function memory(): Memory {
  const total: Memory = { rss: 0, pss: 0 };
  for (const pid of [process.pid, ...workers.stats().workers.map((worker) => worker.pid)]) {
    try {
      const text = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
      total.rss += Number(/^Rss:\s+(\d+)/m.exec(text)?.[1] ?? 0) * 1_024;
      total.pss += Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0) * 1_024;
    } catch {
      // A worker that ended meanwhile takes no memory.
    }
  }
  return total;
}

function printMemory(name: string): void {
  printFigure(`${name}: ${workers.capacity().workers} workers`, megabytes(memory()));
}

function megabytes({ rss, pss }: Memory): string {
  return `RSS ${(rss / 1e6).toFixed(0)} MB, PSS ${(pss / 1e6).toFixed(0)} MB`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
