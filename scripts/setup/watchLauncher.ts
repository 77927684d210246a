import { readFileSync } from "node:fs";

const INTERVAL_MS = 1_000;

/**
 * Sends this process SIGTERM when the `bun run` or `npx` that started it is gone. `npx` does not pass signals on:
 * without this, `kill` on it would leave a node behind that holds the port and that nobody sees. Only on Linux,
 * and only when a package script started us.
 */
export function watchLauncher(): void {
  if (process.platform !== "linux" || process.env["npm_lifecycle_event"] === undefined) return;
  const launchers = findLaunchers();
  if (launchers.length === 0) return;
  const timer = setInterval(() => {
    if (launchers.every((launcher) => startTicks(launcher.pid) === launcher.startTicks)) return;
    clearInterval(timer);
    process.stderr.write("reprise: the command that started this node is gone: stopping.\n");
    process.kill(process.pid, "SIGTERM");
  }, INTERVAL_MS);
  timer.unref();
}

type Launcher = { readonly pid: number; readonly startTicks: string };

/** The `bun run` above us, and above it (past a shell) the `npm exec` that `npx` is. */
function findLaunchers(): Launcher[] {
  const found: Launcher[] = [];
  let pid = process.ppid;
  for (let level = 0; level < 3 && pid > 1; level += 1) {
    const ticks = startTicks(pid);
    if (ticks === null) break;
    if (level === 0 || commandLine(pid).startsWith("npm ")) found.push({ pid, startTicks: ticks });
    pid = Number(statFields(pid)?.[PARENT_FIELD] ?? 0);
  }
  return found;
}

// Positions in /proc/<pid>/stat behind the command's name, which may itself hold spaces and brackets. proc(5).
const STATE_FIELD = 0;
const PARENT_FIELD = 1;
const START_FIELD = 19;

/** When a process started, so that a reused id is not taken for it; null when it is gone or a zombie. */
function startTicks(pid: number): string | null {
  const fields = statFields(pid);
  return fields === null || fields[STATE_FIELD] === "Z" ? null : (fields[START_FIELD] ?? null);
}

function statFields(pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return null;
  }
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}
