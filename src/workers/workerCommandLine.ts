import { fileURLToPath } from "node:url";
import type { WorkerSettings } from "./messages.ts";
import type { WorkerProcessOptions } from "./workerProcess.ts";

/**
 * What starts a worker process.
 *
 * `--no-orphans` makes Bun ask the kernel for SIGKILL when the parent dies (`PR_SET_PDEATHSIG`), before any of
 * our code runs: it also ends a worker that SIGSTOP holds.
 */
export function workerCommandLine(options: WorkerProcessOptions, spools: number): string[] {
  const settings: WorkerSettings = {
    parentPid: process.pid,
    device: options.device,
    jobsMax: options.jobsMax,
    libraryPath: options.libraryPath,
    threads: options.threads,
    nice: options.nice,
    // The child's descriptors after stdin, stdout and stderr. A spool that is missing makes the lanes unequal: none.
    spoolFds: spools === options.jobsMax ? Array.from({ length: spools }, (_, lane) => lane + 3) : [],
    inlineBytesMax: options.inlineBytesMax,
  };
  const entry = options.entry instanceof URL ? fileURLToPath(options.entry) : options.entry;
  const flags = ["--smol", "--no-orphans", "--no-env-file", "--no-install"];
  return [process.execPath, ...flags, entry, JSON.stringify(settings)];
}

/** What a codec may need to know. The rest of our environment (keys, passwords, tokens) is none of its business. */
export function workerEnvironment(): Record<string, string> {
  const names = /^(PATH|HOME|TMPDIR|LANG|LC_ALL|LD_LIBRARY_PATH|CUDA_\w+|NVIDIA_\w+|REPRISE_SHIM\w*)$/;
  const inherited = Object.entries(process.env).filter(
    (entry): entry is [string, string] => names.test(entry[0]) && entry[1] !== undefined,
  );
  return { ...Object.fromEntries(inherited), BUN_ENABLE_CRASH_REPORTING: "0" };
}
