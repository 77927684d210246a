import { join } from "node:path";
import { ensureReady, type Needs } from "./setup/ensureReady.ts";
import { SetupError, tell } from "./setup/setupError.ts";
import { watchLauncher } from "./setup/watchLauncher.ts";

/*
 * What every package script runs: sets up whatever is missing, then becomes the wanted command in this process.
 *
 *   bun run orchestrator [flags]     the node
 *   bun run replay <verb> [flags]    looks into a log
 *   bun run tickets <verb> [flags]   winning tickets
 *   bun run ledger [flags]           what gateways paid and used
 *   bun run cli <command> [flags]    stake, rounds, rewards, votes: what an operator does on the chain
 *   bun run devchain [flags]         a chain on this machine, to try it all
 *   bun run verify                   everything that CI checks
 *   bun run bench [names] [--small]  measurements
 *   bun run setup                    only the set-up
 *
 * This file and `setup/` import nothing but built-ins, because they run before any package is there.
 */

type Command = {
  /** Module that takes over; it finds its arguments in `process.argv`, or in a `main(args)` that it exports. */
  readonly module: string | null;
  readonly needs: (args: readonly string[]) => Needs;
};

const commands: Readonly<Record<string, Command>> = {
  orchestrator: {
    module: "../src/main.ts",
    needs: (args) => ({ libraries: true, mediaTools: args.some((arg) => /^--?demo(=|$)/.test(arg)) }),
  },
  replay: { module: "../src/replay.ts", needs: () => ({ libraries: false, mediaTools: false }) },
  tickets: {
    module: "../src/tickets.ts",
    // Only an import checks signatures.
    needs: (args) => ({ libraries: args.includes("import"), mediaTools: false }),
  },
  ledger: { module: "../src/ledger.ts", needs: () => ({ libraries: false, mediaTools: false }) },
  cli: { module: "../src/cli.ts", needs: () => ({ libraries: true, mediaTools: false }) },
  devchain: {
    module: "./devchain.ts",
    // Only its gateway streams.
    needs: (args) => ({ libraries: args.includes("stream"), mediaTools: args.includes("stream") }),
  },
  verify: { module: "./verify.ts", needs: () => ({ libraries: true, mediaTools: true }) },
  bench: { module: "./bench.ts", needs: () => ({ libraries: true, mediaTools: true }) },
  setup: { module: null, needs: () => ({ libraries: true, mediaTools: true }) },
};

const [name = "", ...given] = process.argv.slice(2);
// `bun run x -- --flag` loses its `--` on the way, `bun scripts/start.ts x -- --flag` does not.
const args = given[0] === "--" ? given.slice(1) : given;
const command = commands[name];

if (command === undefined) {
  tell(`unknown command \`${name}\`. Known: ${Object.keys(commands).join(", ")}.`);
  process.exit(2);
}
try {
  const { isFresh } = await ensureReady(command.needs(args));
  if (isFresh && command.module !== null) startAfresh();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  tell(error.message);
  process.exit(1);
}
if (command.module === null) tell("everything is set up.");
else await become(command.module);

/**
 * Replaces this process by a new one with the same id: Bun remembers which folders had no packages when it first
 * looked, so packages installed since then would not be found.
 */
function startAfresh(): void {
  const environment = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  process.execve?.(
    process.execPath,
    [process.execPath, import.meta.path, name, "--", ...args],
    Object.fromEntries(environment),
  );
}

async function become(module: string): Promise<void> {
  const path = join(import.meta.dir, module);
  process.argv = [process.execPath, path, ...args];
  if (name === "orchestrator") watchLauncher();
  const loaded: { readonly main?: unknown } = await import(path);
  if (typeof loaded.main !== "function") return;
  const code: unknown = await loaded.main(args);
  // Not `exitCode`: a handle that something forgot must not keep a finished command alive.
  if (typeof code === "number") process.exit(code);
}
