import type { LedgerTerms } from "../../support/simulatedLedgerChain.ts";
import { Chance } from "../../support/simulatedTime.ts";

/*
 * What kind of time a node lives through. Every seed has one main trouble, so that a seed that breaks says what broke
 * it; every fourth seed has a little of everything.
 */

export const climateKinds = [
  ...(["quiet", "outage", "single failures", "gas spike", "rollover", "re-orgs"] as const),
  ...(["lost transactions", "crashes", "nonces", "gas money", "late rounds", "bad endpoints"] as const),
  ...(["gateways", "paused", "poison", "mixed"] as const),
] as const;

/** Kinds that came later: they take seeds from the others, which otherwise stay what they were. */
const laterKinds = ["keys", "unreadable receipts", "keys and receipts"] as const;

export const allClimateKinds = [...climateKinds, ...laterKinds] as const;

export type ClimateKind = (typeof allClimateKinds)[number];

export type ChainClimate = {
  readonly kind: ClimateKind;
  readonly terms: LedgerTerms;
  readonly rounds: number;
  /** L1 blocks. */
  readonly roundLength: number;
  readonly poolSize: number;
  /** Wei per gas. */
  readonly baseFee: bigint;
  readonly tip: bigint | null;
  /** `-maxGasPrice`; null = none. */
  readonly feeMax: bigint | null;
  readonly confirmations: number;
  /** Deepest re-org; it never reaches what is confirmed. */
  readonly reorgMax: number;
  readonly pollMs: number;
  readonly timeoutMs: number;
  /** Who calls the reward: the orchestrator itself, a caller that it has named, or one that it has not. */
  readonly caller: "own" | "named" | "stranger";
  /** We start rounds. */
  readonly initializes: boolean;
  readonly tickets: number;
  readonly senders: number;
  /** Latency of an ordinary answer at most, ms. */
  readonly latencyMs: number;
  readonly slowestCommitMs: number;
  /** How often each trouble comes over the whole simulation, on average. */
  readonly often: Readonly<Record<Trouble, number>>;
  /** Chance of each with every transaction of ours that the pool gets, or a block. */
  readonly aimed: Readonly<Partial<Record<AimedTrouble, number>>>;
  /** Chance that a redemption gets too little gas for all that it holds. */
  readonly tightGas: number;
  readonly faults: LaterFaults;
};

/** Faults that came later, with a chance of their own. */
export type LaterFaults = {
  /** Chance with every transaction of ours that a pool or a block takes that its receipt cannot be read for a while. */
  readonly unreadable: number;
  /** How often an endpoint answers with garbage for receipts for a while. */
  readonly garbage: number;
  /** How often the node starts again with other keys, at any time. */
  readonly keys: number;
  /** Chance of that with every transaction of ours that a pool takes. */
  readonly aimedKeys: number;
};

/** Troubles that come when they hurt most. */
export type AimedTrouble = "re-org" | "drop" | "foreign nonce" | "gas out" | "gas spike" | "crash" | "outage";

const aimed: Readonly<Partial<Record<ClimateKind, Partial<Record<AimedTrouble, number>>>>> = {
  outage: { outage: 0.05 },
  "gas spike": { "gas spike": 0.05 },
  rollover: { outage: 0.05, crash: 0.05 },
  "re-orgs": { "re-org": 0.3, crash: 0.03 },
  "lost transactions": { drop: 0.3 },
  crashes: { crash: 0.2 },
  nonces: { "foreign nonce": 0.15, crash: 0.05 },
  "gas money": { "gas out": 0.1 },
  mixed: {
    ...{ "re-org": 0.06, drop: 0.06, "foreign nonce": 0.03, "gas out": 0.02 },
    ...{ "gas spike": 0.01, crash: 0.06, outage: 0.02 },
  },
};

export const troubles = [
  ...([
    "outage",
    "rollover outage",
    "single failure",
    "stale",
    "slow",
    "flaky",
    "silent broadcasts",
  ] as const),
  ...(["gas spike", "gas walk", "re-org", "storm", "drop", "crash", "long crash", "crash in a row"] as const),
  ...([
    "foreign nonce",
    "foreign pending",
    "gas out",
    "pause",
    "inactive",
    "late start",
    "no start",
  ] as const),
  ...(["foreign reward", "foreign redemption", "unlock", "withdraw", "drain", "burst"] as const),
  ...(["full disk", "clock jump", "hold"] as const),
] as const;

export type Trouble = (typeof troubles)[number];

const nothing = Object.fromEntries(troubles.map((trouble) => [trouble, 0])) as Record<Trouble, number>;

