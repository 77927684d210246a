import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { WriterReply, WriterRequest } from "../../../../src/events/log/batch.ts";
import { Journal, type JournalHooks, type LogWriteError } from "../../../../src/events/log/journal.ts";
import { LogOpenError, logFileName, prepareLog } from "../../../../src/events/log/open.ts";
import { openLog } from "../../../../src/events/log/openLog.ts";
import { type LogFolder, logFolder } from "../../../support/logFolder.ts";
import { eventRow, meddle, readRows } from "../../../support/logRows.ts";

/*
 * Goal: a turn of the event loop is in the log whole or not at all, nothing is reported before it is there, and a
 * log that cannot be written says so and stops. Method: the real writer thread on a real file; what is durable is
 * read over a second connection. Where a disk error cannot be had on demand, the thread is a scripted one.
 */

type Opened = {
  readonly folder: LogFolder;
  readonly journal: Journal;
  readonly commits: number[];
  readonly halts: LogWriteError[];
  readonly halted: Promise<LogWriteError>;
  readonly stalls: (string | null)[];
};

const opened: Opened[] = [];

async function open(folder = logFolder()): Promise<Opened> {
  const path = join(folder.path, logFileName);
  prepareLog(path);
  const commits: number[] = [];
  const halts: LogWriteError[] = [];
  const stalls: (string | null)[] = [];
  const halted = Promise.withResolvers<LogWriteError>();
  const hooks: JournalHooks = {
    onCommitted: (_, rows) => commits.push(rows),
    onStalled: (reason) => stalls.push(reason),
    onHalted: (error) => {
      halts.push(error);
      halted.resolve(error);
    },
  };
  const journal = await Journal.open(path, [], hooks);
  const all = { folder, journal, commits, halts, halted: halted.promise, stalls };
  opened.push(all);
  return all;
}

afterEach(async () => {
  for (const { journal, folder } of opened.splice(0)) {
    await journal.close();
    folder[Symbol.dispose]();
  }
});

const seqs = (dataDir: string): readonly number[] =>
  readRows<{ seq: number }>(dataDir, "SELECT seq FROM events ORDER BY seq").map(({ seq }) => seq);

describe("group commit", () => {
  test("everything that one turn adds is one commit", async () => {
    const { journal, folder, commits } = await open();
    for (let seq = 1; seq <= 100; seq++) journal.addEvent(eventRow(seq, `segment:${seq}`, 1));
    await journal.committed();
    expect(commits).toEqual([100]);
    expect(seqs(folder.path)).toHaveLength(100);
  });

  test("what comes while a commit is under way waits for the next one, however many turns it takes", async () => {
    const { journal, commits } = await open();
    journal.addEvent(eventRow(1, "segment:a", 1));
    await Promise.resolve();
    for (let seq = 2; seq <= 6; seq++) {
      journal.addEvent(eventRow(seq, "segment:a", seq));
      await Promise.resolve();
    }
    await journal.committed();
    expect(commits).toEqual([1, 5]);
  });

  test("rows of every table share the commit of their turn", async () => {
    const { journal, folder } = await open();
    journal.addEvent(eventRow(1, "segment:a", 1));
    journal.setStream(["segment:a", 1, 0, null]);
    journal.setStream(["segment:a", 2, 1, "m:s"]);
    journal.addOutbox(["segment:a:1:0", "segment:a", "doIt", "{}"]);
    journal.addOutbox(["segment:a:1:1", "segment:a", "doThat", "{}"]);
    journal.settleOutbox("segment:a:1:1");
    journal.saveSnapshot(["segment:a", 1, "hash", "{}"]);
    await journal.committed();
    expect(readRows<object>(folder.path, "SELECT * FROM streams")).toEqual([
      { stream: "segment:a", version: 2, is_closed: 1, final_state: "m:s" },
    ]);
    expect(readRows<object>(folder.path, "SELECT key FROM outbox")).toEqual([{ key: "segment:a:1:0" }]);
    expect(readRows<object>(folder.path, "SELECT * FROM snapshots")).toHaveLength(1);
  });

  test("a settled outbox row alone is committed too", async () => {
    const { journal, folder } = await open();
    journal.addEvent(eventRow(1, "segment:a", 1));
    journal.addOutbox(["k", "segment:a", "doIt", "{}"]);
    await journal.committed();
    journal.settleOutbox("k");
    await journal.committed();
    expect(readRows<object>(folder.path, "SELECT key FROM outbox")).toEqual([]);
  });
});

