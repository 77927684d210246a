import type { TicketCommand, TicketSnapshot } from "../../actors/ticket/decide.ts";
import type { LogReader } from "../../events/log/reader.ts";
import type { Hex } from "../../shared/brand.ts";
import type { ChainDesk, ChainLook, Receipt, RedeemableTicket } from "../chainPorts.ts";
import type { Host, Origin } from "../host.ts";
import { GasMemory } from "./gasMemory.ts";
import { roomierGas } from "./gasRoom.ts";
import { batchGas, type PlanFunds, type PlanTicket, planRedemption } from "./redemptionPlan.ts";
import type { TransactionDesk } from "./transactionDesk.ts";
import {
  keylessText,
  mayStillMove,
  type OpenTransaction,
  type TransactionOwner,
  unreadText,
} from "./transactionTypes.ts";
import { isForEver, paidAmount, redeemable, sendersRefusal } from "./redemptionVerdict.ts";

export type RedemptionDeskOptions = {
  readonly host: Host;
  readonly reader: LogReader;
  readonly desk: ChainDesk;
  readonly transactions: TransactionDesk;
  /** Who pays the gas; null: tickets are kept and not redeemed. */
  readonly from: Hex | null;
  readonly redeemGas: bigint;
  /** `-maxGasPrice`: wei per gas; null = none. */
  readonly feeMax: () => bigint | null;
  readonly confirmations: number;
  readonly monotonicMs: () => number;
  /** A ticket counts as money that may still come, or no longer does. Wei. */
  readonly onOpened: (sender: Hex, faceValue: bigint) => void;
  readonly onEnded: (sender: Hex, faceValue: bigint) => void;
};

type TicketContext = TicketSnapshot["context"];
type OpenTicket = { readonly hash: Hex; readonly context: TicketContext };

/** Due tickets wait so long for company. */
const gatherMs = 2_500;
/** While tickets are due, or are about to be, the chain is looked at so often. Milliseconds. */
const dueMs = 3_000;
/** Tickets in one transaction: about 3.4 million gas. */
const batchMax = 40;
/** Transactions that one look may start. */
const batchesPerTick = 4;
/** A price above this part of what a batch brings is worth waiting for, in percent. */
const holdShare = 5n;
/** L1 blocks that a due ticket is held back at most, 45 minutes: an outage may follow, and what is lost is lost whole. */
const holdBlocks = 225n;
/** The broker's final no must be heard again after this. Milliseconds. */
const refusalMs = 60_000;
/** Tickets that the chain is asked about at a time. */
const questionsMax = 100;
/** How long a plan that took nothing stands, while no ticket comes or goes. Milliseconds. */
const fruitlessMs = 30_000;
/** Up to so long when nothing has changed for an hour: a sender without funds may stay that way for days. */
const fruitlessMaxMs = 300_000;
/** What the chain refuses is not asked again at once. Milliseconds, doubled each time up to the second. */
const retryMs = 15_000;
const retryMaxMs = 300_000;
/** The same for what a block did not take, where each attempt costs gas. */
const returnedMaxMs = 3_600_000;

/**
 * Turns winning tickets into money: plans batches, sends them by the transaction desk, reads from the receipt what
 * became of each ticket, and ends those whose time is over. Level-triggered: it starts with the tickets that the log
 * holds, whether or not their gateways ever come back.
 */
export class RedemptionDesk {
  readonly #options: RedemptionDeskOptions;
  readonly #gas = new GasMemory();
  readonly #dueSince = new Map<Hex, number>();
  readonly #refusedAt = new Map<Hex, number>();
  readonly #retry = new Map<Hex, { atMs: number; waitMs: number }>();
  readonly #wanted = new Set<Hex>();
  /** By sender; told anew at every look, because it is asked for with every payment. */
  #inFlight: ReadonlyMap<Hex, bigint> = new Map();
  /** The last plan that took nothing: it is not made again at once with the same tickets. */
  #fruitless: { readonly due: number; readonly sinceMs: number; readonly untilMs: number } | null = null;
  #roundSeen: { readonly round: bigint; readonly block: bigint } | null = null;

