import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { decodeSnapshot, encodeSnapshot } from "../../../src/actors/snapshot.ts";
import type { AnyCommand, Rejection } from "../../../src/actors/kind.ts";
import type { EffectContext, EffectHandler } from "../../../src/runtime/host.ts";
import { machineHash, stateHash } from "../../../src/runtime/machineHash.ts";
import { type HostHarness, type HostHarnessOptions, openHost } from "../../support/hostHarness.ts";
import { type JobCommand, jobKind } from "../../support/hostJob.ts";
import { type LogFolder, logFolder } from "../../support/logFolder.ts";
import { meddle, readRows, unguard } from "../../support/logRows.ts";

/*
 * Goal: what the host promises to every machine: one commit a turn, effects after it (or exactly as their handler
 * says), nothing owed is forgotten over a restart, and a cold start reaches the state of the process before.
 * Method: a small entity (`test/support/hostJob.ts`) on a real log; restarts are a second host on the same file.
 */

let folder: LogFolder;
let running: HostHarness[] = [];

beforeEach(() => {
  folder = logFolder();
  running = [];
});
afterEach(async () => {
  for (const harness of running) await harness.close();
  folder[Symbol.dispose]();
});

async function start(options: Omit<HostHarnessOptions, "dataDir"> = {}): Promise<HostHarness> {
  const harness = await openHost({ dataDir: folder.path, ...options });
  running.push(harness);
  return harness;
}

async function restart(options: Omit<HostHarnessOptions, "dataDir"> = {}): Promise<HostHarness> {
  for (const harness of running.splice(0)) await harness.close();
  return start(options);
}

const origin = { correlationId: "j", causationId: "test" };
const give = ({ host }: HostHarness, id: string, command: JobCommand) =>
  host.execute("job", id, command as AnyCommand, origin) as
    { readonly type: "accepted"; readonly events: readonly Record<string, unknown>[] } | Rejection;
const state = ({ host }: HostHarness, id: string): string | null => {
  const snapshot = host.snapshot("job", id);
  return snapshot === null ? null : encodeSnapshot(jobKind, snapshot);
};
const rows = <T = Record<string, unknown>>(sql: string): readonly T[] => readRows<T>(folder.path, sql);
const typesOnDisk = (): readonly string[] =>
  rows<{ type: string }>("SELECT type FROM events ORDER BY seq").map(({ type }) => type);

type Run = { readonly note: string; readonly context: EffectContext; readonly durable: readonly string[] };
/** A handler that notes each run with what was durable at that moment. */
function recorder(when: EffectHandler["when"]): { readonly runs: Run[]; readonly work: EffectHandler } {
  const runs: Run[] = [];
  return {
    runs,
    work: {
      when,
      run: ({ note }: { note: string }, context) => runs.push({ note, context, durable: typesOnDisk() }),
    },
  };
}

describe("commands", () => {
  test("events, stream head and envelope are what was decided", async () => {
    const harness = await start();
    harness.clock.ms = 5_000;
    expect(give(harness, "a", { type: "Open" })).toEqual({
      type: "accepted",
      events: [{ type: "JobOpened", dueMs: null }],
    });
    harness.host.execute("job", "a", { type: "Poke", note: "n" } as AnyCommand, { ...origin, traceId: "t1" });
    await harness.host.committed();
    expect(rows("SELECT * FROM events")).toEqual([
      {
        seq: 1,
        stream: "job:a",
        version: 1,
        type: "JobOpened",
        schema_version: 1,
        at_ms: 5_000,
        correlation_id: "j",
        causation_id: "test",
        trace_id: null,
        data: '{"dueMs":null}',
      },
      expect.objectContaining({ seq: 2, version: 2, type: "JobPoked", trace_id: "t1" }),
    ]);
    expect(rows("SELECT * FROM streams")).toEqual([
      { stream: "job:a", version: 2, is_closed: 0, final_state: null },
    ]);
    expect(harness.recorded.map(({ seq, event }) => [seq, event.type])).toEqual([
      [1, "JobOpened"],
      [2, "JobPoked"],
    ]);
  });

  test("a rejection writes nothing and creates nothing", async () => {
    const harness = await start();
    expect(give(harness, "a", { type: "Poke", note: "n" })).toMatchObject({ code: "JOB_NOT_OPEN" });
    await harness.host.committed();
    expect(harness.host.openCount).toBe(0);
    expect(typesOnDisk()).toEqual([]);
  });

  test("the turns of many entities in one turn of the event loop are one commit", async () => {
    const harness = await start();
    for (let index = 0; index < 50; index++) give(harness, `j${index}`, { type: "Open" });
    await harness.host.committed();
    expect(harness.commits).toEqual([50]);
  });

  test("an unknown kind is a bug, and says which", async () => {
    const harness = await start();
    expect(() => harness.host.execute("ghost", "a", { type: "Open" }, origin)).toThrow("`ghost`");
  });
});

