import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { logFileName } from "../../../src/events/log/open.ts";
import { openDataDir } from "../../../src/replay/source.ts";
import { verify } from "../../../src/replay/verify.ts";
import { openHost } from "../../support/hostHarness.ts";
import { type LogFolder, logFolder } from "../../support/logFolder.ts";
import { readRows } from "../../support/logRows.ts";
import { copyOf, fingerprint, openWalkedNode, replay, replayJson, writeWalkedLog } from "./replayHarness.ts";

/*
 * Goal: what `replay` says is what happened, and looking changes nothing. Method: a log written by the real host
 * (`test/support/hostWalks.ts`), read through the command line's own entry with its output caught.
 */

let folder: LogFolder;
let dataDir = "";

beforeAll(async () => {
  folder = logFolder();
  dataDir = join(folder.path, "node");
  await writeWalkedLog(dataDir);
});
afterAll(() => folder[Symbol.dispose]());

const inLog = (...argv: readonly string[]): readonly string[] => [...argv, "--dataDir", dataDir];

type EventLine = {
  readonly seq: number;
  readonly stream: string;
  readonly version: number;
  readonly atMs: number;
  readonly event: { readonly type: string; readonly seq?: string };
  readonly stateAfter: string;
};
type StateLine = {
  readonly stream: string;
  readonly seq: number;
  readonly status: string;
  readonly value: string;
  readonly context: Readonly<Record<string, unknown>>;
};

describe("list", () => {
  test("sessions, newest first, with what became of their segments", async () => {
    const { code, lines } = await replay(...inLog("list"));
    expect(code).toBe(0);
    expect(lines.join("\n")).toMatchInlineSnapshot(`
      "stream         state  opened                   last                     delivered  failed  pixels   manifest
      session:a11.2  open   2026-01-01 00:01:10.051  2026-01-01 00:01:10.067  1          0       2211840  open again
      session:a11.1  ended  2026-01-01 00:00:00.001  2026-01-01 00:01:10.050  3          0       6635520  delivered
      session:d44.1  ended  2026-01-01 00:00:24.151  2026-01-01 00:00:24.184  2          0       4423680  ended by gateway
      session:c33.1  open   2026-01-01 00:00:08.090  2026-01-01 00:00:24.150  1          3       2211840  retries
      session:b22.1  open   2026-01-01 00:00:00.050  2026-01-01 00:00:08.089  0          4       0        failures"
    `);
  });

  test("--limit and --open narrow it", async () => {
    const newest = await replayJson<{ stream: string }>(...inLog("list", "--limit", "2"));
    expect(newest.rows.map(({ stream }) => stream)).toEqual(["session:a11.2", "session:a11.1"]);
    const open = await replayJson<{ stream: string; isOpen: boolean }>(...inLog("list", "--open"));
    expect(open.rows.map(({ stream }) => stream).sort()).toEqual([
      "session:a11.2",
      "session:b22.1",
      "session:c33.1",
    ]);
    expect(open.rows.every(({ isOpen }) => isOpen)).toBe(true);
  });

  test("--open with --limit finds open sessions behind newer closed ones", async () => {
    const { rows } = await replayJson<{ stream: string }>(...inLog("list", "--open", "--limit", "3"));
    expect(rows).toHaveLength(3);
  });

  test("an empty log says so", async () => {
    using empty = logFolder();
    await (await openHost({ dataDir: empty.path })).close();
    expect((await replay("list", "--dataDir", empty.path)).lines).toEqual(["The log holds no sessions."]);
  });
});

