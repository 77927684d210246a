import { join } from "node:path";
import type { ActorKind } from "../../src/actors/kind.ts";
import type { RecordedEvent } from "../../src/events/envelope.ts";
import { Journal } from "../../src/events/log/journal.ts";
import { logFileName, openReadOnly, prepareLog } from "../../src/events/log/open.ts";
import { LogReader } from "../../src/events/log/reader.ts";
import type { View } from "../../src/events/views/view.ts";
import { ViewSet } from "../../src/events/views/view.ts";
import { type EffectHandler, Host } from "../../src/runtime/host.ts";
import type { Edge } from "../../src/runtime/ports.ts";
import { eventually } from "./eventually.ts";
import { jobKind } from "./hostJob.ts";

/** A clock that stands where the test puts it. Timers run in real time, as on a machine whose clock was set. */
export class StandingClock implements Edge {
  ms: number;

  constructor(ms = 1_700_000_000_000) {
    this.ms = ms;
  }

  nowMs(): number {
    return this.ms;
  }

  randomBytes(length: number): Uint8Array {
    return new Uint8Array(length);
  }

  keccak256(bytes: Uint8Array): Uint8Array {
    return new Uint8Array(new Bun.CryptoHasher("sha256").update(bytes).digest());
  }
}

export type HostHarness = {
  readonly host: Host;
  readonly journal: Journal;
  readonly reader: LogReader;
  readonly clock: StandingClock;
  readonly faults: unknown[];
  readonly recorded: RecordedEvent[];
  readonly commits: number[];
  readonly started: ReturnType<Host["start"]>;
  /** Ends the process that this stands for, in good order. Uncommitted rows are committed. */
  close(): Promise<void>;
};

export type HostHarnessOptions = {
  readonly dataDir: string;
  readonly kinds?: readonly ActorKind[];
  readonly effects?: Readonly<Record<string, EffectHandler>>;
  readonly clock?: StandingClock;
  readonly views?: readonly View[];
};

const nothing: EffectHandler = { when: "volatile", run: () => {} };

/** A host for `job`s (or other kinds) on a real log with the real writer thread. */
export async function openHost(options: HostHarnessOptions): Promise<HostHarness> {
  const { dataDir, kinds = [jobKind], clock = new StandingClock() } = options;
  const path = join(dataDir, logFileName);
  prepareLog(path);
  const views = new ViewSet(options.views ?? []);
  const faults: unknown[] = [];
  const recorded: RecordedEvent[] = [];
  const commits: number[] = [];
  const journal = await Journal.open(path, views.statements, {
    onHalted: (error) => faults.push(error),
    onCommitted: (_, rows) => commits.push(rows),
  });
  const db = openReadOnly(path);
  const definitions = new Map(kinds.flatMap(({ events }) => [...events]));
  const reader = new LogReader(db, definitions);
  const host = new Host({
    kinds,
    effects: { work: nothing, bury: nothing, ...options.effects },
    journal,
    reader,
    views,
    edge: clock,
    onRecorded: (event) => recorded.push(event),
    onFault: (error) => faults.push(error),
  });
  const started = host.start();
  return {
    host,
    journal,
    reader,
    clock,
    faults,
    recorded,
    commits,
    started,
    close: async () => {
      host.stop();
      await journal.close();
      db.close();
    },
  };
}

/** Resolves when `isTrue` is: for things that report to nobody. Fails the test after half a minute. */
export async function until(isTrue: () => boolean, what = "the condition"): Promise<void> {
  await eventually(what, () => (isTrue() ? true : null));
}