describe("closing", () => {
  test("a final state closes the stream with the hash of its state, and leaves no memory behind", async () => {
    const harness = await start({ effects: { work: { when: "durable", run: () => {} } } });
    for (let index = 0; index < 300; index++) {
      give(harness, `j${index}`, { type: "Open", dueMs: harness.clock.ms + 1_000_000 });
      give(harness, `j${index}`, { type: "Poke", note: "n" });
      give(harness, `j${index}`, { type: "End" });
    }
    expect(harness.host.openCount).toBe(0);
    expect([...harness.host.idsOf("job")]).toEqual([]);
    await harness.host.committed();
    expect(rows("SELECT * FROM outbox")).toEqual([]);
    expect(rows("SELECT count(*) AS n FROM streams WHERE is_closed = 1")).toEqual([{ n: 300 }]);
    const final = '{"status":"done","value":"ended","context":{"dueMs":1700001000000,"pokes":1,"last":"n"}}';
    expect(rows("SELECT DISTINCT final_state FROM streams")).toEqual([
      { final_state: `${machineHash(jobKind)}:${stateHash(final)}` },
    ]);
  });

  test("a closed entity takes no command and is not loaded again", async () => {
    const before = await start();
    give(before, "a", { type: "Open" });
    give(before, "a", { type: "End" });
    expect(give(before, "a", { type: "Poke", note: "late" })).toMatchObject({ code: "JOB_NOT_OPEN" });
    const after = await restart();
    expect(after.started).toEqual({ entities: 0, redelivered: 0 });
    expect(give(after, "a", { type: "Poke", note: "late" })).toMatchObject({ code: "JOB_NOT_OPEN" });
  });
});

describe("effects", () => {
  test("durable: runs after the commit of its event, is owed until settled", async () => {
    const { runs, work } = recorder("durable");
    const harness = await start({ effects: { work } });
    give(harness, "a", { type: "Open" });
    give(harness, "a", { type: "Poke", note: "n" });
    expect(runs).toEqual([]);
    await harness.host.committed();
    expect(runs.map(({ note, durable }) => [note, durable])).toEqual([["n", ["JobOpened", "JobPoked"]]]);
    expect(runs[0]?.context).toMatchObject({
      id: "a",
      stream: "job:a",
      key: "job:a:2:0",
      isRedelivery: false,
    });
    expect(runs[0]?.context.origin).toMatchObject({ correlationId: "j", causationId: "job:a@2" });
    expect(rows("SELECT * FROM outbox")).toEqual([
      { key: "job:a:2:0", stream: "job:a", effect: "work", params: '{"note":"n"}' },
    ]);
    runs[0]?.context.settle();
    runs[0]?.context.settle();
    await harness.host.committed();
    expect(rows("SELECT * FROM outbox")).toEqual([]);
  });

  test("settling and the commands of the same turn are one commit", async () => {
    const { runs, work } = recorder("durable");
    const harness = await start({ effects: { work } });
    give(harness, "a", { type: "Open" });
    give(harness, "a", { type: "Poke", note: "n" });
    await harness.host.committed();
    const commitsBefore = harness.commits.length;
    runs[0]?.context.settle();
    give(harness, "a", { type: "Move", dueMs: null });
    await harness.host.committed();
    expect(harness.commits.slice(commitsBefore)).toEqual([1]);
    expect(rows("SELECT * FROM outbox")).toEqual([]);
  });

  test("local: starts at once, and is owed like a durable one", async () => {
    const { runs, work } = recorder("local");
    const harness = await start({ effects: { work } });
    give(harness, "a", { type: "Open" });
    give(harness, "a", { type: "Poke", note: "n" });
    expect(runs.map(({ durable }) => durable)).toEqual([[]]);
    await harness.host.committed();
    expect(rows("SELECT key FROM outbox")).toEqual([{ key: "job:a:2:0" }]);
  });

  test("volatile: runs after the commit and is owed nothing", async () => {
    const { runs, work } = recorder("volatile");
    const harness = await start({ effects: { work } });
    give(harness, "a", { type: "Open" });
    give(harness, "a", { type: "Poke", note: "n" });
    expect(runs).toEqual([]);
    await harness.host.committed();
    expect(runs.map(({ durable }) => durable)).toEqual([["JobOpened", "JobPoked"]]);
    expect(rows("SELECT * FROM outbox")).toEqual([]);
  });

  test("inTurn: its commands join the commit of the event that asked for it", async () => {
    const harness = await start({
      effects: {
        bury: {
          when: "inTurn",
          run: (_, { id, origin: cause }) => {
            harness.host.execute("job", `${id}/heir`, { type: "Open" }, cause);
          },
        },
      },
    });
    give(harness, "a", { type: "Open" });
    await harness.host.committed();
    give(harness, "a", { type: "End" });
    expect(state(harness, "a/heir")).toContain('"open"');
    await harness.host.committed();
    expect(harness.commits).toEqual([1, 2]);
    expect(rows("SELECT stream, causation_id FROM events WHERE seq = 3")).toEqual([
      { stream: "job:a/heir", causation_id: "job:a@2" },
    ]);
  });

  for (const when of ["durable", "local"] as const) {
    test(`${when}: an effect whose entity ends in the same turn never starts, and is not owed`, async () => {
      const { runs, work } = recorder(when);
      const harness = await start({ effects: { work } });
      give(harness, "a", { type: "Open" });
      give(harness, "a", { type: "PokeAndEnd", note: "n" });
      await harness.host.committed();
      expect(runs).toEqual([]);
      expect(rows("SELECT * FROM outbox")).toEqual([]);
    });
  }

  test("durable: an effect whose entity ends before the commit never starts", async () => {
    const { runs, work } = recorder("durable");
    const harness = await start({ effects: { work } });
    give(harness, "a", { type: "Open" });
    give(harness, "a", { type: "Poke", note: "n" });
    await Promise.resolve();
    give(harness, "a", { type: "End" });
    await harness.host.committed();
    expect(runs).toEqual([]);
    expect(rows("SELECT * FROM outbox")).toEqual([]);
  });
});