describe("timeline", () => {
  test("one session with its segments, in the global order, with the state after each event", async () => {
    const { rows } = await replayJson<EventLine>(...inLog("timeline", "d44.1"));
    expect(rows.map(({ stream, event, stateAfter }) => `${stream} ${event.type} -> ${stateAfter}`)).toEqual([
      "session:d44.1 SessionOpened -> idle",
      "session:d44.1 SessionSegmentStarted -> active",
      "segment:d44.1/1 SegmentAccepted -> uploading",
      "segment:d44.1/1 SegmentReceived -> queued",
      "segment:d44.1/1 SegmentDispatched -> running",
      "segment:d44.1/1 SegmentTranscoded -> encoded",
      "segment:d44.1/1 SegmentDelivered -> delivered",
      "session:d44.1 SessionSegmentEnded -> idle",
      "session:d44.1 SessionSegmentStarted -> active",
      "segment:d44.1/2 SegmentAccepted -> uploading",
      "segment:d44.1/2 SegmentReceived -> queued",
      "session:d44.1 SessionEnded -> ending",
      "segment:d44.1/2 SegmentDispatched -> running",
      "segment:d44.1/2 SegmentTranscoded -> encoded",
      "segment:d44.1/2 SegmentDelivered -> delivered",
      "session:d44.1 SessionSegmentEnded -> ended",
    ]);
    expect(rows[1]?.event.seq).toBe("1");
  });

  test("a session id without its number means all its incarnations", async () => {
    const { rows } = await replayJson<EventLine>(...inLog("timeline", "a11"));
    const streams = new Set(rows.map(({ stream }) => stream.split("/")[0]));
    expect([...streams].sort()).toEqual(["segment:a11.1", "segment:a11.2", "session:a11.1", "session:a11.2"]);
    expect(rows.map(({ seq }) => seq)).toEqual(rows.map(({ seq }) => seq).toSorted((a, b) => a - b));
  });

  test("the text form is a table that a terminal can show, whatever a peer has written", async () => {
    const { lines } = await replay(...inLog("timeline", "segment:b22.1/1"));
    expect(lines[0]).toStartWith("seq");
    const failed = lines.find((line) => line.includes("SegmentFailed")) ?? "";
    expect(failed).toContain('code=CODEC_REFUSED text=Invalid data · "found"');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
    expect(lines.join("")).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  });

  test("a name that is only the beginning of another one finds nothing", async () => {
    const { code, errors } = await replay(...inLog("timeline", "a1"));
    expect([code, errors]).toEqual([2, expect.stringContaining("The log holds no stream `a1`")]);
  });
});

describe("state", () => {
  test("now", async () => {
    const { rows } = await replayJson<StateLine>(...inLog("state", "segment:c33.1/3"));
    expect(rows).toEqual([
      expect.objectContaining({ stream: "segment:c33.1/3", status: "done", value: "failed" }),
    ]);
    expect(rows[0]?.context["lostWorkers"]).toEqual(["w1", "w2"]);
  });

  test("--seq: after exactly that event, at every event of a life", async () => {
    const { rows: events } = await replayJson<EventLine>(...inLog("timeline", "segment:c33.1/1"));
    for (const { seq, stateAfter } of events) {
      const { rows } = await replayJson<StateLine>(
        ...inLog("state", "segment:c33.1/1", "--seq", String(seq)),
      );
      expect([seq, rows[0]?.value, rows[0]?.seq]).toEqual([seq, stateAfter, seq]);
    }
  });

  test("--at: as of a moment, in milliseconds or as a date", async () => {
    const { rows: events } = await replayJson<EventLine>(...inLog("timeline", "segment:c33.1/1"));
    const lost = events.find(({ event }) => event.type === "SegmentWorkerLost");
    const atMs = lost?.atMs ?? 0;
    const at = async (time: string): Promise<unknown> =>
      (await replayJson<StateLine>(...inLog("state", "segment:c33.1/1", "--at", time))).rows[0]?.value;
    expect(await at(String(atMs))).toBe("queued");
    expect(await at(new Date(atMs).toISOString())).toBe("queued");
    expect(await at(String(atMs - 1))).toBe("running");
  });

  test("before its first event a stream has no state", async () => {
    const run = await replay(...inLog("state", "c33.1", "--seq", "1"));
    expect([run.code, run.errors]).toEqual([2, expect.stringContaining("Nothing had happened")]);
  });
});

