import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { $ } from "bun";
import { segmentData } from "../../../src/demo/gatewayClient.ts";
import { encodeBase64 } from "../../../src/protocol/base64.ts";
import { logFileName, openReadOnly } from "../../../src/events/log/open.ts";
import { SegDataSchema, TranscodeResultSchema } from "../../../src/protocol/gen/lp_rpc_pb.ts";
import { eventually } from "../../support/eventually.ts";
import { temporaryDir } from "../../support/nodeFixture.ts";
import { recordedEvents, verifyLog } from "../../support/nodeLog.ts";
import { type NodeProcess, startMain, workersOf } from "../../support/nodeProcess.ts";
import { Http2Client, readHead } from "../../support/serverClients.ts";
import { dataOf, fetchAll, submissionOf, tinySegment } from "../../support/nodeSegments.ts";

/*
 * Goal: the command itself lives and ends as an operator expects: signals, a second node, a broken installation.
 * Method: `bun src/main.ts` as a child process.
 */

setDefaultTimeout(120_000);

const repository = join(import.meta.dir, "../../..");
const folders: string[] = [];
beforeAll(() => tinySegment());
afterAll(() => {
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

async function oneWorkerReady(node: NodeProcess): Promise<readonly number[]> {
  // One good segment is the surest sign that a worker is there.
  await fetchAll(node.client, await node.client.submitSegment(await submissionOf(node.client)));
  return workersOf(node.pid);
}

/**
 * Holds every worker of a node until it is disposed of, those that start meanwhile too: one that is given up as hung
 * has a successor that is held as well, so that nothing is transcoded however slow the machine is.
 */
function holdWorkers(node: NodeProcess): Disposable {
  const hold = (): void => signalAll(workersOf(node.pid), "SIGSTOP");
  hold();
  const timer = setInterval(hold, 20);
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer);
      signalAll(workersOf(node.pid), "SIGCONT");
    },
  };
}

/** Resolves when the log says that a segment was given to a worker for the `times`-th time. */
function dispatched(dataDir: string, times: number): Promise<true> {
  return eventually("the segment runs", () => {
    const events = recordedEvents(dataDir).filter(({ event }) => event.type === "SegmentDispatched");
    return events.length >= times ? true : null;
  });
}

/** Resolves when the node's own words have arrived here: they take another way than its answers. */
function says(node: NodeProcess, words: string): Promise<true> {
  return eventually(`the node says "${words}"`, () => (node.output().includes(words) ? true : null));
}

function signalAll(pids: readonly number[], signal: "SIGSTOP" | "SIGCONT"): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // The self-bench, or a worker that was no longer needed, may be gone.
    }
  }
}

