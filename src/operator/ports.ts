import type { Rational } from "../protocol/rational.ts";
import type { Hex } from "../shared/brand.ts";

/*
 * What the operator port asks of the node. The composition root implements it; every method is quick and safe to
 * call at any time.
 */

/** A remote transcoder that is attached, as `/status` lists it. */
export type RegisteredTranscoder = { readonly address: string; readonly capacity: number };

/** The facts behind `/status`. */
export type NodeFacts = {
  /** The version that gateways are told. */
  readonly version: string;
  /** For example `bun 1.4.5`. */
  readonly runtimeVersion: string;
  /** In Go's words, such as `amd64`, because readers of the JSON know those. */
  readonly architecture: string;
  /** For example `linux`. */
  readonly operatingSystem: string;
  readonly registeredTranscoders: readonly RegisteredTranscoder[];
  /** Whether segments are transcoded on this machine. */
  readonly isLocalTranscoding: boolean;
};

/** Whom a price is for: everybody without a price of his own, or one gateway by its lower-case account. */
export type PriceScope = "default" | Hex;

/** A price as an operator wrote it. The same shape as a price in the configuration. */
export type OperatorPrice = {
  /** Of `currency`, for `pixelsPerUnit`; not negative. */
  readonly amount: Rational;
  /** "" or `wei`, `eth`, else upper case: a currency that the price feed has to know. */
  readonly currency: string;
  /** Above 0. */
  readonly pixelsPerUnit: Rational;
  /** For people, such as `0.13USD / 1e12`. */
  readonly wording: string;
};

/** What became of a change. `text` says why not, for example that the price feed lacks the currency. */
export type MoneyChange = { readonly type: "changed" } | { readonly type: "refused"; readonly text: string };

/** Prices and tickets of a node on a chain. A change is durable when its promise resolves. */
export type OperatorMoney = {
  /** Prices in wei per pixel as they are now, for `/status`. */
  prices(): ReadonlyMap<PriceScope, Rational>;
  /** Running accounts keep the price that they were fixed at. */
  setPrice(scope: PriceScope, price: OperatorPrice): Promise<MoneyChange>;
  /** Expected value of a ticket, in wei. */
  ticketEv(): bigint;
  /** Highest face value of a ticket from now on, in wei; 0 = no limit, else at least {@link ticketEv}. */
  setMaxFaceValue(wei: bigint): Promise<MoneyChange>;
};

/** What the node knows about its chain without asking it, what it may be told, and what it asks when it is asked. */
export type OperatorChain = {
  readonly chainId: bigint;
  /** The account whose key we hold, 20 bytes. */
  readonly account: Uint8Array;
  /** Wei per gas. */
  minGasPrice(): bigint;
  /** Wei per gas; null = no limit. */
  maxGasPrice(): bigint | null;
  /** From now on, until the next start. Wei per gas, not negative, and the lower one is not above the upper one. */
  setGasPrices(bounds: { readonly min: bigint; readonly max: bigint | null }): void;
  /** Signs as a personal message (EIP-191): 65 bytes. */
  signMessage(message: Uint8Array): Uint8Array;
  /** Signs typed data (EIP-712), given as JSON. */
  signTypedData(json: string): TypedSignature;
  readonly reads: OperatorChainReads;
};

/** 65 bytes, or why there are none. */
export type TypedSignature =
  | { readonly type: "signed"; readonly signature: Uint8Array }
  /** The text is no JSON. */
  | { readonly type: "malformed"; readonly text: string }
  /** It is JSON, but no typed data that can be signed. */
  | { readonly type: "refused"; readonly text: string };

/** A value of the chain, or why it cannot be had. `text` is for people and holds no secret. */
export type ChainRead<T> =
  { readonly type: "read"; readonly value: T } | { readonly type: "failed"; readonly text: string };

/** Reads at the latest block, made when they are asked for. Accounts are lower-case; amounts are wei. */
export type OperatorChainReads = {
  currentRound(): Promise<ChainRead<bigint>>;
  isRoundInitialized(): Promise<ChainRead<boolean>>;
  contracts(): Promise<ChainRead<ContractFacts>>;
  /** Of our own account. */
  ethBalance(): Promise<ChainRead<bigint>>;
  /** Of our own account, LPT. */
  tokenBalance(): Promise<ChainRead<bigint>>;
  /** Number of the latest block on the chain that transactions go to. */
  latestBlock(): Promise<ChainRead<bigint>>;
  /** Rounds between a sender's wish to withdraw and the withdrawal. */
  unlockPeriod(): Promise<ChainRead<bigint>>;
  protocol(): Promise<ChainRead<ProtocolFacts>>;
  /** Our own account as a payer of tickets. */
  sender(): Promise<ChainRead<SenderFacts>>;
  /** Our own account as an owner of stake. */
  delegator(): Promise<ChainRead<DelegatorFacts>>;
  /** The registered account that tickets are made out to. */
  orchestrator(): Promise<ChainRead<OrchestratorFacts>>;
  /** The pool in its order, highest stake first. */
  orchestrators(): Promise<ChainRead<readonly OrchestratorFacts[]>>;
  /** Of the registered account. `round` fits 256 bits. */
  earningsPool(round: bigint): Promise<ChainRead<EarningsPoolFacts>>;
  /** Open locks of our own account, oldest first. */
  unbondingLocks(): Promise<
    ChainRead<{ readonly currentRound: bigint; readonly locks: readonly UnbondingLockFacts[] }>
  >;
};