describe("after the commit", () => {
  test("actions see their rows on the disk, in the order of their turn", async () => {
    const { journal, folder } = await open();
    const seen: string[] = [];
    for (const seq of [1, 2]) {
      journal.addEvent(eventRow(seq, `segment:${seq}`, 1));
      journal.afterCommit(() => seen.push(`${seq} with ${seqs(folder.path).length} durable`));
      journal.afterCommit(() => seen.push(`${seq} again`));
    }
    expect(seen).toEqual([]);
    await journal.committed();
    expect(seen).toEqual(["1 with 2 durable", "1 again", "2 with 2 durable", "2 again"]);
  });

  test("an action without rows waits behind the commit that is under way", async () => {
    const { journal, folder } = await open();
    const seen: number[] = [];
    journal.addEvent(eventRow(1, "segment:a", 1));
    await Promise.resolve();
    journal.afterCommit(() => seen.push(seqs(folder.path).length));
    await journal.committed();
    expect(seen).toEqual([1]);
  });

  test("rows that an action adds are in the next commit, and committed() waits for them", async () => {
    const { journal, commits } = await open();
    const done = Promise.withResolvers<void>();
    journal.addEvent(eventRow(1, "segment:a", 1));
    journal.afterCommit(() => {
      journal.addEvent(eventRow(2, "segment:a", 2));
      void journal.committed().then(done.resolve);
    });
    await done.promise;
    expect(commits).toEqual([1, 1]);
  });

  test("committed() of an idle journal is at once; close() commits what is open", async () => {
    const { journal, folder } = await open();
    await journal.committed();
    journal.addEvent(eventRow(1, "segment:a", 1));
    await journal.close();
    opened.pop();
    expect(seqs(folder.path)).toEqual([1]);
    folder[Symbol.dispose]();
  });
});

