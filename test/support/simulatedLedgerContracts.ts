import type {
  ChainLog,
  ChainLogName,
  OrchestratorStanding,
  Payable,
  RedeemableTicket,
  RewardPath,
  RoundStanding,
} from "../../src/runtime/chainPorts.ts";
import type { Hex } from "../../src/shared/brand.ts";
import type { LedgerStore } from "./simulatedLedgerStore.ts";

/*
 * Livepeer's contracts as far as money out needs them, on a store that can go back: rounds, one reward a round, the
 * ticket broker. The words of reverts, the order of checks and the gas are those of the sheets (chain 2.1, 4.1, 11.3,
 * 11.5; payments 6.3 to 6.5).
 */

export const contractAddresses = {
  roundsManager: "0x1111111111111111111111111111111111111111",
  bondingManager: "0x2222222222222222222222222222222222222222",
  ticketBroker: "0x3333333333333333333333333333333333333333",
} as const satisfies Record<string, Hex>;

export const noAccount: Hex = `0x${"00".repeat(20)}`;

/** What the protocol is like in this world. */
export type ProtocolTerms = {
  /** L1 blocks. */
  readonly roundLength: bigint;
  readonly ticketValidityPeriod: bigint;
  readonly poolSize: bigint;
  /** LPT wei that a reward mints, before the treasury's tenth. */
  readonly reward: bigint;
  /** The registered account. */
  readonly orchestrator: Hex;
  /** Who may call the reward beside it (LIP-118) at first, or nobody. */
  readonly rewardCaller: Hex | null;
};

/** A ticket as it was made, and what is wrong with it. */
export type LedgerTicket = RedeemableTicket & {
  /** Words with which the broker refuses it for ever; null = it is good. */
  readonly flaw: string | null;
};

/** What a transaction asks of a contract. */
export type ContractCall =
  | { readonly type: "initialize" }
  | { readonly type: "reward"; readonly path: RewardPath }
  | { readonly type: "redeem"; readonly tickets: readonly Hex[]; readonly isBatch: boolean }
  /** Somebody else's business: it moves the store by itself. */
  | { readonly type: "other"; readonly run: (context: CallContext) => void };

/** Where a call runs. */
export type CallContext = {
  readonly store: LedgerStore;
  readonly from: Hex;
  readonly block: bigint;
  readonly l1Block: bigint;
  /** `blockhash(block.number - 1)` as a number; 0 where Arbitrum has none. */
  readonly hashBefore: bigint;
  readonly log: (
    name: ChainLogName,
    account: Hex,
    other: Hex | null,
    amounts: readonly bigint[],
    text?: string | null,
  ) => void;
};

/** Gas that the calls use. Source: chain sheet 11.5, measured on the real contracts. */
export const ledgerGas = {
  plain: 21_000n,
  initialize: 233_000n,
  reward: 531_000n,
  /** A redemption alone; the first of a round costs more. */
  single: 198_000n,
  singleFirst: 293_000n,
  batchBase: 134_600n,
  batchEach: 80_550n,
  batchFirst: 60_000n,
  /** What a call that reverts early has used. */
  reverted: 62_000n,
} as const;

export type CallResult = { readonly isSuccess: boolean; readonly reason: string; readonly gasUsed: bigint };

class Revert extends Error {}

function require(isTrue: boolean, words: string): asserts isTrue {
  if (!isTrue) throw new Revert(words);
}

/** A round's block hash as a number in the store; a text of it. */
export function hashText(value: bigint): Hex {
  return `0x${value.toString(16).padStart(64, "0")}`;
}

export class LedgerContracts {
  readonly terms: ProtocolTerms;
  /** Every ticket that was ever made, by hash. */
  readonly tickets = new Map<Hex, LedgerTicket>();

  constructor(terms: ProtocolTerms) {
    this.terms = terms;
  }

  roundOf(l1Block: bigint): bigint {
    return l1Block / this.terms.roundLength;
  }

  /** Runs a call with at most `gasLimit`. What it changed is undone when it fails. */
  call(call: ContractCall, context: CallContext, gasLimit: bigint): CallResult {
    const { store } = context;
    const mark = store.mark;
    try {
      const gasUsed = this.#run(call, context, gasLimit);
      if (gasUsed > gasLimit) throw new Revert("");
      return { isSuccess: true, reason: "", gasUsed };
    } catch (error) {
      if (!(error instanceof Revert)) throw error;
      store.revert(mark);
      const isDry = error.message === "";
      const used = isDry || gasLimit < ledgerGas.reverted ? gasLimit : ledgerGas.reverted;
      return { isSuccess: false, reason: error.message, gasUsed: used };
    }
  }

