import {
  bondingManagerAbi,
  controllerAbi,
  livepeerTokenAbi,
  roundsManagerAbi,
  serviceRegistryAbi,
} from "../chain/abi.ts";
import { contractIdOf, quantityOf, readAnswer, type View, viewOf } from "../chain/contractView.ts";
import { checksumHex } from "../protocol/account.ts";
import { fromHex } from "../protocol/bytes.ts";
import type { Hex } from "../shared/brand.ts";
import { CliFailure } from "./cliError.ts";
import type { CliRpc } from "./ports.ts";

/** Contracts by their names at the Controller; null for one that the chain lacks. */
export type Contracts = {
  readonly LivepeerToken: Hex;
  readonly BondingManager: Hex;
  readonly RoundsManager: Hex;
  readonly ServiceRegistry: Hex | null;
  readonly TicketBroker: Hex | null;
  readonly Minter: Hex | null;
  readonly LivepeerGovernor: Hex | null;
  /** Not known to the Controller. */
  readonly AIServiceRegistry: Hex | null;
};

/** The protocol's clock. Blocks are L1 blocks. */
export type RoundState = {
  readonly current: bigint;
  readonly isInitialized: boolean;
  readonly isLocked: boolean;
  readonly startBlock: bigint;
  readonly length: bigint;
  /** Parts per million of the round at its end, in which cuts cannot be changed. */
  readonly lockAmount: bigint;
};

/** An account as the BondingManager, the token and the registries see it. LPT and ETH in wei. */
export type AccountState = {
  readonly account: Hex;
  readonly ethBalance: bigint;
  readonly lptBalance: bigint;
  /** LPT that the BondingManager may take. */
  readonly allowance: bigint;
  /** Own stake without what is pending. */
  readonly bonded: bigint;
  /** The zero account when it has no stake. */
  readonly delegate: Hex;
  readonly delegatorStatus: "Pending" | "Bonded" | "Unbonded";
  readonly startRound: bigint;
  readonly nextUnbondingLockId: bigint;
  readonly pendingStake: bigint;
  readonly pendingFees: bigint;
  readonly isRegistered: boolean;
  readonly isActive: boolean;
  /** What others and itself have delegated to it. */
  readonly totalStake: bigint;
  readonly lastRewardRound: bigint;
  /** Parts per million that it keeps of rewards. */
  readonly rewardCut: bigint;
  /** Parts per million of fees that its delegators get. */
  readonly feeShare: bigint;
  readonly activationRound: bigint;
  readonly deactivationRound: bigint;
  /** Who may call the reward for it: null = nobody else; undefined = the contract does not know of such a thing. */
  readonly rewardCaller: Hex | null | undefined;
  /** "" when none is stored; null when there is no such registry. */
  readonly serviceUri: string | null;
  readonly aiServiceUri: string | null;
};

/** Everything that commands decide by, as of about one block. */
export type ChainState = {
  readonly chainId: bigint;
  readonly controller: Hex;
  readonly contracts: Contracts;
  readonly isPaused: boolean;
  /** What Solidity sees as the block's number. */
  readonly l1Block: bigint;
  /** Wei per gas; null on a chain without EIP-1559. */
  readonly baseFee: bigint | null;
  /** Wei per gas. */
  readonly gasPrice: bigint;
  readonly round: RoundState;
  readonly unbondingPeriod: bigint;
  /** Who sends. */
  readonly own: AccountState;
  /** The registered account: the same as `own` unless -ethOrchAddr says otherwise. */
  readonly orchestrator: AccountState;
};

export const zeroAccount: Hex = `0x${"0".repeat(40)}`;

/** Arbitrum One's, which the Controller does not know. Source: chain sheet 1.1. */
const arbitrumAiRegistry: Hex = "0x04c0b249740175999e5bf5c9ac1da92431ef34c5";
const arbitrumOne = 42_161n;

/**
 * Reads the chain for the accounts `own` and `orchestrator`.
 *
 * @throws CliFailure when it cannot be read, or is not Livepeer's
 */