describe("restart", () => {
  test("what is owed is delivered again, after a commit, with the same key, marked as such", async () => {
    const before = await start({ effects: { work: { when: "durable", run: () => {} } } });
    give(before, "ab.1/7", { type: "Open" });
    give(before, "ab.1/7", { type: "Poke", note: "one" });
    give(before, "ab.1/7", { type: "Poke", note: "two" });
    await before.host.committed();
    const { runs, work } = recorder("durable");
    const after = await restart({ effects: { work } });
    expect(after.started).toEqual({ entities: 1, redelivered: 2 });
    expect(runs).toEqual([]);
    await after.host.committed();
    expect(runs.map(({ note }) => note)).toEqual(["one", "two"]);
    expect(runs[0]?.context).toMatchObject({ id: "ab.1/7", key: "job:ab.1/7:2:0", isRedelivery: true });
    // The envelope of what follows still names the whole of which this is a part.
    expect(runs[0]?.context.origin).toMatchObject({ correlationId: "ab.1", causationId: "job:ab.1/7:2:0" });
    runs[0]?.context.settle();
    await after.host.committed();
    const again = await restart({ effects: { work } });
    expect(again.started.redelivered).toBe(1);
  });

  test("a redelivered effect of an entity that ended meanwhile does not run", async () => {
    const before = await start({ effects: { work: { when: "durable", run: () => {} } } });
    give(before, "a", { type: "Open" });
    give(before, "a", { type: "Poke", note: "one" });
    await before.host.committed();
    const { runs, work } = recorder("durable");
    const after = await restart({ effects: { work } });
    give(after, "a", { type: "End" });
    await after.host.committed();
    expect(runs).toEqual([]);
  });

  test("the order goes on without a gap", async () => {
    const before = await start();
    give(before, "a", { type: "Open" });
    const after = await restart();
    give(after, "a", { type: "Poke", note: "n" });
    give(after, "b", { type: "Open" });
    await after.host.committed();
    expect(rows("SELECT seq, stream, version FROM events ORDER BY seq")).toEqual([
      { seq: 1, stream: "job:a", version: 1 },
      { seq: 2, stream: "job:a", version: 2 },
      { seq: 3, stream: "job:b", version: 1 },
    ]);
  });

  test("every open entity comes back as it was; kinds that nobody registered stop the start", async () => {
    const before = await start();
    for (const id of ["a", "b", "c"]) give(before, id, { type: "Open" });
    give(before, "b", { type: "Poke", note: "n" });
    give(before, "c", { type: "End" });
    const [a, b] = [state(before, "a"), state(before, "b")];
    const after = await restart();
    expect([...after.host.idsOf("job")]).toEqual(["a", "b"]);
    expect([state(after, "a"), state(after, "b")]).toEqual([a, b]);
    await after.close();
    running = [];
    await expect(openHost({ dataDir: folder.path, kinds: [] })).rejects.toThrow("unknown kind `job`");
  });

  test("a stream that lacks an event stops the start", async () => {
    const before = await start();
    give(before, "a", { type: "Open" });
    give(before, "a", { type: "Poke", note: "1" });
    give(before, "a", { type: "Poke", note: "2" });
    await before.close();
    running = [];
    meddle(folder.path, ...unguard, "DELETE FROM events WHERE version = 2");
    await expect(openHost({ dataDir: folder.path })).rejects.toThrow("lacks the event of version 2");
  });
});

