import { zeroAddress } from "viem";
import type {
  ChainCall,
  ChainDesk,
  ChainLog,
  ChainLook,
  LogRange,
  Payable,
  PoolHint,
  ReceiptWord,
  RoundWord,
  Simulation,
  Voices,
} from "../runtime/chainPorts.ts";
import { assert } from "../shared/assert.ts";
import type { Hex, UnixMs } from "../shared/brand.ts";
import { initializeRoundCall, redeemCall, rewardCall } from "./chainCalls.ts";
import type { ChainRpc, PoolAnswer, QuorumOptions } from "./chainRpc.ts";
import { decodeLogs, type LogContracts, logAddresses, logTopics } from "./decodeLogs.ts";
import {
  quantityHex,
  readBlockHash,
  readClaimableReserve,
  readL1Gas,
  readLastRewardRound,
  readReceipt,
  readRound,
  readTransactionCount,
} from "./deskReads.ts";
import { contractGas, type GasPurpose, l1GasGuess, l1GasWithMargin } from "./gasLimits.ts";
import type { RpcCall } from "./jsonRpc.ts";
import { readPool } from "./lensPool.ts";
import { isTooMany } from "./logTrouble.ts";
import { noPoolHint, poolHint } from "./poolHints.ts";
import { outcomeOf, type Read, readClaimedReserve, readIsTicketUsed, readSenderInfo } from "./reads.ts";
import { ReceiptMemory } from "./receiptMemory.ts";
import { revertReason } from "./revertReasons.ts";

/** Where the contracts are. The zero address stands for a contract that the chain lacks. */
export type DeskContracts = {
  readonly RoundsManager: Hex;
  readonly BondingManager: Hex;
  readonly TicketBroker: Hex;
  readonly ServiceRegistry?: Hex | null;
};

export type ChainDeskOptions = {
  readonly rpc: Pick<ChainRpc, "batch" | "quorum" | "broadcast" | "incomplete">;
  /** Null while they cannot be found. Must not reject. */
  readonly contracts: () => Promise<DeskContracts | null>;
  /** Reads everything anew. Must not reject. */
  readonly look: () => Promise<ChainLook | null>;
  /** The registered account that tickets are made out to, lower case. */
  readonly recipient: Hex;
  /** Null while it is not known. */
  readonly chainId: () => bigint | null;
  readonly nowMs: () => UnixMs;
  /** Registries that the Controller does not know, such as the one for AI. Default: none. */
  readonly furtherRegistries?: readonly Hex[];
  /** No limit is set above it: what a transaction may use at most. Default 30,000,000. */
  readonly gasMax?: bigint;
};

/** Chains that charge for the bytes of a transaction on L1 too: Arbitrum One, Nova, Rinkeby, Sepolia. */
const arbitrumIds: readonly bigint[] = [42161n, 42170n, 421611n, 421614n];
/** A transaction on Arbitrum may use 32 million, a block on Ethereum has held 30 million since 2021. */
const defaultGasMax = 30_000_000n;
/** Many endpoints refuse longer lists of calls. Divisible by the calls of one sender. */
const callsPerRequest = 15;

/** {@link ChainDesk} over JSON-RPC. Keeps no connection and no timer: there is nothing to close. */
export function openChainDesk(options: ChainDeskOptions): ChainDesk {
  assert(/^0x[0-9a-f]{40}$/.test(options.recipient), "The recipient is an account in lower case.");
  return new RpcDesk(options);
}

class RpcDesk implements ChainDesk {
  readonly #options: ChainDeskOptions;
  /** The contracts as last found, for calls that are made up without waiting. */
  #contracts: DeskContracts | null = null;
  readonly #receipts = new ReceiptMemory();

  constructor(options: ChainDeskOptions) {
    this.#options = options;
    void this.#findContracts();
  }

  look(): Promise<ChainLook | null> {
    return this.#options.look();
  }

  async nonces(account: Hex, block: bigint | null) {
    const { rpc } = this.#options;
    const mined = readTransactionCount(account, block ?? "latest");
    const pending = readTransactionCount(account, "pending");
    // What a pool knows of differs between endpoints, so that no two need agree about it.
    const [minedAnswers, pendingAnswers] = await Promise.all([
      rpc.quorum([mined.call]),
      block === null ? rpc.batch([pending.call]) : null,
    ]);
    const minedCount = valuesOf([mined], minedAnswers)?.[0];
    if (minedCount === undefined) return null;
    if (pendingAnswers === null) return { mined: minedCount, pending: minedCount };
    const pendingCount = valuesOf([pending], pendingAnswers)?.[0];
    if (pendingCount === undefined) return null;
    return { mined: minedCount, pending: Math.max(minedCount, pendingCount) };
  }