export async function readState(
  rpc: CliRpc,
  who: {
    readonly controller: Hex;
    readonly own: Hex;
    readonly orchestrator: Hex;
    readonly aiRegistry: Hex | null;
  },
): Promise<ChainState> {
  const { controller } = who;
  const found = await readNetwork(rpc, controller);
  const aiRegistry = who.aiRegistry ?? (found.chainId === arbitrumOne ? arbitrumAiRegistry : null);
  const contracts: Contracts = { ...found.contracts, AIServiceRegistry: aiRegistry };
  const rounds = await readAll(rpc, {
    current: viewOf(roundsManagerAbi, contracts.RoundsManager, "currentRound", []),
    isInitialized: viewOf(roundsManagerAbi, contracts.RoundsManager, "currentRoundInitialized", []),
    isLocked: viewOf(roundsManagerAbi, contracts.RoundsManager, "currentRoundLocked", []),
    startBlock: viewOf(roundsManagerAbi, contracts.RoundsManager, "currentRoundStartBlock", []),
    length: viewOf(roundsManagerAbi, contracts.RoundsManager, "roundLength", []),
    lockAmount: viewOf(roundsManagerAbi, contracts.RoundsManager, "roundLockAmount", []),
    unbondingPeriod: viewOf(bondingManagerAbi, contracts.BondingManager, "unbondingPeriod", []),
  });
  const { unbondingPeriod, ...round } = rounds;
  const [own, orchestrator] = await Promise.all([
    readAccount(rpc, contracts, who.own, round.current),
    who.orchestrator === who.own ? null : readAccount(rpc, contracts, who.orchestrator, round.current),
  ]);
  return {
    ...{ controller, contracts, round, own, unbondingPeriod },
    chainId: found.chainId,
    isPaused: found.isPaused,
    l1Block: found.l1Block,
    baseFee: found.baseFee,
    gasPrice: found.gasPrice,
    orchestrator: orchestrator ?? own,
  };
}

async function readNetwork(rpc: CliRpc, controller: Hex) {
  const named = (name: string) => viewOf(controllerAbi, controller, "getContract", [contractIdOf(name)]);
  const { head, chainId, isPaused, gasPrice, ...addresses } = await readAll(rpc, {
    chainId: quantityOf("eth_chainId"),
    gasPrice: quantityOf("eth_gasPrice"),
    head: headView,
    isPaused: viewOf(controllerAbi, controller, "paused", []),
    LivepeerToken: named("LivepeerToken"),
    BondingManager: named("BondingManager"),
    RoundsManager: named("RoundsManager"),
    ServiceRegistry: named("ServiceRegistry"),
    TicketBroker: named("TicketBroker"),
    Minter: named("Minter"),
    LivepeerGovernor: named("LivepeerGovernor"),
  });
  const optional = (address: Hex) => (address === zeroAccount ? null : lower(address));
  const needed = (name: "LivepeerToken" | "BondingManager" | "RoundsManager"): Hex => {
    const address = optional(addresses[name]);
    if (address !== null) return address;
    throw new CliFailure(
      `The controller ${controller} knows no ${name}.`,
      "Correct -network, -ethUrl or -ethController: they do not belong together.",
    );
  };
  return {
    ...{ chainId, isPaused, gasPrice, ...head },
    contracts: {
      LivepeerToken: needed("LivepeerToken"),
      BondingManager: needed("BondingManager"),
      RoundsManager: needed("RoundsManager"),
      ServiceRegistry: optional(addresses.ServiceRegistry),
      TicketBroker: optional(addresses.TicketBroker),
      Minter: optional(addresses.Minter),
      LivepeerGovernor: optional(addresses.LivepeerGovernor),
    },
  };
}

/** Everything about one account. */
export async function readAccount(
  rpc: CliRpc,
  contracts: Contracts,
  account: Hex,
  round: bigint,
): Promise<AccountState> {
  const { BondingManager: bonding, LivepeerToken: token, ServiceRegistry, AIServiceRegistry } = contracts;
  const uriOf = (registry: Hex | null) =>
    registry === null ? nothing : viewOf(serviceRegistryAbi, registry, "getServiceURI", [account]);
  const read = await readAll(rpc, {
    ethBalance: quantityOf("eth_getBalance", [account, "latest"]),
    lptBalance: viewOf(livepeerTokenAbi, token, "balanceOf", [account]),
    allowance: viewOf(livepeerTokenAbi, token, "allowance", [account, bonding]),
    delegator: viewOf(bondingManagerAbi, bonding, "getDelegator", [account]),
    transcoder: viewOf(bondingManagerAbi, bonding, "getTranscoder", [account]),
    delegatorStatus: viewOf(bondingManagerAbi, bonding, "delegatorStatus", [account]),
    transcoderStatus: viewOf(bondingManagerAbi, bonding, "transcoderStatus", [account]),
    pendingStake: viewOf(bondingManagerAbi, bonding, "pendingStake", [account, round]),
    pendingFees: viewOf(bondingManagerAbi, bonding, "pendingFees", [account, round]),
    isActive: viewOf(bondingManagerAbi, bonding, "isActiveTranscoder", [account]),
    totalStake: viewOf(bondingManagerAbi, bonding, "transcoderTotalStake", [account]),
    // Older contracts do not know it.
    rewardCaller: orRevert(viewOf(bondingManagerAbi, bonding, "transcoderToRewardCaller", [account])),
    serviceUri: uriOf(ServiceRegistry),
    aiServiceUri: uriOf(AIServiceRegistry),
  });
  const [bonded, , delegate, , startRound, , nextUnbondingLockId] = read.delegator;
  const [lastRewardRound, rewardCut, feeShare, , activationRound, deactivationRound] = read.transcoder;
  const { ethBalance, lptBalance, allowance, pendingStake, pendingFees, isActive, totalStake } = read;
  const caller = read.rewardCaller;
  return {
    ...{
      account,
      ethBalance,
      lptBalance,
      allowance,
      bonded,
      pendingStake,
      pendingFees,
      isActive,
      totalStake,
    },
    ...{ startRound, nextUnbondingLockId, lastRewardRound, rewardCut, feeShare },
    ...{ activationRound, deactivationRound },
    delegate: lower(delegate),
    delegatorStatus: (["Pending", "Bonded", "Unbonded"] as const)[read.delegatorStatus] ?? "Unbonded",
    isRegistered: read.transcoderStatus === 1,
    rewardCaller: caller === undefined ? undefined : caller === zeroAccount ? null : lower(caller),
    serviceUri: read.serviceUri,
    aiServiceUri: read.aiServiceUri,
  };
}