describe("SIGTERM", () => {
  test("drains: no new session, the running segment is delivered and can be fetched, exit 0, nothing left behind", async () => {
    const dataDir = folder();
    await using node = await startMain(dataDir, { flags: ["-workers", "1"] });
    await oneWorkerReady(node);
    await eventually(
      "the self-bench is over",
      () => (workersOf(node.pid).length === 1 ? true : null),
      50_000,
    );
    const submission = await submissionOf(node.client);
    const held = holdWorkers(node);
    const answer = node.client.submitSegment(submission);
    await dispatched(dataDir, 2);
    node.process.kill("SIGTERM");
    await eventually("the node says that it drains", async () =>
      (await health(node)).status === 503 ? true : null,
    );
    expect((await health(node)).text).toBe("The node is draining.");
    await expect(node.client.getOrchestrator()).rejects.toThrow("OrchestratorCapped");
    await Bun.sleep(50);
    held[Symbol.dispose]();
    const url = dataOf(await answer).segments[0]?.url ?? "";
    expect((await node.client.download(url)).length).toBeGreaterThan(25);
    expect(await node.ended).toBe(0);
    await says(node, "Stopping: running segments finish first");
    expect(workersOf(node.pid)).toEqual([]);
    expect(recordedEvents(dataDir).at(-2)?.event.type).toBe("SegmentDelivered");
    await verifyLog(dataDir);
  });

  test("an upload that is under way when the signal comes is taken to its end", async () => {
    const dataDir = folder();
    await using node = await startMain(dataDir);
    await oneWorkerReady(node);
    // The node waits two minutes for this upload.
    const submission = await submissionOf(node.client, { durationMs: 30_000 });
    await using http2 = new Http2Client(node.port);
    const stream = http2.open({
      ":method": "POST",
      ":path": "/segment",
      "livepeer-segment": encodeBase64(toBinary(SegDataSchema, segmentData(submission))),
    });
    stream.write(submission.media.subarray(0, 1_000));
    await eventually("the upload is known", () =>
      recordedEvents(dataDir).at(-1)?.event.type === "SegmentAccepted" ? true : null,
    );
    node.process.kill("SIGTERM");
    await says(node, "Stopping");
    // Longer than the listener alone would wait.
    await Bun.sleep(1_500);
    const head = readHead(stream);
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    const ended = new Promise<void>((resolve) => stream.once("close", () => resolve()));
    stream.end(submission.media.subarray(1_000));
    expect((await head).status).toBe(200);
    await ended;
    const { result } = fromBinary(TranscodeResultSchema, Buffer.concat(chunks));
    if (result.case !== "data") throw new Error(`The segment failed: ${result.value}`);
    for (const { url } of result.value.segments) {
      expect((await node.client.download(url)).length).toBeGreaterThan(25);
    }
    expect(await node.ended).toBe(0);
    await verifyLog(dataDir);
  });

  test("somebody who reads the log meanwhile, as a replay does, holds nothing up", async () => {
    const dataDir = folder();
    await using node = await startMain(dataDir);
    await oneWorkerReady(node);
    const db = openReadOnly(join(dataDir, logFileName));
    db.run("BEGIN");
    db.query("SELECT count(*) FROM events").get();
    try {
      // It ends while the reader is still there.
      node.process.kill("SIGTERM");
      expect(await node.ended).toBe(0);
    } finally {
      db.run("ROLLBACK");
      db.close();
    }
    await verifyLog(dataDir);
  });

  test("with nothing to do nothing is waited for", async () => {
    await using node = await startMain(folder(), { flags: ["-drainTimeout", "10m"] });
    const startedMs = performance.now();
    node.process.kill("SIGTERM");
    expect(await node.ended).toBe(0);
    // About 0.2 s on a free machine.
    expect(performance.now() - startedMs).toBeLessThan(20_000);
  });

  test("SIGINT drains as well", async () => {
    await using node = await startMain(folder());
    node.process.kill("SIGINT");
    expect(await node.ended).toBe(0);
  });

  test("a second signal ends the node at once, with another exit code; the next start finds the open work", async () => {
    const dataDir = folder();
    await using node = await startMain(dataDir, { flags: ["-workers", "1"] });
    await oneWorkerReady(node);
    const submission = await submissionOf(node.client);
    using _held = holdWorkers(node);
    const answer = node.client.submitSegment(submission).then(
      (given) => (given.type === "answer" ? given.result.result.case : null),
      () => undefined,
    );
    await dispatched(dataDir, 2);
    node.process.kill("SIGTERM");
    await says(node, "Stopping");
    // Signals that come together (a terminal and a supervisor pass the same Ctrl-C on) count as one.
    await Bun.sleep(600);
    node.process.kill("SIGTERM");
    // Nobody lets the segment finish, and its deadline would be its end: then the exit code is 0.
    expect(await node.ended).not.toBe(0);
    expect(await answer).toBeUndefined();
    await eventually("no worker is left", () => (workersOf(node.pid).length === 0 ? true : null));

    await using next = await startMain(dataDir);
    await eventually("the segment ended with its reason", () => {
      const failed = recordedEvents(dataDir).find(({ event }) => event.type === "SegmentFailed");
      return (failed?.event as { code?: string } | undefined)?.code === "NODE_RESTARTED" ? true : null;
    });
    await says(next, "it resumed             2 open sessions");
    expect(dataOf(await next.client.submitSegment({ ...submission, seq: 1 })).segments).toHaveLength(1);
  });
});