describe("export", () => {
  test("a slice replays elsewhere to the same timeline, the same states, and verifies", async () => {
    const out = join(folder.path, "c33.slice");
    const { rows } = await replayJson<{ events: number; streams: number }>(
      ...inLog("export", "--out", out, "c33.1"),
    );
    expect(rows).toEqual([{ file: out, streams: 5, events: 33 } as never]);
    const here = await replay(...inLog("timeline", "c33.1", "--json"));
    const there = await replay("timeline", "c33.1", "--file", out, "--json");
    expect(there.lines).toEqual(here.lines);
    const states = await replay(...inLog("state", "c33.1", "--json"));
    expect((await replay("state", "c33.1", "--file", out, "--json")).lines).toEqual(states.lines);
    expect(await replayJson("verify", "--file", out)).toMatchObject({ code: 0, rows: [{ findings: [] }] });
    expect((await replayJson("list", "--file", out)).rows).toHaveLength(1);
  });

  test("without names, everything", async () => {
    const out = join(folder.path, "all.slice");
    const { rows } = await replayJson<{ events: number }>(...inLog("export", "--out", out));
    const [all] = readRows<{ n: number }>(dataDir, "SELECT count(*) AS n FROM events");
    expect(rows[0]?.events).toBe(all?.n ?? 0);
    expect((await replayJson("verify", "--file", out)).code).toBe(0);
    expect((await replay("list", "--file", out)).lines).toEqual((await replay(...inLog("list"))).lines);
  });

  for (const [what, change] of [
    ["is not there", null],
    ["is not a slice", () => "hello"],
    ["has a header of something else", () => '{"format":"other"}\n'],
    ["is of a newer format", (text: string) => text.replace('"formatVersion":1', '"formatVersion":2')],
    ["has a broken line", (text: string) => `${text}{"table":"events","row":[1,\n`],
    ["has a line of an unknown table", (text: string) => `${text}{"table":"ghosts","row":[1]}\n`],
    ["has a line of a builtin name", (text: string) => `${text}{"table":"constructor","row":[1]}\n`],
    ["has a row of the wrong length", (text: string) => `${text}{"table":"outbox","row":["k"]}\n`],
    ["has an event twice", (text: string) => `${text}${text.split("\n")[1]}\n`],
  ] as const) {
    test(`a file that ${what} is refused with a sentence`, async () => {
      const good = join(folder.path, "good.slice");
      await replay(...inLog("export", "--out", good, "d44.1"));
      const file = join(folder.path, "bad.slice");
      if (change === null)
        await Bun.file(file)
          .delete()
          .catch(() => {});
      else await Bun.write(file, change(await Bun.file(good).text()));
      const run = await replay("verify", "--file", file);
      expect([run.code, run.errors]).toEqual([2, expect.stringContaining("cannot be read")]);
    });
  }
});

describe("the command line", () => {
  for (const [argv, message] of [
    [["explode"], "There is no command `explode`"],
    [["timeline"], "Name a stream"],
    [["list", "--limit", "many"], "`--limit` takes a whole number"],
    [["state", "d44.1", "--seq", "-1"], ""],
    [["state", "d44.1", "--at", "yesterday"], "`--at` takes a time"],
    [["export", "d44.1"], "Name the file to write"],
    [["list", "--frobnicate"], "frobnicate"],
  ] as const) {
    test(`${argv.join(" ")}: exit 2 and the reason`, async () => {
      const run = await replay(...inLog(...argv));
      expect([run.code, run.lines]).toEqual([2, []]);
      expect(run.errors).toContain(message);
    });
  }

  test("no log named, or none there", async () => {
    expect(await replay("list")).toMatchObject({ code: 2, errors: expect.stringContaining("--dataDir DIR") });
    const nowhere = await replay("list", "--dataDir", "/nonexistent");
    expect(nowhere).toMatchObject({ code: 2, errors: expect.stringContaining("There is no event log") });
  });

  test("--help and a lonely -- show how", async () => {
    expect((await replay("--help")).code).toBe(0);
    expect(await replay("--")).toMatchObject({
      code: 2,
      lines: expect.arrayContaining([expect.stringContaining("replay verify")]),
    });
    expect((await replay("--", ...inLog("list"))).code).toBe(0);
  });
});

