import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Config } from "../../src/config/config.ts";
import { parseConfig } from "../../src/config/parseConfig.ts";
import { GatewayClient, type GatewayClientOptions } from "../../src/demo/gatewayClient.ts";
import { type RunningNode, type StartOptions, startNode } from "../../src/startNode.ts";

/*
 * A whole node inside the test process: real log, real sockets, real worker processes. What a test owns is the
 * clock (forward only), the probe and the flags. See `nodeProcess.ts` for a node that can be killed.
 */

export type TestNodeOptions = Omit<StartOptions, "config" | "onFatal" | "writeLog" | "edge"> & {
  /** Further words of the command line. */
  readonly flags?: readonly string[];
  /** A folder that outlives the node; a fresh one that goes with it when absent. */
  readonly dataDir?: string;
  /** Changes what the command line says, for settings finer than its words. */
  readonly alterConfig?: (config: Config) => Config;
  /** How far the clock is ahead of the system's from the start; not below 0. Milliseconds. */
  readonly aheadMs?: number;
};

export type TestNode = AsyncDisposable & {
  readonly running: RunningNode;
  readonly port: number;
  readonly serviceUri: string;
  readonly dataDir: string;
  readonly logLines: readonly string[];
  /** What `onFatal` was told. */
  readonly fatal: readonly unknown[];
  /** A gateway of its own for the caller; closed with the node. */
  client(options?: Partial<GatewayClientOptions>): GatewayClient;
  /** Lets the node's clock jump forward. */
  advance(ms: number): void;
  /** Lets time pass: as `advance`, and for the clock that never jumps too. */
  passTime(ms: number): void;
  /** The node's clock. */
  nowMs(): number;
};

/** Flags that no test wants to hit by accident: room for every session, a short drain. */
const roomyFlags = ["-maxSessions", "1000", "-capacity", "1000000000000", "-drainTimeout", "5s"];

/** Starts a node on free loopback ports. Disposing drains it. */
export async function openNode(options: TestNodeOptions = {}): Promise<TestNode> {
  const { flags, dataDir: givenDir, alterConfig, aheadMs: givenAheadMs = 0, ...startOptions } = options;
  const dataDir = givenDir ?? temporaryDir();
  const address = `127.0.0.1:${await freePort()}`;
  const parsed = nodeConfig([
    ...["-dataDir", dataDir, "-serviceAddr", address, "-httpAddr", address],
    ...["-cliAddr", `127.0.0.1:${await freePort()}`, ...roomyFlags, ...(flags ?? [])],
  ]);
  const config = alterConfig?.(parsed) ?? parsed;
  const logLines: string[] = [];
  const fatal: unknown[] = [];
  const clients: GatewayClient[] = [];
  let aheadMs = givenAheadMs;
  let passedMs = 0;
  const nowMs = (): number => Date.now() + aheadMs;
  const running = await startNode({
    ...startOptions,
    config,
    edge: { nowMs, monotonicMs: () => performance.now() + passedMs },
    writeLog: (line) => logLines.push(line),
    onFatal: (error) => fatal.push(error),
  });
  const scheme = config.listener.isTls ? "https" : "http";
  const serviceUri = `${scheme}://127.0.0.1:${running.listener.port}`;
  return {
    running,
    port: running.listener.port,
    serviceUri,
    dataDir,
    logLines,
    fatal,
    nowMs,
    client: (clientOptions) => {
      const client = new GatewayClient({ serviceUri, ...clientOptions });
      clients.push(client);
      return client;
    },
    advance: (ms) => {
      aheadMs += ms;
    },
    passTime: (ms) => {
      aheadMs += ms;
      passedMs += ms;
    },
    [Symbol.asyncDispose]: async () => {
      for (const client of clients) await client.close();
      // A drain waits for gateways that may still fetch what they were promised; the tests' are gone.
      aheadMs += 10_000;
      await running.drain();
      if (givenDir === undefined) rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** The configuration of a command line, with no environment and no files. */
export function nodeConfig(argv: readonly string[]): Config {
  const parsed = parseConfig({
    argv,
    env: {},
    readFile: () => ({ type: "missing" }),
    homeDir: "",
    build: { version: "0.0.0", runtime: "bun", architecture: "x64", operatingSystem: "linux" },
  });
  if (parsed.type === "config") return parsed.config;
  throw new Error(parsed.text);
}

/** A folder of its own below the system's temporary one. */
export function temporaryDir(): string {
  return mkdtempSync(join(tmpdir(), "reprise-node-"));
}

const freePortMin = 20_000;
const freePortMax = 31_999;
const givenPorts = new Set<number>();

/**
 * A port that nobody listens on now, and that this process gives nobody else. It lies below those that the kernel
 * takes for connections and for whoever asks for any port (from 32768): none of them takes it before its owner does.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = freePortMin + Math.floor(Math.random() * (freePortMax - freePortMin + 1));
    if (givenPorts.has(port) || !(await canListen(port))) continue;
    givenPorts.add(port);
    return port;
  }
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
