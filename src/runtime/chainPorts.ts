import type { Hex, UnixMs } from "../shared/brand.ts";
import type { SenderFunds } from "./ports.ts";

/*
 * What the money-out side of the runtime (rewards, redemption, transactions, the watch) asks of a chain. `src/chain`
 * answers it over JSON-RPC; simulations answer it from a chain of their own. Accounts, hashes and data are lower-case
 * `0x…`. Amounts are wei (of ETH or LPT). A read that cannot be had now is null; nothing here rejects.
 */

/** One consistent look at the chain: everything was read at the same block. About one each poll. */
export type ChainLook = {
  /** Unix milliseconds. */
  readonly atMs: UnixMs;
  readonly chainId: bigint;
  /** Number of the block on the chain that transactions go to (on Arbitrum the L2 number). */
  readonly block: bigint;
  /** What Solidity sees as `block.number`: on Arbitrum the L1 number. As read; not carried on by a clock. */
  readonly l1Block: bigint;
  /** Wei per gas; null on a chain without EIP-1559. */
  readonly baseFee: bigint | null;
  /** What `eth_gasPrice` says, or what it is likely to say now. Wei per gas. */
  readonly gasPrice: bigint;
  /** What to add to the base fee; 0 on Arbitrum. Wei per gas. */
  readonly tip: bigint;
  readonly isPaused: boolean;
  readonly round: RoundStanding;
  readonly orchestrator: OrchestratorStanding;
  /** Of every account that this node sends from, in wei. */
  readonly balances: ReadonlyMap<Hex, bigint>;
};

/** Source: RoundsManager; chain sheet 2.1. */
export type RoundStanding = {
  /** By the block number; may not be initialised. */
  readonly current: bigint;
  readonly lastInitialized: bigint;
  /** L1 block numbers. */
  readonly startBlock: bigint;
  readonly length: bigint;
  readonly isLocked: boolean;
  /** Rounds for which a ticket stays redeemable, its own included. */
  readonly ticketValidityPeriod: bigint;
  readonly poolSize: bigint;
};

/** The registered account that tickets are made out to. Source: BondingManager; chain sheet 3.1. */
export type OrchestratorStanding = {
  /** In the active set of the current round by the block number. */
  readonly isActive: boolean;
  readonly isRegistered: boolean;
  readonly lastRewardRound: bigint;
  readonly activationRound: bigint;
  readonly deactivationRound: bigint;
  /** `transcoderTotalStake`, LPT wei. */
  readonly stake: bigint;
  /** Parts per million: what it keeps of rewards, and what its delegators get of fees. */
  readonly cuts?: { readonly rewardCut: bigint; readonly feeShare: bigint };
  /** Who may call the reward for it (LIP-118); null: nobody else, or the contract does not know it. */
  readonly rewardCaller: Hex | null;
  /** What `Reward` would bring in the current round by the contract's own formula, before the treasury's part. LPT wei. */
  readonly rewardForecast: bigint;
};

/** A call that costs gas. */
export type ChainCall = {
  readonly to: Hex;
  readonly data: Hex;
  /** Wei. */
  readonly value: bigint;
};

/** Fees of one attempt, wei per gas. `tip` is null for a legacy transaction: then `cap` is its gas price. */
export type AttemptFees = { readonly cap: bigint; readonly tip: bigint | null };

export type UnsignedTransaction = ChainCall & {
  readonly chainId: bigint;
  readonly from: Hex;
  readonly nonce: number;
  readonly gasLimit: bigint;
  readonly fees: AttemptFees;
};

export type SignedTransaction = { readonly hash: Hex; readonly raw: Hex };

/** The keys that this node may spend gas with. Signing is native and takes no time worth waiting for. */
export type TransactionSigner = {
  readonly accounts: readonly Hex[];
  /** @throws KeyErasedError, or an assertion when `from` is none of {@link accounts} */
  sign(transaction: UnsignedTransaction): SignedTransaction;
};

/** What became of an attempt to broadcast. `unknown`: no endpoint answered; it may have arrived or not. */
export type Broadcast =
  | { readonly type: "sent" }
  /** It is in the pool or in a block already. */
  | { readonly type: "known" }
  | {
      readonly type: "refused";
      readonly cause: "nonce-too-low" | "underpriced" | "no-gas-money" | "other";
      readonly text: string;
    }
  | { readonly type: "unknown"; readonly text: string };

export type Receipt = {
  readonly hash: Hex;
  readonly block: bigint;
  readonly blockHash: Hex;
  readonly isSuccess: boolean;
  readonly gasUsed: bigint;
  /** Wei per gas that was paid. */
  readonly gasPrice: bigint;
  readonly logs: readonly ChainLog[];
};

