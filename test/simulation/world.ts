import { allKinds } from "../../src/actors/allKinds.ts";
import { offchainIdentity } from "../../src/chain/offchainIdentity.ts";
import type { RecordedEvent } from "../../src/events/envelope.ts";
import { Journal } from "../../src/events/log/journal.ts";
import { allViews } from "../../src/events/log/openLog.ts";
import { rebuildViews } from "../../src/events/views/rebuild.ts";
import { advertisedCapabilities } from "../../src/protocol/advertised.ts";
import { tokenKey } from "../../src/protocol/authToken.ts";
import { Host } from "../../src/runtime/host.ts";
import { accountEffects } from "../../src/runtime/money/money.ts";
import { OrchestratorNode } from "../../src/runtime/node/orchestratorNode.ts";
import { RenditionStore } from "../../src/runtime/node/renditionStore.ts";
import { SegmentWork } from "../../src/runtime/node/segmentWork.ts";
import type { Edge } from "../../src/runtime/ports.ts";
import { SimulatedDisk } from "../support/simulatedDisk.ts";
import { simulatedIdentity } from "../support/simulatedSignatures.ts";
import { Chance, type Owner, SimulatedTime } from "../support/simulatedTime.ts";
import { SimulatedWorkers, type WorkerFaults, type WorkersReport } from "../support/simulatedWorkers.ts";
import { MoneyChecker } from "./moneyChecker.ts";
import { MoneyWorld, type ProcessMoney } from "./moneyWorld.ts";
import { Purse } from "./purse.ts";

/** One process of the node: everything that a crash takes along. */
export type NodeProcess = {
  readonly owner: Owner;
  readonly host: Host;
  readonly journal: Journal;
  readonly work: SegmentWork;
  readonly node: OrchestratorNode;
  readonly renditions: RenditionStore;
  readonly workers: SimulatedWorkers;
  /** Null off-chain. */
  readonly money: ProcessMoney | null;
  readonly startedMs: number;
};

/** How bad the days of this simulation are; drawn from the seed. */
export type Climate = {
  readonly faults: WorkerFaults;
  readonly slots: number;
  readonly maxSessions: number;
  readonly gateways: number;
  readonly activeMs: number;
  /** Chance of a crash, a full disk and a jump of the clock in each second of virtual time. */
  readonly crash: number;
  readonly fullDisk: number;
  readonly clockJump: number;
};

/** A day on which nothing goes wrong by itself. */
export const calm: Partial<Climate> = {
  faults: { refuses: 0, dies: 0, neverStarts: 0, isSlow: 0, neverAnswers: 0, isUseless: 0 },
  slots: 1,
  maxSessions: 10,
  crash: 0,
  fullDisk: 0,
  clockJump: 0,
};

function climateOf(chance: Chance): Climate {
  const often = (max: number): number => (chance.isTrue(0.4) ? 0 : chance.next() * max);
  return {
    faults: {
      refuses: often(0.15),
      dies: often(0.3),
      neverStarts: often(0.1),
      isSlow: often(0.1),
      neverAnswers: often(0.05),
      isUseless: often(0.05),
    },
    slots: chance.between(1, 3),
    maxSessions: chance.between(1, 4),
    gateways: chance.between(1, 4),
    activeMs: chance.pick([chance.between(15_000, 60_000), chance.between(60_000, 240_000)]),
    crash: often(0.08),
    fullDisk: often(0.05),
    clockJump: often(0.03),
  };
}

/** Half of the seeds are on-chain days; chosen so that seeds which found something before are still the same day. */
export function isOnChain(seed: number): boolean {
  return [2, 3, 4, 7].includes(seed % 8);
}

/** The account of the on-chain node. */
const ownAccount = new Uint8Array(20).fill(0x0d);

/** Kinds whose entities go on for as long as the node does. */
export const everlasting: readonly string[] = ["gateway", "chain", "pricing"];

/**
 * Sessions are left behind more often where they cost money: without more room most of the day is refusals. A chain
 * that stays away matters after two minutes only, and by a clock that can be believed.
 */
function paidDay(drawn: Climate, { climate }: MoneyWorld, seed: number): Partial<Climate> {
  const room = { slots: drawn.slots + (seed % 5), maxSessions: drawn.maxSessions + (seed % 5) };
  return climate.isOutForLong ? { ...room, activeMs: Math.max(drawn.activeMs, 200_000), clockJump: 0 } : room;
}

