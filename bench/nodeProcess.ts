import { closeSync, fdatasyncSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { GatewayClient } from "../src/demo/gatewayClient.ts";

/** A real node in a process of its own, for benches. Not a bench itself. */
export type NodeProcess = {
  readonly serviceUri: string;
  readonly operatorUri: string;
  readonly pid: number;
  /** Milliseconds from the start of the process to the first connection that it took. */
  readonly portMs: number;
  /** Milliseconds from the start of the process to the first answer, which is signed on a chain. */
  readonly readyMs: number;
  /** Resident memory of the node alone, and of everything it started, in bytes. */
  memory(): { readonly node: number; readonly all: number };
  rawFsyncMs(count: number): readonly number[];
  stop(): Promise<void>;
};

const root = join(import.meta.dir, "..");

/** Starts `src/main.ts` on free loopback ports and waits until it answers. */
export async function startNodeProcess(
  dataDir: string,
  flags: readonly string[] = [],
  options: {
    /** A module that the node's process loads first. */
    readonly preload?: string;
    readonly env?: Readonly<Record<string, string>>;
  } = {},
): Promise<NodeProcess> {
  mkdirSync(dataDir, { recursive: true });
  const port = freePort();
  const operatorPort = freePort();
  const startedMs = performance.now();
  const child = Bun.spawn(
    [
      process.execPath,
      ...(options.preload === undefined ? [] : ["--preload", options.preload]),
      join(root, "src/main.ts"),
      "-dataDir",
      dataDir,
      "-serviceAddr",
      `127.0.0.1:${port}`,
      "-cliAddr",
      `127.0.0.1:${operatorPort}`,
      "-maxSessions",
      "50",
      ...flags,
    ],
    {
      cwd: root,
      env: { ...process.env, ...options.env },
      stdout: "ignore",
      stderr: Bun.file(join(dataDir, "node.log")),
    },
  );
  const serviceUri = `https://127.0.0.1:${port}`;
  while (!(await accepts(port))) {
    if (child.exitCode !== null || performance.now() - startedMs > 30_000)
      throw new Error(`The node does not listen: see ${join(dataDir, "node.log")}.`);
    await Bun.sleep(5);
  }
  const portMs = performance.now() - startedMs;
  const client = new GatewayClient({ serviceUri, callTimeoutMs: 500 });
  for (;;) {
    try {
      await client.ping(new Uint8Array(32));
      break;
    } catch (error) {
      if (child.exitCode !== null || performance.now() - startedMs > 30_000) throw error;
      await Bun.sleep(5);
    }
  }
  const readyMs = performance.now() - startedMs;
  await client.close();
  return {
    serviceUri,
    operatorUri: `http://127.0.0.1:${operatorPort}`,
    pid: child.pid,
    portMs,
    readyMs,
    memory: () => memoryOf(child.pid),
    rawFsyncMs: (count) => rawFsync(dataDir, count),
    stop: async () => {
      child.kill("SIGTERM");
      await child.exited;
    },
  };
}

function freePort(): number {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => {} } });
  const { port } = probe;
  probe.stop(true);
  return port;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket
      .once("error", () => resolve(false))
      .once("connect", () => {
        socket.destroy();
        resolve(true);
      });
  });
}

function memoryOf(pid: number): { readonly node: number; readonly all: number } {
  const output = Bun.spawnSync(["ps", "-e", "-o", "pid=,ppid=,rss="]).stdout.toString();
  const rows = output
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number, number]);
  const tree = new Set([pid]);
  // Parents come before children often enough; three passes reach every depth that exists here.
  for (let pass = 0; pass < 3; pass++) for (const [id, parent] of rows) if (tree.has(parent)) tree.add(id);
  const bytes = (some: readonly [number, number, number][]): number =>
    some.reduce((sum, [, , kib]) => sum + kib * 1_024, 0);
  return {
    node: bytes(rows.filter(([id]) => id === pid)),
    all: bytes(rows.filter(([id]) => tree.has(id))),
  };
}

function rawFsync(dir: string, count: number): readonly number[] {
  const path = join(dir, "fsync-probe");
  const file = openSync(path, "w");
  const page = new Uint8Array(4_096).fill(1);
  const times: number[] = [];
  for (let index = 0; index < count; index++) {
    const startedMs = performance.now();
    writeSync(file, page);
    fdatasyncSync(file);
    times.push(performance.now() - startedMs);
  }
  closeSync(file);
  rmSync(path);
  return times;
}

/** A segment of 320x180 with 6 frames and no sound, made by ffmpeg once. */
export async function tinySegment(): Promise<Uint8Array> {
  return madeOnce("tiny.ts", [
    ..."-f lavfi -i testsrc2=size=320x180:rate=30 -frames:v 6".split(" "),
    ..."-c:v libx264 -preset veryfast -threads 1 -crf 34 -bf 0 -pix_fmt yuv420p -f mpegts".split(" "),
  ]);
}

/** Two seconds of 720p30 with sound, as a camera would send them. */
export async function hdSegment(): Promise<Uint8Array> {
  return madeOnce("hd.ts", [
    ..."-f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine=440:sample_rate=48000 -t 2".split(" "),
    ..."-c:v libx264 -preset veryfast -g 60 -bf 0 -b:v 4M -pix_fmt yuv420p -c:a aac -b:a 96k -f mpegts".split(
      " ",
    ),
  ]);
}

async function madeOnce(name: string, recipe: readonly string[]): Promise<Uint8Array> {
  const dir = join(root, ".build/bench");
  const path = join(dir, name);
  if (!(await Bun.file(path).exists())) {
    mkdirSync(dir, { recursive: true });
    const made = Bun.spawnSync(["ffmpeg", "-v", "error", "-y", ...recipe, path]);
    if (made.exitCode !== 0) throw new Error(`ffmpeg failed: ${made.stderr.toString()}`);
  }
  return new Uint8Array(await Bun.file(path).arrayBuffer());
}