/**
 * What is known of a transaction's receipt. Null: it is not mined, as far as the endpoints know. `unreadable`: they
 * gave an error, or what is no receipt of it; that says nothing.
 */
export type ReceiptWord = Receipt | "unreadable" | null;

/**
 * A log of Livepeer's contracts, decoded. What `account`, `other`, `amounts` and `text` are, by name, stands in
 * `chainLogNames`.
 */
export type ChainLog = {
  readonly block: bigint;
  readonly blockHash: Hex;
  /** Place among all logs of the block. */
  readonly index: number;
  readonly transaction: Hex;
  readonly name: ChainLogName;
  readonly account: Hex;
  readonly other: Hex | null;
  readonly amounts: readonly bigint[];
  readonly text: string | null;
};

/**
 * `account` / `other` / `amounts` / `text` of each log:
 *
 * - `NewRound`: contract / – / round / block hash
 * - `WinningTicketTransfer`: sender / recipient / wei paid
 * - `WinningTicketRedeemed`: sender / recipient / face value, win probability, sender nonce, recipientRand
 * - `ReserveClaimed`: reserve holder / claimant / wei
 * - `DepositFunded`, `ReserveFunded`: sender / – / wei
 * - `Unlock`: sender / – / start round, end round
 * - `UnlockCancelled`: sender
 * - `Withdrawal`: sender / – / deposit, reserve
 * - `Reward`: orchestrator / – / LPT wei after the treasury's part
 * - `TreasuryReward`: orchestrator / treasury / LPT wei
 * - `Bond`: delegator / new delegate / additional amount, bonded amount / old delegate
 * - `Unbond`: delegator / delegate / lock id, amount, withdraw round
 * - `Rebond`: delegator / delegate / lock id, amount
 * - `WithdrawStake`: delegator / – / lock id, amount, withdraw round
 * - `WithdrawFees`: delegator / recipient / wei
 * - `EarningsClaimed`: delegator / delegate / rewards, fees, start round, end round
 * - `TransferBond`: old delegator / new delegator / old lock id, new lock id, amount
 * - `TranscoderUpdate`: orchestrator / – / reward cut, fee share (parts per million)
 * - `TranscoderActivated`: orchestrator / – / activation round
 * - `TranscoderDeactivated`: orchestrator / – / deactivation round
 * - `RewardCallerSet`: orchestrator / caller
 * - `ServiceURIUpdate`: account / registry contract / – / URI (at most 1,000 characters)
 *
 * Source: chain sheet 8.2; payments sheet 6.2; livepeer/protocol deployments.
 */
export const chainLogNames = [
  ...(["NewRound", "WinningTicketTransfer", "WinningTicketRedeemed", "ReserveClaimed"] as const),
  ...(["DepositFunded", "ReserveFunded", "Unlock", "UnlockCancelled", "Withdrawal"] as const),
  ...(["Reward", "TreasuryReward", "Bond", "Unbond", "Rebond", "WithdrawStake", "WithdrawFees"] as const),
  ...(["EarningsClaimed", "TransferBond", "TranscoderUpdate", "TranscoderActivated"] as const),
  ...(["TranscoderDeactivated", "RewardCallerSet", "ServiceURIUpdate"] as const),
] as const;

export type ChainLogName = (typeof chainLogNames)[number];

/** What a call would do now, if it were mined alone. */
export type Simulation =
  | { readonly type: "runs" }
  | {
      readonly type: "reverts";
      /** The contract's words, bounded; "" when it gives none (such as running out of gas). */
      readonly reason: string;
    };

/** A winning ticket as the TicketBroker wants to see it. */
export type RedeemableTicket = {
  /** Ticket hash, which is also its name here. */
  readonly hash: Hex;
  readonly recipient: Hex;
  readonly sender: Hex;
  readonly faceValue: bigint;
  readonly winProb: bigint;
  readonly senderNonce: number;
  readonly recipientRandHash: Hex;
  readonly recipientRand: Hex;
  /** 65 bytes. */
  readonly sig: Hex;
  readonly creationRound: bigint;
  readonly creationRoundBlockHash: Hex;
};

/** A ticket as another node that redeems it wants to see it. */
export type EntrustableTicket = RedeemableTicket & {
  /** L1 block from which it may be redeemed. */
  readonly expirationBlock: bigint;
};

/**
 * What became of handing a ticket over. `taken`: it says that it has it, perhaps since long ago. `refused`: it answered,
 * and does not have it. `silent`: no answer, or none that can be understood; it may have it or not.
 */
