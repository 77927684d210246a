import type { Hex } from "../shared/brand.ts";
import {
  bondingManagerAbi,
  controllerAbi,
  livepeerTokenAbi,
  minterAbi,
  roundsManagerAbi,
  serviceRegistryAbi,
  ticketBrokerAbi,
} from "./abi.ts";
import { contractIdOf, quantityOf, readAnswer, type View, viewOf } from "./contractView.ts";
import type { RpcAnswer, RpcCall } from "./jsonRpc.ts";
import { readPool } from "./lensPool.ts";

/*
 * What an operator's tools ask of the chain: read when they ask, at the latest block, each time anew. Figures are as
 * the contracts give them.
 */

/** A value, or why it cannot be had. `text` is for people and holds no secret. */
export type OperatorRead<T> =
  { readonly type: "read"; readonly value: T } | { readonly type: "failed"; readonly text: string };

export type OperatorReadsOptions = {
  /** Several calls as one request; an answer a call, in order. Never rejects. */
  readonly rpc: { batch(calls: readonly RpcCall[]): Promise<readonly RpcAnswer[]> };
  readonly controller: Hex;
  /** The node's own account. */
  readonly account: Hex;
  /** The registered account: the own one, unless the node works for another. */
  readonly orchestrator: Hex;
  /** The registry of the AI network when the node uses that; null = the Controller's. */
  readonly aiServiceRegistry: Hex | null;
  /** Milliseconds that never go back. */
  readonly monotonicMs: () => number;
};

/** Contracts that answers come from, as the Controller names them. */
const contractNames = [
  ...(["LivepeerToken", "LivepeerTokenFaucet", "TicketBroker", "RoundsManager"] as const),
  ...(["BondingManager", "Minter", "ServiceRegistry"] as const),
] as const;

type ContractName = (typeof contractNames)[number];
type Contracts = Readonly<Record<ContractName | "Controller", Hex>>;

/** The Controller may name other contracts one day; until then they are not asked for each time. */
const contractsFreshMs = 600_000;
/** Calls in one request: providers refuse more than some hundred. */
const callsAtOnce = 100;
/** Nobody unbonds so often; of more the newest are read. */
const locksMax = 2_000n;

/**
 * The reads behind the operator port. Nothing is asked before the first of them, and none of them rejects.
 *
 * Source: go-livepeer server/handlers.go, eth/client.go; chain sheet 3.1, 10.
 */
export function operatorReads(options: OperatorReadsOptions) {
  const source = new Source(options);
  const { account, orchestrator } = options;
  return {
    currentRound: () =>
      source.read(({ RoundsManager }) => ({
        value: viewOf(roundsManagerAbi, RoundsManager, "currentRound", []),
      })),
    isRoundInitialized: () =>
      source.read(({ RoundsManager }) => ({
        value: viewOf(roundsManagerAbi, RoundsManager, "currentRoundInitialized", []),
      })),
    /** The zero address stands for a contract that the chain lacks. */
    contracts: () => source.contracts(),
    /** Wei of ETH. */
    ethBalance: () => source.read(() => ({ value: quantityOf("eth_getBalance", [account, "latest"]) })),
    /** Wei of LPT. */
    tokenBalance: () =>
      source.read(({ LivepeerToken }) => ({
        value: viewOf(livepeerTokenAbi, LivepeerToken, "balanceOf", [account]),
      })),
    /** Number of the latest block on the chain that transactions go to. */
    latestBlock: () => source.read(() => ({ value: quantityOf("eth_blockNumber") })),
    /** Rounds. */
    unlockPeriod: () =>
      source.read(({ TicketBroker }) => ({
        value: viewOf(ticketBrokerAbi, TicketBroker, "unlockPeriod", []),
      })),
    protocol: () => readProtocol(source),
    sender: () => readSender(source, account),
    delegator: () => readDelegator(source, account),
    orchestrator: () => readOrchestrator(source, orchestrator),
    orchestrators: () => readOrchestrators(source),
    earningsPool: (round: bigint) => readEarningsPool(source, orchestrator, round),
    unbondingLocks: () => readUnbondingLocks(source, account),
  };
}

/** Asks, and knows the contracts. */
class Source {
  readonly #options: OperatorReadsOptions;
  #contracts: { readonly value: Contracts; readonly atMs: number } | null = null;

  constructor(options: OperatorReadsOptions) {
    this.#options = options;
  }

  get rpc(): OperatorReadsOptions["rpc"] {
    return this.#options.rpc;
  }

  registry(contracts: Contracts): Hex {
    return this.#options.aiServiceRegistry ?? contracts.ServiceRegistry;
  }

  async contracts(): Promise<OperatorRead<Contracts>> {
    const known = this.#contracts;
    const nowMs = this.#options.monotonicMs();
    if (known !== null && nowMs - known.atMs < contractsFreshMs) return { type: "read", value: known.value };
    const { controller } = this.#options;
    const views = contractNames.map((name) =>
      viewOf(controllerAbi, controller, "getContract", [contractIdOf(name)]),
    );
    const read = await this.list(views);
    // What was true a while ago is better than nothing.
    if (read.type === "failed") return known === null ? read : { type: "read", value: known.value };
    const entries = contractNames.map((name, at) => [name, lower(read.value[at] ?? zeroAccount)]);
    const value = Object.fromEntries([...entries, ["Controller", controller]]) as Contracts;
    this.#contracts = { value, atMs: nowMs };
    return { type: "read", value };
  }

