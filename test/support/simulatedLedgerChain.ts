import type { Broadcast, ChainLog, ChainLogName, Receipt } from "../../src/runtime/chainPorts.ts";
import type { Hex } from "../../src/shared/brand.ts";
import { type ContractCall, hashText, type LedgerContracts, ledgerLog } from "./simulatedLedgerContracts.ts";
import { type LedgerMark, LedgerStore } from "./simulatedLedgerStore.ts";
import type { Chance, Owner, SimulatedTime } from "./simulatedTime.ts";

/*
 * A block chain on virtual time, the truth of a money-out simulation: a block each so many milliseconds, a pool of
 * transactions with nonces and fees, receipts and logs, and re-orgs that take blocks back. Blocks in which nothing
 * happens exist by their number only, so that ten rounds cost no more than what happens in them.
 */

/** How the chain itself behaves; drawn from the seed. */
export type LedgerTerms = {
  /** Milliseconds from block to block. */
  readonly blockMs: number;
  /** Blocks to an L1 block: 1, or 48 as on Arbitrum. */
  readonly blocksPerL1: bigint;
  readonly firstL1Block: bigint;
  /** Blocks that a transaction waits in the pool at most, when its fee is enough. */
  readonly inclusionMax: number;
  /** The pool takes no transaction whose fee cap is under the base fee, or whose nonce is not the next (a sequencer). */
  readonly isSequencer: boolean;
  /** Chance that a round's block hash is zero. */
  readonly zeroHash: number;
};

/** A transaction on its way, as the chain knows it. */
export type LedgerTransaction = {
  readonly hash: Hex;
  readonly from: Hex;
  /** Null: an account whose nonces nobody counts. */
  readonly nonce: number | null;
  readonly gasLimit: bigint;
  /** Wei per gas; `tip` null = legacy. */
  readonly cap: bigint;
  readonly tip: bigint | null;
  readonly call: ContractCall;
  /** What our own node signed, as against what others do. */
  readonly isOurs: boolean;
};

/** A transaction in a block. */
export type MinedTransaction = {
  readonly transaction: LedgerTransaction;
  readonly receipt: Receipt;
  readonly reason: string;
  readonly atMs: number;
};

type Block = {
  readonly number: bigint;
  readonly mark: LedgerMark;
  readonly mined: MinedTransaction[];
};

type Waiting = {
  readonly transaction: LedgerTransaction;
  readonly sinceMs: number;
  /** Not in a block before that. */
  readonly fromBlock: bigint;
};

/** What a mined transaction of ours did on a chain that is gone or that stands; for the checker. */
export type LedgerReorg = { readonly atMs: number; readonly depth: number; readonly undone: number };

export class LedgerChain {
  readonly store = new LedgerStore();
  readonly contracts: LedgerContracts;
  readonly terms: LedgerTerms;
  readonly reorgs: LedgerReorg[] = [];
  /** Moments at which the pool lost a transaction of ours. */
  readonly drops: number[] = [];
  /** So many transactions of ours will be taken and forgotten. */
  dropNext = 0;
  replaced = 0;
  /** Told of every transaction of ours that the pool has taken, and of every one that a block has. */
  onOurs: (what: "taken" | "mined", transaction: LedgerTransaction) => void = () => {};
  /** Told after every block that holds something, and after every re-org. */
  onMoved: () => void = () => {};
  /** Wei per gas. */
  #baseFee: bigint;
  readonly #time: SimulatedTime;
  readonly #chance: Chance;
  /** Blocks in which something happened, in order. */
  readonly #blocks: Block[] = [];
  readonly #mined = new Map<Hex, MinedTransaction>();
  readonly #pool = new Map<Hex, Waiting>();
  /** Accounts whose transactions no block takes, until a moment of virtual time; `isDeaf`: no pool keeps them either. */
  readonly #held = new Map<Hex, { readonly untilMs: number; readonly isDeaf: boolean }>();
  /** The first block that could hold it. */
  readonly #takenAt = new Map<Hex, bigint>();
  /** Re-orgs: from which block on hashes are others, in the order in which they came. */
  readonly #forks: bigint[] = [];
  readonly #owner: Owner = { isAlive: true };
  #plannedBlock: bigint | null = null;
  #actions = 0;