  constructor(options: RedemptionDeskOptions) {
    this.#options = options;
    options.transactions.own("redeem", this.#owner);
    this.#sumInFlight();
  }

  /** Face value of a sender's tickets that are on their way and not mined. Wei. */
  inFlight(sender: Hex): bigint {
    return this.#inFlight.get(sender) ?? 0n;
  }

  /** Redeems it at the next look that can, whatever gas costs and however little it brings. False: it is not open. */
  want(hash: Hex): boolean {
    if (!this.#canSubmit(hash)) return false;
    this.#wanted.add(hash);
    this.#fruitless = null;
    this.#retry.delete(hash);
    return true;
  }

  /** The operator keeps a ticket back, or lets it go. False: that changed nothing. */
  hold(hash: Hex, isHeld: boolean): boolean {
    return this.#execute(hash, { type: "HoldTicket", isHeld });
  }

  /** The broker has seen this ticket, and no transaction of ours did it: somebody else redeems for us. */
  seenUsed(hash: Hex, look: ChainLook): void {
    if (!this.#isWon(hash)) return;
    this.#pay(hash, { transaction: null, txHash: null, block: look.block, amount: null });
  }

  /** Milliseconds in which the chain should be looked at again because tickets are or become due. */
  wakeInMs(look: ChainLook, blockMs: number): number | null {
    if (this.#options.from === null) return null;
    // What nobody can redeem now is not worth a closer look.
    if (look.isPaused || look.round.lastInitialized < look.round.current) return null;
    const nowMs = this.#options.monotonicMs();
    let soonest: number | null = null;
    for (const { hash, context } of this.#tickets("won")) {
      if ((this.#retry.get(hash)?.atMs ?? 0) > nowMs) continue;
      if (context.isHeld || context.cause !== null || context.lastValidRound < look.round.current) continue;
      const blocks = context.expirationBlock - look.l1Block;
      const ms =
        blocks <= 0n ? this.#gatherLeftMs(hash, nowMs) : Math.max(Number(blocks - 1n) * blockMs, dueMs);
      if (ms < 30_000 && (soonest === null || ms < soonest)) soonest = ms;
    }
    return soonest;
  }

  /** Milliseconds until a due ticket has waited for company; then and before it was seen, the pace of what is due. */
  #gatherLeftMs(hash: Hex, nowMs: number): number {
    const since = this.#dueSince.get(hash);
    const leftMs = since === undefined ? 0 : since + gatherMs - nowMs;
    return leftMs > 0 ? leftMs : dueMs;
  }

  async tick(look: ChainLook): Promise<void> {
    const { monotonicMs } = this.#options;
    const price = gasPriceOf(look);
    this.#gas.note(price, monotonicMs());
    if (this.#roundSeen?.round !== look.round.lastInitialized) {
      this.#roundSeen = { round: look.round.lastInitialized, block: look.block };
    }
    this.#forget();
    await this.#settleForeign(look);
    await this.#expire(look);
    await this.#redeem(look, price);
    this.#sumInFlight();
  }

  #sumInFlight(): void {
    const sums = new Map<Hex, bigint>();
    for (const { context } of this.#tickets("submitted")) {
      if (context.sender !== null)
        sums.set(context.sender, (sums.get(context.sender) ?? 0n) + context.faceValue);
    }
    this.#inFlight = sums;
  }

  async #redeem(look: ChainLook, price: bigint): Promise<void> {
    const { from, monotonicMs, feeMax } = this.#options;
    const { current, lastInitialized } = look.round;
    if (from === null || look.isPaused || lastInitialized < current) return;
    const due = this.#due(look);
    if (due.length === 0) return;
    if (!look.orchestrator.isRegistered) {
      return this.#postponeAll(
        due,
        "unregistered",
        "The orchestrator is not registered: the broker refuses its tickets.",
      );
    }
    const max = feeMax();
    if (max !== null && price > max) {
      return this.#postponeAll(due, "gas-price", `The gas price ${price} is above the limit ${max} wei.`);
    }
    const nowMs = monotonicMs();
    for (const { hash } of due) if (!this.#dueSince.has(hash)) this.#dueSince.set(hash, nowMs);
    const isGathered =
      due.length >= batchMax ||
      due.some(({ hash, context }) => {
        const isLast = context.lastValidRound <= current && this.#isLate(look);
        return isLast || this.#wanted.has(hash) || nowMs - (this.#dueSince.get(hash) ?? nowMs) >= gatherMs;
      });
    const isFruitless = this.#fruitless?.due === due.length && nowMs < this.#fruitless.untilMs;
    if (!isGathered || (isFruitless && this.#wanted.size === 0)) return;
    const ready = due.filter(({ hash }) => (this.#retry.get(hash)?.atMs ?? 0) <= nowMs);
    this.#sumInFlight();
    const planned = await this.#plan(look, price, ready);
    if (planned === null) return;
    const isLast = due.some(({ context }) => context.lastValidRound <= current) && this.#isLate(look);
    if (planned.length === 0) return this.#rest(due.length, isLast);
    for (let start = 0; start < planned.length && start < batchesPerTick * batchMax; start += batchMax) {
      const result = await this.#send(look, from, planned.slice(start, start + batchMax));
      if (result === "unpayable" && start === 0) return this.#rest(due.length, isLast);
      this.#fruitless = null;
      if (result !== "sent") return;
    }
  }

  /** Nothing can be done with these tickets: asked again after a while, and ever less often while that lasts. */
  #rest(due: number, isLast: boolean): void {
    const nowMs = this.#options.monotonicMs();
    const sinceMs = this.#fruitless?.due === due ? this.#fruitless.sinceMs : nowMs;
    const longerMs = isLast ? 0 : Math.min((nowMs - sinceMs) / 10, fruitlessMaxMs);
    this.#fruitless = { due, sinceMs, untilMs: nowMs + Math.max(fruitlessMs, longerMs) };
  }

  /** Won, due, not held back, not in a transaction that may still be mined and that somebody has the key of. */
  #due(look: ChainLook): readonly OpenTicket[] {
    const { transactions, confirmations } = this.#options;
    const moving = transactions
      .open()
      .filter((open) => mayStillMove(open, look, confirmations) && !transactions.isReleased(open.id));
    const taken = new Set(moving.flatMap(({ context }) => context.tickets));
    return [...this.#tickets("won")].filter(
      ({ hash, context }) =>
        !context.isHeld &&
        !taken.has(hash) &&
        context.expirationBlock <= look.l1Block &&
        context.lastValidRound >= look.round.current,
    );
  }

  /** Null: the chain does not say what the senders have. */
  async #plan(
    look: ChainLook,
    price: bigint,
    due: readonly OpenTicket[],
  ): Promise<readonly PlanTicket[] | null> {
    const tickets = due.flatMap(({ hash, context: { sender, faceValue, lastValidRound } }) =>
      sender === null ? [] : [{ hash, sender, faceValue, lastValidRound, isWanted: this.#wanted.has(hash) }],
    );
    const senders = [...new Set(tickets.map(({ sender }) => sender))];
    const payable = await this.#options.desk.payable(senders);
    if (payable === null) return null;
    const funds = new Map<Hex, PlanFunds>();
    for (const [index, sender] of senders.entries()) {
      const found = payable[index];
      if (found !== undefined) funds.set(sender, { payable: found, inFlight: this.inFlight(sender) });
    }
    const { redeemGas } = this.#options;
    const isLastChance = this.#isLate(look);
    const { current: round } = look.round;
    const plan = planRedemption({ tickets, funds, round, gasPrice: price, redeemGas, isLastChance });
    for (const { hash, cause, text } of plan.postpone) this.#postpone(hash, cause, text);
    return this.#holdBack(look, price, plan.take);
  }

  /** While gas is unusually dear, what can wait until it is cheaper waits, if that is worth anything. */
  #holdBack(look: ChainLook, price: bigint, take: readonly PlanTicket[]): readonly PlanTicket[] {
    if (take.length === 0 || !this.#gas.isSpike(price)) return take;
    const value = take.reduce((sum, { faceValue }) => sum + faceValue, 0n);
    const cost = batchGas(take.length, this.#options.redeemGas) * price;
    if (cost * 100n <= value * holdShare) return take;
    const isLate = this.#isLate(look);
    return take.filter(({ hash, lastValidRound }) => {
      const isLast = isLate && lastValidRound <= look.round.current;
      const dueBlock = this.#context(hash)?.expirationBlock ?? 0n;
      if (this.#wanted.has(hash) || isLast || look.l1Block - dueBlock >= holdBlocks) return true;
      this.#postpone(hash, "gas-price", `Gas costs ${price} wei, which is a spike; it waits for less.`);
      return false;
    });
  }

  /** Simulates each ticket by itself, then sends what runs as one transaction. Not `sent`: no more now. */
  async #send(
    look: ChainLook,
    from: Hex,
    planned: readonly PlanTicket[],
  ): Promise<"sent" | "unreadable" | "unpayable"> {
    const { desk, reader, transactions } = this.#options;
    const tickets = planned.flatMap(({ hash }) => {
      const record = reader.ticket(hash);
      return record === null ? [] : [redeemable(record)];
    });
    const calls = tickets.flatMap((ticket) => desk.redeemCall([ticket]) ?? []);
    if (calls.length === 0 || calls.length !== tickets.length) return "unreadable";
    const simulations = await desk.simulate(calls, from);
    if (simulations === null) return "unreadable";
    const final: RedeemableTicket[] = [];
    const good = tickets.filter((ticket, index) => {
      const simulation = simulations[index];
      if (simulation === undefined || simulation.type === "runs") return simulation !== undefined;
      if (this.#refused(ticket.hash, simulation.reason, look)) final.push(ticket);
      return false;
    });
    await this.#refuseForEver(final, from);
    if (good.length === 0) return "sent";
    const call = desk.redeemCall(good);
    if (call === null) return "unreadable";
    const tried = Math.max(...good.map(({ hash }) => this.#context(hash)?.returned ?? 0));
    const gasLimit = await desk.gasLimit("redeem", call, good.length);
    const result = await transactions.plan(
      {
        ...{ purpose: "redeem", from, call, round: look.round.current },
        subject: good.length === 1 ? "1 ticket" : `${good.length} tickets`,
        gasLimit: roomierGas(gasLimit, tried),
        ...{ feeMax: null, tickets: good.map(({ hash }) => hash) },
      },
      look,
      (transaction) => {
        const isFree = good.every(({ hash }) => this.#canSubmit(hash));
        if (isFree)
          for (const { hash } of good) this.#execute(hash, { type: "SubmitRedemption", transaction });
        return isFree;
      },
    );
    if (result.type === "planned") return "sent";
    const cause = result.cause === "fee" ? "gas-price" : result.cause === "gas-money" ? "gas-money" : null;
    if (cause !== null) for (const { hash } of good) this.#postpone(hash, cause, result.text);
    return cause === null ? "unreadable" : "unpayable";
  }

  /** The broker would not take this ticket now. True: it says for the second time that it never will. */
  #refused(hash: Hex, reason: string, look: ChainLook): boolean {
    const { monotonicMs, transactions } = this.#options;
    const nowMs = monotonicMs();
    const before = this.#retry.get(hash);
    const waitMs = Math.min(before === undefined ? retryMs : before.waitMs * 2, retryMaxMs);
    this.#retry.set(hash, { atMs: nowMs + waitMs, waitMs });
    if (reason.includes("ticket is used")) {
      // Perhaps by one of ours that was released: its receipt says so at the next look, and how much it brought. One
      // that cannot be read is waited for until the ticket is over.
      const inSent = this.#sentWith(hash);
      if (inSent !== null && (waitMs < retryMaxMs || transactions.isUnread(inSent.id))) return false;
      this.#pay(hash, { transaction: null, txHash: null, block: look.block, amount: null });
      return false;
    }
    this.#postpone(hash, sendersRefusal(reason), reason === "" ? "The broker gives no reason." : reason);
    if (!isForEver(reason)) {
      this.#refusedAt.delete(hash);
      return false;
    }
    const first = this.#refusedAt.get(hash) ?? nowMs;
    this.#refusedAt.set(hash, first);
    return nowMs - first >= refusalMs;
  }

  /** Ends tickets of which more than one endpoint says that the broker will never take them. */
  async #refuseForEver(tickets: readonly RedeemableTicket[], from: Hex): Promise<void> {
    const { desk } = this.#options;
    const calls = tickets.flatMap((ticket) => desk.redeemCall([ticket]) ?? []);
    if (calls.length === 0 || calls.length !== tickets.length) return;
    const simulations = await desk.simulate(calls, from, "quorum");
    for (const [index, { hash }] of tickets.entries()) {
      const simulation = simulations?.[index];
      if (simulation?.type === "reverts" && isForEver(simulation.reason)) {
        this.#end(hash, { type: "RefuseTicket", text: simulation.reason.slice(0, 200) });
      }
    }
  }

  readonly #owner: TransactionOwner = {
    mined: (transaction, receipt) => this.#mined(transaction, receipt),
    undone: ({ id, context }) => {
      for (const hash of context.tickets) {
        const ticket = this.#context(hash);
        if (ticket?.transaction === id && ticket.paid !== null) this.#unpay(hash);
      }
    },
    confirmed: ({ id, context }) => {
      const round = this.#roundSeen?.round ?? context.round;
      for (const hash of context.tickets) {
        const ticket = this.#context(hash);
        if (ticket?.transaction !== id || ticket.paid === null) continue;
        this.#execute(hash, { type: "RedeemTicket", txHash: ticket.paid.txHash, round });
      }
    },
    displaced: ({ id, context }) => {
      for (const hash of context.tickets)
        this.#return(hash, id, "displaced", "Another transaction used its nonce.");
    },
    released: (transaction) => {
      const { id, context } = transaction;
      for (const hash of context.tickets) this.#return(hash, id, "cancelled", keylessText(transaction));
    },
    unread: ({ id, context }) => {
      for (const hash of context.tickets) this.#return(hash, id, "cancelled", unreadText);
    },
    // What is in another transaction by now is done without it.
    isUseful: ({ id, context }) =>
      context.tickets.some((hash) => this.#isWon(hash) || this.#context(hash)?.transaction === id),
    isMoot: ({ context }, look) =>
      context.tickets.every((hash) => (this.#context(hash)?.lastValidRound ?? 0n) < look.round.current),
  };

  #mined({ id, context }: OpenTransaction, receipt: Receipt): void {
    const isCancel = context.attempts.find(({ hash }) => hash === receipt.hash)?.kind === "cancel";
    for (const hash of context.tickets) {
      const record = this.#options.reader.ticket(hash);
      const amount = record === null ? null : paidAmount(record, receipt.logs);
      if (amount !== null) {
        this.#pay(hash, { transaction: id, txHash: receipt.hash, block: receipt.block, amount });
      } else if (isCancel) this.#return(hash, id, "cancelled", "It was replaced by one that does nothing.");
      else if (!receipt.isSuccess) this.#return(hash, id, "reverted", "The whole transaction was reverted.");
      else this.#return(hash, id, "dropped", "The broker did not take this ticket of the batch.");
    }
  }

  /** Tickets that somebody else redeemed: believed once that is deep, taken back when the chain takes it back. */
  async #settleForeign(look: ChainLook): Promise<void> {
    const { desk, confirmations } = this.#options;
    const deep = [...this.#tickets("paid")]
      .filter(({ context: { transaction, paid } }) => {
        return transaction === null && paid !== null && look.block - paid.block >= BigInt(confirmations);
      })
      .slice(0, questionsMax);
    if (deep.length === 0) return;
    const used = await desk.areTicketsUsed(deep.map(({ hash }) => hash));
    for (const [index, { hash, context }] of deep.entries()) {
      if (used?.[index] === true) {
        const txHash = context.paid?.txHash ?? null;
        this.#execute(hash, { type: "RedeemTicket", txHash, round: look.round.lastInitialized });
      } else if (used?.[index] === false) this.#unpay(hash);
    }
  }

  /** Ends tickets whose last round is over, once the round after it is deep enough to stay. */
  async #expire(look: ChainLook): Promise<void> {
    const { desk, confirmations } = this.#options;
    const { lastInitialized: round } = look.round;
    if (look.block - (this.#roundSeen?.block ?? look.block) < BigInt(confirmations)) return;
    const over = [...this.#tickets("won")]
      .filter(({ context }) => context.lastValidRound < round)
      .slice(0, questionsMax);
    if (over.length === 0) return;
    // A look is the word of one endpoint; a ticket that has expired is never redeemed.
    if (desk.rounds !== undefined) {
      const word = await desk.rounds();
      if (word === null || word.lastInitialized < round) return;
    }
    const used = await desk.areTicketsUsed(over.map(({ hash }) => hash));
    for (const [index, { hash }] of over.entries()) {
      if (used?.[index] === true)
        this.#pay(hash, { transaction: null, txHash: null, block: look.block, amount: null });
      else if (used?.[index] === false) this.#end(hash, { type: "ExpireTicket", round });
    }
  }

  /** The last quarter of the round: what ends with it must go now. */
  #isLate({ l1Block, round: { startBlock, length } }: ChainLook): boolean {
    return (l1Block - startBlock) * 4n >= length * 3n;
  }

  #postponeAll(due: readonly OpenTicket[], cause: PostponeCause, text: string): void {
    for (const { hash } of due) this.#postpone(hash, cause, text);
  }

  #postpone(hash: Hex, cause: PostponeCause, text: string): void {
    this.#execute(hash, { type: "PostponeRedemption", cause, text: text.slice(0, 200) });
  }

  #pay(hash: Hex, paid: Omit<Extract<TicketCommand, { type: "PayTicket" }>, "type">): void {
    const before = this.#context(hash);
    if (!this.#execute(hash, { type: "PayTicket", ...paid })) return;
    if (before?.sender !== null && before !== null) this.#options.onEnded(before.sender, before.faceValue);
  }

  #unpay(hash: Hex): void {
    const before = this.#context(hash);
    if (!this.#execute(hash, { type: "UnpayTicket" })) return;
    if (before?.sender !== null && before !== null) this.#options.onOpened(before.sender, before.faceValue);
  }

  #end(hash: Hex, command: TicketCommand): void {
    const before = this.#context(hash);
    if (!this.#execute(hash, command)) return;
    if (before?.sender !== null && before !== null) this.#options.onEnded(before.sender, before.faceValue);
  }

  #return(hash: Hex, transaction: string, cause: ReturnCause, text: string): void {
    if (!this.#execute(hash, { type: "ReturnRedemption", transaction, cause, text })) return;
    const returned = this.#context(hash)?.returned ?? 0;
    if (returned < 2 || (cause !== "reverted" && cause !== "dropped")) return;
    // Its gas was paid for nothing, more than once: ever more rarely.
    const waitMs = Math.min(retryMs * 2 ** (returned - 2), returnedMaxMs);
    this.#retry.set(hash, { atMs: this.#options.monotonicMs() + waitMs, waitMs });
  }

  #execute(hash: Hex, command: TicketCommand): boolean {
    const { host } = this.#options;
    if (host.snapshot("ticket", hash) === null) return false;
    const origin: Origin = { correlationId: `ticket:${hash}`, causationId: "chain-look" };
    return host.execute("ticket", hash, command, origin).type === "accepted";
  }

  #canSubmit(hash: Hex): boolean {
    return this.#isWon(hash) && this.#context(hash)?.isHeld === false;
  }

  #isWon(hash: Hex): boolean {
    const snapshot = this.#options.host.snapshot("ticket", hash) as TicketSnapshot | null;
    return snapshot?.matches("won") === true;
  }

  #sentWith(hash: Hex): OpenTransaction | null {
    const open = this.#options.transactions.open();
    return open.find(({ state, context }) => state === "sent" && context.tickets.includes(hash)) ?? null;
  }

  #context(hash: Hex): TicketContext | null {
    return (this.#options.host.snapshot("ticket", hash) as TicketSnapshot | null)?.context ?? null;
  }

  *#tickets(state: "won" | "submitted" | "paid"): Generator<OpenTicket> {
    const { host } = this.#options;
    for (const id of host.idsOf("ticket")) {
      const snapshot = host.snapshot("ticket", id) as TicketSnapshot | null;
      if (snapshot?.matches(state) === true) yield { hash: id as Hex, context: snapshot.context };
    }
  }

  /** Drops what was remembered of tickets that have ended. */
  #forget(): void {
    for (const memory of [this.#dueSince, this.#refusedAt, this.#retry]) {
      for (const hash of memory.keys()) if (!this.#canSubmit(hash)) memory.delete(hash);
    }
    for (const hash of this.#wanted) if (!this.#canSubmit(hash)) this.#wanted.delete(hash);
  }
}

type PostponeCause = Extract<TicketCommand, { type: "PostponeRedemption" }>["cause"];
type ReturnCause = Extract<TicketCommand, { type: "ReturnRedemption" }>["cause"];

/** Wei per gas that a transaction pays now. */
function gasPriceOf({ baseFee, tip, gasPrice }: ChainLook): bigint {
  return baseFee === null ? gasPrice : baseFee + tip;
}
