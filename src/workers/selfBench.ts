import type { RenditionProfile, TranscodeJob } from "../runtime/ports.ts";
import type { PixelCount } from "../shared/brand.ts";
import type { WorkerProcessOptions } from "./workerProcess.ts";
import { WorkerProcess } from "./workerProcess.ts";

/** A self-bench under way. */
export type SelfBench = {
  /** Work and time of the whole bench; null when it failed or was stopped. Never rejects. */
  readonly sample: Promise<SelfBenchSample | null>;
  /** Resolves when its process is gone. */
  readonly exited: Promise<void>;
  stop(): void;
};

export type SelfBenchSample = {
  readonly pixels: PixelCount;
  readonly wallMs: number;
  /** Null when several jobs ran at the same time. */
  readonly cpuMs: number | null;
};

/**
 * Measures the codec on a clip of our own: 20 frames of 1280x720 at 30 frames/s (FFmpeg's `mandelbrot` source:
 * moving detail everywhere) to a gateway's usual ladder. About one CPU second.
 *
 * It runs in a process of its own, so that its low priority and whatever it does to its process stay there.
 *
 * @throws what `Bun.spawn` throws when the process cannot be created.
 */
export function runSelfBench(options: WorkerProcessOptions): SelfBench {
  const result = Promise.withResolvers<SelfBenchSample | null>();
  const total = { pixels: 0, cpuMs: 0, jobs: 0 };
  let startedAtMs = 0;
  const worker = new WorkerProcess(options, {
    onReady: (ready) => {
      void readClip().then((clip) => {
        startedAtMs = performance.now();
        for (let ticket = 1; ticket <= options.jobsMax && ready.free > 0; ticket += 1) {
          ready.transcode(ticket, clip, benchJob);
        }
      });
    },
    onVerdict: (from, _, verdict, cpuMs) => {
      if (verdict.type !== "transcoded") {
        from.kill("stopped", "the self-bench failed");
        return;
      }
      total.pixels += verdict.renditions.reduce((sum, rendition) => sum + rendition.pixels, 0);
      total.cpuMs += cpuMs ?? 0;
      total.jobs += 1;
      if (total.jobs < options.jobsMax) return;
      const wallMs = performance.now() - startedAtMs;
      result.resolve({ pixels: total.pixels, wallMs, cpuMs: options.jobsMax === 1 ? total.cpuMs : null });
      from.stop();
    },
    onEnd: () => result.resolve(null),
    onExit: () => {},
  });
  const stop = () => worker.kill("stopped", "the self-bench was stopped");
  const limit = setTimeout(stop, benchMsMax);
  return { sample: result.promise.finally(() => clearTimeout(limit)), exited: worker.exited, stop };
}

/** At nice 10 beside full load the bench may take many times its CPU second; after this it is given up. */
const benchMsMax = 60_000;

const clipUrl = new URL("selfBenchClip.mp4", import.meta.url);

function readClip(): Promise<Uint8Array> {
  return Bun.file(clipUrl).bytes();
}

function profile(name: string, width: number, height: number, bitrate: number): RenditionProfile {
  return {
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
  };
}

const benchJob: TranscodeJob = {
  profiles: [
    profile("P240p30fps16x9", 426, 240, 600_000),
    profile("P360p30fps16x9", 640, 360, 1_200_000),
    profile("P576p30fps16x9", 1_024, 576, 1_500_000),
  ],
  clip: null,
  calcPerceptualHash: false,
  provider: "Livepeer Transcoder self-bench",
};