  /** One value, from the view called `value`. */
  async read<T>(viewsOf: (contracts: Contracts) => { readonly value: View<T> }): Promise<OperatorRead<T>> {
    const read = await this.all(viewsOf);
    return read.type === "failed" ? read : { type: "read", value: read.value.value };
  }

  /** Several values by name, in one request. */
  async all<T extends Readonly<Record<string, unknown>>>(
    viewsOf: (contracts: Contracts) => { readonly [Name in keyof T]: View<T[Name]> },
  ): Promise<OperatorRead<T>> {
    const contracts = await this.contracts();
    if (contracts.type === "failed") return contracts;
    const entries = Object.entries(viewsOf(contracts.value)) as [keyof T, View<T[keyof T]>][];
    const read = await this.list(entries.map(([, view]) => view));
    if (read.type === "failed") return read;
    const values = entries.map(([name], at) => [name, read.value[at]]);
    return { type: "read", value: Object.fromEntries(values) as T };
  }

  /** Many values of one kind, in as few requests as providers like. */
  async list<T>(views: readonly View<T>[]): Promise<OperatorRead<readonly T[]>> {
    const values: T[] = [];
    for (let start = 0; start < views.length; start += callsAtOnce) {
      const some = views.slice(start, start + callsAtOnce);
      const answers = await this.rpc.batch(some.map(({ call }) => call));
      for (const [at, view] of some.entries()) {
        const read = readAnswer(view, answers[at]);
        if (read.type === "failed") return { type: "failed", text: read.text };
        values.push(read.value);
      }
    }
    return { type: "read", value: values };
  }
}

function readProtocol(source: Source) {
  return source.all(({ BondingManager, RoundsManager, Minter, Controller }) => ({
    poolMaxSize: viewOf(bondingManagerAbi, BondingManager, "getTranscoderPoolMaxSize", []),
    /** L1 blocks. */
    roundLength: viewOf(roundsManagerAbi, RoundsManager, "roundLength", []),
    /** Parts per million of a round. */
    roundLockAmount: viewOf(roundsManagerAbi, RoundsManager, "roundLockAmount", []),
    /** Rounds. */
    unbondingPeriod: viewOf(bondingManagerAbi, BondingManager, "unbondingPeriod", []),
    /** These three: parts per 10⁹. */
    inflation: viewOf(minterAbi, Minter, "inflation", []),
    inflationChange: viewOf(minterAbi, Minter, "inflationChange", []),
    targetBondingRate: viewOf(minterAbi, Minter, "targetBondingRate", []),
    /** Wei of LPT. */
    totalBonded: viewOf(bondingManagerAbi, BondingManager, "getTotalBonded", []),
    totalSupply: viewOf(minterAbi, Minter, "getGlobalTotalSupply", []),
    isPaused: viewOf(controllerAbi, Controller, "paused", []),
  }));
}

async function readSender(source: Source, account: Hex) {
  const read = await source.read(({ TicketBroker }) => ({
    value: viewOf(ticketBrokerAbi, TicketBroker, "getSenderInfo", [account]),
  }));
  return mapRead(read, ([sender, reserve]) => ({
    deposit: sender.deposit,
    withdrawRound: sender.withdrawRound,
    reserve: reserve.fundsRemaining,
    claimedInCurrentRound: reserve.claimedInCurrentRound,
  }));
}

const delegatorStatuses = ["Pending", "Bonded", "Unbonded"] as const;

async function readDelegator(source: Source, account: Hex) {
  const read = await source.all(({ BondingManager }) => ({
    delegator: viewOf(bondingManagerAbi, BondingManager, "getDelegator", [account]),
    status: viewOf(bondingManagerAbi, BondingManager, "delegatorStatus", [account]),
    // The contract takes a round and does not look at it.
    pendingStake: viewOf(bondingManagerAbi, BondingManager, "pendingStake", [account, 0n]),
    pendingFees: viewOf(bondingManagerAbi, BondingManager, "pendingFees", [account, 0n]),
  }));
  return mapRead(read, ({ delegator, status, pendingStake, pendingFees }) => {
    const [bondedAmount, fees, delegate, delegatedAmount, startRound, lastClaimRound, nextUnbondingLockId] =
      delegator;
    return {
      ...{ account, bondedAmount, fees, delegate: lower(delegate), delegatedAmount },
      ...{ startRound, lastClaimRound, nextUnbondingLockId, pendingStake, pendingFees },
      status: delegatorStatuses[status] ?? "Unbonded",
    };
  });
}

type TranscoderWords = readonly [bigint, bigint, bigint, bigint, bigint, bigint, ...bigint[]];