/** 32 bytes that a real node reads from its token key file. */
const secret = new Uint8Array(32).fill(7);
const hmac = (key: Uint8Array, message: Uint8Array): Uint8Array =>
  new Uint8Array(new Bun.CryptoHasher("sha256", key).update(message).digest());
/** Any hash does for Keccak-256 here, on both sides. */
export const hashOf = (bytes: Uint8Array): Uint8Array =>
  new Uint8Array(new Bun.CryptoHasher("sha256").update(bytes).digest());

const capabilities = advertisedCapabilities(
  {
    device: "software",
    proven: [],
    hasPerceptualHash: true,
    foreignStores: { s3: false, gcs: false },
    hevcDecoding: null,
  },
  "0.8.5",
);

/**
 * A node and what lies around it: the real host, machines, door and work of the node, on simulated time, disk and
 * workers. It survives its processes.
 */
export class World {
  readonly time = new SimulatedTime();
  readonly chance: Chance;
  readonly climate: Climate;
  readonly disk: SimulatedDisk;
  readonly problems: string[] = [];
  readonly report: WorkersReport;
  /** Null while the node is down. */
  process: NodeProcess | null = null;
  crashes = 0;
  /** Until then slow answers have an excuse: the clock jumped, the disk was full, the node was down. */
  excusedUntilMs = 0;
  /** When, in virtual time, each session was decided to open and to end. */
  readonly openedMs = new Map<string, number>();
  readonly endedMs = new Map<string, number>();
  /** The segment that was decided last. */
  lastAccepted: string | null = null;
  /** Null off-chain. */
  readonly money: { readonly world: MoneyWorld; readonly checker: MoneyChecker } | null;
  readonly purses: Purse[] = [];
  /** How often somebody set the clock. */
  clockJumps = 0;
  /** Segments that were decided and that nobody has asked for yet, by what was sent. */
  readonly #accepted = new Map<string, string[]>();

  constructor(seed: number, climate: Partial<Climate> = {}, isPaid = false) {
    this.chance = new Chance(seed);
    const money = isPaid ? new MoneyWorld(seed, this.time) : null;
    const drawn = climateOf(this.chance);
    this.climate = { ...drawn, ...(money === null ? {} : paidDay(drawn, money, seed)), ...climate };
    this.disk = new SimulatedDisk(this.time, this.chance);
    this.disk.latencyMaxMs = this.chance.pick([1, 5, 50, 300]);
    this.report = {
      losses: new Map(),
      refused: new Set(),
      troubled: new Set(),
      problems: this.problems,
      started: 0,
    };
    this.money = money === null ? null : { world: money, checker: new MoneyChecker(this, money) };
  }

  /** The purse of another gateway; null off-chain. */
  newPurse(): Purse | null {
    if (this.money === null) return null;
    const purse = new Purse(this, this.money.world, this.purses.length);
    this.purses.push(purse);
    return purse;
  }

  /** The oldest segment that was accepted for exactly this and not asked for yet. */
  takeAccepted(sessionId: string, seq: bigint, mediaHash: string): string | null {
    return this.#accepted.get(`${sessionId}/${seq}/${mediaHash}`)?.shift() ?? null;
  }

  excuse(forMs: number): void {
    this.excusedUntilMs = Math.max(this.excusedUntilMs, this.time.nowMs + forMs);
  }