  round(store: LedgerStore, l1Block: bigint): RoundStanding {
    const { roundLength, ticketValidityPeriod, poolSize } = this.terms;
    const current = this.roundOf(l1Block);
    const startBlock = current * roundLength;
    return {
      current,
      lastInitialized: store.get("lastInitialized"),
      startBlock,
      length: roundLength,
      isLocked: l1Block - startBlock >= roundLength - roundLength / 10n,
      ticketValidityPeriod,
      poolSize,
    };
  }

  orchestrator(store: LedgerStore, l1Block: bigint): OrchestratorStanding {
    const { reward } = this.terms;
    const isActive = this.isActive(store, l1Block);
    return {
      isActive,
      isRegistered: true,
      lastRewardRound: store.get("lastRewardRound"),
      activationRound: store.get("activationRound"),
      deactivationRound: deactivationRound(store),
      stake: 1_000_000n * 10n ** 18n,
      rewardCaller: this.rewardCaller(store),
      rewardForecast: isActive ? reward : 0n,
    };
  }

  /** Whom the orchestrator has named to call its reward, at last. */
  rewardCaller(store: LedgerStore): Hex | null {
    const named = store.get("rewardCaller");
    return named === 0n ? this.terms.rewardCaller : `0x${named.toString(16).padStart(40, "0")}`;
  }

  isActive(store: LedgerStore, l1Block: bigint): boolean {
    const round = this.roundOf(l1Block);
    return store.get("activationRound") <= round && round < deactivationRound(store);
  }

  payable(store: LedgerStore, l1Block: bigint, sender: Hex, atMs: number): Payable {
    const round = this.roundOf(l1Block);
    return {
      deposit: store.get(`deposit:${sender}`),
      reserve: store.get(`reserve:${sender}`),
      claimedInRound: store.get(`claimed:${round}:${sender}`),
      claimedByUs: store.get(`claimedByUs:${round}:${sender}`),
      withdrawRound: store.get(`withdrawRound:${sender}`),
      readAtMs: atMs,
      claimable: this.#claimable(store, l1Block, sender),
    };
  }

  isUsed(store: LedgerStore, hash: Hex): boolean {
    return store.get(`used:${hash}`) !== 0n;
  }

  /** Whether the broker would take a ticket now and what it would pay; null when it would revert. */
  worth(store: LedgerStore, l1Block: bigint, hash: Hex): bigint | null {
    const mark = store.mark;
    const context: CallContext = {
      store,
      from: noAccount,
      block: 0n,
      l1Block,
      hashBefore: 0n,
      log: () => {},
    };
    try {
      return this.#redeem(hash, context);
    } catch (error) {
      if (!(error instanceof Revert)) throw error;
      return null;
    } finally {
      store.revert(mark);
    }
  }