describe("looking changes nothing", () => {
  const commands = [
    ["list"],
    ["timeline", "c33.1"],
    ["state", "c33.1"],
    ["verify"],
    ["export", "--out", "/dev/null"],
  ] as const;

  for (const argv of commands) {
    test(`${argv[0]}: not a byte of the log`, async () => {
      const before = (await fingerprint(dataDir))[logFileName];
      expect((await replay(...inLog(...argv))).code).toBe(0);
      expect((await fingerprint(dataDir))[logFileName]).toBe(before ?? "");
    });
  }

  test("a stopped node's log is read where nothing may be written", async () => {
    // Method: the folder on a read-only mount of a namespace of its own. Skips where there are none.
    using copy = copyOf(dataDir);
    const isRoot = process.getuid?.() === 0;
    const script = 'mount --bind "$1" "$1"; mount -o remount,ro,bind "$1"; exec "$2" -e "$3" "$1"';
    const program = `
      const { runReplay } = await import(${JSON.stringify(join(import.meta.dir, "../../../src/replay/replay.ts"))});
      process.exit(await runReplay(["verify", "--dataDir", process.argv[1]], { print: console.log, printError: console.error }));`;
    const child = Bun.spawn(
      [
        "unshare",
        isRoot ? "--mount" : "-rm",
        "sh",
        "-ec",
        script,
        "sh",
        copy.path,
        process.execPath,
        program,
      ],
      { stdout: "pipe", stderr: "pipe" },
    );
    const [out, errors] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    if (/unshare|mount/.test(errors)) {
      console.log(`skipped: no mount namespaces here (${errors.trim()})`);
      return;
    }
    expect([await child.exited, errors]).toEqual([0, ""]);
    expect(out).toContain("Everything agrees.");
  });

  test("a look is of one moment: what a node commits meanwhile is not in it", async () => {
    using busy = logFolder();
    const { harness, walk } = await openWalkedNode(busy.path);
    walk.open("aa.1", "one");
    walk.deliver("aa.1", "media");
    await harness.host.committed();
    const source = openDataDir(busy.path);
    const before = source.reader.lastSeq();
    walk.deliver("aa.1", "more media");
    await harness.host.committed();
    expect(source.reader.lastSeq()).toBe(before);
    expect(verify(source)).toMatchObject({ events: before, findings: [] });
    source.close();
    await harness.close();
  });

  test("while a node writes: every look is of one moment, and the node goes on", async () => {
    using busy = logFolder();
    const { harness, walk } = await openWalkedNode(busy.path);
    let isDone = false;
    const looking = (async () => {
      let looks = 0;
      while (!isDone || looks < 5) {
        const run = await replay("verify", "--dataDir", busy.path);
        expect([run.code, run.lines.slice(1)]).toEqual([0, ["Everything agrees."]]);
        looks += 1;
        await new Promise((resolve) => setImmediate(resolve));
      }
      return looks;
    })();
    for (let round = 0; round < 30; round++) {
      const session = `${round.toString(16)}f.1`;
      walk.open(session, `round ${round}`);
      for (let index = 0; index < 4; index++) walk.deliver(session, `media ${round} ${index}`);
      if (round % 2 === 0)
        walk.session(session, { type: "EndSession", cause: "ended-by-gateway", dueMs: null });
      if (round % 10 === 0) harness.host.saveSnapshots();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await harness.host.committed();
    isDone = true;
    expect(await looking).toBeGreaterThanOrEqual(5);
    expect(harness.faults).toEqual([]);
    await harness.close();
  }, 60_000);
});