  /** Starts a process on what the disk holds, as `startNode` does. */
  async start(): Promise<void> {
    const { time, chance, disk, climate } = this;
    const owner: Owner = { isAlive: true };
    time.process = owner;
    rebuildViews(disk.db, disk.reader, allViews.views);
    const edge: Edge = {
      nowMs: () => time.wallMs,
      randomBytes: (length) => chance.bytes(length),
      keccak256: hashOf,
    };
    const journal = await Journal.open(
      "simulated",
      allViews.statements,
      { onHalted: (error) => this.problems.push(`the log halted: ${error.message}`) },
      () => disk.startThread(owner),
    );
    const onFault = (error: unknown): void => {
      this.problems.push(`fault: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    };
    const workers = new SimulatedWorkers({
      time,
      chance,
      process: owner,
      slots: climate.slots,
      faults: climate.faults,
      report: this.report,
      isOpen: (segmentId) => this.process?.host.snapshot("segment", segmentId) !== null,
      isPoisoned: (media) => this.isPoisoned(media),
      // Gateways reckon with what they announce: no rendition costs more than a second of it.
      pixelsMax: this.money === null ? null : ({ width, height, fps }) => width * height * fps,
    });
    const renditions = new RenditionStore();
    let node: OrchestratorNode | null = null;
    let money: ProcessMoney | null = null;
    const identity = this.money === null ? offchainIdentity : simulatedIdentity(ownAccount);
    const work = new SegmentWork({
      edge,
      identity,
      workers,
      objectStore: null,
      renditions,
      serviceUri: "https://node.test:8935",
      version: "0.8.5",
      harmfulInputs: disk.reader.harmfulInputs(1),
      fees: {
        debit: (jobId, units, origin) => money?.money.accounts.debit(jobId, units, origin),
        release: (jobId, origin) => money?.money.accounts.release(jobId, origin),
      },
      onSessionReleased: (stream) => node?.sessionReleased(stream),
      onFault,
    });
    const host = new Host({
      kinds: allKinds,
      effects: { ...work.effects, ...accountEffects(() => money?.money.accounts ?? null) },
      journal,
      reader: disk.reader,
      views: allViews,
      edge,
      onRecorded: (recorded) => this.#onRecorded(recorded),
      onFault,
    });
    work.attach(host);
    this.#accepted.clear();
    this.money?.checker.processStarts();
    host.start();
    money =
      this.money?.world.open({
        ...{ host, edge, hmac, onFault, reader: disk.reader, process: owner, processChance: chance },
        onRefused: (sender, refusal) => this.money?.checker.fundsRefused(sender, refusal),
      }) ?? null;
    node = new OrchestratorNode({
      edge,
      identity,
      serviceUri: "https://node.test:8935",
      nodes: [],
      version: "0.8.5",
      capabilities,
      tokenKeys: { keys: [tokenKey(secret, hmac)], hmac },
      maxSessions: climate.maxSessions,
      pixelsPerSecond: null,
      host,
      reader: disk.reader,
      work,
      workers,
      renditions,
      objectStore: null,
      mediaFetcher: null,
      authorizer: null,
      till: money?.money.till ?? null,
      logRefusal: () => journal.refusal,
      workersProblem: () => null,
      newTraceId: () => null,
    });
    this.process = { owner, host, journal, work, node, renditions, workers, money, startedMs: time.nowMs };
    node.resume();
    money?.money.resume();
  }

  /** The process is gone, with everything it had not written. */
  crash(): void {
    if (this.process === null) return;
    this.process.owner.isAlive = false;
    this.process = null;
    this.crashes += 1;
    this.time.process = { isAlive: true };
  }

  /** Nothing is open, waits or is kept for a gateway. */
  get isAtRest(): boolean {
    if (this.process === null) return false;
    const { host, node, renditions, work } = this.process;
    const passing = host.openCount - everlasting.flatMap((kind) => [...host.idsOf(kind)]).length;
    return passing + node.sessionCount + renditions.count + work.openCount === 0;
  }

  isPoisoned(media: Uint8Array): boolean {
    const mediaHash = `0x${Buffer.from(hashOf(media)).toString("hex")}`;
    const row = this.disk.db
      .query<{ losses: number }, [string]>("SELECT losses FROM media_losses WHERE media_hash = ?")
      .get(mediaHash);
    return (row?.losses ?? 0) >= 2;
  }

  #onRecorded(recorded: RecordedEvent): void {
    const { event, stream } = recorded;
    this.money?.checker.decided(recorded);
    if (event.type === "SessionOpened") this.openedMs.set(stream, this.time.nowMs);
    if (event.type === "SessionEnded") this.endedMs.set(stream, this.time.nowMs);
    if (event.type !== "SegmentAccepted") return;
    const id = stream.slice("segment:".length);
    this.lastAccepted = id;
    const { seq, mediaHash } = event as unknown as { readonly seq: bigint; readonly mediaHash: string };
    const key = `${id.slice(0, id.lastIndexOf("."))}/${seq}/${mediaHash}`;
    this.#accepted.set(key, [...(this.#accepted.get(key) ?? []), id]);
  }
}