function orchestratorFacts(
  account: Hex,
  transcoder: TranscoderWords,
  rest: {
    readonly serviceUri: string;
    readonly delegatedStake: bigint;
    readonly isActive: boolean;
    readonly isRegistered: boolean;
  },
) {
  const [
    lastRewardRound,
    rewardCut,
    feeShare,
    lastActiveStakeUpdateRound,
    activationRound,
    deactivationRound,
  ] = transcoder;
  return {
    ...{ account, ...rest, lastRewardRound, lastActiveStakeUpdateRound, activationRound, deactivationRound },
    // Parts per million: what it keeps of rewards, and what its delegators get of fees.
    ...{ rewardCut, feeShare },
  };
}

async function readOrchestrator(source: Source, account: Hex) {
  const read = await source.all((contracts) => ({
    transcoder: viewOf(bondingManagerAbi, contracts.BondingManager, "getTranscoder", [account]),
    status: viewOf(bondingManagerAbi, contracts.BondingManager, "transcoderStatus", [account]),
    delegatedStake: viewOf(bondingManagerAbi, contracts.BondingManager, "transcoderTotalStake", [account]),
    isActive: viewOf(bondingManagerAbi, contracts.BondingManager, "isActiveTranscoder", [account]),
    serviceUri: viewOf(serviceRegistryAbi, source.registry(contracts), "getServiceURI", [account]),
  }));
  return mapRead(read, ({ transcoder, status, ...rest }) =>
    orchestratorFacts(account, transcoder, { ...rest, isRegistered: status === 1 }),
  );
}

/** The pool in its order. Whoever is in it is registered; who is active follows from the rounds. */
async function readOrchestrators(source: Source) {
  const contracts = await source.contracts();
  if (contracts.type === "failed") return contracts;
  const { BondingManager, RoundsManager } = contracts.value;
  const pool = await readPool(source.rpc, BondingManager);
  if (pool === null) return { type: "failed" as const, text: "the pool of orchestrators cannot be read" };
  const round = await source.list([viewOf(roundsManagerAbi, RoundsManager, "currentRound", [])]);
  if (round.type === "failed") return round;
  const transcoders = await source.list(
    pool.map(({ account }) => viewOf(bondingManagerAbi, BondingManager, "getTranscoder", [account])),
  );
  if (transcoders.type === "failed") return transcoders;
  const registry = source.registry(contracts.value);
  const uris = await source.list(
    pool.map(({ account }) => viewOf(serviceRegistryAbi, registry, "getServiceURI", [account])),
  );
  if (uris.type === "failed") return uris;
  const currentRound = round.value[0] ?? 0n;
  const members = pool.flatMap(({ account, stake }, at) => {
    const transcoder = transcoders.value[at];
    if (transcoder === undefined) return [];
    const [, , , , activationRound, deactivationRound] = transcoder;
    const facts = orchestratorFacts(account, transcoder, {
      serviceUri: uris.value[at] ?? "",
      delegatedStake: stake,
      isActive: activationRound <= currentRound && currentRound < deactivationRound,
      isRegistered: true,
    });
    return [facts];
  });
  return { type: "read" as const, value: members };
}

async function readEarningsPool(source: Source, account: Hex, round: bigint) {
  const read = await source.read(({ BondingManager }) => ({
    value: viewOf(bondingManagerAbi, BondingManager, "getTranscoderEarningsPoolForRound", [account, round]),
  }));
  return mapRead(read, ([totalStake, rewardCut, feeShare, cumulativeRewardFactor, cumulativeFeeFactor]) => ({
    ...{ totalStake, rewardCut, feeShare, cumulativeRewardFactor, cumulativeFeeFactor },
  }));
}

/** Open locks, oldest first, and the round by which they are judged. */
async function readUnbondingLocks(source: Source, account: Hex) {
  const head = await source.all(({ BondingManager, RoundsManager }) => ({
    delegator: viewOf(bondingManagerAbi, BondingManager, "getDelegator", [account]),
    currentRound: viewOf(roundsManagerAbi, RoundsManager, "currentRound", []),
  }));
  const contracts = await source.contracts();
  if (head.type === "failed") return head;
  if (contracts.type === "failed") return contracts;
  const next = head.value.delegator[6];
  const first = next > locksMax ? next - locksMax : 0n;
  const ids = Array.from({ length: Number(next - first) }, (_, at) => first + BigInt(at));
  const { BondingManager } = contracts.value;
  const read = await source.list(
    ids.map((id) => viewOf(bondingManagerAbi, BondingManager, "getDelegatorUnbondingLock", [account, id])),
  );
  return mapRead(read, (locks) => ({
    currentRound: head.value.currentRound,
    locks: locks.flatMap(([amount, withdrawRound], at) =>
      withdrawRound === 0n ? [] : [{ id: ids[at] ?? 0n, delegator: account, amount, withdrawRound }],
    ),
  }));
}

function mapRead<T, U>(read: OperatorRead<T>, map: (value: T) => U): OperatorRead<U> {
  return read.type === "failed" ? read : { type: "read", value: map(read.value) };
}

const zeroAccount: Hex = `0x${"0".repeat(40)}`;

function lower(address: string): Hex {
  return address.toLowerCase() as Hex;
}