/** The zero address stands for a contract that the chain lacks. */
export type ContractFacts = {
  readonly LivepeerToken: Hex;
  readonly LivepeerTokenFaucet: Hex;
  readonly TicketBroker: Hex;
  readonly RoundsManager: Hex;
  readonly BondingManager: Hex;
  readonly Minter: Hex;
  readonly Controller: Hex;
};

export type ProtocolFacts = {
  readonly poolMaxSize: bigint;
  /** L1 blocks. */
  readonly roundLength: bigint;
  /** Parts per million of a round. */
  readonly roundLockAmount: bigint;
  /** Rounds. */
  readonly unbondingPeriod: bigint;
  /** Parts per 10⁹, like the two that follow. */
  readonly inflation: bigint;
  readonly inflationChange: bigint;
  readonly targetBondingRate: bigint;
  readonly totalBonded: bigint;
  readonly totalSupply: bigint;
  readonly isPaused: boolean;
};

export type SenderFacts = {
  readonly deposit: bigint;
  readonly withdrawRound: bigint;
  readonly reserve: bigint;
  readonly claimedInCurrentRound: bigint;
};

export type DelegatorFacts = {
  readonly account: Hex;
  readonly bondedAmount: bigint;
  readonly fees: bigint;
  /** The zero account when there is no stake. */
  readonly delegate: Hex;
  readonly delegatedAmount: bigint;
  readonly startRound: bigint;
  readonly lastClaimRound: bigint;
  readonly nextUnbondingLockId: bigint;
  readonly pendingStake: bigint;
  readonly pendingFees: bigint;
  readonly status: "Pending" | "Bonded" | "Unbonded";
};

export type OrchestratorFacts = {
  readonly account: Hex;
  /** "" when none is stored. */
  readonly serviceUri: string;
  readonly lastRewardRound: bigint;
  /** Parts per million that it keeps of rewards. */
  readonly rewardCut: bigint;
  /** Parts per million of fees that its delegators get. */
  readonly feeShare: bigint;
  readonly delegatedStake: bigint;
  readonly activationRound: bigint;
  readonly deactivationRound: bigint;
  readonly lastActiveStakeUpdateRound: bigint;
  readonly isActive: boolean;
  readonly isRegistered: boolean;
};

export type EarningsPoolFacts = {
  readonly totalStake: bigint;
  readonly rewardCut: bigint;
  readonly feeShare: bigint;
  /** Both: parts of 10²⁷. */
  readonly cumulativeRewardFactor: bigint;
  readonly cumulativeFeeFactor: bigint;
};

export type UnbondingLockFacts = {
  readonly id: bigint;
  readonly delegator: Hex;
  readonly amount: bigint;
  readonly withdrawRound: bigint;
};

/** A transaction that somebody on this machine wants. */
export type OperatorCall = {
  /** Who must send it; null = the node's own account. */
  readonly from: Hex | null;
  readonly to: Hex;
  readonly data: Hex;
  /** Wei. */
  readonly value: bigint;
  /** Null = the node chooses. */
  readonly gasLimit: bigint | null;
  /** For people: `bond 100 LPT`. Printable. */
  readonly subject: string;
};

/** How far a transaction is. */
export type OperatorTransactionState = {
  /** `mined` may be undone by the chain; `confirmed` and `displaced` are final. */
  readonly state: "sent" | "mined" | "confirmed" | "displaced";
  /** Of the attempt that is mined, or of the last one. */
  readonly hash: Hex;
  /** False: the contract refused it, and the gas is spent. Null until it is mined. */
  readonly isSuccess: boolean | null;
  readonly block: bigint | null;
  /** Wei that the gas cost. */
  readonly fee: bigint | null;
};

/** Transactions of operators, which the node makes, sends and follows like its own. */
export type OperatorTransactions = {
  /** 64 hexadecimal digits, lower case: who shows them may spend. */
  readonly token: string;
  /** Resolves once it is durable. `id`: `<account>/<nonce>`. */
  submit(
    call: OperatorCall,
  ): Promise<
    { readonly type: "submitted"; readonly id: string } | { readonly type: "refused"; readonly text: string }
  >;
  /** Null for an id that nobody was given. */
  state(id: string): OperatorTransactionState | null;
};