  constructor(parts: {
    readonly time: SimulatedTime;
    readonly chance: Chance;
    readonly contracts: LedgerContracts;
    readonly terms: LedgerTerms;
    readonly baseFee: bigint;
  }) {
    this.#time = parts.time;
    this.#chance = parts.chance;
    this.contracts = parts.contracts;
    this.terms = parts.terms;
    this.#baseFee = parts.baseFee;
  }

  /** The newest block. */
  get head(): bigint {
    return this.blockAt(this.#time.nowMs);
  }

  get l1Block(): bigint {
    return this.l1Of(this.head);
  }

  get baseFee(): bigint {
    return this.#baseFee;
  }

  /** The fee moves for everybody, from the next block on. */
  setBaseFee(fee: bigint): void {
    this.#baseFee = fee;
    this.#plan();
  }

  blockAt(ms: number): bigint {
    return BigInt(Math.floor(ms / this.terms.blockMs)) + 1n;
  }

  l1Of(block: bigint): bigint {
    return this.terms.firstL1Block + block / this.terms.blocksPerL1;
  }

  /** Virtual milliseconds at which an L1 block begins. */
  msOfL1(l1Block: bigint): number {
    const block = (l1Block - this.terms.firstL1Block) * this.terms.blocksPerL1;
    return Number(block - 1n) * this.terms.blockMs;
  }

  get roundMs(): number {
    const { blockMs, blocksPerL1 } = this.terms;
    return Number(this.contracts.terms.roundLength * blocksPerL1) * blockMs;
  }

  blockHash(block: bigint): Hex {
    let fork = 0;
    for (const [index, from] of this.#forks.entries()) if (block >= from) fork = index + 1;
    return hashText(this.#hashNumber(block, fork));
  }

  nonce(account: Hex): number {
    return Number(this.store.get(`nonce:${account}`));
  }

  /** Transactions of `account` in blocks up to `block`. */
  nonceAt(account: Hex, block: bigint): number {
    let later = 0;
    for (let index = this.#blocks.length - 1; index >= 0; index--) {
      const { number, mined } = this.#blocks[index] ?? { number: 0n, mined: [] };
      if (number <= block) break;
      later += mined.filter(({ transaction: { from, nonce } }) => from === account && nonce !== null).length;
    }
    return this.nonce(account) - later;
  }

  /** {@link nonce}, and those that the pool holds in a row behind it. */
  pendingNonce(account: Hex): number {
    let next = this.nonce(account);
    while (this.#waiting(account, next) !== null) next += 1;
    return next;
  }

  balance(account: Hex): bigint {
    return this.store.get(`balance:${account}`);
  }

  receipt(hash: Hex): Receipt | null {
    return this.#mined.get(hash)?.receipt ?? null;
  }

  /** Every transaction that is in a block now, in order. */
  *mined(): Generator<MinedTransaction> {
    for (const { mined } of this.#blocks) yield* mined;
  }

  *logs(from: bigint, to: bigint): Generator<ChainLog> {
    for (const { number, mined } of this.#blocks) {
      if (number < from || number > to) continue;
      for (const { receipt } of mined) yield* receipt.logs;
    }
  }

  get poolSize(): number {
    return this.#pool.size;
  }

  isWaiting(hash: Hex): boolean {
    return this.#pool.has(hash);
  }

  /** Hands a transaction to the pool. */
  submit(transaction: LedgerTransaction): Broadcast {
    const { hash, from, nonce, cap, tip, gasLimit, isOurs } = transaction;
    if (this.#pool.has(hash) || this.#mined.has(hash)) return { type: "known" };
    if (nonce !== null) {
      const next = this.nonce(from);
      if (nonce < next)
        return refused("nonce-too-low", `nonce too low: next nonce ${next}, tx nonce ${nonce}`);
      if (this.terms.isSequencer && nonce > this.pendingNonce(from))
        return refused("other", "nonce too high");
      if (this.balance(from) < gasLimit * cap) {
        return refused("no-gas-money", "insufficient funds for gas * price + value");
      }
      if (this.terms.isSequencer && cap < this.#baseFee) {
        return refused("underpriced", "max fee per gas less than block base fee");
      }
      const rival = this.#waiting(from, nonce);
      if (rival !== null) {
        const isEnough = cap * 10n >= rival.cap * 11n && (tip ?? cap) * 10n >= (rival.tip ?? rival.cap) * 11n;
        if (!isEnough) return refused("underpriced", "replacement transaction underpriced");
        this.#pool.delete(rival.hash);
        this.replaced += 1;
      }
    }
    if (isOurs && this.#isHeld(from, true)) {
      this.drops.push(this.#time.nowMs);
      return { type: "sent" };
    }
    // It is taken, and lost: the node that took it forgets it.
    if (isOurs && this.dropNext > 0) {
      this.dropNext -= 1;
      this.drops.push(this.#time.nowMs);
      return { type: "sent" };
    }
    this.#wait(transaction);
    if (isOurs) this.onOurs("taken", transaction);
    return { type: "sent" };
  }

  /** Somebody's transaction that needs no fee and no nonce: it is in the next block, whatever happens. */
  act(run: Extract<ContractCall, { type: "other" }>["run"], from: Hex): void {
    this.#actions += 1;
    const hash = hashText(BigInt(`0x${Bun.hash(`action ${this.#actions}`).toString(16)}`));
    this.submitOther({ hash, from, call: { type: "other", run } });
  }

  submitOther(parts: Pick<LedgerTransaction, "hash" | "from" | "call">): void {
    const free = { nonce: null, gasLimit: 30_000_000n, cap: 0n, tip: null, isOurs: false };
    this.#wait({ ...parts, ...free });
  }

  /** Another wallet sends from `account`: it takes the next nonce, whoever else meant to. */
  useNonce(account: Hex, hash: Hex): void {
    const nonce = this.nonce(account);
    const rival = this.#waiting(account, nonce);
    if (rival !== null) this.#pool.delete(rival.hash);
    this.#wait({
      ...{ hash, from: account, nonce, isOurs: false, call: { type: "other", run: () => {} } },
      ...{ gasLimit: 21_000n, cap: this.#baseFee * 2n, tip: 1n },
    });
    this.#forgetIn(hash, 600_000);
  }

  /** Another wallet sends from `account` and offers too little: its transaction waits, and is forgotten at last. */
  blockNonce(account: Hex, hash: Hex, forMs: number): void {
    const nonce = this.pendingNonce(account);
    this.#wait({
      ...{ hash, from: account, nonce, isOurs: false, call: { type: "other", run: () => {} } },
      ...{ gasLimit: 21_000n, cap: 1n, tip: 1n },
    });
    this.#forgetIn(hash, forMs);
  }

  #forgetIn(hash: Hex, ms: number): void {
    this.#time.schedule(ms, this.#owner, () => {
      this.#pool.delete(hash);
      this.#plan();
    });
  }

  /** No block takes what an account of ours sends, for a while. `isDeaf`: no pool keeps it either, nor what it holds. */
  hold(account: Hex, forMs: number, isDeaf: boolean): void {
    this.#held.set(account, { untilMs: this.#time.nowMs + forMs, isDeaf });
    if (isDeaf) this.dropAll(account);
    this.#time.schedule(forMs + 1, this.#owner, () => {
      this.#plan();
      this.onMoved();
    });
  }

  /** Ends every {@link hold}. */
  letGo(): void {
    this.#held.clear();
    this.#plan();
  }

  isHeld(account: Hex): boolean {
    return this.#isHeld(account);
  }

  #isHeld(account: Hex, isDeaf = false): boolean {
    const held = this.#held.get(account);
    return held !== undefined && this.#time.nowMs < held.untilMs && (held.isDeaf || !isDeaf);
  }

  /** The pool forgets everything of ours that it holds, or that of one account. */
  dropAll(account: Hex | null = null): void {
    for (const { transaction } of [...this.#pool.values()]) {
      if (!transaction.isOurs || (account !== null && transaction.from !== account)) continue;
      this.#pool.delete(transaction.hash);
      this.drops.push(this.#time.nowMs);
    }
  }

  /**
   * The last `depth` blocks are replaced by others. What they held is in other blocks, back in the pool, or (if ours)
   * gone.
   */
  reorg(depth: number): void {
    const fork = this.head - BigInt(depth);
    const undone: MinedTransaction[] = [];
    for (
      let last = this.#blocks.at(-1);
      last !== undefined && last.number > fork;
      last = this.#blocks.at(-1)
    ) {
      this.#blocks.pop();
      this.store.revert(last.mark);
      undone.unshift(...last.mined);
    }
    for (const { transaction } of undone) this.#mined.delete(transaction.hash);
    this.#forks.push(fork + 1n);
    this.reorgs.push({ atMs: this.#time.nowMs, depth, undone: undone.length });
    // In another order, and each in another block of the new branch.
    const places: { readonly transaction: LedgerTransaction; readonly block: bigint }[] = [];
    for (const { transaction } of undone) {
      const fate = this.#chance.next();
      // Not before it was sent.
      const first = this.#takenAt.get(transaction.hash) ?? fork + 1n;
      const room = Number(this.head - (first > fork ? first : fork + 1n));
      if (fate < 0.5 && room >= 0) {
        places.push({ transaction, block: this.head - BigInt(this.#chance.between(0, room)) });
      } else if (fate < 0.85 || !transaction.isOurs) {
        this.#wait(transaction, this.#chance.between(0, 40));
      }
    }
    for (let block = fork + 1n; block <= this.head; block++) {
      for (const place of places) {
        if (place.block !== block) continue;
        if (!this.#mine(place.transaction, block)) this.#wait(place.transaction);
      }
    }
    this.#plan();
    this.onMoved();
  }

  #hashNumber(block: bigint, fork: number): bigint {
    return BigInt(Bun.hash(`${block}/${fork}`)) * 2n ** 64n + block;
  }

  #waiting(account: Hex, nonce: number): LedgerTransaction | null {
    for (const { transaction } of this.#pool.values()) {
      if (transaction.from === account && transaction.nonce === nonce) return transaction;
    }
    return null;
  }

  #wait(transaction: LedgerTransaction, moreBlocks = 0): void {
    const after = this.#chance.between(1, this.terms.inclusionMax) + moreBlocks;
    const fromBlock = this.head + BigInt(after);
    if (!this.#takenAt.has(transaction.hash)) this.#takenAt.set(transaction.hash, this.head + 1n);
    this.#pool.set(transaction.hash, { transaction, sinceMs: this.#time.nowMs, fromBlock });
    this.#plan();
  }

  /** The next block that has something to hold. */
  #plan(): void {
    const next = this.head + 1n;
    let soonest: bigint | null = null;
    for (const { transaction, fromBlock } of this.#pool.values()) {
      if (!this.#isPayable(transaction)) continue;
      const block = fromBlock > next ? fromBlock : next;
      if (soonest === null || block < soonest) soonest = block;
    }
    if (soonest === null || (this.#plannedBlock !== null && this.#plannedBlock <= soonest)) return;
    this.#plannedBlock = soonest;
    const block = soonest;
    const atMs = Number(block - 1n) * this.terms.blockMs;
    this.#time.schedule(atMs - this.#time.nowMs, this.#owner, () => {
      if (this.#plannedBlock !== block) return;
      this.#plannedBlock = null;
      this.#produce(block);
      this.#plan();
      this.onMoved();
    });
  }

  /** Its turn has come, and its account can pay for it. */
  #isPayable({ from, nonce, cap, tip, gasLimit, isOurs }: LedgerTransaction): boolean {
    if (nonce === null) return true;
    if (isOurs && this.#isHeld(from)) return false;
    const fee = tip === null ? 0n : this.#baseFee;
    return (
      cap >= fee && cap >= this.#baseFee && nonce === this.nonce(from) && this.balance(from) >= gasLimit * cap
    );
  }

  #produce(block: bigint): void {
    const due = [...this.#pool.values()].filter(({ fromBlock }) => fromBlock <= block);
    // Low nonces first; the rest in the order of arrival.
    due.sort((left, right) => (left.transaction.nonce ?? 0) - (right.transaction.nonce ?? 0));
    for (const { transaction } of due) {
      if (!this.#isPayable(transaction)) continue;
      if (!this.#mine(transaction, block)) continue;
      this.#pool.delete(transaction.hash);
      if (transaction.isOurs) this.onOurs("mined", transaction);
    }
    for (const { transaction } of [...this.#pool.values()]) {
      const { from, nonce, hash } = transaction;
      if (nonce !== null && nonce < this.nonce(from)) this.#pool.delete(hash);
    }
  }

  /** Puts a transaction into a block, which must not be before the last that holds one. */
  #mine(transaction: LedgerTransaction, number: bigint): boolean {
    const { from, nonce, cap, tip, gasLimit, call, hash } = transaction;
    if (nonce !== null && (nonce !== this.nonce(from) || this.balance(from) < gasLimit * cap)) return false;
    const block = this.#blockOf(number);
    const price = this.#price(cap, tip);
    const logs: ChainLog[] = [];
    const blockHash = this.blockHash(number);
    const before = block.mined.reduce((count, { receipt }) => count + receipt.logs.length, 0);
    const result = this.contracts.call(
      call,
      {
        store: this.store,
        from,
        block: number,
        l1Block: this.l1Of(number),
        hashBefore: this.#roundHash(number),
        log: (name: ChainLogName, account, other, amounts, text = null) => {
          const place = { block: number, blockHash, index: before + logs.length, transaction: hash };
          logs.push(ledgerLog(place, name, account, other, amounts, text));
        },
      },
      gasLimit,
    );
    if (nonce !== null) {
      this.store.put(`nonce:${from}`, BigInt(nonce + 1));
      this.store.add(`balance:${from}`, -result.gasUsed * price);
    }
    const receipt: Receipt = {
      ...{
        hash,
        block: number,
        blockHash,
        isSuccess: result.isSuccess,
        gasUsed: result.gasUsed,
        gasPrice: price,
      },
      logs: result.isSuccess ? logs : [],
    };
    const mined = { transaction, receipt, reason: result.reason, atMs: this.#time.nowMs };
    block.mined.push(mined);
    this.#mined.set(hash, mined);
    return true;
  }

  #price(cap: bigint, tip: bigint | null): bigint {
    if (tip === null) return cap;
    return cap < this.#baseFee + tip ? cap : this.#baseFee + tip;
  }

  #roundHash(block: bigint): bigint {
    const hash = BigInt(this.blockHash(block - 1n));
    return Number(hash % 1_000n) < this.terms.zeroHash * 1_000 ? 0n : hash;
  }

  #blockOf(number: bigint): Block {
    const last = this.#blocks.at(-1);
    if (last?.number === number) return last;
    const block: Block = { number, mark: this.store.mark, mined: [] };
    this.#blocks.push(block);
    return block;
  }
}

function refused(
  cause: Extract<Broadcast, { type: "refused" }>["cause"],
  text: string,
): Extract<Broadcast, { type: "refused" }> {
  return { type: "refused", cause, text };
}
