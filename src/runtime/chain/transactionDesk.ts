import type { TransactionCommand, TransactionSnapshot } from "../../actors/transaction/decide.ts";
import { firstFees, raisedFees } from "../../protocol/fees.ts";
import { assert } from "../../shared/assert.ts";
import type { Hex } from "../../shared/brand.ts";
import type { AttemptFees, ChainLook, Receipt, ReceiptWord } from "../chainPorts.ts";
import type { EffectHandler, Origin } from "../host.ts";
import { NonceBook } from "./nonceBook.ts";
import { lower, runawayOf, smaller } from "./feeBounds.ts";
import { TransactionMemories } from "./transactionMemory.ts";
import {
  isGivenUp,
  isReceipt,
  lowerCase,
  type OpenTransaction,
  type PlanRefusal,
  refusal,
  silentOwner,
  type TransactionDeskOptions,
  type TransactionOwner,
  type TransactionPurpose,
  type TransactionRequest,
} from "./transactionTypes.ts";

/** A transaction that no block has taken is broadcast again after this, in case the pool has lost it. */
const rebroadcastMs = 20_000;
/** An attempt whose fee is below the base fee is raised after this. */
const outbidMs = 15_000;
/** Right after an attempt was signed the chain is looked at so often. Milliseconds. */
const busyMs = 3_000;
/** After this an attempt is not expected any moment. Milliseconds. */
const freshMs = 60_000;
/** A mined transaction that is not final yet is asked for so often. Milliseconds. */
const minedAskMs = 60_000;
/** A receipt that is gone must be missed for so many looks, when the chain does not say that its block is gone. */
const missesMax = 3;
/** For how long the chain must count fewer transactions than we do before it is believed. */
const behindMs = 120_000;
/** Gas of a transfer that does nothing, with what Arbitrum takes for its bytes on days when L1 is dear. */
const cancelGas = 300_000n;
/** Transactions of others that may wait in the pool with nonces before ours. */
const foreignMax = 64;
/** Attempts of a transaction whose receipts are asked for at each look. */
const newestAttempts = 4;
/** Transactions of which receipts are asked at a time. */
const watchedMax = 100;
/**
 * A transaction whose account this node has no key for (any more) cannot be raised. When the chain says for so long
 * that its nonce is unused, what it was for may be done by another key. Milliseconds.
 */
const keylessMs = 300_000;
/** A receipt that two endpoints cannot read is asked for ever less often, down to this. Milliseconds. */
const unreadAskMs = 60_000;
/** One of those that nobody has any use for is still asked for so often, for the books. Milliseconds. */
const uselessAskMs = 600_000;

/**
 * Sees to it that transactions are mined: reserves nonces, signs, broadcasts, raises, replaces, and follows blocks
 * until they are final. Everything that matters is in the log before anything leaves.
 */
export class TransactionDesk {
  readonly #options: TransactionDeskOptions;
  readonly #owners = new Map<TransactionPurpose, TransactionOwner>();
  readonly #memory: TransactionMemories;
  readonly #behindSince = new Map<Hex, number>();
  readonly #nonces: NonceBook;
  #planning: Promise<unknown> = Promise.resolve();

  constructor(options: TransactionDeskOptions) {
    this.#options = options;
    this.#nonces = new NonceBook(options);
    this.#memory = new TransactionMemories(options.monotonicMs);
  }

  /** Names who hears of transactions of a purpose. Once each, before the first tick. */
  own(purpose: TransactionPurpose, owner: TransactionOwner): void {
    this.#owners.set(purpose, owner);
  }

  /** Transactions that have not ended, by nonce. */
  open(): readonly OpenTransaction[] {
    const open: OpenTransaction[] = [];
    for (const id of this.#options.host.idsOf("transaction")) {
      const transaction = this.#find(id);
      if (transaction !== null) open.push(transaction);
    }
    return open.sort((left, right) => left.context.nonce - right.context.nonce);
  }

