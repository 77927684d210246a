import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { gone, isAlive, scriptedEntry } from "./poolFixture.ts";

/*
 * Goal: no worker outlives its orchestrator, whatever state it is in when the orchestrator is killed.
 * Method: a parent process with two busy workers is killed with -9; its workers must be gone. The scripted worker
 * has none of the real one's own checks, so what is tested is what the kernel and the channel do.
 */

const directory = mkdtempSync(join(tmpdir(), "reprise-orphans-"));
const media = join(directory, "script.json");
beforeAll(() => Bun.write(media, JSON.stringify({ do: "never", obeys: false })));
afterAll(() => rmSync(directory, { recursive: true }));

async function openParent(): Promise<{ parent: Bun.Subprocess; pids: readonly number[] }> {
  const script = fileURLToPath(new URL("parent.ts", import.meta.url));
  const command = [process.execPath, script, fileURLToPath(scriptedEntry), media];
  const parent = Bun.spawn(command, { stdout: "pipe", stderr: "inherit", stdin: "ignore" });
  const reader = parent.stdout.getReader();
  const { value } = await reader.read();
  const pids = JSON.parse(new TextDecoder().decode(value)) as number[];
  expect(pids).toHaveLength(2);
  for (const pid of pids) expect(isAlive(pid)).toBeTrue();
  return { parent, pids };
}

test("kill -9 of the orchestrator ends its busy workers", async () => {
  const { parent, pids } = await openParent();
  parent.kill("SIGKILL");
  await parent.exited;
  for (const pid of pids) await gone(pid);
});

test("kill -9 of the orchestrator ends workers that SIGSTOP holds", async () => {
  const { parent, pids } = await openParent();
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  parent.kill("SIGKILL");
  await parent.exited;
  for (const pid of pids) await gone(pid);
});

test("Ctrl-C in a terminal (SIGINT to each process) and SIGTERM leave the end of workers to the orchestrator", async () => {
  const { parent, pids } = await openParent();
  for (const pid of pids) process.kill(pid, "SIGINT");
  parent.kill("SIGTERM");
  await parent.exited;
  for (const pid of pids) await gone(pid);
});
