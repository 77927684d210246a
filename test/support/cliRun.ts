import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CliPorts } from "../../src/cli/ports.ts";
import { runCli } from "../../src/cli/runCli.ts";
import { readLocalFile } from "../../src/config/localFiles.ts";
import { keccak256 } from "../../src/native/ffi.ts";
import { openCliNode, openCliRpc, openTicketsOf } from "../../src/start/openCliNode.ts";

/** What a command left behind. */
export type CliRun = {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Questions that were asked. */
  readonly questions: readonly string[];
  /** The document of `--json`. @throws when it is not exactly one */
  json(): Readonly<Record<string, unknown>>;
};

export type CliRunOptions = {
  readonly env?: Readonly<Record<string, string>>;
  /** What a person types at the question; null = there is no terminal. Default null. */
  readonly answer?: string | null;
  readonly ports?: Partial<CliPorts>;
};

const sleep = (ms: number): Promise<void> => Bun.sleep(Math.min(ms, 20));
const monotonicMs = (): number => performance.now();

/** Who sends for a command: real, over the log of its data folder, and impatient. */
export const openRealExecutor: CliPorts["openExecutor"] = (settings, account) =>
  openCliNode(settings, account, {
    edge: {
      nowMs: () => Date.now(),
      randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
      keccak256,
    },
    ...{ monotonicMs, sleep, pollMs: 10, ask: null },
  });

/** Runs a command in this process, with everything real but the terminal. */
export async function cliRun(argv: readonly string[], options: CliRunOptions = {}): Promise<CliRun> {
  const [out, err, questions]: [string[], string[], string[]] = [[], [], []];
  const { answer = null } = options;
  const code = await runCli(argv, {
    output: { print: (line) => void out.push(line), printError: (line) => void err.push(line) },
    env: options.env ?? {},
    readFile: readLocalFile,
    homeDir: "",
    isTerminal: answer !== null,
    ask: async (question) => {
      questions.push(question);
      return answer ?? "";
    },
    writeNewFile: (path, text) => writeFileSync(path, text, { flag: "wx" }),
    ...{ monotonicMs, sleep },
    openRpc: openCliRpc,
    openExecutor: openRealExecutor,
    openTickets: openTicketsOf,
    ...options.ports,
  });
  return {
    ...{ code, questions },
    out: out.join("\n"),
    err: err.join("\n"),
    json: () => {
      if (out.length !== 1)
        throw new Error(`There are ${out.length} lines, not one document: ${out.join("\n")}`);
      return JSON.parse(out[0] ?? "");
    },
  };
}

const folders = new Set<string>();

/** A folder of its own; {@link removeCliFolders} takes it away. */
export function cliFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "reprise-cli-"));
  folders.add(folder);
  return folder;
}

/** Deletes every folder that {@link cliFolder} has made: for the end of a test file. */
export function removeCliFolders(): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  folders.clear();
}