/** What each kind of time brings. */
const usual: Readonly<Record<ClimateKind, Partial<Record<Trouble, number>>>> = {
  quiet: { "gas walk": 4, burst: 2 },
  outage: { outage: 2, "gas walk": 3, burst: 1 },
  "single failures": { "single failure": 25, "gas walk": 2, burst: 1 },
  "gas spike": { "gas spike": 2, "gas walk": 8, burst: 1 },
  rollover: { "rollover outage": 6, crash: 1, burst: 1 },
  "re-orgs": { "re-org": 12, storm: 2, crash: 1, burst: 2 },
  "lost transactions": { drop: 10, "silent broadcasts": 3, "gas walk": 4, burst: 2 },
  crashes: { crash: 25, "long crash": 3, "crash in a row": 3, "full disk": 5, "clock jump": 3, burst: 2 },
  nonces: { "foreign nonce": 6, "foreign pending": 3, crash: 3, burst: 1 },
  "gas money": { "gas out": 3, "gas walk": 6, burst: 2 },
  "late rounds": { "late start": 5, "no start": 2, inactive: 1, outage: 0.5, burst: 1 },
  "bad endpoints": { stale: 5, slow: 4, flaky: 4, "silent broadcasts": 3, burst: 1 },
  gateways: {
    unlock: 2,
    withdraw: 1,
    drain: 8,
    "foreign redemption": 3,
    "foreign reward": 2,
    inactive: 1,
    burst: 3,
  },
  paused: { pause: 3, crash: 1, burst: 1 },
  poison: { burst: 4, drain: 2, crash: 2, hold: 4 },
  keys: { crash: 3, "long crash": 0.5, "gas walk": 4, "gas spike": 0.5, "late start": 1, burst: 2 },
  "unreadable receipts": { "re-org": 3, crash: 3, "gas walk": 4, "late start": 1, pause: 0.5, burst: 2 },
  "keys and receipts": {
    ...{ "re-org": 2, crash: 3, "long crash": 0.5, "gas walk": 4, "foreign nonce": 1, "late start": 1 },
    ...{ outage: 0.5, pause: 0.5, drain: 2, flaky: 0.5, "silent broadcasts": 0.5, drop: 1, burst: 2 },
  },
  mixed: {
    ...{ outage: 0.5, "rollover outage": 1, "single failure": 4, stale: 1, slow: 1, flaky: 1 },
    ...{ "silent broadcasts": 1, "gas spike": 0.5, "gas walk": 4, "re-org": 3, storm: 0.3, drop: 3 },
    ...{ crash: 5, "long crash": 0.7, "crash in a row": 0.5, "foreign nonce": 1, "foreign pending": 0.5 },
    ...{ "gas out": 0.5, pause: 0.4, inactive: 0.3, "late start": 1.5, "no start": 0.3 },
    ...{ "foreign reward": 0.5, "foreign redemption": 1, unlock: 0.5, withdraw: 0.2, drain: 2, burst: 2 },
    ...{ "full disk": 0.5, "clock jump": 0.5, hold: 0.5 },
  },
};

/** Draws the faults that came later, so that the other chance draws the same without them. */
export function faultsOf(seed: number): Chance {
  return new Chance(seed ^ 0x6b657973);
}

export function kindOf(seed: number, faults: Chance): ClimateKind {
  const usually =
    seed % 4 === 0 ? "mixed" : (climateKinds[Math.floor(seed / 4) % climateKinds.length] ?? "mixed");
  return faults.isTrue(0.15) ? faults.pick(laterKinds) : usually;
}

function laterFaultsOf(kind: ClimateKind, faults: Chance): LaterFaults {
  const hasKeys = kind === "keys" || kind === "keys and receipts";
  const hasReceipts = kind === "unreadable receipts" || kind === "keys and receipts";
  // A little of everything, in some of them.
  const isMixed = kind === "mixed" && faults.isTrue(0.3);
  return {
    unreadable: hasReceipts ? faults.pick([0.1, 0.3, 0.6]) : isMixed ? 0.03 : 0,
    garbage: hasReceipts ? 4 : isMixed ? 0.5 : 0,
    keys: hasKeys ? faults.between(1, 3) : isMixed ? 0.5 : 0,
    aimedKeys: hasKeys ? faults.pick([0.05, 0.15, 0.3]) : isMixed ? 0.02 : 0,
  };
}

/** `faults` draws what came later. */
export function climateOf(seed: number, chance: Chance, faults: Chance): ChainClimate {
  const kind = kindOf(seed, faults);
  const isArbitrum = chance.isTrue(0.5);
  const blocksPerL1 = isArbitrum ? 48n : 1n;
  // Deep enough for the deepest re-org; Arbitrum's blocks are a quarter of a second each.
  const reorgMax = chance.pick([1, 8, 30]);
  const roundLength = chance.pick([300, 300, 600, 600, 1_800, 6_377]);
  const baseFee = BigInt(chance.pick([10_000_000, 100_000_000, 3_000_000_000]));
  return {
    kind,
    terms: {
      blockMs: isArbitrum ? 250 : 12_000,
      blocksPerL1,
      firstL1Block: BigInt(roundLength * chance.between(3_000, 3_100) + chance.between(0, roundLength - 1)),
      inclusionMax: isArbitrum ? 8 : 3,
      isSequencer: isArbitrum,
      zeroHash: isArbitrum && chance.isTrue(0.3) ? 0.3 : 0,
    },
    rounds: roundLength > 1_000 ? chance.between(3, 10) : 10,
    roundLength,
    poolSize: chance.pick([1, 10, 100]),
    baseFee,
    tip: isArbitrum ? 0n : chance.pick([null, 1_000_000_000n]),
    feeMax: chance.isTrue(0.5) ? baseFee * 20n + 2_000_000_000n : null,
    confirmations: 32,
    reorgMax,
    pollMs: chance.pick([12_000, 12_000, 30_000]),
    timeoutMs: chance.pick([60_000, 300_000]),
    caller: chance.isTrue(0.05) ? "stranger" : chance.pick(["own", "own", "named"]),
    initializes: chance.isTrue(0.4),
    tickets: chance.between(4, 20),
    senders: chance.between(1, 4),
    latencyMs: chance.pick([20, 200, 900]),
    slowestCommitMs: chance.pick([1, 5, 300]),
    often: { ...nothing, ...usual[kind] },
    aimed: aimed[kind] ?? {},
    tightGas: kind === "poison" || kind === "mixed" ? chance.pick([0, 0.1, 0.4]) : 0,
    faults: laterFaultsOf(kind, faults),
  };
}
