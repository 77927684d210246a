import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { GatewayClient } from "../../src/demo/gatewayClient.ts";
import type { CrashPlan } from "./nodeCrash.ts";
import { eventually } from "./eventually.ts";
import { freePort } from "./nodeFixture.ts";

/*
 * Nodes in processes of their own: the real command (`startMain`), and one that kills itself at a chosen point
 * (`startCrashing`). Both are killed when disposed of.
 */

export type NodeProcess = AsyncDisposable & {
  readonly process: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly pid: number;
  readonly port: number;
  readonly serviceUri: string;
  readonly client: GatewayClient;
  /** Everything it wrote so far. */
  output(): string;
  /** Resolves when nothing more can come: all who could write to its pipes have closed them. */
  readonly drained: Promise<unknown>;
  /** Resolves with its exit code, or the name of the signal that ended it. */
  readonly ended: Promise<number | string>;
};

const repository = join(import.meta.dir, "../..");

export type MainOptions = {
  /** Flags after those for the data folder and the addresses. */
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Put before the command, such as `["bash", "-c", "ulimit -f 10; exec \"$@\"", "-"]`. */
  readonly wrapper?: readonly string[];
  /** The tree that the command is run from. Default: this repository. */
  readonly root?: string;
};

/** `bun src/main.ts` on free loopback ports; resolves when it serves. @throws Error with its words when it ends */
export async function startMain(dataDir: string, options: MainOptions = {}): Promise<NodeProcess> {
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const command = [
    ...(options.wrapper ?? []),
    ...[process.execPath, join(options.root ?? repository, "src/main.ts"), "-dataDir", dataDir],
    ...["-serviceAddr", address, "-httpAddr", address, "-cliAddr", `127.0.0.1:${await freePort()}`],
    ...["-maxSessions", "1000", "-capacity", "1000000000000", ...(options.flags ?? [])],
  ];
  const node = wrap(spawn(command, options.env ?? {}), () => port);
  await eventually(
    "the node serves",
    async () => {
      if (node.output().includes("it listens on")) return true;
      if (!hasEnded(node.process)) return null;
      // The end is known before its last words were read; a worker that lives on may hold the pipe a little longer.
      await Promise.race([node.drained, Bun.sleep(2_000)]);
      const how = node.process.exitCode ?? node.process.signalCode;
      throw new Error(`The node ended with ${how}:\n${node.output()}`);
    },
    50_000,
  );
  return node;
}

/**
 * A node that ends itself with SIGKILL as `plan` says; resolves when it serves.
 *
 * @param extraFlags - flags after those for the data folder and the addresses
 */
export async function startCrashing(
  dataDir: string,
  plan: Omit<CrashPlan, "flags">,
  extraFlags: readonly string[] = [],
): Promise<NodeProcess> {
  const address = `127.0.0.1:${await freePort()}`;
  const flags = [
    ...["-dataDir", dataDir, "-serviceAddr", address, "-httpAddr", address],
    ...["-cliAddr", `127.0.0.1:${await freePort()}`, "-maxSessions", "1000", "-capacity", "1000000000000"],
    ...extraFlags,
  ];
  const script = fileURLToPath(new URL("nodeCrash.ts", import.meta.url));
  const argument: CrashPlan = { ...plan, flags };
  const child = spawn([process.execPath, "--conditions=development", script, JSON.stringify(argument)], {});
  const port = Number(new URL(`http://${address}`).port);
  const node = wrap(child, () => port);
  await eventually(
    "the node serves or is dead",
    () => (node.output().includes(`${port}\n`) || hasEnded(child) ? true : null),
    50_000,
  );
  return node;
}

/** Processes that were started by `parentPid` and still run as its workers. */
export function workersOf(parentPid: number): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const isZombie = /^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
        const words = readFileSync(`/proc/${pid}/cmdline`, "latin1");
        return !isZombie && words.includes(`"parentPid":${parentPid},`);
      } catch {
        return false;
      }
    });
}

/** Lets workers that SIGSTOP holds go on. Those that were given up as hung meanwhile are gone, which is no error. */
export function letGoOn(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGCONT");
    } catch {
      // It is gone.
    }
  }
}

function spawn(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  return Bun.spawn([...command], {
    cwd: repository,
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

function wrap(child: Bun.Subprocess<"ignore", "pipe", "pipe">, port: () => number): NodeProcess {
  let text = "";
  const read = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) text += decoder.decode(chunk, { stream: true });
  };
  const drained = Promise.all([read(child.stdout), read(child.stderr)]);
  const serviceUri = `https://127.0.0.1:${port()}`;
  const client = new GatewayClient({ serviceUri, segmentTimeoutMs: 30_000 });
  const ended = child.exited.then(() => child.signalCode ?? child.exitCode ?? -1);
  return {
    process: child,
    pid: child.pid,
    port: port(),
    serviceUri,
    client,
    output: () => text,
    drained,
    ended,
    [Symbol.asyncDispose]: async () => {
      await client.close();
      if (!hasEnded(child)) child.kill("SIGKILL");
      await child.exited;
      await drained;
    },
  };
}

function hasEnded(child: Bun.Subprocess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
