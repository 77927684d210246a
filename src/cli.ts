import { writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { createInterface } from "node:readline/promises";
import { runCli } from "./cli/runCli.ts";
import { readLocalFile } from "./config/localFiles.ts";
import { keccak256 } from "./native/ffi.ts";
import { openCliNode, openCliRpc, openTicketsOf } from "./start/openCliNode.ts";

/** `bun run cli`: what an operator does on the chain. Resolves with the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const out = Bun.stdout.writer();
  const flush = async (): Promise<void> => {
    try {
      await out.flush();
    } catch (error) {
      // Whoever reads may stop at any line, as `head` does.
      if ((error as { readonly code?: unknown }).code !== "EPIPE") throw error;
    }
  };
  const code = await runCli(argv, {
    output: {
      // At once: what was sent must be on the screen while it is waited for.
      print: (line) => {
        out.write(`${line}\n`);
        void flush();
      },
      printError: (line) => {
        process.stderr.write(`${line}\n`);
      },
    },
    env: process.env,
    readFile: readLocalFile,
    homeDir: homedir(),
    isTerminal: process.stdin.isTTY === true,
    ask: async (question) => {
      await flush();
      return askOnTerminal(question);
    },
    writeNewFile: (path, text) => writeFileSync(path, text, { flag: "wx", mode: 0o600 }),
    monotonicMs: () => performance.now(),
    sleep: (ms) => Bun.sleep(ms),
    openRpc: openCliRpc,
    openExecutor: (settings, account) =>
      openCliNode(settings, account, {
        edge: {
          nowMs: () => Date.now(),
          randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
          keccak256,
        },
        monotonicMs: () => performance.now(),
        sleep: (ms) => Bun.sleep(ms),
      }),
    openTickets: openTicketsOf,
  });
  await flush();
  return code;
}

/** On standard error: standard output may be read by a machine. An end of the input is a no. */
async function askOnTerminal(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const { promise, resolve } = Promise.withResolvers<string>();
  lines.once("close", () => resolve(""));
  lines.question(question).then(resolve, () => resolve(""));
  const answer = await promise;
  lines.close();
  return answer;
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
