import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { AnyCommand } from "../../../src/actors/kind.ts";
import { type HostHarness, openHost, StandingClock, until } from "../../support/hostHarness.ts";
import type { JobCommand } from "../../support/hostJob.ts";
import { type LogFolder, logFolder } from "../../support/logFolder.ts";
import { readRows } from "../../support/logRows.ts";

/*
 * Goal: a deadline comes once, at its time by the clock, whatever became of the clock or of the process meanwhile.
 * Method: the test sets the clock; the host's timers run in real time and look at it at least once a second.
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

async function start(clock: StandingClock): Promise<HostHarness> {
  const harness = await openHost({ dataDir: folder.path, clock });
  running.push(harness);
  return harness;
}

const give = ({ host }: HostHarness, id: string, command: JobCommand) =>
  host.execute("job", id, command as AnyCommand, { correlationId: id, causationId: "test" });
const isOpen = ({ host }: HostHarness, id: string): boolean => host.snapshot("job", id) !== null;
/** Longer than the host ever sleeps. */
const oneSleep = (): Promise<void> => Bun.sleep(1_100);

describe("deadlines of a host", () => {
  test("one comes at its time and says what caused it", async () => {
    const clock = new StandingClock();
    const harness = await start(clock);
    give(harness, "ab.1/7", { type: "Open", dueMs: clock.ms + 30 });
    clock.ms += 30;
    await until(() => !isOpen(harness, "ab.1/7"));
    await harness.host.committed();
    expect(
      readRows<object>(
        folder.path,
        "SELECT type, correlation_id, causation_id, data FROM events WHERE seq = 2",
      ),
    ).toEqual([
      { type: "JobEnded", correlation_id: "ab.1", causation_id: "deadline", data: '{"cause":"expired"}' },
    ]);
  });

  test("the clock jumps an hour forward: everything that is due by then comes within a second, in order", async () => {
    const clock = new StandingClock();
    const harness = await start(clock);
    for (const [index, minutes] of [40, 10, 50, 70].entries()) {
      give(harness, `j${index}`, { type: "Open", dueMs: clock.ms + minutes * 60_000 });
    }
    clock.ms += 3_600_000;
    const startedMs = performance.now();
    await until(() => !isOpen(harness, "j0"));
    expect(performance.now() - startedMs).toBeLessThan(2_500);
    expect(isOpen(harness, "j3")).toBe(true);
    const ended = harness.recorded.filter(({ event }) => event.type === "JobEnded");
    expect(ended.map(({ stream }) => stream)).toEqual(["job:j1", "job:j0", "job:j2"]);
  });

  test("the clock jumps back: nothing comes early, and what is due comes when the clock is there again", async () => {
    const clock = new StandingClock();
    const harness = await start(clock);
    give(harness, "a", { type: "Open", dueMs: clock.ms + 20 });
    clock.ms -= 3_600_000;
    await oneSleep();
    expect(isOpen(harness, "a")).toBe(true);
    clock.ms += 3_600_020;
    await until(() => !isOpen(harness, "a"));
  });

  test("a moved deadline comes at its new time only; a lifted one never", async () => {
    const clock = new StandingClock();
    const harness = await start(clock);
    for (const id of ["moved", "lifted", "sooner"])
      give(harness, id, { type: "Open", dueMs: clock.ms + 100 });
    give(harness, "moved", { type: "Move", dueMs: clock.ms + 5_000 });
    give(harness, "lifted", { type: "Move", dueMs: null });
    give(harness, "sooner", { type: "Move", dueMs: clock.ms + 10 });
    clock.ms += 10;
    await until(() => !isOpen(harness, "sooner"));
    clock.ms += 1_000;
    await oneSleep();
    expect([isOpen(harness, "moved"), isOpen(harness, "lifted")]).toEqual([true, true]);
    clock.ms += 4_000;
    await until(() => !isOpen(harness, "moved"));
    expect(isOpen(harness, "lifted")).toBe(true);
  });

  test("a restart forgets no deadline: those that passed while the node was down come at once", async () => {
    const clock = new StandingClock();
    const before = await start(clock);
    give(before, "passed", { type: "Open", dueMs: clock.ms + 1_000 });
    give(before, "coming", { type: "Open", dueMs: clock.ms + 100_000 });
    give(before, "moved", { type: "Open", dueMs: clock.ms + 1_000 });
    give(before, "moved", { type: "Move", dueMs: clock.ms + 100_000 });
    before.host.saveSnapshots();
    await before.host.committed();
    for (const harness of running.splice(0)) await harness.close();
    clock.ms += 50_000;
    const after = await start(clock);
    await until(() => !isOpen(after, "passed"));
    await oneSleep();
    expect([isOpen(after, "coming"), isOpen(after, "moved")]).toEqual([true, true]);
    clock.ms += 50_000;
    await until(() => !isOpen(after, "coming") && !isOpen(after, "moved"));
    expect(after.recorded.filter(({ event }) => event.type === "JobEnded")).toHaveLength(3);
  });

  test("a stopped host wakes nobody", async () => {
    const clock = new StandingClock();
    const harness = await start(clock);
    give(harness, "a", { type: "Open", dueMs: clock.ms + 10 });
    harness.host.stop();
    clock.ms += 100;
    await oneSleep();
    expect(isOpen(harness, "a")).toBe(true);
  });
});