describe("snapshots", () => {
  const pokeTimes = async (harness: HostHarness, id: string, times: number): Promise<void> => {
    for (let index = 0; index < times; index++) give(harness, id, { type: "Poke", note: `${index}` });
    await harness.host.committed();
  };

  test("one is cached every 256 events, with the events it covers", async () => {
    const harness = await start();
    give(harness, "a", { type: "Open" });
    await pokeTimes(harness, "a", 254);
    expect(rows("SELECT * FROM snapshots")).toEqual([]);
    await pokeTimes(harness, "a", 1);
    expect(rows("SELECT stream, version FROM snapshots")).toEqual([{ stream: "job:a", version: 256 }]);
    await pokeTimes(harness, "a", 256);
    expect(rows("SELECT stream, version FROM snapshots")).toEqual([{ stream: "job:a", version: 512 }]);
  });

  test("warm and cold starts reach the same state, byte for byte", async () => {
    const before = await start();
    give(before, "a", { type: "Open", dueMs: before.clock.ms + 9_999_999 });
    await pokeTimes(before, "a", 300);
    const lived = state(before, "a");
    const warm = state(await restart(), "a");
    meddle(folder.path, "DELETE FROM snapshots");
    const cold = state(await restart(), "a");
    expect(warm).toBe(lived);
    expect(cold).toBe(lived);
  });

  test("a warm start reads the snapshot and not the history", async () => {
    // Method: the history is damaged where only a cold start would look.
    const before = await start();
    give(before, "a", { type: "Open" });
    await pokeTimes(before, "a", 300);
    const lived = state(before, "a");
    await before.close();
    running = [];
    meddle(folder.path, ...unguard, "UPDATE events SET data = 'damage' WHERE version < 256");
    expect(state(await start(), "a")).toBe(lived);
  });

  test("a snapshot of another machine is ignored: the history decides", async () => {
    const before = await start();
    give(before, "a", { type: "Open" });
    await pokeTimes(before, "a", 300);
    const lived = state(before, "a");
    await before.close();
    running = [];
    meddle(folder.path, "UPDATE snapshots SET machine_hash = 'another', data = 'nonsense'");
    expect(state(await start(), "a")).toBe(lived);
  });

  test("saveSnapshots caches every open entity once, and the next start goes on from there", async () => {
    const before = await start();
    for (const id of ["a", "b"]) give(before, id, { type: "Open" });
    before.host.saveSnapshots();
    before.host.saveSnapshots();
    await before.host.committed();
    const saved = rows<{ stream: string; version: number; data: string }>("SELECT * FROM snapshots");
    expect(saved.map(({ stream, version }) => [stream, version])).toEqual([
      ["job:a", 1],
      ["job:b", 1],
    ]);
    expect(encodeSnapshot(jobKind, decodeSnapshot(jobKind, saved[0]?.data ?? ""))).toBe(saved[0]?.data ?? "");
    const after = await restart();
    give(after, "a", { type: "Poke", note: "n" });
    await after.host.committed();
    expect(rows("SELECT max(version) AS version FROM events WHERE stream = 'job:a'")).toEqual([
      { version: 2 },
    ]);
  });
});

describe("faults", () => {
  test("a handler that throws is reported, and the others of its turn still run", async () => {
    const ran: string[] = [];
    const harness = await start({
      effects: {
        work: {
          when: "volatile",
          run: ({ note }: { note: string }) => {
            ran.push(note);
            if (note === "bad") throw new Error("the handler has a bug");
          },
        },
      },
    });
    give(harness, "a", { type: "Open" });
    for (const note of ["bad", "good"]) give(harness, "a", { type: "Poke", note });
    await harness.host.committed();
    expect(ran).toEqual(["bad", "good"]);
    expect(harness.faults).toEqual([expect.objectContaining({ message: "the handler has a bug" })]);
  });

  test("a machine that throws in the middle of a turn is reported with its own error", async () => {
    const harness = await start();
    give(harness, "a", { type: "Open" });
    expect(() => give(harness, "a", { type: "Break" })).toThrow("the machine has a bug");
    expect(harness.faults).toEqual([expect.objectContaining({ message: "the machine has a bug" })]);
  });

  test("a decision that its machine does not take is reported", async () => {
    const harness = await start();
    give(harness, "a", { type: "Open" });
    expect(() => give(harness, "a", { type: "Misfit" })).toThrow("cannot take `JobMisfit`");
    expect(harness.faults).toHaveLength(1);
  });

  test("an effect that nobody handles is a fault", async () => {
    const harness = await start({ effects: { work: undefined as unknown as EffectHandler } });
    give(harness, "a", { type: "Open" });
    expect(() => give(harness, "a", { type: "Poke", note: "n" })).toThrow("No handler is registered");
    expect(harness.faults).toHaveLength(1);
  });
});