  /**
   * Makes and signs a transaction and hands it to the chain once that is durable. `decide` runs in the turn of the
   * plan with its id, so that what it executes joins the commit; the plan is dropped when it returns false.
   */
  async plan(
    request: TransactionRequest,
    look: ChainLook,
    decide: (id: string, origin: Origin) => boolean = () => true,
  ): Promise<{ readonly type: "planned"; readonly id: string } | PlanRefusal> {
    // One after the other: each counts on the nonce before it.
    const turn = this.#planning.then(() => this.#plan(request, look, decide));
    this.#planning = turn.catch(() => undefined);
    return turn;
  }

  /** Follows every open transaction on the chain as `look` shows it. Ticks must not overlap. */
  async tick(look: ChainLook): Promise<void> {
    const { only } = this.#options;
    const open = this.open().filter(({ context }) => only === undefined || context.purpose === only);
    this.#memory.forget((id) => this.#find(id) === null);
    this.#nonces.forget();
    const watched = open.filter((transaction) => this.#isAskedFor(transaction, look)).slice(0, watchedMax);
    const hashes = watched.flatMap(({ id, state, context: { attempts } }) => {
      // While the nonce is unused none of them is mined: old attempts are not worth a call each.
      const isUnused = state === "sent" && !this.#memory.of(id).isNonceUsed;
      return (isUnused ? attempts.slice(-newestAttempts) : attempts).map(({ hash }) => hash);
    });
    if (hashes.length > 0) {
      const receipts = await this.#options.desk.receipts(hashes);
      if (receipts === null) return;
      const words = new Map(hashes.map((hash, index) => [hash, receipts[index] ?? null]));
      for (const { id } of watched) await this.#follow(id, words, look);
    }
    for (const account of this.#options.signer.accounts) await this.#checkNonces(account, look);
  }

  /**
   * Nobody has the key of a transaction, and no block took it for a while; or its nonce is used for good and its receipt
   * cannot be read: it is followed on, but nobody need wait for it.
   */
  isReleased(id: string): boolean {
    return this.#memory.isReleased(id);
  }

  /** Its nonce is used for good, and its receipt cannot be read. */
  isUnread(id: string): boolean {
    return this.#memory.isUnread(id);
  }

  /** One that is mined is asked for when it may be final, and now and then in case a re-org took it back. */
  #isAskedFor(transaction: OpenTransaction, look: ChainLook): boolean {
    const { mined } = transaction.context;
    const memory = this.#memory.of(transaction.id);
    const nowMs = this.#options.monotonicMs();
    if (transaction.state === "sent" || mined === null) {
      const unreadMs = Math.min(unreadAskMs, (nowMs - (memory.unreadSince ?? nowMs)) / 20);
      const restMs = this.#isUseful(transaction) ? unreadMs : uselessAskMs;
      if (nowMs - memory.askedAt < restMs) return false;
    } else {
      const isDeep = look.block - mined.block >= BigInt(this.#options.confirmations);
      if (!isDeep && look.block >= mined.block && nowMs - memory.askedAt < minedAskMs) return false;
    }
    memory.askedAt = nowMs;
    return true;
  }

  /** False: somebody else does, or has done, what it was for. */
  #isUseful(transaction: OpenTransaction): boolean {
    if (!this.isReleased(transaction.id)) return true;
    return this.#owner(transaction.context.purpose).isUseful?.(transaction) !== false;
  }

  /** Milliseconds in which the chain should be looked at again, or null for the usual rhythm. */
  wakeInMs(): number | null {
    const nowMs = this.#options.monotonicMs();
    const isFresh = this.open().some(
      ({ id, state }) => state === "sent" && nowMs - this.#memory.of(id).signedAt < freshMs,
    );
    return isFresh ? busyMs : null;
  }

  async #plan(
    request: TransactionRequest,
    look: ChainLook,
    decide: (id: string, origin: Origin) => boolean,
  ): Promise<{ readonly type: "planned"; readonly id: string } | PlanRefusal> {
    const { host, desk, signer } = this.#options;
    const { from } = request;
    const call = lowerCase(request.call);
    if (!signer.accounts.includes(from)) return refusal("unauthorized", `There is no key for ${from}.`);
    const feeMax = lower(request.feeMax, this.#options.feeMax());
    const fees = firstFees(look, feeMax);
    if (fees === "above-max") {
      return refusal(
        "fee",
        `The gas price ${look.baseFee ?? look.gasPrice} is above the limit ${feeMax} wei.`,
      );
    }
    const spoken = this.#spokenFor(from);
    const needed = request.gasLimit * fees.cap + call.value;
    const balance = look.balances.get(from);
    if (balance !== undefined && balance < spoken + needed) {
      return refusal(
        "gas-money",
        `The account ${from} holds ${balance} wei and needs ${spoken + needed} wei.`,
      );
    }
    const counted = await desk.nonces(from, null);
    if (counted === null)
      return refusal("unreadable", "The chain does not say how many transactions the account has sent.");
    // What waits in a pool is the word of one endpoint, and a nonce too high is a gap that costs a transaction each.
    if (counted.pending - Math.max(counted.mined, this.#nonces.next(from)) > foreignMax) {
      return refusal(
        "unreadable",
        `An endpoint says that ${counted.pending} transactions of the account wait.`,
      );
    }
    // From here on in one turn: nobody else takes the nonce.
    const nonce = this.#nonces.forNext(from, counted);
    const id = this.#nonces.idOf(from, nonce);
    const origin: Origin = { correlationId: `transaction:${id}`, causationId: request.purpose };
    const { chainId } = look;
    const signed = signer.sign({ ...call, chainId, from, nonce, gasLimit: request.gasLimit, fees });
    if (!decide(id, origin)) return refusal("unwanted", "It is no longer wanted.");
    this.#nonces.reserve(from, nonce, origin);
    const { purpose, subject, tickets, round, gasLimit } = request;
    const plan = {
      purpose,
      subject,
      tickets,
      round,
      chainId,
      from,
      nonce,
      ...call,
      gasLimit,
      feeMax: request.feeMax,
    };
    const first = { ...signed, feeCap: fees.cap, tip: fees.tip };
    const done = host.execute(
      "transaction",
      id,
      { type: "PlanTransaction", plan, first } as TransactionCommand,
      origin,
    );
    assert(done.type === "accepted", `The transaction ${id} was planned twice.`);
    this.#memory.of(id).owed += 1;
    return { type: "planned", id };
  }

  /** Wei that open transactions of an account may still cost. */
  #spokenFor(from: Hex): bigint {
    let sum = 0n;
    for (const { state, context } of this.open()) {
      const last = context.attempts.at(-1);
      if (context.from !== from || state !== "sent" || last === undefined) continue;
      sum += context.gasLimit * last.feeCap + context.value;
    }
    return sum;
  }

  async #follow(id: string, words: ReadonlyMap<Hex, ReceiptWord>, look: ChainLook): Promise<void> {
    const transaction = this.#find(id);
    if (transaction === null) return;
    const { state, context } = transaction;
    const told = context.attempts.map(({ hash }) => words.get(hash) ?? null);
    const receipt = told.find(isReceipt);
    if (state === "mined") return this.#followMined(transaction, receipt, told.includes("unreadable"), look);
    // What cannot be read does not stand in the way: before anything ends, the nonce and two endpoints are asked.
    if (receipt !== undefined) {
      // A receipt from an endpoint that is further than the look: what depends on both waits for the next one.
      if (receipt.block <= look.block) this.#mined(transaction, receipt, look);
      return;
    }
    await this.#press(transaction, look);
  }

