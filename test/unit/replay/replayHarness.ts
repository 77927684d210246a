import { cpSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { allViews } from "../../../src/events/log/openLog.ts";
import { logFileName } from "../../../src/events/log/open.ts";
import { runReplay } from "../../../src/replay/replay.ts";
import type { Host } from "../../../src/runtime/host.ts";
import { type HostHarness, openHost, StandingClock } from "../../support/hostHarness.ts";
import { nodeKinds, Walk, walkEffects, walkEverything } from "../../support/hostWalks.ts";
import { type LogFolder, logFolder } from "../../support/logFolder.ts";

/** A node on a data folder whose workers and gateways are a {@link Walk}. */
export async function openWalkedNode(
  dataDir: string,
): Promise<{ readonly harness: HostHarness; readonly walk: Walk }> {
  const clock = new StandingClock(1_767_225_600_000);
  let host: Host | null = null;
  const harness = await openHost({
    dataDir,
    kinds: nodeKinds,
    clock,
    views: allViews.views,
    effects: walkEffects(() => {
      if (host === null) throw new Error("The host is not open.");
      return host;
    }),
  });
  host = harness.host;
  return { harness, walk: new Walk(host, clock) };
}

/** Writes the log that the tests of this folder look at. */
export async function writeWalkedLog(dataDir: string): Promise<void> {
  const { harness, walk } = await openWalkedNode(dataDir);
  walkEverything(walk);
  await harness.host.committed();
  harness.host.saveSnapshots();
  await harness.close();
}

export type ReplayRun = { readonly code: number; readonly lines: readonly string[]; readonly errors: string };

/** Runs `replay` as the command line does, with its output caught. */
export async function replay(...argv: readonly string[]): Promise<ReplayRun> {
  const lines: string[] = [];
  const errors: string[] = [];
  const code = await runReplay(argv, {
    print: (line) => lines.push(...line.split("\n")),
    printError: (line) => errors.push(line),
  });
  return { code, lines, errors: errors.join("\n") };
}

/** The same with `--json`, parsed. */
export async function replayJson<T = Record<string, unknown>>(
  ...argv: readonly string[]
): Promise<{ readonly code: number; readonly rows: readonly T[] }> {
  const { code, lines } = await replay(...argv, "--json");
  return { code, rows: lines.map((line) => JSON.parse(line) as T) };
}

/** A copy of a data folder, for tests that damage it. */
export function copyOf(dataDir: string): LogFolder {
  const copy = logFolder();
  cpSync(join(dataDir, logFileName), join(copy.path, logFileName));
  return copy;
}

/** Names and hashes of everything in a folder. */
export async function fingerprint(folder: string): Promise<Readonly<Record<string, string>>> {
  const prints: Record<string, string> = {};
  for (const name of readdirSync(folder).sort()) {
    const bytes = await Bun.file(join(folder, name)).bytes();
    prints[name] = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
  }
  return prints;
}