  #run(call: ContractCall, context: CallContext, gasLimit: bigint): bigint {
    switch (call.type) {
      case "initialize":
        this.#initialize(context);
        return ledgerGas.initialize;
      case "reward":
        this.#reward(call.path, context);
        return ledgerGas.reward;
      case "redeem":
        return this.#redeemAll(call, context, gasLimit);
      case "other":
        call.run(context);
        return ledgerGas.plain;
    }
  }

  #initialize({ store, hashBefore, l1Block, log }: CallContext): void {
    const round = this.roundOf(l1Block);
    require(store.get("paused") === 0n, "system is paused");
    require(store.get("lastInitialized") < round, "round already initialized");
    store.put("lastInitialized", round);
    // A round that is initialised again after a re-org has another hash.
    store.put(`roundHash:${round}`, hashBefore);
    log("NewRound", contractAddresses.roundsManager, null, [round], hashText(hashBefore));
  }

  #reward(path: RewardPath, { store, from, l1Block, log }: CallContext): void {
    const { orchestrator, reward } = this.terms;
    const rewardCaller = this.rewardCaller(store);
    this.#requireRound(store, l1Block);
    if (path.type === "own") require(from === orchestrator, "caller must be an active transcoder");
    else require(from === rewardCaller && path.orchestrator === orchestrator, "caller must be reward caller");
    require(this.isActive(store, l1Block), "caller must be an active transcoder");
    const round = this.roundOf(l1Block);
    const isFirst = store.get("lastRewardRound") !== round;
    require(isFirst, "caller has already called reward for the current round");
    store.put("lastRewardRound", round);
    const treasury = reward / 10n;
    log("TreasuryReward", orchestrator, "0x4444444444444444444444444444444444444444", [treasury]);
    log("Reward", orchestrator, null, [reward - treasury]);
  }

  #requireRound(store: LedgerStore, l1Block: bigint): void {
    require(store.get("paused") === 0n, "system is paused");
    const isInitialized = store.get("lastInitialized") === this.roundOf(l1Block);
    require(isInitialized, "current round is not initialized");
  }

  /** A batch swallows what fails inside; each inner call needs its own gas. */
  #redeemAll(
    { tickets, isBatch }: Extract<ContractCall, { type: "redeem" }>,
    context: CallContext,
    gasLimit: bigint,
  ): bigint {
    const { store, l1Block } = context;
    this.#requireRound(store, l1Block);
    const first = `redeemedIn:${this.roundOf(l1Block)}`;
    const isFirst = store.get(first) === 0n;
    if (!isBatch) {
      const [hash] = tickets;
      require(hash !== undefined, "");
      const gas = isFirst ? ledgerGas.singleFirst : ledgerGas.single;
      require(gas <= gasLimit, "");
      this.#redeem(hash, context);
      store.put(first, 1n);
      return gas;
    }
    let gas = ledgerGas.batchBase;
    require(gas <= gasLimit, "");
    for (const [index, hash] of tickets.entries()) {
      const need = ledgerGas.batchEach + (isFirst && index === 0 ? ledgerGas.batchFirst : 0n);
      if (gas + need > gasLimit) continue;
      gas += need;
      const mark = store.mark;
      try {
        this.#redeem(hash, context);
        store.put(first, 1n);
      } catch (error) {
        if (!(error instanceof Revert)) throw error;
        store.revert(mark);
      }
    }
    return gas;
  }

  #redeem(hash: Hex, context: CallContext): bigint {
    const { store, l1Block, block, log } = context;
    const round = this.roundOf(l1Block);
    this.#requireRound(store, l1Block);
    const ticket = this.tickets.get(hash);
    require(ticket !== undefined, "the simulated broker knows no such ticket");
    const { sender, recipient, faceValue, creationRound } = ticket;
    const roundHash = store.get(`roundHash:${creationRound}`);
    require(roundHash !== 0n, "ticket creationRound does not have a block hash");
    const isRightHash = hashText(roundHash) === ticket.creationRoundBlockHash;
    require(isRightHash, "ticket creationRoundBlockHash invalid for creationRound");
    require(creationRound + this.terms.ticketValidityPeriod > round, "ticket is expired");
    require(store.get(`used:${hash}`) === 0n, "ticket is used");
    require(ticket.flaw === null, ticket.flaw ?? "");
    const withdrawRound = store.get(`withdrawRound:${sender}`);
    require(withdrawRound === 0n || withdrawRound > round, "sender is unlocked");
    const deposit = store.get(`deposit:${sender}`);
    const reserve = store.get(`reserve:${sender}`);
    require(deposit > 0n || reserve > 0n, "sender deposit and reserve are zero");
    store.put(`used:${hash}`, block);
    let paid = faceValue;
    if (faceValue <= deposit) store.put(`deposit:${sender}`, deposit - faceValue);
    else {
      const claimable = this.#claimable(store, l1Block, sender);
      let claim = faceValue - deposit;
      if (claim > claimable) claim = claimable;
      store.put(`deposit:${sender}`, 0n);
      if (claim > 0n) {
        store.put(`reserve:${sender}`, reserve - claim);
        store.add(`claimed:${round}:${sender}`, claim);
        store.add(`claimedByUs:${round}:${sender}`, claim);
        log("ReserveClaimed", sender, recipient, [claim]);
      }
      paid = deposit + claim;
    }
    store.add("fees", paid);
    if (paid > 0n) log("WinningTicketTransfer", sender, recipient, [paid]);
    log("WinningTicketRedeemed", sender, recipient, [
      faceValue,
      ticket.winProb,
      BigInt(ticket.senderNonce),
      BigInt(ticket.recipientRand),
    ]);
    store.put(`paid:${hash}`, paid);
    return paid;
  }

  #claimable(store: LedgerStore, l1Block: bigint, sender: Hex): bigint {
    if (!this.isActive(store, l1Block)) return 0n;
    const round = this.roundOf(l1Block);
    const funds = store.get(`reserve:${sender}`) + store.get(`claimed:${round}:${sender}`);
    const claimable = funds / this.terms.poolSize - store.get(`claimedByUs:${round}:${sender}`);
    return claimable > 0n ? claimable : 0n;
  }
}

/** 0 in the store stands for never. */
function deactivationRound(store: LedgerStore): bigint {
  const round = store.get("deactivationRound");
  return round === 0n ? 2n ** 256n - 1n : round;
}

/** The logs of one transaction as the desk hands them out, in order. */
export function ledgerLog(
  place: Pick<ChainLog, "block" | "blockHash" | "index" | "transaction">,
  name: ChainLogName,
  account: Hex,
  other: Hex | null,
  amounts: readonly bigint[],
  text: string | null,
): ChainLog {
  return { ...place, name, account, other, amounts, text };
}
