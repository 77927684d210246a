import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runStep } from "../../../scripts/verify/runStep.ts";

const cwd = mkdtempSync(join(tmpdir(), "reprise-step-"));
const logPath = join(cwd, "step.log");
const step = (script: string, limitMs = 30_000) =>
  runStep({ name: "step", command: ["/bin/sh", "-c", script], limitMs }, { cwd, logPath });

test("exit status and both outputs are kept", async () => {
  const end = await step("echo to-out; echo to-err >&2; exit 3");
  expect(end).toMatchObject({ exitCode: 3, signal: null, isTimedOut: false });
  expect(end.output).toContain("to-out\n");
  expect(end.output).toContain("to-err\n");
  expect(await readFile(logPath, "utf8")).toContain("to-out\n");
});

test("a crash shows as its signal", async () => {
  expect(await step("kill -SEGV $$")).toMatchObject({ exitCode: null, signal: "SIGSEGV", isTimedOut: false });
});

// A test that hangs has often started processes that hang too, and that hold the output open.
test("a step that hangs is ended with everything it started", async () => {
  const end = await step("sleep 300 & echo child=$!; sleep 300", 300);
  expect(end.isTimedOut).toBe(true);
  expect(end.tookMs).toBeLessThan(20_000);
  const child = Number(/child=(\d+)/.exec(end.output)?.[1]);
  expect(child).toBeGreaterThan(1);
  expect(await isGone(child)).toBe(true);
});

test("what a finished step leaves behind is ended", async () => {
  const end = await step("sleep 300 & echo child=$!");
  expect(end.exitCode).toBe(0);
  expect(await isGone(Number(/child=(\d+)/.exec(end.output)?.[1]))).toBe(true);
});

test("a command that does not exist fails", async () => {
  const end = await runStep(
    { name: "none", command: ["/nonexistent/command"], limitMs: 5_000 },
    { cwd, logPath },
  );
  expect(end.exitCode).not.toBe(0);
});

/** Whether a process is gone within two seconds: the kernel takes a moment to carry out a kill. */
async function isGone(pid: number): Promise<boolean> {
  const deadlineMs = performance.now() + 2_000;
  while (isRunning(pid)) {
    if (performance.now() > deadlineMs) return false;
    await Bun.sleep(5);
  }
  return true;
}

/** Whether a process still runs; one that only waits for its parent to ask for its status does not. */
function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
