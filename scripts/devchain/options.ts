import { join, resolve } from "node:path";

const repositoryDir = join(import.meta.dir, "../..");

/** What a chain is started with. */
export type ChainOptions = {
  /** Absolute. Keys, password and the node's settings are written below it. */
  readonly outDir: string;
  /** L1 blocks. */
  readonly roundLength: bigint;
  /** Seconds. */
  readonly blockTimeS: number;
  readonly port: number;
  /** Whether the orchestrator's account is registered already. */
  readonly isRegistered: boolean;
  /** Other orchestrators in the pool. */
  readonly poolSize: number;
  /** Whether somebody starts each round. */
  readonly hasKeeper: boolean;
  readonly isJson: boolean;
};

/** What the gateway plays. */
export type StreamOptions = { readonly outDir: string; readonly seconds: number };

export type ReadOptions =
  | { readonly type: "chain"; readonly options: ChainOptions }
  | { readonly type: "stream"; readonly options: StreamOptions }
  | { readonly type: "help" }
  | { readonly type: "mistake"; readonly text: string };

/** What `--help` says. */
export const usage = `bun run devchain [options]            a chain with Livepeer's contracts, until Ctrl-C
bun run devchain stream [SECONDS]     a gateway that pays the orchestrator on it for a test picture (60 s)

  --out DIR          where keys and settings are written (.build/devchain)
  --port N           port of the JSON-RPC endpoint on 127.0.0.1 (8545)
  --block-time S     seconds between blocks (1)
  --round-length N   blocks in a round (100)
  --pool N           other orchestrators in the active set (9)
  --register         the orchestrator's account is registered already, and active
  --no-keeper        nobody starts rounds but the first
  --json             one line of JSON in place of the text`;

/** Reads the command line. */
export function readOptions(args: readonly string[]): ReadOptions {
  const values = new Map<string, string>();
  const words: string[] = [];
  const switches = ["--register", "--no-keeper", "--json", "--help", "-h"];
  const valued = ["--out", "--port", "--block-time", "--round-length", "--pool"];
  for (let at = 0; at < args.length; at += 1) {
    const [name = "", inline] = (args[at] ?? "").split("=", 2);
    if (!name.startsWith("-")) words.push(name);
    else if (switches.includes(name)) values.set(name, "");
    else if (valued.includes(name)) {
      const value = inline ?? args[at + 1];
      if (inline === undefined) at += 1;
      if (value === undefined) return mistake(`${name} needs its value behind it.`);
      values.set(name, value);
    } else return mistake(`there is no option ${name}.`);
  }
  if (values.has("--help") || values.has("-h")) return { type: "help" };
  const outDir = resolve(values.get("--out") ?? join(repositoryDir, ".build/devchain"));
  if (words[0] === "stream") {
    const seconds = Number(words[1] ?? "60");
    if (!Number.isInteger(seconds) || seconds < 2) return mistake("a stream lasts two seconds or more.");
    return { type: "stream", options: { outDir, seconds } };
  }
  if (words.length > 0) return mistake(`${words[0]} is no command.`);
  const numbers = {
    port: numberOf(values.get("--port") ?? "8545", 0, 65_535),
    blockTimeS: numberOf(values.get("--block-time") ?? "1", 1, 3_600),
    roundLength: numberOf(values.get("--round-length") ?? "100", 10, 1_000_000),
    poolSize: numberOf(values.get("--pool") ?? "9", 0, 99),
  };
  const bad = Object.entries(numbers).find(([, value]) => value === null);
  if (bad !== undefined) return mistake(`the number for ${bad[0]} cannot be used.`);
  return {
    type: "chain",
    options: {
      outDir,
      port: numbers.port ?? 0,
      blockTimeS: numbers.blockTimeS ?? 1,
      roundLength: BigInt(numbers.roundLength ?? 100),
      poolSize: numbers.poolSize ?? 9,
      isRegistered: values.has("--register"),
      hasKeeper: !values.has("--no-keeper"),
      isJson: values.has("--json"),
    },
  };
}

function numberOf(text: string, least: number, most: number): number | null {
  const value = Number(text);
  return /^\d+$/.test(text) && value >= least && value <= most ? value : null;
}

function mistake(text: string): ReadOptions {
  return { type: "mistake", text };
}
