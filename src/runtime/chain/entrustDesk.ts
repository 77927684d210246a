import type { TicketCommand, TicketSnapshot } from "../../actors/ticket/decide.ts";
import type { LogReader } from "../../events/log/reader.ts";
import type { Hex } from "../../shared/brand.ts";
import type { ChainDesk, ChainLook, EntrustAnswer, Redeemer } from "../chainPorts.ts";
import type { Host, Origin } from "../host.ts";
import { redeemable } from "./redemptionVerdict.ts";

export type EntrustDeskOptions = {
  readonly host: Host;
  readonly reader: LogReader;
  readonly desk: Pick<ChainDesk, "areTicketsUsed">;
  readonly redeemer: Redeemer;
  readonly monotonicMs: () => number;
  /** More than one endpoint says that the broker has seen this ticket. */
  readonly onUsed: (hash: Hex, look: ChainLook) => void;
  /** Why nothing can be handed over; null when something can again. Each once. */
  readonly onTrouble: (trouble: { readonly reason: string; readonly waiting: number } | null) => void;
  readonly onFault: (error: unknown) => void;
  /** The first pause after a failure, and the longest one. Milliseconds. */
  readonly retryMs?: number;
  readonly retryMaxMs?: number;
  /** How often the chain is asked about tickets that are in another's hands. Milliseconds. */
  readonly askMs?: number;
};

type TicketContext = TicketSnapshot["context"];
type WonTicket = { readonly hash: Hex; readonly context: TicketContext };
/** A pause, and since when it lasts. */
type Retry = { readonly atMs: number; readonly waitMs: number };
type Down = Retry & { readonly sinceMs: number; readonly reason: string };

/** Calls under way at a time; while nothing is answered, one. */
const callsMax = 8;
/** Tickets that the chain is asked about at a time. */
const questionsMax = 100;
/** Senders that the redeemer is reminded of at a time. */
const remindersMax = 20;

/**
 * Hands winning tickets to the node that redeems them, and watches the chain for what becomes of them.
 *
 * Level-triggered from the log: a ticket that is won, not held back and not acknowledged is handed over, and again
 * until it is acknowledged or its last round is over, across restarts. A redeemer that is away is asked again after
 * 1 s to 60 s; a ticket that it refuses waits by itself and stands in nobody's way. Nothing ends on its word: an
 * acknowledged ticket stays won until the chain says otherwise, and is handed over anew once a round, because a redeemer
 * can lose its memory.
 */
export class EntrustDesk {
  readonly #options: EntrustDeskOptions;
  readonly #retryMs: number;
  readonly #retryMaxMs: number;
  readonly #askMs: number;
  /** By ticket: refused, or left without an answer while others got one. */
  readonly #retry = new Map<Hex, Retry>();
  /** Acknowledged in an earlier round and still not used: to be handed over anew. */
  readonly #anew = new Set<Hex>();
  readonly #askedMs = new Map<Hex, number>();
  /** Tickets of which a call is under way. */
  readonly #calls = new Map<Hex, Promise<void>>();
  /** Set while nobody answers. */
  #down: Down | null = null;
  #answeredMs = Number.NEGATIVE_INFINITY;
  #calledMs = Number.NEGATIVE_INFINITY;
  #round: bigint | null = null;
  #lastAskMs = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #isClosed = false;
  readonly #closing = Promise.withResolvers<void>();

  constructor(options: EntrustDeskOptions) {
    this.#options = options;
    this.#retryMs = options.retryMs ?? 1_000;
    this.#retryMaxMs = options.retryMaxMs ?? 60_000;
    this.#askMs = options.askMs ?? 60_000;
  }

