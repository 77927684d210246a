import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { allKinds } from "../../src/actors/allKinds.ts";
import { encodeSnapshot } from "../../src/actors/snapshot.ts";
import { allEvents } from "../../src/events/catalogue.ts";
import { decodeEvent, encodeEvent } from "../../src/events/definition.ts";
import { allViews } from "../../src/events/log/openLog.ts";
import { segmentEvents } from "../../src/events/segment.ts";
import { sessionEvents } from "../../src/events/session.ts";
import { kindOf, Replay } from "../../src/replay/kinds.ts";
import { runReplay } from "../../src/replay/replay.ts";
import { openDataDir, openSliceFile } from "../../src/replay/source.ts";
import type { Host } from "../../src/runtime/host.ts";
import { stateHash } from "../../src/runtime/machineHash.ts";
import { openHost, StandingClock } from "../support/hostHarness.ts";
import { Walk, walkEffects, walkEverything } from "../support/hostWalks.ts";
import { logFolder } from "../support/logFolder.ts";
import { moneyEffects, walkMoney } from "./moneyWalk.ts";

/*
 * Goal: every log that a release ever wrote is read by this one, and leads to the states it led to then. Method:
 * logs and rows recorded when they were new (`recordLog.ts`, `recordGolden.ts`). They are never made again: when a
 * test here fails, the code is wrong, or lacks an upcaster.
 */

const goldenDir = join(import.meta.dir, "golden");
const logsDir = join(import.meta.dir, "logs");

type States = {
  readonly machines: Readonly<Record<string, string>>;
  readonly streams: Readonly<
    Record<string, { readonly events: number; readonly state: string; readonly text: string }>
  >;
};

describe("the rows of every schema version", () => {
  const files = readdirSync(goldenDir).sort();

  test("there is one file for each version of each type, and none for a type that is gone", () => {
    const wanted = [...allEvents.values()].flatMap(({ type, schemaVersion }) =>
      Array.from({ length: schemaVersion }, (_, index) => `${type}.v${index + 1}.jsonl`),
    );
    expect(files).toEqual(wanted.sort());
  });

  for (const file of files) {
    const [type = "", version = ""] = file.split(".");
    test(`${type} ${version} decodes`, async () => {
      const definition = allEvents.get(type);
      if (definition === undefined) throw new Error(`\`${type}\` is gone from the catalogue.`);
      const data = (await Bun.file(join(goldenDir, file)).text()).trimEnd();
      const schemaVersion = Number(version.slice(1));
      const event = decodeEvent(definition, schemaVersion, data);
      expect(event.type).toBe(type);
      // Today's form is written exactly as recorded: same fields, same order, same text.
      if (schemaVersion === definition.schemaVersion) expect(encodeEvent(definition, event)).toBe(data);
    });
  }
});

for (const release of readdirSync(logsDir).sort()) {
  describe(`the log of ${release}`, () => {
    const slice = join(logsDir, release, "log.slice");

    test("replays to the states of then", async () => {
      const states = (await Bun.file(join(logsDir, release, "states.json")).json()) as States;
      const source = await openSliceFile(slice);
      const replay = new Replay();
      const reached: Record<string, { events: number; state: string; text: string }> = {};
      for (const recorded of source.reader.all()) {
        const text = encodeSnapshot(kindOf(recorded.stream).kind, replay.apply(recorded));
        reached[recorded.stream] = { events: recorded.version, state: stateHash(text), text };
      }
      source.close();
      expect(reached).toEqual(states.streams);
      // The hashes are what counts; the texts say what differs. They must belong together.
      for (const { state, text } of Object.values(states.streams)) expect(stateHash(text)).toBe(state);
    });

    test("verifies, and shows every session in list and timeline", async () => {
      const lines: string[] = [];
      const output = {
        print: (line: string) => lines.push(line),
        printError: (line: string) => lines.push(line),
      };
      expect([await runReplay(["verify", "--file", slice], output), lines.at(-1)]).toEqual([
        0,
        "Everything agrees.",
      ]);
      lines.length = 0;
      expect(await runReplay(["list", "--file", slice, "--json"], output)).toBe(0);
      const sessions = lines.map((line) => (JSON.parse(line) as { stream: string }).stream);
      expect(sessions.length).toBeGreaterThan(0);
      for (const session of sessions) {
        expect([session, await runReplay(["timeline", session, "--file", slice], output)]).toEqual([
          session,
          0,
        ]);
      }
    });
  });
}

test("the log of this release holds every way in which a segment and a session can go", async () => {
  const { version } = (await Bun.file(join(import.meta.dir, "../../package.json")).json()) as {
    version: string;
  };
  const release = `v${version.split(".").slice(0, 2).join(".")}`;
  const source = await openSliceFile(join(logsDir, release, "log.slice"));
  const events = [...source.reader.all()].map(({ event }) => event);
  source.close();
  const types = new Set(events.map(({ type }) => type));
  expect([...segmentEvents.keys(), ...sessionEvents.keys()].filter((type) => !types.has(type))).toEqual([]);
  const codes = new Set(events.map((event) => (event as { readonly code?: string }).code ?? ""));
  for (const code of [
    "CODEC_REFUSED",
    "DEADLINE_PASSED",
    "GATEWAY_GONE",
    "INPUT_POISONED",
    "UPLOAD_CLIENT_GONE",
    "UPLOAD_TIMED_OUT",
    "WORKERS_LOST",
  ]) {
    expect([code, codes.has(code)]).toEqual([code, true]);
  }
});

describe("the log that the next release will leave behind", () => {
  // Goal: `recordLog.ts` needs no thought on the day of a release. Method: play it into a real log.
  test("holds every type of event, and replays to the states that the host had", async () => {
    using folder = logFolder();
    const clock = new StandingClock(1_767_225_600_000);
    let host: Host | null = null;
    const harness = await openHost({
      dataDir: folder.path,
      kinds: allKinds,
      clock,
      views: allViews.views,
      effects: {
        ...moneyEffects,
        ...walkEffects(() => {
          if (host === null) throw new Error("The host is not open.");
          return host;
        }),
      },
    });
    host = harness.host;
    walkEverything(new Walk(host, clock));
    walkMoney(host, clock);
    await host.committed();
    const types = new Set(harness.recorded.map(({ event }) => event.type));
    expect([...types].sort()).toEqual([...allEvents.keys()].sort());
    const live = new Map<string, string>();
    for (const kind of allKinds) {
      for (const id of host.idsOf(kind.kind)) {
        const snapshot = host.snapshot(kind.kind, id);
        if (snapshot !== null) live.set(`${kind.kind}:${id}`, encodeSnapshot(kind, snapshot));
      }
    }
    const source = openDataDir(folder.path);
    const replay = new Replay();
    const reached = new Map<string, string>();
    for (const recorded of source.reader.all()) {
      reached.set(recorded.stream, encodeSnapshot(kindOf(recorded.stream).kind, replay.apply(recorded)));
    }
    source.close();
    await harness.close();
    const lines: string[] = [];
    const output = {
      print: (line: string) => lines.push(line),
      printError: (line: string) => lines.push(line),
    };
    expect([await runReplay(["verify", "--dataDir", folder.path], output), lines.at(-1)]).toEqual([
      0,
      "Everything agrees.",
    ]);
    expect(live.size).toBeGreaterThan(5);
    expect([...live].map(([stream]) => [stream, reached.get(stream)])).toEqual([...live]);
    expect(harness.faults).toEqual([]);
  });
});
