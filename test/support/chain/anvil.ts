import { createRequire } from "node:module";
import { join } from "node:path";

/** A running development node, and the plain JSON-RPC to it. */
export type Anvil = AsyncDisposable & {
  readonly url: string;
  /** One call. @throws Error with the node's words, its revert text included. */
  rpc(method: string, ...params: readonly unknown[]): Promise<unknown>;
  /** Many calls in one request; answers in order. @throws Error with the node's words */
  batch(calls: readonly (readonly [method: string, params: readonly unknown[]])[]): Promise<unknown[]>;
};

export type AnvilOptions = {
  /** Default 54321: no network that anybody knows. */
  readonly chainId?: number;
  /** Default: any free one. */
  readonly port?: number;
  /** Default 0: whoever sends may pay nothing. */
  readonly baseFee?: bigint;
  /** Number of the first block. Default 0. Mining takes 2 ms a block. */
  readonly firstBlock?: number;
};

/** Blocks whose state can still be read or gone back to. */
const statesMax = 500;

/**
 * Starts anvil on a free loopback port, without fees and with every account unlocked: whoever holds no key can
 * still be a sender. About 0.1 s.
 */
export async function startAnvil(options: AnvilOptions = {}): Promise<Anvil> {
  // A killed test must not leave a chain behind.
  const tied = Bun.which("setpriv") === null ? [] : ["setpriv", "--pdeathsig", "KILL"];
  const words = [
    ...["--host", "127.0.0.1", "--port", `${options.port ?? 0}`, "--chain-id", `${options.chainId ?? 54321}`],
    ...["--auto-impersonate", "--disable-min-priority-fee", "--accounts", "2"],
    ...["--base-fee", `${options.baseFee ?? 0n}`, "--gas-price", "0"],
    ...["--number", `${options.firstBlock ?? 0}`],
    // As many as without it, but none on the disk of the home folder: what is killed leaves them there for ever.
    ...["--prune-history", `${statesMax}`],
  ];
  const child = Bun.spawn([...tied, anvilPath(), ...words], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const url = await listeningUrl(child.stdout);
  let isWanted = true;
  void child.exited.then(() => {
    // Without this a test only says that nobody listens.
    if (isWanted) console.error(`The chain at ${url} has ended: ${child.signalCode ?? child.exitCode}.`);
  });
  return {
    url,
    rpc: (method, ...params) => callRpc(url, method, params),
    batch: (calls) => batchRpc(url, calls),
    [Symbol.asyncDispose]: async () => {
      isWanted = false;
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

/** One JSON-RPC call. @throws Error with the node's words */
export async function callRpc(url: string, method: string, params: readonly unknown[]): Promise<unknown> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  const answer: unknown = await response.json();
  if (typeof answer !== "object" || answer === null) throw new Error(`${method} answered ${String(answer)}.`);
  if ("error" in answer) throw new Error(`${method} failed: ${JSON.stringify(answer.error)}`);
  return "result" in answer ? answer.result : null;
}

async function batchRpc(
  url: string,
  calls: readonly (readonly [string, readonly unknown[]])[],
): Promise<unknown[]> {
  if (calls.length === 0) return [];
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(calls.map(([method, params], id) => ({ jsonrpc: "2.0", id, method, params }))),
  });
  const answers = (await response.json()) as { id: number; result?: unknown; error?: unknown }[];
  const results: unknown[] = [];
  for (const { id, result, error } of answers) {
    if (error !== undefined) throw new Error(`${calls[id]?.[0]} failed: ${JSON.stringify(error)}`);
    results[id] = result;
  }
  return results;
}

/** The binary of this machine's platform. It lies in a package beside the one that we depend on. */
function anvilPath(): string {
  const required = createRequire(import.meta.resolve("@foundry-rs/anvil/package.json"));
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const manifest = required.resolve(`@foundry-rs/anvil-${process.platform}-${architecture}/package.json`);
  return join(manifest, "../bin/anvil");
}

async function listeningUrl(stdout: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  const reader = stdout.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`anvil ended before it listened:\n${text}`);
    text += decoder.decode(value, { stream: true });
    const address = text.match(/Listening on ([\d.]+:\d+)/)?.[1];
    if (address === undefined) continue;
    void drain(reader);
    return `http://${address}`;
  }
}

/** Reads on, so that the pipe never fills and stops the node. */
async function drain(reader: { read(): Promise<{ done: boolean }> }): Promise<void> {
  while (!(await reader.read()).done);
}
