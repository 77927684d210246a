import type { RoundSnapshot } from "../../../src/actors/round/decide.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import { redeemGas } from "./process.ts";
import { keylessMs, type LedgerWorld, type WorldTicket } from "./world.ts";

/*
 * What the node can be held to: how long, without a break, everything was there that a reward, a start of a round or a
 * redemption needs. Looked at whenever anything changes; between two changes nothing does.
 */

const rewardMs = 10 * 60_000;
const ticketMs = 60 * 60_000;
/** Gas that an account must be able to pay for at the price of the moment: everything that may be under way. */
const gasAtHand = 20_000_000n;

/** Since when all conditions of something hold; null = they do not. How much longer it may take, for this once. */
type Since = { sinceMs: number | null; moreMs?: number };

export class Windows {
  /** Rounds whose reward must have been called. */
  readonly rewards = new Set<bigint>();
  /** Rounds that must have been started. */
  readonly starts = new Set<bigint>();
  /** Tickets that must have been redeemed. */
  readonly tickets = new Set<Hex>();
  /** Tickets that could be redeemed at some time. */
  readonly seen = new Set<Hex>();
  /** Tickets that could have been redeemed for as long, at a price at which the node may wait for a better one. */
  readonly held = new Set<Hex>();
  /** What stood in the way of a round's reward at some time, by round. */
  readonly obstacles = new Map<bigint, Set<string>>();
  readonly #world: LedgerWorld;
  readonly #reward: Since & { round: bigint } = { sinceMs: null, round: 0n };
  readonly #start: Since & { round: bigint } = { sinceMs: null, round: 0n };
  readonly #open = new Map<Hex, Since>();
  readonly #openAtAnyPrice = new Map<Hex, Since>();
  #disturbedUntilMs = 0;
  /** Lowest price of gas so far. */
  #least: bigint | null = null;

  constructor(world: LedgerWorld) {
    this.#world = world;
  }

  /** Work was taken back, or is hidden for a while: all windows begin anew. */
  disturb(forMs: number): void {
    const { time } = this.#world;
    this.observe();
    this.#reward.sinceMs = null;
    this.#start.sinceMs = null;
    this.#open.clear();
    this.#openAtAnyPrice.clear();
    this.#disturbedUntilMs = Math.max(this.#disturbedUntilMs, time.nowMs + forMs);
    if (forMs > 0) this.#world.schedule(forMs + 1, () => this.observe());
  }

  observe(): void {
    const { chain, accounts, climate, round } = this.#world;
    const obstacles = this.#obstacles();
    const known = this.obstacles.get(round) ?? new Set<string>();
    this.obstacles.set(round, known);
    for (const obstacle of obstacles) known.add(obstacle);
    const isInitialized = chain.store.get("lastInitialized") === round;
    if (!isInitialized) known.add("uninitialized");
    const isCalm = obstacles.size === 0 && this.#world.time.nowMs >= this.#disturbedUntilMs;
    const { mayCallReward } = this.#world;
    if (!mayCallReward) known.add("unauthorized");
    const isAllowed = climate.caller !== "stranger" && mayCallReward;
    const canCall =
      isAllowed && this.#canSend(accounts.rewardCaller) && !this.#isHeldUp("round", String(round));
    if (!this.#hasGas(accounts.rewardCaller)) known.add("gas-money");
    const isActive = chain.contracts.isActive(chain.store, chain.l1Block);
    if (!isActive) known.add("inactive");
    this.#round(this.#reward, round, isCalm && isInitialized && canCall && isActive, rewardMs, this.rewards);
    const canStart =
      isCalm &&
      !isInitialized &&
      climate.initializes &&
      this.#canSend(accounts.redeemer) &&
      !this.#isHeldUp("round", String(round));
    this.#round(this.#start, round, canStart, rewardMs, this.starts);
    this.#observeTickets(isCalm && isInitialized && this.#canSend(accounts.redeemer));
  }

  /** Everything that keeps the node from doing anything, in the words of the log where it has some. */
  #obstacles(): ReadonlySet<string> {
    const { process, weather, time, chain, climate } = this.#world;
    const { nowMs } = time;
    const found = new Set<string>();
    const isFull = nowMs < this.#world.disk.fullUntilMs;
    if (process === null || isFull || weather.isDown(nowMs) || weather.isLagging(nowMs) || weather.fail > 0) {
      found.add("unreadable");
    }
    if (chain.store.get("paused") !== 0n) found.add("paused");
    if (climate.feeMax !== null && this.#price() > climate.feeMax) found.add("fee");
    return found;
  }

  #price(): bigint {
    return this.#world.chain.baseFee + (this.#world.climate.tip ?? 0n);
  }

