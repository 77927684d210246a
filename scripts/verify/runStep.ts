import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";

/** A command of the verification, and how long it may take. */
export type Step = {
  readonly name: string;
  readonly command: readonly string[];
  readonly limitMs: number;
};

/** How a command ended. */
export type StepEnd = {
  /** Null when it was killed, by us or by a crash. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly isTimedOut: boolean;
  readonly tookMs: number;
  /** Standard output and error together, the last {@link OUTPUT_CHARS_MAX} characters. The log file has all. */
  readonly output: string;
};

const OUTPUT_CHARS_MAX = 400_000;
/** Between asking a step to end and ending it. */
const GRACE_MS = 5_000;

/**
 * Runs one step in a process group of its own without standard input, its output into `logPath`. A step that takes
 * too long is ended together with everything it started.
 */
export function runStep(
  step: Step,
  options: { readonly cwd: string; readonly logPath: string },
): Promise<StepEnd> {
  const startedMs = performance.now();
  const [program = "", ...args] = step.command;
  const log = createWriteStream(options.logPath);
  const child = spawn(program, args, { cwd: options.cwd, stdio: ["ignore", "pipe", "pipe"], detached: true });

  let output = "";
  let isTimedOut = false;
  const take = (chunk: Buffer) => {
    log.write(chunk);
    output = (output + chunk.toString()).slice(-OUTPUT_CHARS_MAX);
  };
  child.stdout.on("data", take);
  child.stderr.on("data", take);

  const timers: Timer[] = [];
  timers.push(
    setTimeout(() => {
      isTimedOut = true;
      endGroup(child.pid, "SIGTERM");
      timers.push(setTimeout(() => endGroup(child.pid, "SIGKILL"), GRACE_MS));
    }, step.limitMs),
  );
  const forward = () => {
    endGroup(child.pid, "SIGKILL");
    process.exit(130);
  };
  process.once("SIGINT", forward);
  process.once("SIGTERM", forward);

  return new Promise((resolve) => {
    const finish = (exitCode: number | null, signal: NodeJS.Signals | null) => {
      timers.forEach(clearTimeout);
      process.off("SIGINT", forward);
      process.off("SIGTERM", forward);
      // What a crashed test left behind must not disturb the next step.
      endGroup(child.pid, "SIGKILL");
      log.end();
      resolve({ exitCode, signal, isTimedOut, tookMs: performance.now() - startedMs, output });
    };
    child.once("error", (error) => {
      output += `${error.message}\n`;
      finish(null, null);
    });
    // `exit`, not `close`: a left-over grandchild may hold the pipe open for ever.
    child.once("exit", (exitCode, signal) => setTimeout(() => finish(exitCode, signal), 100));
  });
}

function endGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The group has ended by itself.
  }
}