describe("one data folder", () => {
  test("a second node is refused with words; the first goes on; kill -9 frees the folder", async () => {
    const dataDir = folder();
    await using first = await startMain(dataDir);
    await expect(startMain(dataDir)).rejects.toThrow(/Another node works in the data folder/);
    await expect(startMain(dataDir)).rejects.toThrow(/The node ended with 1/);
    await eventually("the first still serves", async () =>
      (await health(first)).status === 200 ? true : null,
    );
    expect(dataOf(await first.client.submitSegment(await submissionOf(first.client))).segments).toHaveLength(
      1,
    );
    first.process.kill("SIGKILL");
    await first.ended;
    await using second = await startMain(dataDir);
    expect((await health(second)).status).toBe(200);
  });

  test("a log that is no database is refused with what to do, and not touched", async () => {
    const dataDir = folder();
    writeFileSync(
      join(dataDir, "reprise.sqlite3"),
      "this is not a database, but it may be precious\n".repeat(50),
    );
    await expect(startMain(dataDir)).rejects.toThrow(/event log .* cannot be opened/);
    expect(await Bun.file(join(dataDir, "reprise.sqlite3")).text()).toStartWith("this is not a database");
  });

  test("the port is taken: one clear sentence, exit 1", async () => {
    await using first = await startMain(folder());
    const taken = ["-httpAddr", `127.0.0.1:${first.port}`];
    await expect(startMain(folder(), { flags: taken })).rejects.toThrow(/-httpAddr|cannot listen/);
  });
});

describe("a codec library that does not fit", () => {
  test("corrupted shim ABI: a clear error, /healthz 503, no session is taken, and no crash loop", async () => {
    const copy = folder();
    await copyTreeWithLibrary(copy, "unsigned reprise_abi_version(void) { return 99; }");
    await expectUnfit(copy, /ABI|symbol|library/i);
  });

  test("a library that is no library at all", async () => {
    const copy = folder();
    await copyTreeWithLibrary(copy, null);
    await expectUnfit(copy, /library|ELF|file too short|header/i);
  });
});

/** A node of the tree in `copy` must serve its port, say what is wrong, and refuse work. */
async function expectUnfit(copy: string, reason: RegExp): Promise<void> {
  const startedMs = performance.now();
  await using node = await startMain(folder(), { root: copy });
  const line = await eventually(
    "the operator is told",
    () => /No transcode worker can start.*\n/.exec(node.output())?.[0] ?? null,
    50_000,
  );
  expect(line).toMatch(reason);
  const { status, text } = await eventually("health is bad", async () => {
    const answer = await health(node);
    return answer.status === 503 ? answer : null;
  });
  expect(status).toBe(503);
  expect(text).toStartWith("No transcode worker can start: ");
  await expect(node.client.getOrchestrator()).rejects.toThrow("OrchestratorCapped");
  // A stub would be restarted a dozen times in this time without a growing pause.
  await Bun.sleep(1_500);
  // Pauses of 250 ms, 500 ms and so on, or longer ones.
  const triesMax = 2 + Math.ceil(Math.log2(1 + (performance.now() - startedMs) / 250));
  expect(node.output().match(/No transcode worker can start/g)?.length).toBeLessThanOrEqual(triesMax);
  node.process.kill("SIGTERM");
  expect(await node.ended).toBe(0);
}

/** The parts of the repository that a node needs, with another codec library in its cache. */
async function copyTreeWithLibrary(target: string, source: string | null): Promise<void> {
  for (const name of ["src", "migrations", "package.json", "tsconfig.json", "bunfig.toml"]) {
    cpSync(join(repository, name), join(target, name), { recursive: true });
  }
  symlinkSync(join(repository, "node_modules"), join(target, "node_modules"));
  const build = join(repository, ".build");
  for (const name of readdirSync(build)) {
    if (!/^(shim|native)/.test(name)) continue;
    for (const file of readdirSync(join(build, name))) {
      const path = join(target, ".build", name, file);
      mkdirSync(dirname(path), { recursive: true });
      if (basename(file) !== "libreprise.so") cpSync(join(build, name, file), path);
      else if (source === null) writeFileSync(path, "not a library");
      else await $`cc -shared -fPIC -x c -o ${path} - < ${Buffer.from(source)}`.quiet();
    }
  }
}