  /** Won tickets that the redeemer has not acknowledged, and those that it has. Held ones count only as the latter. */
  counts(): { readonly waiting: number; readonly entrusted: number } {
    let [waiting, entrusted] = [0, 0];
    for (const { context } of this.#won()) {
      if (this.#isEntrusted(context)) entrusted += 1;
      else if (!context.isHeld) waiting += 1;
    }
    return { waiting, entrusted };
  }

  /** Why nothing can be handed over; null when it can be, as far as is known. */
  get trouble(): string | null {
    return this.#down?.reason ?? null;
  }

  /** Calls that hand a ticket over now. */
  get underWay(): number {
    return this.#calls.size;
  }

  /** There may be something to hand over. Returns at once and never throws. */
  poke(): void {
    if (this.#isClosed) return;
    const nowMs = this.#options.monotonicMs();
    const limit = this.#down === null ? callsMax : 1;
    if (this.#calls.size < limit) {
      for (const ticket of this.#due(nowMs).slice(0, limit - this.#calls.size)) this.#start(ticket, nowMs);
    }
    this.#arm(nowMs);
  }

  /** Takes up what a look at the chain says: the round, what was redeemed meanwhile, what is to be handed over anew. */
  async tick(look: ChainLook): Promise<void> {
    this.#round = look.round.lastInitialized;
    this.#forget();
    if (this.#options.monotonicMs() - this.#lastAskMs >= this.#askMs) await this.#ask(look);
    this.poke();
  }

  /** Hands nothing over from now on. Resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#closing.resolve();
    if (this.#timer !== null) clearTimeout(this.#timer);
    await Promise.all(this.#calls.values());
  }

  #start(ticket: WonTicket, nowMs: number): void {
    this.#calledMs = nowMs;
    const call = this.#handOver(ticket)
      .then((answer) => {
        if (answer !== null) this.#judge(ticket.hash, answer, nowMs);
      })
      .catch((error) => this.#options.onFault(error))
      .finally(() => {
        this.#calls.delete(ticket.hash);
        this.poke();
      });
    this.#calls.set(ticket.hash, call);
  }

  /** Null: this desk was closed before. */
  async #handOver({ hash }: WonTicket): Promise<EntrustAnswer | null> {
    const { host, reader, redeemer } = this.#options;
    // Nobody outside hears of a ticket that a crash could still take back.
    await Promise.race([host.committed(), this.#closing.promise]);
    if (this.#isClosed) return null;
    const record = reader.ticket(hash);
    if (record === null) return { type: "refused", text: "the log does not list it" };
    return redeemer.entrust({ ...redeemable(record), expirationBlock: BigInt(record.expirationBlock) });
  }

  #judge(hash: Hex, answer: EntrustAnswer, calledMs: number): void {
    const nowMs = this.#options.monotonicMs();
    if (answer.type === "taken") {
      this.#retry.delete(hash);
      this.#anew.delete(hash);
      const { name: redeemer } = this.#options.redeemer;
      this.#execute(hash, { type: "EntrustTicket", redeemer, round: this.#round });
    }
    // What is not taken by now is owed at the next start.
    if (this.#isClosed) return;
    if (answer.type === "silent" && this.#answeredMs < calledMs) {
      // It is not the ticket's fault. Its turn comes after those that were not tried.
      this.#retry.set(hash, { atMs: nowMs, waitMs: 0 });
      this.#noteSilence(answer.text, calledMs, nowMs);
      return;
    }
    if (answer.type !== "taken") {
      const waitMs = this.#longer(this.#retry.get(hash));
      this.#retry.set(hash, { atMs: nowMs + waitMs, waitMs });
    }
    if (answer.type === "silent") return;
    if (answer.type === "refused") {
      const text = `The redeemer refuses it: ${answer.text}`.slice(0, 200);
      this.#execute(hash, { type: "PostponeRedemption", cause: "redeemer", text });
    }
    this.#answeredMs = nowMs;
    if (this.#down === null) return;
    this.#down = null;
    this.#options.onTrouble(null);
  }

  #noteSilence(reason: string, calledMs: number, nowMs: number): void {
    // Calls that were under way together say it once.
    if (this.#down !== null && calledMs <= this.#down.sinceMs) return;
    const waitMs = this.#longer(this.#down ?? undefined);
    if (this.#down === null) this.#options.onTrouble({ reason, waiting: this.counts().waiting });
    this.#down = { sinceMs: nowMs, atMs: nowMs + waitMs, waitMs, reason };
  }

  #longer(before: Retry | undefined): number {
    return Math.min(Math.max((before?.waitMs ?? 0) * 2, this.#retryMs), this.#retryMaxMs);
  }

  /** What may be handed over now: what was tried least recently first, then what ends first. */
  #due(nowMs: number): readonly WonTicket[] {
    return this.#owed()
      .filter(({ hash }) => this.#startMs(hash) <= nowMs)
      .toSorted((left, right) => {
        const [tried, other] = [this.#retry.get(left.hash)?.atMs, this.#retry.get(right.hash)?.atMs];
        if (tried !== other) return (tried ?? 0) - (other ?? 0);
        return Number(left.context.lastValidRound - right.context.lastValidRound);
      });
  }

  /** When a ticket may be tried. While nobody answers, one that is new is a reason to try sooner. */
  #startMs(hash: Hex): number {
    const retry = this.#retry.get(hash);
    if (this.#down === null) return retry?.atMs ?? 0;
    return retry === undefined
      ? Math.min(this.#calledMs + this.#retryMs, this.#down.atMs)
      : Math.max(retry.atMs, this.#down.atMs);
  }

  /** All that the redeemer has not acknowledged, or not in this round, and is not being told of. */
  #owed(): readonly WonTicket[] {
    const round = this.#round;
    return [...this.#won()].filter(({ hash, context }) => {
      if (context.isHeld || this.#calls.has(hash) || (round !== null && context.lastValidRound < round))
        return false;
      return !this.#isEntrusted(context) || this.#anew.has(hash);
    });
  }

  #arm(nowMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    // The end of a call is a reason of its own to go on.
    if (this.#calls.size > 0) return;
    const owed = this.#owed();
    if (owed.length === 0) return;
    const atMs = Math.min(...owed.map(({ hash }) => this.#startMs(hash)));
    this.#timer = setTimeout(() => this.poke(), Math.max(1, atMs - nowMs));
    this.#timer.unref();
  }

  /** Asks the chain about tickets that the redeemer has, those first that were not asked about for longest. */
  async #ask(look: ChainLook): Promise<void> {
    const { desk, monotonicMs, onUsed } = this.#options;
    const asked = [...this.#won()]
      .filter(({ context }) => this.#isEntrusted(context))
      .toSorted((left, right) => this.#lastAsked(left.hash) - this.#lastAsked(right.hash))
      .slice(0, questionsMax);
    if (asked.length === 0) return;
    this.#lastAskMs = monotonicMs();
    const used = await desk.areTicketsUsed(asked.map(({ hash }) => hash));
    if (used === null) return;
    const unused = asked.filter(({ hash, context }, index) => {
      this.#askedMs.set(hash, this.#lastAskMs);
      if (used[index] === true) onUsed(hash, look);
      if (used[index] !== false || context.lastValidRound < look.round.current) return false;
      if ((context.entrusted?.round ?? -1n) < look.round.lastInitialized) this.#anew.add(hash);
      return true;
    });
    const due = unused.filter(({ context }) => context.expirationBlock <= look.l1Block);
    void this.#remind(due);
  }

  /** A go-livepeer redeemer that was restarted forgets whose tickets it has until somebody asks about them. */
  async #remind(due: readonly WonTicket[]): Promise<void> {
    const senders = [...new Set(due.flatMap(({ context }) => context.sender ?? []))].slice(0, remindersMax);
    for (const sender of senders) {
      if (this.#isClosed || this.#down !== null) return;
      if ((await this.#options.redeemer.maxFloat(sender)) === null) return;
    }
  }

  #lastAsked(hash: Hex): number {
    return this.#askedMs.get(hash) ?? Number.NEGATIVE_INFINITY;
  }

  /** By this redeemer: another one's word says nothing of it. */
  #isEntrusted({ entrusted }: TicketContext): boolean {
    return entrusted !== null && entrusted.redeemer === this.#options.redeemer.name;
  }

  #execute(hash: Hex, command: TicketCommand): void {
    const { host } = this.#options;
    if (host.snapshot("ticket", hash) === null) return;
    const origin: Origin = { correlationId: `ticket:${hash}`, causationId: "redeemer" };
    host.execute("ticket", hash, command, origin);
  }

  *#won(): Generator<WonTicket> {
    const { host } = this.#options;
    for (const id of host.idsOf("ticket")) {
      const snapshot = host.snapshot("ticket", id) as TicketSnapshot | null;
      if (snapshot?.matches("won") === true) yield { hash: id as Hex, context: snapshot.context };
    }
  }

  /** Drops what was remembered of tickets that are not won any more. */
  #forget(): void {
    const { host } = this.#options;
    const isWon = (hash: Hex) =>
      (host.snapshot("ticket", hash) as TicketSnapshot | null)?.matches("won") === true;
    for (const memory of [this.#retry, this.#askedMs, this.#anew]) {
      for (const hash of memory.keys()) if (!isWon(hash)) memory.delete(hash);
    }
  }
}