/** A lock that holds unbonded stake until `withdrawRound`. */
export type UnbondingLock = { readonly id: bigint; readonly amount: bigint; readonly withdrawRound: bigint };

/** Ids in one request. */
const locksAtOnce = 100;
/** Nobody has unbonded so often; what lies before is left out, and said. */
const locksMax = 2_000n;

/** The open locks of an account, oldest first. */
export async function readLocks(
  rpc: CliRpc,
  bonding: Hex,
  { account, nextUnbondingLockId }: Pick<AccountState, "account" | "nextUnbondingLockId">,
): Promise<readonly UnbondingLock[]> {
  const first = nextUnbondingLockId > locksMax ? nextUnbondingLockId - locksMax : 0n;
  const ids = Array.from(
    { length: Number(nextUnbondingLockId - first) },
    (_, index) => first + BigInt(index),
  );
  const locks: UnbondingLock[] = [];
  for (let start = 0; start < ids.length; start += locksAtOnce) {
    const some = ids.slice(start, start + locksAtOnce);
    const views = some.map((id) =>
      viewOf(bondingManagerAbi, bonding, "getDelegatorUnbondingLock", [account, id]),
    );
    const answers = await rpc.batch(views.map(({ call }) => call));
    for (const [index, view] of views.entries()) {
      const read = readAnswer(view, answers[index]);
      if (read.type === "failed") throw unreadable(read.text);
      const [amount, withdrawRound] = read.value;
      if (withdrawRound > 0n) locks.push({ id: some[index] ?? 0n, amount, withdrawRound });
    }
  }
  return locks;
}

/** Reads several views in one request. @throws CliFailure with the first thing that went wrong */
export async function readAll<T extends Readonly<Record<string, unknown>>>(
  rpc: CliRpc,
  views: { readonly [Name in keyof T]: View<T[Name]> },
): Promise<T> {
  const entries = Object.entries(views) as [keyof T, ViewOrNothing<T[keyof T]>][];
  const asked = entries.filter(([, view]) => view.call.method !== "");
  const answers = await rpc.batch(asked.map(([, { call }]) => call));
  const values: Partial<T> = {};
  for (const [name, view] of entries) {
    if (view.call.method === "") values[name] = view.decode(null);
  }
  for (const [index, [name, view]] of asked.entries()) {
    const read = readAnswer(view, answers[index]);
    if (read.type === "read") values[name] = read.value;
    else if (view.isRevertFine === true && read.isRevert) values[name] = undefined as T[keyof T];
    else throw unreadable(read.text);
  }
  return values as T;
}

type ViewOrNothing<T> = View<T> & { readonly isRevertFine?: boolean };

/** Stands for a contract that is not there. */
const nothing: View<string | null> = { call: { method: "", params: [] }, decode: () => null };

function orRevert<T>(view: View<T>): View<T | undefined> & { readonly isRevertFine: true } {
  return { ...view, isRevertFine: true };
}

/** The latest block: its own number on an L1, `l1BlockNumber` on Arbitrum. */
const headView: View<{ readonly l1Block: bigint; readonly baseFee: bigint | null }> = {
  call: { method: "eth_getBlockByNumber", params: ["latest", false] },
  decode: (result) => {
    const block = (typeof result === "object" ? result : null) as Readonly<Record<string, unknown>> | null;
    if (block === null) throw new Error("no block");
    const l1 = block["l1BlockNumber"] ?? block["number"];
    const baseFee = block["baseFeePerGas"];
    return {
      l1Block: BigInt(typeof l1 === "number" || typeof l1 === "string" ? l1 : Number.NaN),
      baseFee: typeof baseFee === "string" ? BigInt(baseFee) : null,
    };
  },
};

/** An endpoint gave no answer, or none that is understood. */
export function unreadable(text: string): CliFailure {
  return new CliFailure(`The chain cannot be read: ${text}.`, "Check -ethUrl, and try again.");
}

/** An account in the form that people compare: with its checksum. */
export function accountText(account: Hex): string {
  return checksumHex(fromHex(account) ?? new Uint8Array(20));
}

function lower(address: Hex): Hex {
  return address.toLowerCase() as Hex;
}
