import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { allKinds } from "../../src/actors/allKinds.ts";
import { encodeSnapshot } from "../../src/actors/snapshot.ts";
import { runReplay } from "../../src/replay/replay.ts";
import { kindOf, Replay } from "../../src/replay/kinds.ts";
import { openDataDir } from "../../src/replay/source.ts";
import { machineHash, stateHash } from "../../src/runtime/machineHash.ts";
import { allViews } from "../../src/events/log/openLog.ts";
import type { Host } from "../../src/runtime/host.ts";
import { openHost, StandingClock } from "../support/hostHarness.ts";
import { Walk, walkEffects, walkEverything } from "../support/hostWalks.ts";
import { logFolder } from "../support/logFolder.ts";
import { moneyEffects, walkMoney } from "./moneyWalk.ts";

/*
 * Records the log of a release, once, when it is made: `bun test/replay/recordLog.ts v0.2`. A recorded log is never
 * made again: when a later release cannot replay it, the release is wrong.
 */

const [release = ""] = process.argv.slice(2);
if (!/^v[0-9]+\.[0-9]+$/.test(release))
  throw new Error("Name the release: bun test/replay/recordLog.ts v0.1");
const target = join(import.meta.dir, "logs", release);
mkdirSync(join(import.meta.dir, "logs"), { recursive: true });
// Fails when the release has its log already.
mkdirSync(target);

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
host.saveSnapshots();
await host.committed();

const source = openDataDir(folder.path);
const replay = new Replay();
const streams: Record<string, { events: number; state: string; text: string }> = {};
for (const recorded of source.reader.all()) {
  const text = encodeSnapshot(kindOf(recorded.stream).kind, replay.apply(recorded));
  streams[recorded.stream] = { events: recorded.version, state: stateHash(text), text };
}
source.close();
await runReplay(["export", "--dataDir", folder.path, "--out", join(target, "log.slice")], {
  print: console.log,
  printError: console.error,
});
await harness.close();
const machines = Object.fromEntries(allKinds.map((kind) => [kind.kind, machineHash(kind)]));
await Bun.write(join(target, "states.json"), `${JSON.stringify({ machines, streams }, null, 2)}\n`);
