import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { BaseError } from "../shared/errors.ts";

/** The picture of a generated stream. */
export type LivePicture = {
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
};

/** One segment of the generated stream, ready to send. */
export type LiveSegment = { readonly seq: number; readonly path: string; readonly durationMs: number };

/**
 * Chooses what this machine can produce beside its real work: 720p30 where ffmpeg makes at least four times real
 * time of it, else 360p30. Takes about half a second.
 *
 * @throws DemoToolError when there is no usable `ffmpeg`
 */
export async function choosePicture(): Promise<LivePicture> {
  const large = { width: 1280, height: 720, framesPerSecond: 30 };
  const probeFrames = 45;
  const startedMs = performance.now();
  await runTool([
    "ffmpeg",
    ...quiet,
    ...pictureArgs(large),
    "-frames:v",
    String(probeFrames),
    ...fastH264(large),
    "-f",
    "null",
    "-",
  ]);
  const framesPerSecond = (probeFrames * 1000) / (performance.now() - startedMs);
  return framesPerSecond >= 4 * large.framesPerSecond ? large : { ...large, width: 640, height: 360 };
}

/**
 * Generates a test picture with a clock in it and a tone, in real time, as MPEG-TS segments of `segmentSeconds`
 * whose time stamps run on. Yields each segment as soon as its file is complete. Ends after `seconds`, or when
 * `signal` fires.
 *
 * @throws DemoToolError when ffmpeg fails
 */
export async function* liveSegments(options: {
  readonly picture: LivePicture;
  readonly segmentSeconds: number;
  readonly seconds: number;
  readonly dir: string;
  readonly signal?: AbortSignal;
}): AsyncGenerator<LiveSegment> {
  const { picture, segmentSeconds, seconds, dir } = options;
  await mkdir(dir, { recursive: true });
  const child = Bun.spawn(
    [
      ...["ffmpeg", ...quiet, "-re", ...pictureArgs(picture)],
      ...["-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", String(seconds)],
      ...[...fastH264(picture), "-g", String(picture.framesPerSecond * segmentSeconds)],
      ...["-c:a", "aac", "-b:a", "96k", "-ac", "2"],
      ...["-f", "segment", "-segment_time", String(segmentSeconds), "-segment_format", "mpegts"],
      // The list names a segment when its file is closed: that is our event, no polling of the folder.
      ...["-segment_list", "pipe:1", "-segment_list_type", "csv", join(dir, "%d.ts")],
    ],
    { stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  );
  const abort = () => child.kill();
  options.signal?.addEventListener("abort", abort, { once: true });
  const log = new Response(child.stderr).text();
  try {
    let seq = 0;
    for await (const line of lines(child.stdout)) {
      const [name, fromSeconds, toSeconds] = line.split(",");
      if (name === undefined || fromSeconds === undefined || toSeconds === undefined) continue;
      const durationMs = Math.round((Number(toSeconds) - Number(fromSeconds)) * 1000);
      yield { seq, path: join(dir, name), durationMs };
      seq += 1;
    }
    const isStopped = options.signal?.aborted === true;
    if ((await child.exited) !== 0 && !isStopped) throw toolFailed("ffmpeg", await log);
  } finally {
    options.signal?.removeEventListener("abort", abort);
    child.kill();
  }
}

/**
 * Runs a command to its end and returns what it printed.
 * @throws DemoToolError when it is missing, fails, or prints an error
 */
export async function runTool(command: readonly string[]): Promise<string> {
  const tool = command[0] ?? "";
  if (Bun.which(tool) === null) {
    throw new DemoToolError(`The demo needs the \`${tool}\` command.`, {
      code: "DEMO_TOOL_MISSING",
      disposition: "halt",
      action: "Run `sudo apt-get install -y ffmpeg` and start the demo again.",
    });
  }
  const child = Bun.spawn([...command], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [text, log] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) !== 0 || log.trim() !== "") throw toolFailed(tool, log);
  return text;
}

/** A tool that the demo uses (ffmpeg, ffprobe) is missing or says that something is wrong. */
export class DemoToolError extends BaseError {}

const quiet = ["-nostdin", "-hide_banner", "-v", "error", "-y"] as const;

function pictureArgs(picture: LivePicture): string[] {
  const graph = `testsrc2=size=${picture.width}x${picture.height}:rate=${picture.framesPerSecond}`;
  return ["-f", "lavfi", "-i", graph];
}

function fastH264(picture: LivePicture): string[] {
  const bitrate = picture.height > 400 ? "3M" : "1M";
  const rate = ["-b:v", bitrate, "-maxrate", bitrate, "-bufsize", "6M"];
  const fixedGop = ["-bf", "0", "-sc_threshold", "0"];
  return [
    "-c:v",
    "libx264",
    "-preset",
    "ultrafast",
    "-threads",
    "1",
    "-pix_fmt",
    "yuv420p",
    ...rate,
    ...fixedGop,
  ];
}

async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
  if (rest !== "") yield rest;
}

function toolFailed(tool: string, log: string): DemoToolError {
  return new DemoToolError(`\`${tool}\` failed: ${log.trim().slice(-500)}`, {
    code: "DEMO_TOOL_FAILED",
    disposition: "halt",
  });
}
