import { mkdirSync, rmSync, statfsSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { $ } from "bun";
import { eventually } from "../../support/eventually.ts";
import { temporaryDir } from "../../support/nodeFixture.ts";
import { faultyDisk } from "../../support/nodeFaultyDisk.ts";
import { recordedEvents, verifyLog } from "../../support/nodeLog.ts";
import { type NodeProcess, startMain, workersOf } from "../../support/nodeProcess.ts";
import {
  dataOf,
  fetchAll,
  refusalOf,
  resultOf,
  submissionOf,
  tinySegment,
} from "../../support/nodeSegments.ts";

/*
 * Goal: a disk that is full or read-only stops the node from taking work, and from nothing else: it says so, loses
 * nothing that it acknowledged, and goes on when the disk does.
 * Method: the command in a process of its own. The disk refuses through a preloaded library (everywhere), and really
 * (a small tmpfs, where this user may mount one).
 */

setDefaultTimeout(120_000);

const folders: string[] = [];
const mounts: string[] = [];
beforeAll(() => tinySegment());
afterAll(async () => {
  for (const mount of mounts) await $`umount -l ${mount}`.quiet().nothrow();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function folder(): string {
  const dir = temporaryDir();
  folders.push(dir);
  return dir;
}

async function health(node: NodeProcess): Promise<{ status: number; text: string }> {
  const answer = await fetch(`${node.serviceUri}/healthz`, { tls: { rejectUnauthorized: false } });
  return { status: answer.status, text: (await answer.text()).trim() };
}

/** Resolves when the log holds the end of the segment, so that no commit is under way. */
function settled(dataDir: string): Promise<true> {
  return eventually("the segment's end is recorded", () =>
    recordedEvents(dataDir).at(-1)?.event.type === "SessionSegmentEnded" ? true : null,
  );
}

/** Resolves when the node's own words have arrived here: they take another way than its answers. */
function says(node: NodeProcess, words: string): Promise<true> {
  return eventually(`the node says "${words}"`, () => (node.output().includes(words) ? true : null));
}

type Disk = { fail(): void | Promise<void>; heal(): void | Promise<void> };

/** The whole story of a disk that refuses for a while, told on a running node. */
async function refusesForAWhile(node: NodeProcess, dataDir: string, disk: Disk): Promise<void> {
  const acknowledged: string[] = [];
  const first = await submissionOf(node.client);
  await fetchAll(node.client, await node.client.submitSegment(first));
  acknowledged.push(`segment:${first.authToken?.sessionId}.1/1`);
  await settled(dataDir);

  await disk.fail();
  // This one is accepted in memory and must not be answered before it is on the disk.
  let isAnswered = false;
  const waiting = node.client.submitSegment({ ...first, seq: 1 }).finally(() => {
    isAnswered = true;
  });
  const said = await eventually("health is bad", async () => {
    const answer = await health(node);
    return answer.status === 503 ? answer.text : null;
  });
  expect(said).toContain("event log cannot be written");
  await says(node, "The event log cannot be written: the node takes no new work");
  await expect(node.client.getOrchestrator()).rejects.toThrow("OrchestratorCapped");
  expect(refusalOf(await node.client.submitSegment({ ...first, seq: 2 }))).toEqual({
    status: 403,
    text: "OrchestratorCapped",
  });
  expect(isAnswered).toBe(false);

  await disk.heal();
  const late = resultOf(await waiting);
  if (late.result.case === "data") {
    acknowledged.push(`segment:${first.authToken?.sessionId}.1/2`);
    for (const { url } of late.result.value.segments) await node.client.download(url);
  }
  await eventually("health is good again", async () => ((await health(node)).status === 200 ? true : null));
  await says(node, "The event log can be written again");
  await fetchAll(node.client, await node.client.submitSegment({ ...first, seq: 3 }));
  const done = recordedEvents(dataDir).filter(({ event }) => event.type === "SegmentTranscoded");
  for (const stream of acknowledged) expect(done.some((recorded) => recorded.stream === stream)).toBe(true);
  node.process.kill("SIGTERM");
  expect(await node.ended).toBe(0);
  await verifyLog(dataDir);
}

describe("a disk that refuses", () => {
  test.each(["full", "readOnly", "broken"] as const)("%s for a while", async (error) => {
    const [dataDir, control] = [folder(), folder()];
    const disk = await faultyDisk(control);
    await using node = await startMain(dataDir, { env: disk.env });
    await refusesForAWhile(node, dataDir, { fail: () => disk.fail(error), heal: () => disk.heal() });
  });

  test("kill -9 while it refuses: what was acknowledged is there, what was not is not, the next start goes on", async () => {
    const [dataDir, control] = [folder(), folder()];
    const disk = await faultyDisk(control);
    await using node = await startMain(dataDir, { env: disk.env });
    const first = await submissionOf(node.client);
    dataOf(await node.client.submitSegment(first));
    await settled(dataDir);
    disk.fail("full");
    const waiting = node.client.submitSegment({ ...first, seq: 1 }).catch(() => null);
    await eventually("health is bad", async () => ((await health(node)).status === 503 ? true : null));
    node.process.kill("SIGKILL");
    await node.ended;
    expect(await waiting).toBeNull();
    const transcoded = recordedEvents(dataDir).filter(({ event }) => event.type === "SegmentTranscoded");
    expect(transcoded).toHaveLength(1);
    await using next = await startMain(dataDir);
    expect(dataOf(await next.client.submitSegment({ ...first, seq: 2 })).segments).toHaveLength(1);
    await verifyLog(dataDir);
  });

  test("SIGTERM while it refuses: the node ends, in bounded time, and says that something was not saved", async () => {
    const [dataDir, control] = [folder(), folder()];
    const disk = await faultyDisk(control);
    await using node = await startMain(dataDir, { env: disk.env, flags: ["-drainTimeout", "1s"] });
    const first = await submissionOf(node.client);
    dataOf(await node.client.submitSegment(first));
    await settled(dataDir);
    disk.fail("full");
    void node.client.submitSegment({ ...first, seq: 1 }).catch(() => null);
    await eventually("health is bad", async () => ((await health(node)).status === 503 ? true : null));
    const startedMs = performance.now();
    node.process.kill("SIGTERM");
    expect(await node.ended).toBe(1);
    // About 2 s on a free machine.
    expect(performance.now() - startedMs).toBeLessThan(40_000);
    await says(node, "The event log could not take its last events");
    await verifyLog(dataDir);
  });

  test("a start on it fails with what to do", async () => {
    const [dataDir, control] = [folder(), folder()];
    const disk = await faultyDisk(control);
    disk.fail("full");
    await expect(startMain(dataDir, { env: disk.env })).rejects.toThrow(/disk is not full|disk/);
  });
});

/** A file system of 3 MiB of its own, or null with the reason printed. */
async function smallDisk(): Promise<string | null> {
  const dir = join(folder(), "disk");
  mkdirSync(dir);
  const done = await $`mount -t tmpfs -o size=3m tmpfs ${dir}`.quiet().nothrow();
  if (done.exitCode !== 0) {
    console.log("skipped: this user may not mount a file system");
    return null;
  }
  mounts.push(dir);
  return dir;
}

describe("a real small disk", () => {
  test("that fills up and is freed again", async () => {
    const disk = await smallDisk();
    if (disk === null) return;
    const filler = join(disk, "filler");
    const dataDir = join(disk, "data");
    await using node = await startMain(dataDir);
    await refusesForAWhile(node, dataDir, {
      fail: async () => {
        await $`dd if=/dev/zero of=${filler} bs=4096`.quiet().nothrow();
        expect(statfsSync(disk).bavail).toBe(0);
      },
      heal: () => unlinkSync(filler),
    });
  });

  test.each(["SIGTERM", "SIGKILL"] as const)(
    "that is mounted read-only after %s: the start fails with what to do",
    async (signal) => {
      const disk = await smallDisk();
      if (disk === null) return;
      const dataDir = join(disk, "data");
      let workers: () => number;
      {
        await using node = await startMain(dataDir);
        await fetchAll(node.client, await node.client.submitSegment(await submissionOf(node.client)));
        workers = () => workersOf(node.pid).length;
        // After a kill, the files beside the database stay: SQLite then opens it without complaint.
        node.process.kill(signal);
        await node.ended;
      }
      await eventually("no process holds the disk", () => (workers() === 0 ? true : null));
      await $`mount -o remount,ro ${disk}`.quiet();
      await expect(startMain(dataDir)).rejects.toThrow(
        /The node ended with 1[\s\S]*cannot be opened[\s\S]*writable/,
      );
      await $`mount -o remount,rw ${disk}`.quiet();
      await using again = await startMain(dataDir);
      expect((await health(again)).status).toBe(200);
    },
  );
});