/** Something that costs gas, as an operator wants it. Amounts are wei. Addresses may have a checksum. */
export type OperatorAction =
  | { readonly type: "reward" | "initialize-round" | "claim-earnings" }
  | { readonly type: "bond"; readonly amount: bigint; readonly to: Hex }
  | { readonly type: "unbond" | "withdraw-fees"; readonly amount: bigint }
  | { readonly type: "rebond"; readonly lock: bigint; readonly to: Hex | null }
  | { readonly type: "withdraw-stake"; readonly lock: bigint }
  | { readonly type: "transfer"; readonly to: Hex; readonly amount: bigint }
  | { readonly type: "vote"; readonly poll: Hex; readonly choice: "yes" | "no" }
  | {
      readonly type: "vote-proposal";
      readonly proposal: bigint;
      readonly support: "against" | "for" | "abstain";
      readonly reason: string;
    }
  /** Null = as it is. */
  | { readonly type: "set-config"; readonly cuts: OperatorCuts | null; readonly serviceUri: string | null }
  | {
      readonly type: "activate";
      readonly cuts: OperatorCuts;
      readonly serviceUri: string;
      /** LPT to bond. */
      readonly amount: bigint;
      /** A lock to bond again, instead of an amount. */
      readonly lock: bigint | null;
    };

/** Parts per million: what the orchestrator keeps of rewards, and what its delegators get of fees. */
export type OperatorCuts = { readonly rewardCut: bigint; readonly feeShare: bigint };

/** What became of an {@link OperatorAction}. */
export type OperatorActionResult =
  /** All of it is mined; null: there was nothing to do. */
  | { readonly type: "done"; readonly hash: Hex | null }
  /** It makes no sense, and nothing was sent. */
  | { readonly type: "malformed"; readonly text: string }
  /** Nothing was sent, or nothing of the step that could not be done: `text` says what was done before. */
  | { readonly type: "refused"; readonly text: string }
  /** It was sent, and failed or is not mined yet. */
  | { readonly type: "failed"; readonly text: string };

/** Resolves once it is mined, or it is clear that it will not be soon. Never rejects. */
export type OperatorActions = { run(action: OperatorAction): Promise<OperatorActionResult> };

/** What became of an order for one ticket. */
export type TicketOrderResult = {
  readonly hash: Hex;
  /** `done`: it is as it was asked to be; a ticket to redeem is taken up with the next look at the chain. */
  readonly outcome: "done" | "refused";
  /** Why not, or what is worth knowing. Printable. */
  readonly text: string;
};

/** Orders for winning tickets. Both resolve once everything is durable, with a result a hash, in order. */
export type OperatorTickets = {
  /** 64 hexadecimal digits, lower case: who shows them may spend. */
  readonly token: string;
  /** Keeps tickets back from redemption, or lets them go again. */
  hold(hashes: readonly Hex[], isHeld: boolean): Promise<readonly TicketOrderResult[]>;
  /**
   * Redeems tickets as soon as the broker would take them, whatever the gas costs and however little they bring. With
   * `isDueOnly` those whose parameters have not run out are left as they are, without a result.
   */
  redeemNow(hashes: readonly Hex[], isDueOnly: boolean): Promise<readonly TicketOrderResult[]>;
};

export type OperatorNode = {
  /** An orchestrator when absent. */
  readonly role?: "orchestrator" | "redeemer";
  facts(): NodeFacts;
  maxSessions(): number;
  /** Changes the cap at once, until the next start. `count` is an integer of at least 1. */
  setMaxSessions(count: number): void;
  verbosity(): number;
  setVerbosity(verbosity: number): void;
  /** What keeps the node from taking work; null = healthy. */
  unhealthyReason(): string | null;
  /** Null off-chain. */
  readonly money: OperatorMoney | null;
  /** Null off-chain. */
  readonly chain: OperatorChain | null;
  /** Null off-chain, and on a node that sends nothing. */
  readonly actions?: OperatorActions | null;
  /** Null off-chain, and on a node that sends nothing. */
  readonly transactions?: OperatorTransactions | null;
  /** Null off-chain, and on a node that redeems nothing. */
  readonly tickets?: OperatorTickets | null;
  /** The exposition of all metrics; null without `-monitor`, and then `/metrics` does not exist. */
  readonly metrics: { readonly contentType: string; expose(): string } | null;
};

/** Told about things that an operator may want to see in the log. */
export type OperatorNotice =
  | {
      readonly type: "changed";
      readonly setting: "maxSessions" | "verbosity" | "maxFaceValue" | "minGasPrice" | "maxGasPrice";
      /** Null = no limit. */
      readonly value: number | bigint | null;
    }
  | {
      readonly type: "changed";
      readonly setting: "price";
      readonly scope: PriceScope;
      readonly value: string;
    }
  | { readonly type: "action"; readonly path: string; readonly action: OperatorAction["type"] }
  | { readonly type: "refused"; readonly path: string; readonly reason: string }
  | { readonly type: "bug"; readonly path: string; readonly error: unknown };
