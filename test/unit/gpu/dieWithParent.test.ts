import { expect, test } from "bun:test";
import { resolve } from "node:path";

// Goal: no worker outlives its parent, even one that is killed without warning.
// Method: this test starts a parent, which starts a child that ties itself to it and sleeps for ever; the parent
// is killed with SIGKILL and the child must be gone.

const ffi = resolve(import.meta.dir, "../../../src/native/ffi.ts");

const child = `
  const { dieWithParent } = await import(${JSON.stringify(ffi)});
  console.log(JSON.stringify({ pid: process.pid, tied: dieWithParent(process.ppid), other: dieWithParent(1) }));
  setInterval(() => {}, 1000);
`;
const parent = `
  const child = Bun.spawn([process.execPath, "-e", ${JSON.stringify(child)}], { stdout: "inherit" });
  await child.exited;
`;

test("a child dies with its parent", async () => {
  const spawned = Bun.spawn([process.execPath, "-e", parent], { stdout: "pipe", stderr: "inherit" });
  const reader = spawned.stdout.getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) break;
    text += new TextDecoder().decode(value);
  }
  const { pid, tied, other } = JSON.parse(text) as { pid: number; tied: boolean; other: boolean };
  expect(tied).toBe(true);
  // A parent that is another process than the expected one is reported.
  expect(other).toBe(false);
  spawned.kill("SIGKILL");
  await spawned.exited;
  // The pipe closes when its last writer, the child, is gone.
  while (!(await reader.read()).done);
  // It closes its files while it is dying; then init may take a moment to collect it.
  while (!(await isGone(pid))) await Bun.sleep(5);
}, 20_000);

async function isGone(pid: number): Promise<boolean> {
  try {
    const stat = await Bun.file(`/proc/${pid}/stat`).text();
    return / [ZX] /.test(stat);
  } catch {
    return true;
  }
}