describe("a log that must not be written", () => {
  test("a (stream, version) that exists halts: nothing of its turn is kept, nothing later is written", async () => {
    const { journal, folder, halted, commits } = await open();
    journal.addEvent(eventRow(1, "segment:a", 1));
    await journal.committed();
    let isReported = false;
    journal.addEvent(eventRow(2, "segment:b", 1));
    journal.addEvent(eventRow(3, "segment:a", 1));
    journal.afterCommit(() => {
      isReported = true;
    });
    const error = await halted;
    expect(error).toMatchObject({ code: "LOG_WRITE_FAILED", disposition: "halt" });
    expect(error.meta["sqliteCode"]).toStartWith("SQLITE_CONSTRAINT");
    expect(journal.refusal).toBe(error.message);
    journal.addEvent(eventRow(4, "segment:c", 1));
    await new Promise((resolve) => setImmediate(resolve));
    expect(seqs(folder.path)).toEqual([1]);
    expect(isReported).toBe(false);
    expect(commits).toEqual([1]);
  });

  test("a seq that exists halts", async () => {
    const { journal, halted } = await open();
    journal.addEvent(eventRow(1, "segment:a", 1));
    journal.addEvent(eventRow(1, "segment:b", 1));
    expect((await halted).disposition).toBe("halt");
  });

  test("a value of the wrong type halts: the tables are strict", async () => {
    const { journal, halted, folder } = await open();
    journal.addEvent(eventRow(1, "segment:a", "first" as unknown as number));
    expect((await halted).meta["sqliteCode"]).toStartWith("SQLITE_CONSTRAINT");
    expect(seqs(folder.path)).toEqual([]);
  });

  for (const [what, sql] of [
    ["changed", "UPDATE events SET data = '{}' WHERE seq = 1"],
    ["deleted", "DELETE FROM events WHERE seq = 1"],
    ["all deleted", "DELETE FROM events"],
  ] as const) {
    test(`events are never ${what}, whoever asks`, async () => {
      const { journal, folder } = await open();
      journal.addEvent(eventRow(1, "segment:a", 1));
      await journal.committed();
      expect(() => meddle(folder.path, sql)).toThrow("events never");
      expect(readRows<object>(folder.path, "SELECT seq, data FROM events")).toEqual([
        { seq: 1, data: '{"bytes":1}' },
      ]);
    });
  }

  test("a folder that cannot hold a log is an error that says what to check", async () => {
    using folder = logFolder();
    const blocked = join(folder.path, "file");
    await Bun.write(blocked, "in the way");
    const error = await openLog(blocked, { onHalted: () => {} }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(LogOpenError);
    expect(error).toMatchObject({ code: "LOG_OPEN_FAILED" });
  });
});

describe("an unwilling disk", () => {
  /** A writer whose answers the test gives. */
  async function scripted() {
    const requests: WriterRequest[] = [];
    let reply: (reply: WriterReply) => void = () => {};
    let crash: (message: string) => void = () => {};
    const stalls: (string | null)[] = [];
    const halts: LogWriteError[] = [];
    const journal = await Journal.open(
      "nowhere",
      [],
      { onHalted: (error) => halts.push(error), onStalled: (reason) => stalls.push(reason) },
      () => ({
        send: (request) => {
          requests.push(request);
          if (request.type === "open") reply({ type: "opened" });
          if (request.type === "close") reply({ type: "closed" });
        },
        listen: (onReply, onCrash) => {
          reply = onReply;
          crash = onCrash;
        },
        terminate: () => {},
      }),
    );
    const commits = () => requests.filter(({ type }) => type === "commit");
    return {
      journal,
      stalls,
      halts,
      commits,
      reply: (answer: WriterReply) => reply(answer),
      crash: (message: string) => crash(message),
    };
  }

  const failed = (id: number, sqliteCode: string): WriterReply => ({
    type: "failed",
    id,
    sqliteCode,
    message: "the disk says no",
  });
  const untilCommits = async (commits: () => readonly unknown[], count: number): Promise<void> => {
    while (commits().length < count) await Bun.sleep(5);
  };

  for (const code of ["SQLITE_FULL", "SQLITE_READONLY", "SQLITE_IOERR_WRITE", "SQLITE_BUSY"]) {
    test(`${code}: says so once, refuses new work, and offers the same batch until it is taken`, async () => {
      const { journal, stalls, halts, commits, reply } = await scripted();
      let isDurable = false;
      journal.addEvent(eventRow(1, "segment:a", 1));
      journal.afterCommit(() => {
        isDurable = true;
      });
      await untilCommits(commits, 1);
      expect(journal.refusal).toBeNull();
      reply(failed(1, code));
      expect(journal.refusal).toContain("the disk refuses");
      expect(stalls).toEqual([expect.stringContaining("the disk says no")]);
      // What is decided meanwhile waits behind the batch in hand.
      journal.addEvent(eventRow(2, "segment:a", 2));
      await untilCommits(commits, 2);
      expect(commits()[1]).toEqual(commits()[0] as WriterRequest);
      reply(failed(1, code));
      expect(stalls).toHaveLength(1);
      await untilCommits(commits, 3);
      expect(isDurable).toBe(false);
      reply({ type: "committed", id: 1, ms: 1 });
      expect(isDurable).toBe(true);
      expect(journal.refusal).toBeNull();
      expect(stalls).toEqual([expect.any(String), null]);
      expect(halts).toEqual([]);
      expect(commits()[3]).toMatchObject({ batch: { id: 2, events: [eventRow(2, "segment:a", 2)] } });
    });
  }

  for (const code of ["SQLITE_CORRUPT", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_NOTADB", "UNKNOWN"]) {
    test(`${code}: nobody can wait that out, so the process must end`, async () => {
      const { journal, halts, commits, reply } = await scripted();
      journal.addEvent(eventRow(1, "segment:a", 1));
      await untilCommits(commits, 1);
      reply(failed(1, code));
      reply(failed(1, code));
      expect(halts).toHaveLength(1);
      expect(journal.refusal).toBe(halts[0]?.message ?? "");
      await journal.close();
    });
  }

  test("a writer thread that died halts", async () => {
    const { halts, crash, journal } = await scripted();
    crash("out of memory");
    expect(halts[0]?.meta["sqliteCode"]).toBe("THREAD");
    expect(journal.refusal).not.toBeNull();
  });

  test("a writer that cannot open is an error, not a wait", async () => {
    const error = await Journal.open("/nonexistent/log", [], { onHalted: () => {} }).catch(
      (caught: unknown) => caught,
    );
    expect(error).toMatchObject({ code: "LOG_WRITE_FAILED", disposition: "retry" });
  });

  test("congestion: rows beyond the bound refuse new work until the commit under way is through", async () => {
    const { journal, commits, reply } = await scripted();
    journal.addEvent(eventRow(1, "segment:a", 1));
    await untilCommits(commits, 1);
    for (let seq = 2; seq <= 8_192; seq++) journal.addEvent(eventRow(seq, "segment:a", seq));
    expect(journal.refusal).toBeNull();
    journal.addEvent(eventRow(8_193, "segment:a", 8_193));
    expect(journal.refusal).toBe("The event log is congested.");
    reply({ type: "committed", id: 1, ms: 1 });
    expect(journal.refusal).toBeNull();
  });
});