export type EntrustAnswer =
  | { readonly type: "taken" }
  | { readonly type: "refused"; readonly text: string }
  | { readonly type: "silent"; readonly text: string };

/** Another node that redeems our tickets. Nothing here rejects. */
export type Redeemer = {
  /** `host:port`. */
  readonly name: string;
  entrust(ticket: EntrustableTicket): Promise<EntrustAnswer>;
  /**
   * What it believes that a sender's tickets may come to, in wei; null when it does not say. A go-livepeer redeemer
   * that was restarted redeems nothing of a sender before somebody asks about it.
   */
  maxFloat(sender: Hex): Promise<bigint | null>;
};

/** What a sender can pay at this moment, for redemption. Wei. */
export type Payable = SenderFunds & {
  /** What the reserve would give to our recipient in this round, by the contract's own formula; 0 when inactive. */
  readonly claimable: bigint;
};

export type LogRange =
  | {
      readonly type: "logs";
      /** In order of block and index, of both ends included. */
      readonly logs: readonly ChainLog[];
      /** Hash of the last block of the range. */
      readonly toHash: Hex;
    }
  /** The provider gives fewer blocks (or results) at a time. */
  | { readonly type: "too-many"; readonly text: string }
  | { readonly type: "failed"; readonly text: string };

/** Neighbours in the pool, for a `WithHint` call; the zero account where there is none. */
export type PoolHint = { readonly previous: Hex; readonly next: Hex };

/** How a reward is called: by the orchestrator's own account, or by the caller that it has named (LIP-118). */
export type RewardPath =
  { readonly type: "own" } | { readonly type: "delegated"; readonly orchestrator: Hex };

/** Whose word counts: that of any endpoint, or, when there is more than one, only what two of them say. */
export type Voices = "one" | "quorum";

/** What ends obligations, rounds by number. */
export type RoundWord = {
  readonly current: bigint;
  readonly lastInitialized: bigint;
  /** Of the orchestrator. */
  readonly lastReward: bigint;
};

/** The chain as those who spend see it. */
export type ChainDesk = {
  /** A fresh {@link ChainLook}, outside the rhythm of polls. */
  look(): Promise<ChainLook | null>;
  /**
   * Transactions of `account` that are mined (`block`: as of that block; null: the latest), and, for the latest, how
   * many the pool knows of too. More than one endpoint must say so, when there is more than one.
   */
  nonces(
    account: Hex,
    block: bigint | null,
  ): Promise<{ readonly mined: number; readonly pending: number } | null>;
  /** What is known of each transaction, in order; null when nobody answers at all. */
  receipts(hashes: readonly Hex[], voices?: Voices): Promise<readonly ReceiptWord[] | null>;
  /** Hash of a block of the canonical chain. */
  blockHash(block: bigint): Promise<Hex | null>;
  /** Sends to every endpoint that works. */
  broadcast(transaction: SignedTransaction): Promise<Broadcast>;
  /** Runs each call from `from` on the present state. */
  simulate(calls: readonly ChainCall[], from: Hex, voices?: Voices): Promise<readonly Simulation[] | null>;
  /**
   * Where rounds stand when more than one endpoint says so. What ends for ever is not ended on the word of one, which
   * is all that a look is. Without it looks are believed.
   */
  rounds?(): Promise<RoundWord | null>;
  /** Fresh funds of senders at the latest block, in order. */
  payable(senders: readonly Hex[]): Promise<readonly Payable[] | null>;
  /** Whether the broker has seen each ticket, in order. More than one endpoint must say so, when there is more than one. */
  areTicketsUsed(hashes: readonly Hex[]): Promise<readonly boolean[] | null>;
  /** Where the orchestrator stands in the pool once `added` LPT wei are on its stake; zero accounts when unknown. */
  rewardHint(added: bigint): Promise<PoolHint>;
  /** Our logs, and those of senders, in a range of blocks. */
  logs(from: bigint, to: bigint): Promise<LogRange>;
  /** One ticket: `redeemWinningTicket`; more: `batchRedeemWinningTickets`. Null while the contracts are not known. */
  redeemCall(tickets: readonly RedeemableTicket[]): ChainCall | null;
  rewardCall(path: RewardPath, hint: PoolHint): ChainCall | null;
  initializeRoundCall(): ChainCall | null;
  /**
   * Gas that a call of ours may use, set by our own figures and never by `eth_estimateGas`, which drops tickets of a
   * batch silently. On Arbitrum with the part for L1 data.
   */
  gasLimit(purpose: "redeem" | "reward" | "initialize", call: ChainCall, tickets: number): Promise<bigint>;
};