  async receipts(hashes: readonly Hex[], voices: Voices = "one"): Promise<readonly ReceiptWord[] | null> {
    const contracts = await this.#logContracts();
    if (contracts === null) return null;
    const reads = hashes.map((hash) => readReceipt(hash, contracts));
    const calls = reads.map((read) => read.call);
    const answers = await (voices === "one" ? this.#batch(calls) : this.#agreed(calls, essenceOfReceipt));
    const outcomes = reads.map((read, index) => outcomeOf(read, answers[index]));
    // What one receipt cannot say is nothing against the others, unless nobody said anything.
    const isSilent = outcomes.every((outcome) => outcome.type === "failed" && !outcome.isAnswered);
    if (hashes.length > 0 && isSilent) return null;
    const receipts = outcomes.map((outcome) => (outcome.type === "read" ? outcome.value : "unreadable"));
    this.#receipts.remember(
      receipts.filter((receipt) => receipt !== "unreadable"),
      (log) => this.#concernsUs(log),
    );
    return receipts;
  }

  async blockHash(block: bigint): Promise<Hex | null> {
    const read = readBlockHash(block);
    return valuesOf([read], await this.#options.rpc.batch([read.call]))?.[0] ?? null;
  }

  broadcast(transaction: { readonly raw: Hex }) {
    return this.#options.rpc.broadcast(transaction.raw);
  }

  async simulate(
    calls: readonly ChainCall[],
    from: Hex,
    voices: Voices = "one",
  ): Promise<readonly Simulation[] | null> {
    const asked = calls.map(({ to, data, value }) => ({
      method: "eth_call",
      params: [{ from, to, data, value: quantityHex(value) }, "latest"],
    }));
    const answers = await (voices === "one" ? this.#batch(asked) : this.#agreed(asked));
    const simulations: Simulation[] = [];
    for (const answer of answers) {
      const reason = revertReason(answer);
      const isResult = answer.type === "result" && typeof answer.result === "string";
      if (!isResult && reason === null) return null;
      simulations.push(reason === null ? { type: "runs" } : { type: "reverts", reason });
    }
    return simulations;
  }

  async payable(senders: readonly Hex[]): Promise<readonly Payable[] | null> {
    const contracts = await this.#findContracts();
    if (contracts === null) return null;
    const { TicketBroker: broker } = contracts;
    const { recipient, nowMs } = this.#options;
    const reads = senders.map((sender) => ({
      info: readSenderInfo(broker, sender),
      claimed: readClaimedReserve(broker, sender, recipient),
      claimable: readClaimableReserve(broker, sender, recipient),
    }));
    const answers = await this.#batch(
      reads.flatMap(({ info, claimed, claimable }) => [info.call, claimed.call, claimable.call]),
    );
    const payables: Payable[] = [];
    for (const [index, { info, claimed, claimable }] of reads.entries()) {
      const infoRead = outcomeOf(info, answers[3 * index]);
      const claimedRead = outcomeOf(claimed, answers[3 * index + 1]);
      const claimableAnswer = answers[3 * index + 2];
      const claimableRead = outcomeOf(claimable, claimableAnswer);
      if (infoRead.type === "failed" || claimedRead.type === "failed") return null;
      // The contract subtracts what was claimed from a share that shrinks when the pool grows: it reverts, and would
      // revert in a redemption too. Source: payments sheet 6.4.
      const isOverdrawn = claimableAnswer !== undefined && revertReason(claimableAnswer) !== null;
      if (claimableRead.type === "failed" && !isOverdrawn) return null;
      const { deposit, reserve, claimedInRound, withdrawRound } = infoRead.value;
      payables.push({
        ...{ deposit, reserve, claimedInRound, withdrawRound, readAtMs: nowMs() },
        claimedByUs: claimedRead.value,
        claimable: claimableRead.type === "failed" ? 0n : claimableRead.value,
      });
    }
    return payables;
  }

  async rounds(): Promise<RoundWord | null> {
    const contracts = await this.#findContracts();
    if (contracts === null) return null;
    const reads = [
      readRound(contracts.RoundsManager, "currentRound"),
      readRound(contracts.RoundsManager, "lastInitializedRound"),
      readLastRewardRound(contracts.BondingManager, this.#options.recipient),
    ];
    const calls = reads.map((read) => read.call);
    const values = valuesOf(reads, await this.#agreed(calls, firstWord));
    const [current, lastInitialized, lastReward] = values ?? [];
    if (current === undefined || lastInitialized === undefined || lastReward === undefined) return null;
    return { current, lastInitialized, lastReward };
  }

  async areTicketsUsed(hashes: readonly Hex[]): Promise<readonly boolean[] | null> {
    const contracts = await this.#findContracts();
    if (contracts === null) return null;
    const reads = hashes.map((hash) => readIsTicketUsed(contracts.TicketBroker, hash));
    return valuesOf(reads, await this.#agreed(reads.map((read) => read.call)));
  }

  async rewardHint(added: bigint): Promise<PoolHint> {
    const contracts = await this.#findContracts();
    if (contracts === null) return noPoolHint;
    const { rpc, recipient } = this.#options;
    const pool = await readPool(rpc, contracts.BondingManager);
    const own = pool?.find((member) => member.account === recipient);
    // Whoever is not in the pool any more stays outside when the reward is called.
    if (pool === null || own === undefined) return noPoolHint;
    return poolHint(pool, recipient, own.stake + added, pool.length);
  }

  async logs(from: bigint, to: bigint): Promise<LogRange> {
    const contracts = await this.#logContracts();
    if (contracts === null) return { type: "failed", text: "the contracts cannot be found now" };
    const { rpc } = this.#options;
    const filter = {
      ...{ fromBlock: quantityHex(from), toBlock: quantityHex(to) },
      ...{ address: logAddresses(contracts), topics: [logTopics] },
    };
    const logsRead: Read<readonly ChainLog[]> = {
      call: { method: "eth_getLogs", params: [filter] },
      decode: (result) => decodeLogs(result, contracts),
    };
    const hashRead = readBlockHash(to);
    const [logsAnswer, hashAnswer] = await rpc.batch([logsRead.call, hashRead.call]);
    if (logsAnswer?.type === "failed" && isTooMany(logsAnswer)) {
      return { type: "too-many", text: logsAnswer.text };
    }
    const logsOutcome = outcomeOf(logsRead, logsAnswer);
    if (logsOutcome.type === "failed") return logsOutcome;
    const hashOutcome = outcomeOf(hashRead, hashAnswer);
    if (hashOutcome.type === "failed") return hashOutcome;
    const toHash = hashOutcome.value;
    const trouble = rangeTrouble(logsOutcome.value, from, to, toHash);
    if (trouble !== null) return { type: "failed", text: trouble };
    const logs = logsOutcome.value.filter((log) => this.#concernsUs(log));
    const missing = await this.#missingBlock(from, to, logs);
    if (missing === null) return { type: "logs", logs, toHash };
    const text = `logs of block ${missing} are left out that a receipt showed`;
    if (logsAnswer !== undefined && logsAnswer.endpoint !== null) rpc.incomplete(logsAnswer.endpoint, text);
    return { type: "failed", text };
  }

  redeemCall(tickets: Parameters<ChainDesk["redeemCall"]>[0]): ChainCall | null {
    const contracts = this.#knownContracts();
    return contracts === null ? null : redeemCall(contracts.TicketBroker, tickets);
  }

  rewardCall(path: Parameters<ChainDesk["rewardCall"]>[0], hint: PoolHint): ChainCall | null {
    const contracts = this.#knownContracts();
    return contracts === null ? null : rewardCall(contracts.BondingManager, path, hint);
  }

  initializeRoundCall(): ChainCall | null {
    const contracts = this.#knownContracts();
    return contracts === null ? null : initializeRoundCall(contracts.RoundsManager);
  }

  async gasLimit(purpose: GasPurpose, call: ChainCall, tickets: number): Promise<bigint> {
    const { gasMax = defaultGasMax } = this.#options;
    const limit = contractGas(purpose, tickets) + (await this.#l1Gas(call));
    if (limit > gasMax) return gasMax;
    return limit;
  }

  async #l1Gas(call: ChainCall): Promise<bigint> {
    const id = this.#options.chainId();
    if (id !== null && !arbitrumIds.includes(id)) return 0n;
    const guess = l1GasGuess((call.data.length - 2) / 2);
    if (id === null) return guess;
    const read = readL1Gas(call.to, call.data);
    const gas = valuesOf([read], await this.#options.rpc.batch([read.call]))?.[0];
    // Zero is what an endpoint says that does not know the interface, and on test chains whose L1 is free.
    return gas === undefined || gas === 0n ? guess : l1GasWithMargin(gas);
  }

  /** The first block whose logs a receipt showed, is still part of the chain, and lacks one of them in `logs`. */
  async #missingBlock(from: bigint, to: bigint, logs: readonly ChainLog[]): Promise<bigint | null> {
    for (const seen of this.#receipts.missingIn(from, to, logs)) {
      const hash = await this.blockHash(seen.block);
      if (hash === seen.blockHash) return seen.block;
      // Of a block that a re-org took away, nothing is missing.
      if (hash !== null) this.#receipts.forget(seen);
    }
    return null;
  }

  /** Rounds, and the funds of all senders, concern everybody. */
  #concernsUs(log: ChainLog): boolean {
    if (everybodysLogs.includes(log.name)) return true;
    const { recipient } = this.#options;
    return log.account === recipient || log.other === recipient || log.text === recipient;
  }

  async #findContracts(): Promise<DeskContracts | null> {
    const contracts = await this.#options.contracts();
    if (contracts !== null) this.#contracts = contracts;
    return contracts;
  }

  #knownContracts(): DeskContracts | null {
    if (this.#contracts === null) void this.#findContracts();
    return this.#contracts;
  }

  async #logContracts(): Promise<LogContracts | null> {
    const contracts = await this.#findContracts();
    if (contracts === null) return null;
    const { RoundsManager, BondingManager, TicketBroker, ServiceRegistry } = contracts;
    const registries = [ServiceRegistry ?? zeroAddress, ...(this.#options.furtherRegistries ?? [])];
    return { RoundsManager, BondingManager, TicketBroker, registries };
  }

  #batch(calls: readonly RpcCall[]): Promise<readonly PoolAnswer[]> {
    return this.#inRequests(calls, (some) => this.#options.rpc.batch(some));
  }

  /** As two endpoints say it, when there are two. */
  #agreed(calls: readonly RpcCall[], essence?: QuorumOptions["essence"]): Promise<readonly PoolAnswer[]> {
    const options = essence === undefined ? {} : { essence };
    return this.#inRequests(calls, (some) => this.#options.rpc.quorum(some, options));
  }

  async #inRequests(
    calls: readonly RpcCall[],
    send: (calls: readonly RpcCall[]) => Promise<readonly PoolAnswer[]>,
  ): Promise<readonly PoolAnswer[]> {
    const groups: (readonly RpcCall[])[] = [];
    for (let at = 0; at < calls.length; at += callsPerRequest) {
      groups.push(calls.slice(at, at + callsPerRequest));
    }
    return (await Promise.all(groups.map(send))).flat();
  }
}

const everybodysLogs: readonly ChainLog["name"][] = [
  ...(["NewRound", "DepositFunded", "ReserveFunded"] as const),
  ...(["Unlock", "UnlockCancelled", "Withdrawal"] as const),
];

/** What two nodes must agree about: other fields of a receipt differ between versions of nodes. */
function essenceOfReceipt(result: unknown): unknown {
  if (typeof result !== "object" || result === null) return result;
  const { blockHash, status, gasUsed, effectiveGasPrice } = result as Readonly<Record<string, unknown>>;
  return [blockHash, status, gasUsed, effectiveGasPrice];
}

/** The rest of an orchestrator's words moves while a round runs. */
function firstWord(result: unknown): unknown {
  return typeof result === "string" ? result.slice(0, 66) : result;
}

/** All values, in order; null when one of them was not read. */
function valuesOf<T>(reads: readonly Read<T>[], answers: readonly PoolAnswer[]): readonly T[] | null {
  const values: T[] = [];
  for (const [index, read] of reads.entries()) {
    const outcome = outcomeOf(read, answers[index]);
    if (outcome.type === "failed") return null;
    values.push(outcome.value);
  }
  return values;
}

/** Why logs, in order, are none of the blocks `from` to `to`; null when they are. */
function rangeTrouble(logs: readonly ChainLog[], from: bigint, to: bigint, toHash: Hex): string | null {
  let before: ChainLog | null = null;
  for (const log of logs) {
    if (log.block < from || log.block > to) return "the RPC answered logs of blocks that were not asked for";
    const isTorn =
      (log.block === to && log.blockHash !== toHash) ||
      (before?.block === log.block && before.blockHash !== log.blockHash);
    if (isTorn) return "the RPC answered logs of a block that is not part of the chain any more";
    before = log;
  }
  return null;
}
