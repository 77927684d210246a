import { roundKind } from "../../../../src/actors/round/decide.ts";
import { ticketKind } from "../../../../src/actors/ticket/decide.ts";
import { transactionKind } from "../../../../src/actors/transaction/decide.ts";
import { walletKind } from "../../../../src/actors/wallet/decide.ts";
import { roundsView } from "../../../../src/events/views/rounds.ts";
import { ticketsView } from "../../../../src/events/views/tickets.ts";
import { TransactionDesk, transactionEffects } from "../../../../src/runtime/chain/transactionDesk.ts";
import type {
  Broadcast,
  ChainDesk,
  ChainLog,
  ChainLook,
  Payable,
  Receipt,
  RoundWord,
  Simulation,
  UnsignedTransaction,
} from "../../../../src/runtime/chainPorts.ts";
import type { Hex } from "../../../../src/shared/brand.ts";
import { type HostHarness, openHost } from "../../../support/hostHarness.ts";

/*
 * A chain desk that says what a test wants to hear said, one endpoint's word apart from that of two, and the desks
 * that spend on a real log.
 */

export const us: Hex = `0x${"0e".repeat(20)}`;
/** Another account of ours. */
export const formerly: Hex = `0x${"0f".repeat(20)}`;
export const gwei = 1_000_000_000n;

export function hashOf(text: string): Hex {
  return `0x${new Bun.CryptoHasher("sha256").update(text).digest("hex")}`;
}

/** What the endpoints say. `agreed…` is what two of them say; absent: the same. */
export class Endpoints {
  mined = 0;
  /** Of accounts of which something else than {@link mined} is told. */
  readonly minedOf = new Map<Hex, number>();
  pending = 0;
  receipts = new Map<Hex, Receipt>();
  agreedReceipts: ReadonlyMap<Hex, Receipt> | null = null;
  /** Transactions for whose receipts an endpoint has an error; and two of them together. */
  readonly unreadable = new Set<Hex>();
  readonly agreedUnreadable = new Set<Hex>();
  outcome: Broadcast = { type: "sent" };
  simulation: Simulation = { type: "runs" };
  agreedSimulation: Simulation | null = null;
  word: RoundWord | null = null;
  isUsed = false;
  payable: Payable = {
    ...{ deposit: 10n ** 20n, reserve: 0n, claimedInRound: 0n, claimedByUs: 0n, claimable: 0n },
    ...{ withdrawRound: 0n, readAtMs: 0 },
  };
  readonly broadcasts: Hex[] = [];
  /** Single calls by name. */
  readonly asked: string[] = [];

  readonly desk: ChainDesk = {
    look: async () => null,
    nonces: async (account) => {
      const mined = this.minedOf.get(account) ?? this.mined;
      return { mined, pending: Math.max(mined, this.pending) };
    },
    receipts: async (hashes, voices = "one") => {
      this.asked.push(...hashes.map(() => "receipt"));
      const known = voices === "quorum" ? (this.agreedReceipts ?? this.receipts) : this.receipts;
      const unreadable = voices === "quorum" ? this.agreedUnreadable : this.unreadable;
      return hashes.map((hash) => (unreadable.has(hash) ? "unreadable" : (known.get(hash) ?? null)));
    },
    blockHash: async (block) => hashOf(`block ${block}`),
    broadcast: async ({ hash }) => {
      this.broadcasts.push(hash);
      return this.outcome;
    },
    simulate: async (calls, _from, voices = "one") => {
      this.asked.push(...calls.map(() => "simulate"));
      const simulation = voices === "quorum" ? (this.agreedSimulation ?? this.simulation) : this.simulation;
      return calls.map(() => simulation);
    },
    payable: async (senders) => {
      this.asked.push(...senders.map(() => "payable"));
      return senders.map(() => this.payable);
    },
    rounds: async () => this.word,
    areTicketsUsed: async (hashes) => hashes.map(() => this.isUsed),
    rewardHint: async () => ({ previous: us, next: us }),
    logs: async () => ({ type: "failed", text: "no logs here" }),
    redeemCall: (tickets) => ({ to: us, data: hashOf(tickets.map(({ hash }) => hash).join()), value: 0n }),
    rewardCall: () => ({ to: us, data: "0x01", value: 0n }),
    initializeRoundCall: () => ({ to: us, data: "0x02", value: 0n }),
    gasLimit: async () => 100_000n,
  };

  /** A block holds this attempt. */
  mine(hash: Hex, block: bigint, isSuccess = true, logs: readonly ChainLog[] = []): Receipt {
    const blockHash = hashOf(`block ${block}`);
    const receipt = { hash, block, blockHash, isSuccess, gasUsed: 21_000n, gasPrice: gwei, logs };
    this.receipts.set(hash, receipt);
    return receipt;
  }
}

export function lookAt(block: bigint, changes: Partial<ChainLook> = {}): ChainLook {
  return {
    ...{ atMs: 0, chainId: 42_161n, block, l1Block: 1_000n, baseFee: gwei, gasPrice: gwei, tip: 0n },
    isPaused: false,
    round: {
      ...{ current: 10n, lastInitialized: 10n, startBlock: 900n, length: 1_000n },
      ...{ isLocked: false, ticketValidityPeriod: 2n, poolSize: 1n },
    },
    orchestrator: {
      ...{ isActive: true, isRegistered: true, lastRewardRound: 9n, activationRound: 1n },
      ...{ deactivationRound: 10n ** 30n, stake: 1n, rewardCaller: null, rewardForecast: 1n },
    },
    balances: new Map([[us, 10n ** 18n]]),
    ...changes,
  };
}

export type Spending = {
  readonly harness: HostHarness;
  readonly endpoints: Endpoints;
  readonly transactions: TransactionDesk;
  readonly clock: { ms: number };
  /** Whose keys there are. */
  readonly accounts: Hex[];
  /** `-maxGasPrice`. */
  feeMax: bigint | null;
};

export async function openSpending(dataDir: string, endpoints = new Endpoints()): Promise<Spending> {
  let transactions: TransactionDesk | null = null;
  const clock = { ms: 1_000_000 };
  const accounts = [us, formerly];
  const harness = await openHost({
    dataDir,
    kinds: [transactionKind, walletKind, roundKind, ticketKind],
    views: [roundsView, ticketsView],
    effects: transactionEffects(() => transactions),
  });
  const desk = new TransactionDesk({
    ...{ host: harness.host, desk: endpoints.desk, confirmations: 5, timeoutMs: 300_000 },
    signer: {
      accounts,
      sign: (transaction: UnsignedTransaction) => {
        const raw = hashOf(
          JSON.stringify(transaction, (_, value) => (typeof value === "bigint" ? `${value}n` : value)),
        );
        return { hash: raw, raw };
      },
    },
    monotonicMs: () => clock.ms,
    feeMax: () => spending.feeMax,
    isTaken: (id) => harness.reader.stream(`transaction:${id}`) !== null,
    onFault: (error) => harness.faults.push(error),
  });
  transactions = desk;
  const spending: Spending = { harness, endpoints, transactions: desk, clock, accounts, feeMax: null };
  return spending;
}