  #hasGas(account: Hex): boolean {
    return this.#world.chain.balance(account) >= gasAtHand * this.#price();
  }

  /** It has gas money, and the chain takes what it sends. */
  #canSend(account: Hex): boolean {
    return this.#hasGas(account) && !this.#world.chain.isHeld(account);
  }

  /**
   * What a round needs is in a transaction of a key that is gone, as far as the node knows: that is waited for, for
   * five minutes of the node's life. Everything that begins those anew begins the window anew.
   */
  #moreMs(round: bigint): number {
    const { keys } = this.#world;
    return this.#sendersOf("round", String(round)).some((from) => !keys.includes(from)) ? keylessMs : 0;
  }

  /**
   * It is in a transaction of an account that is no longer the one for it, but whose key is still there for something
   * else; and no block takes what that account sends, or it has no gas money any more. The node goes on trying.
   */
  #isHeldUp(kind: "round" | "ticket", id: string): boolean {
    const { chain, keys } = this.#world;
    const isStuck = (account: Hex): boolean => chain.isHeld(account) || !this.#hasGas(account);
    if (!keys.some(isStuck)) return false;
    const isHeld = (from: Hex): boolean => keys.includes(from) && isStuck(from);
    if (this.#sendersOf(kind, id).some(isHeld)) return true;
    // A key that came back took its transaction up again, whatever the ticket or the round says.
    const open = this.#world.process?.office.transactions.open() ?? [];
    return open.some(({ context: { from, purpose, round, tickets } }) => {
      const isFor =
        kind === "ticket" ? tickets.includes(id as Hex) : purpose === "initialize" && `${round}` === id;
      return isFor && isHeld(from);
    });
  }

  /** From which accounts the log says that something was sent for a round or a ticket. */
  #sendersOf(kind: "round" | "ticket", id: string): readonly Hex[] {
    const snapshot = this.#world.process?.host.snapshot(kind, id);
    type Sent = Pick<RoundSnapshot["context"], "transaction"> & Partial<RoundSnapshot["context"]>;
    const context = snapshot?.context as Sent | undefined;
    const { transaction = null, initialization = null } = context ?? {};
    return [transaction, initialization].flatMap((sent) =>
      sent === null ? [] : [sent.split("/")[0] as Hex],
    );
  }

  #round(
    since: Since & { round: bigint },
    round: bigint,
    isGood: boolean,
    ms: number,
    must: Set<bigint>,
  ): void {
    const { nowMs } = this.#world.time;
    if (since.round !== round) {
      // What held to the end of the round is counted to the end only.
      const endMs = this.#world.chain.msOfL1(round * BigInt(this.#world.climate.roundLength));
      if (since.sinceMs !== null && endMs - since.sinceMs >= ms + (since.moreMs ?? 0)) must.add(since.round);
      since.round = round;
      since.sinceMs = null;
    }
    if (since.sinceMs !== null && nowMs - since.sinceMs >= ms + (since.moreMs ?? 0)) must.add(round);
    if (!isGood) since.sinceMs = null;
    else if (since.sinceMs === null) {
      since.sinceMs = nowMs;
      since.moreMs = this.#moreMs(round);
    }
  }

  #observeTickets(isGood: boolean): void {
    const { tickets, chain } = this.#world;
    const demand = new Map<Hex, bigint>();
    const open: WorldTicket[] = [];
    for (const one of tickets.values()) {
      const { ticket } = one;
      if (chain.contracts.isUsed(chain.store, ticket.hash)) continue;
      if (ticket.creationRound + 2n <= this.#world.round) {
        this.#keep(this.#open, ticket.hash, false, this.tickets);
        this.#keep(this.#openAtAnyPrice, ticket.hash, false, this.held);
        continue;
      }
      demand.set(ticket.sender, (demand.get(ticket.sender) ?? 0n) + ticket.faceValue);
      open.push(one);
    }
    // A spike that costs a twentieth of what a batch brings may be waited out, with all that is in the batch.
    const price = this.#price();
    if (this.#least === null || price < this.#least) this.#least = price;
    const isCheap =
      price * 2n <= this.#least * 3n ||
      open.every(({ ticket }) => redeemGas * price * 20n <= ticket.faceValue);
    for (const one of open) {
      const { hash, sender } = one.ticket;
      const isRedeemable = isGood && this.#isRedeemable(one, demand.get(sender) ?? 0n);
      if (isRedeemable) this.seen.add(hash);
      this.#keep(this.#open, hash, isRedeemable && isCheap, this.tickets);
      this.#keep(this.#openAtAnyPrice, hash, isRedeemable, this.held);
    }
  }

  #isRedeemable({ ticket, expirationBlock }: WorldTicket, demand: bigint): boolean {
    const { chain, time } = this.#world;
    const { store, l1Block, contracts } = chain;
    const { hash, sender, faceValue, flaw } = ticket;
    if (this.#world.held.has(hash) || this.#isHeldUp("ticket", hash)) return false;
    if (flaw !== null || expirationBlock > l1Block || faceValue <= 2n * redeemGas * this.#price())
      return false;
    const { deposit, claimable } = contracts.payable(store, l1Block, sender, time.wallMs);
    return demand <= deposit + claimable && contracts.worth(store, l1Block, hash) === faceValue;
  }

  #keep(windows: Map<Hex, Since>, hash: Hex, isGood: boolean, must: Set<Hex>): void {
    const { nowMs } = this.#world.time;
    const since = windows.get(hash);
    if (since !== undefined && since.sinceMs !== null && nowMs - since.sinceMs >= ticketMs) must.add(hash);
    if (!isGood) windows.delete(hash);
    else if (since === undefined) windows.set(hash, { sinceMs: nowMs });
  }
}