  async #followMined(
    transaction: OpenTransaction,
    receipt: Receipt | undefined,
    isUnreadable: boolean,
    look: ChainLook,
  ): Promise<void> {
    const { id, context } = transaction;
    const { mined } = context;
    assert(mined !== null, `The transaction ${id} is mined nowhere.`);
    const memory = this.#memory.of(id);
    const isSame = receipt?.hash === mined.hash && receipt.blockHash === mined.blockHash;
    if (isSame || (receipt === undefined && isUnreadable)) {
      if (isSame) memory.misses = 0;
      if (look.block - mined.block < BigInt(this.#options.confirmations)) return;
      // What follows is for ever: not on the word of one endpoint. Two may know what one cannot say.
      const [agreed = null] = (await this.#options.desk.receipts([mined.hash], "quorum")) ?? [];
      if (isReceipt(agreed) && agreed.blockHash === mined.blockHash) this.#confirmed(transaction);
      return;
    }
    if (receipt !== undefined) {
      if (receipt.block > look.block) return;
      this.#undone(transaction);
      const again = this.#find(id);
      if (again !== null) this.#mined(again, receipt, look);
      return;
    }
    // Gone: the block was replaced, or this endpoint does not know it.
    memory.misses += 1;
    const hash = await this.#options.desk.blockHash(mined.block);
    const isReplaced = hash !== null && hash !== mined.blockHash;
    if (isReplaced || (hash === null && look.block < mined.block && memory.misses >= missesMax))
      this.#undone(transaction);
  }

  /** Not mined: brings it before the chain again, raises it, replaces it, or gives its nonce up as lost. */
  async #press(transaction: OpenTransaction, look: ChainLook): Promise<void> {
    const { desk, monotonicMs, confirmations, timeoutMs } = this.#options;
    const { id, context } = transaction;
    const memory = this.#memory.of(id);
    const counted = await this.#nonces.count(context.from);
    if (counted === null) return;
    memory.isNonceUsed = counted.mined > context.nonce;
    if (memory.isNonceUsed) {
      const final = look.block > BigInt(confirmations) ? look.block - BigInt(confirmations) : 0n;
      const deep = await desk.nonces(context.from, final);
      if (deep === null || deep.mined <= context.nonce) return;
      // Twice: an endpoint may know blocks before it knows their receipts.
      memory.misses += 1;
      if (memory.misses < missesMax) return;
      const agreed = await desk.receipts(
        context.attempts.map(({ hash }) => hash),
        "quorum",
      );
      const found = agreed?.find(isReceipt);
      if (found !== undefined && found.block <= look.block) this.#mined(transaction, found, look);
      else if (agreed?.every((word) => word === null) === true) this.#displaced(transaction, deep.mined);
      else if (agreed?.some((word) => word === "unreadable") === true) {
        memory.isReleased = true;
        memory.unreadSince ??= monotonicMs();
        this.#owner(context.purpose).unread?.(transaction, look);
      }
      return;
    }
    memory.misses = 0;
    const nowMs = monotonicMs();
    const isOurs = this.#options.signer.accounts.includes(context.from);
    if (memory.unreadSince !== null) this.#memory.restart(id);
    if (!isOurs && nowMs - memory.pendingSince >= keylessMs) {
      memory.isReleased = true;
      this.#owner(context.purpose).released?.(transaction);
    }
    const last = context.attempts.at(-1);
    assert(last !== undefined, `The transaction ${id} was never signed.`);
    const isOutbid = look.baseFee !== null && last.feeCap < look.baseFee;
    const isMoot =
      last.kind !== "cancel" && this.#owner(context.purpose).isMoot?.(transaction, look) === true;
    // What waits for a nonce before it does not wait for its fee.
    if (isOurs && counted.mined < context.nonce)
      memory.signedAt = Math.max(memory.signedAt, nowMs - outbidMs);
    const waitedMs = nowMs - memory.signedAt;
    // What no node takes, raised or not, would hold up all nonces behind it for ever.
    const isNext = counted.mined === context.nonce;
    const isTried = context.attempts.length > 1 || waitedMs >= 2 * timeoutMs;
    const isHopeless = isNext && context.refusal === "other" && last.kind !== "cancel" && isTried;
    if (context.refusal === "no-gas-money" && !isMoot && this.#lower(transaction, look)) return;
    if (isMoot || waitedMs >= timeoutMs || (isOutbid && waitedMs >= outbidMs)) {
      if (this.#raise(transaction, look, isMoot || isHopeless || isGivenUp(context))) return;
      // Nothing of it is in a pool that a replacement would have to outbid.
      const fees: AttemptFees = { cap: last.feeCap, tip: last.tip };
      if (isHopeless && waitedMs >= 2 * timeoutMs && this.#sign(transaction, fees, true)) return;
    }
    // One that waits for a nonce before it, or has waited for long, is hardly lost in the next seconds; what was
    // refused may be taken now that it can be paid for.
    const balance = look.balances.get(context.from);
    const isPayable = balance === undefined || balance >= context.gasLimit * last.feeCap + context.value;
    const isWelcome = context.refusal !== null && !isOutbid && isPayable;
    const longer = isWelcome ? 0 : Math.min(14, Math.floor(waitedMs / 60_000));
    const patience = counted.mined < context.nonce ? 15 : 1 + longer;
    if (nowMs - memory.broadcastAt < rebroadcastMs * patience || !this.#isUseful(transaction)) return;
    // While the disk refuses, what is signed in memory may be gone with the next crash: it must not leave.
    await this.#options.host.committed();
    memory.owed = 0;
    await this.#send(id);
  }

  /** Signs the next attempt. False when the fee cannot be raised. */
  #raise(transaction: OpenTransaction, look: ChainLook, isCancel: boolean): boolean {
    const { id, context } = transaction;
    const last = context.attempts.at(-1);
    assert(last !== undefined, `The transaction ${id} was never signed.`);
    const before: AttemptFees = { cap: last.feeCap, tip: last.tip };
    const fees = raisedFees(before, look, lower(this.#feeMaxOf(transaction), runawayOf(look)));
    if (fees === "at-max") return false;
    // What the account cannot pay for no node takes, while it may still take the attempt before.
    const balance = look.balances.get(context.from);
    const { gasLimit, value } = context;
    const cost = isCancel ? smaller(cancelGas, gasLimit) * fees.cap : gasLimit * fees.cap + value;
    return (balance === undefined || balance >= cost) && this.#sign(transaction, fees, isCancel);
  }

  /** What was refused because it cannot be paid is in no pool: once gas is cheaper, it is offered for less. */
  #lower(transaction: OpenTransaction, look: ChainLook): boolean {
    const { context } = transaction;
    const fees = firstFees(look, this.#feeMaxOf(transaction));
    if (fees === "above-max" || context.attempts.some(({ feeCap }) => feeCap <= fees.cap)) return false;
    const balance = look.balances.get(context.from);
    if (balance === undefined || balance < context.gasLimit * fees.cap + context.value) return false;
    return this.#sign(transaction, fees, isGivenUp(context));
  }

  /** Signs an attempt at these fees. False when it cannot be. */
  #sign({ id, context }: OpenTransaction, fees: AttemptFees, isCancel: boolean): boolean {
    const { host, signer } = this.#options;
    if (!signer.accounts.includes(context.from)) return false;
    const { chainId, from, nonce, to, value, data, gasLimit } = context;
    const call = isCancel ? { to: from, value: 0n, data: "0x" as Hex } : { to, value, data };
    const limit = isCancel ? smaller(cancelGas, gasLimit) : gasLimit;
    const signed = signer.sign({ ...call, chainId, from, nonce, gasLimit: limit, fees });
    const command: TransactionCommand = {
      type: "SignTransaction",
      ...signed,
      kind: isCancel ? "cancel" : "raise",
      feeCap: fees.cap,
      tip: fees.tip,
    };
    const origin: Origin = { correlationId: `transaction:${id}`, causationId: "chain-look" };
    if (host.execute("transaction", id, command, origin).type === "rejected") return false;
    const memory = this.#memory.of(id);
    memory.signedAt = this.#options.monotonicMs();
    memory.owed += 1;
    return true;
  }

  /** Nobody behind it waits because it may not pay what they may. */
  #feeMaxOf({ context }: OpenTransaction): bigint | null {
    let max: bigint | null = context.feeMax;
    for (const other of this.open()) {
      if (other.context.from !== context.from || other.context.nonce <= context.nonce) continue;
      if (max === null || other.context.feeMax === null) max = null;
      else if (other.context.feeMax > max) max = other.context.feeMax;
    }
    return lower(max, this.#options.feeMax());
  }

  /** An attempt is durable: hands the newest to the chain. Never rejects. */
  async broadcast(id: string): Promise<void> {
    const memory = this.#memory.of(id);
    memory.owed -= 1;
    // Another was signed meanwhile: its own turn comes once it is durable too.
    if (memory.owed <= 0) await this.#send(id);
  }

  async #send(id: string): Promise<void> {
    try {
      const transaction = this.#find(id);
      const last = transaction?.context.attempts.at(-1);
      if (transaction === null || transaction.state !== "sent" || last === undefined) return;
      this.#memory.of(id).broadcastAt = this.#options.monotonicMs();
      const outcome = await this.#options.desk.broadcast({ hash: last.hash, raw: last.raw });
      if (outcome.type !== "refused") return;
      if (outcome.cause === "no-gas-money") await this.#broadcastCheaper(transaction);
      // Its nonce is used: the next look finds the receipt of an attempt, or another transaction in its place.
      if (outcome.cause === "nonce-too-low") return;
      // One before it is not mined: that is no verdict on this one.
      if (/nonce too high/i.test(outcome.text)) return;
      const { cause, text } = outcome;
      const command: TransactionCommand = {
        type: "NoteRefusal",
        hash: last.hash,
        cause,
        text: text.slice(0, 200),
      };
      const origin: Origin = { correlationId: `transaction:${id}`, causationId: "broadcast" };
      if (this.#find(id)?.state !== "sent") return;
      this.#options.host.execute("transaction", id, command, origin);
    } catch (error) {
      this.#options.onFault(error);
    }
  }

  /** What the account cannot pay now, it may have been able to pay at the price of an earlier attempt. */
  async #broadcastCheaper({ context }: OpenTransaction): Promise<void> {
    for (const { hash, raw } of context.attempts.slice(0, -1).reverse()) {
      const outcome = await this.#options.desk.broadcast({ hash, raw });
      if (outcome.type !== "refused" || outcome.cause !== "no-gas-money") return;
    }
  }

  /** A chain that counts fewer transactions than we do, for a while and with nothing of ours under way, is right. */
  async #checkNonces(account: Hex, look: ChainLook): Promise<void> {
    const { desk, monotonicMs, rawOf } = this.#options;
    const next = this.#nonces.next(account);
    const mine = this.open().filter(({ context }) => context.from === account);
    if (next === 0 || mine.some(({ state }) => state === "mined")) return;
    if (mine.length === 0 && !this.#behindSince.has(account) && look.block % 32n !== 0n) return;
    const counted = await this.#nonces.count(account);
    if (counted === null) return;
    // Those before it are mined, whether or not their receipts can be read.
    const first = mine.find(({ context }) => context.nonce >= counted.mined)?.context.nonce ?? next;
    if (counted.mined >= first) {
      this.#behindSince.delete(account);
      return;
    }
    const since = this.#behindSince.get(account) ?? monotonicMs();
    this.#behindSince.set(account, since);
    if (monotonicMs() - since < behindMs) return;
    const lost = rawOf?.(`${account}/${counted.mined}`) ?? null;
    if (lost !== null) {
      await desk.broadcast(lost);
      this.#behindSince.set(account, monotonicMs());
      return;
    }
    if (mine.length > 0) {
      // Somebody else's may still wait in the pool: theirs is left in peace for longer.
      const isFree = counted.pending <= counted.mined || monotonicMs() - since >= 5 * behindMs;
      if (isFree) this.#fillGap(account, counted.mined, look);
      return;
    }
    this.#behindSince.delete(account);
    const nonce = Math.max(counted.mined, counted.pending);
    // All of them are back in the pool: nothing is lost.
    if (nonce === next) return;
    this.#nonces.correct(account, nonce);
  }

  /** A nonce that nobody uses holds up all behind it: a transaction that does nothing takes it. */
  #fillGap(from: Hex, nonce: number, look: ChainLook): void {
    const { host, signer } = this.#options;
    const fees = firstFees(look, this.#options.feeMax());
    if (fees === "above-max") return;
    const call = { to: from, data: "0x" as Hex, value: 0n };
    const { chainId } = look;
    const signed = signer.sign({ ...call, chainId, from, nonce, gasLimit: cancelGas, fees });
    const id = this.#nonces.idOf(from, nonce);
    const plan = {
      ...{
        purpose: "operator" as const,
        subject: `nothing, to fill nonce ${nonce}`,
        tickets: [],
        round: null,
      },
      ...{ chainId, from, nonce, ...call, gasLimit: cancelGas, feeMax: null },
    };
    const command: TransactionCommand = {
      ...{ type: "PlanTransaction", plan },
      first: { ...signed, feeCap: fees.cap, tip: fees.tip },
    };
    const origin: Origin = { correlationId: `transaction:${id}`, causationId: "chain-look" };
    if (host.execute("transaction", id, command, origin).type === "rejected") return;
    this.#behindSince.delete(from);
    this.#memory.of(id).owed += 1;
  }

  #mined(transaction: OpenTransaction, receipt: Receipt, look: ChainLook): void {
    const { id, context } = transaction;
    if (this.#owner(context.purpose).isReady?.(transaction, receipt, look) === false) return;
    const { hash, block, blockHash, isSuccess, gasUsed, gasPrice } = receipt;
    if (!this.#execute(id, { type: "MineTransaction", hash, block, blockHash, isSuccess, gasUsed, gasPrice }))
      return;
    const now = this.#find(id);
    assert(now !== null, `The transaction ${id} is gone.`);
    this.#memory.restart(id);
    this.#owner(context.purpose).mined(now, receipt, look);
    this.#options.onReceipt?.(receipt);
  }

  #undone(transaction: OpenTransaction): void {
    const { id, context } = transaction;
    if (!this.#execute(id, { type: "UndoTransaction" })) return;
    const memory = this.#memory.of(id);
    this.#memory.restart(id);
    memory.misses = 0;
    memory.broadcastAt = Number.NEGATIVE_INFINITY;
    this.#owner(context.purpose).undone(transaction);
  }

  #confirmed(transaction: OpenTransaction): void {
    const { id, context } = transaction;
    if (!this.#execute(id, { type: "ConfirmTransaction" })) return;
    this.#owner(context.purpose).confirmed(transaction);
  }

  #displaced(transaction: OpenTransaction, mined: number): void {
    const { id, context } = transaction;
    if (!this.#execute(id, { type: "DisplaceTransaction", mined })) return;
    this.#owner(context.purpose).displaced(transaction);
  }

  #execute(id: string, command: TransactionCommand): boolean {
    const origin: Origin = { correlationId: `transaction:${id}`, causationId: "chain-look" };
    return this.#options.host.execute("transaction", id, command, origin).type === "accepted";
  }

  #owner(purpose: TransactionPurpose): TransactionOwner {
    return this.#owners.get(purpose) ?? silentOwner;
  }

  #find(id: string): OpenTransaction | null {
    const snapshot = this.#options.host.snapshot("transaction", id) as TransactionSnapshot | null;
    if (snapshot === null) return null;
    return { id, state: snapshot.matches("mined") ? "mined" : "sent", context: snapshot.context };
  }
}

/** What the transaction machine asks of the host. A restart broadcasts by itself: nothing is owed. */
export function transactionEffects(
  desk: () => TransactionDesk | null,
): Readonly<Record<string, EffectHandler>> {
  return {
    broadcastTransaction: { when: "volatile", run: (_, { id }) => void desk()?.broadcast(id) },
  };
}
