import { type AccountCommand, type AccountSnapshot, balanceOf } from "../../actors/account/decide.ts";
import { lastIncarnation } from "../../events/log/incarnations.ts";
import type { LogReader } from "../../events/log/reader.ts";
import { paymentTexts } from "../../protocol/paymentTexts.ts";
import {
  add,
  compare,
  isEqual,
  isNegative,
  isZero,
  negate,
  type Rational,
  rational,
  subtract,
  ZERO,
} from "../../protocol/rational.ts";
import type { Hex } from "../../shared/brand.ts";
import type { Execution, Host, Origin } from "../host.ts";

/** Whose money, and for what: the session id of a video stream, or whatever else the payment names. */
export type AccountKey = { readonly sender: Hex; readonly manifestId: string };

/** The stream of an account, and whether it holds an event yet. */
type Place = { readonly id: string; isOpened: boolean };

/**
 * Finds the open account of a key and the account of a job. An account that ended is a closed stream; the next
 * payment under the same key opens a new one, `<sender>/<manifest id>.<n>`.
 */
export class AccountBook {
  readonly #host: Host;
  readonly #reader: LogReader;
  readonly #live = new Map<string, Place>();
  readonly #jobs = new Map<string, string>();
  /** The last number of accounts whose end is not on the disk yet. */
  readonly #ended = new Map<string, number>();
  /** What accounts owe, by id, and gateways altogether. Wei, above 0. */
  readonly #owed = new Map<string, Rational>();
  readonly #debts = new Map<Hex, Rational>();
  readonly #maxDebt: Rational;

  /** @param maxDebt - wei that a gateway may owe on all its open accounts together before it gets no more work */
  constructor(host: Host, reader: LogReader, maxDebt: bigint) {
    this.#host = host;
    this.#reader = reader;
    this.#maxDebt = rational(maxDebt);
  }

  /** Takes up the accounts that the log says are open. Call once, after the host has started. */
  resume(): number {
    for (const id of this.#host.idsOf("account")) {
      this.#live.set(keyOf(id), { id, isOpened: true });
      this.#weigh(id);
      for (const { jobId } of this.#snapshot(id)?.context.openJobs ?? []) this.#jobs.set(jobId, id);
    }
    return this.#live.size;
  }

  get count(): number {
    return this.#live.size;
  }

  /** The open account, or null. */
  find(key: AccountKey): AccountSnapshot | null {
    const place = this.#live.get(textOf(key));
    return place === undefined ? null : this.#snapshot(place.id);
  }

  /** Wei per unit that was fixed for the account; null when none is. */
  price(key: AccountKey): Rational | null {
    return this.find(key)?.context.price ?? null;
  }

  /** Id of the account's stream: the open one, or the one that its next command opens. */
  idFor(key: AccountKey): string {
    return this.#placeOf(textOf(key)).id;
  }

  execute(key: AccountKey, command: AccountCommand, origin: Origin): Execution {
    const text = textOf(key);
    const place = this.#placeOf(text);
    const execution = this.#host.execute("account", place.id, command, origin);
    if (execution.type === "accepted") {
      place.isOpened = true;
      this.#weigh(place.id);
    }
    // Nothing was opened: the number stays free.
    else if (!place.isOpened) this.#live.delete(text);
    return execution;
  }

  #placeOf(text: string): Place {
    const place = this.#live.get(text);
    // One that has ended takes nothing more, although its end may not be on the disk yet.
    const hasEnded = place?.isOpened === true && this.#snapshot(place.id) === null;
    if (place !== undefined && !hasEnded) return place;
    const recorded = lastIncarnation(this.#reader.streamsWithPrefix(`account:${text}.`));
    const last = place === undefined ? (this.#ended.get(text) ?? 0) : lastIncarnation([{ stream: place.id }]);
    const next = { id: `${text}.${Math.max(recorded, last) + 1}`, isOpened: false };
    this.#live.set(text, next);
    return next;
  }

  /** What a gateway owes on its open accounts together, wei: work that took more than was announced. */
  debt(sender: Hex): Rational {
    return this.#debts.get(sender) ?? ZERO;
  }

  /**
   * Speaks for the fee of a job. A rejection says that the balance does not carry it, or that the gateway owes too
   * much elsewhere: else each new session could run up a debt and leave it behind.
   */
  reserve(
    key: AccountKey,
    job: { readonly jobId: string; readonly units: bigint; readonly ticketEv: bigint },
    origin: Origin,
  ): Execution {
    if (compare(this.debt(key.sender), this.#maxDebt) > 0) {
      return { type: "rejected", code: "DEBT_CAP", text: paymentTexts.insufficientBalance };
    }
    const execution = this.execute(key, { type: "ReserveJob", ...job }, origin);
    const id = this.#live.get(textOf(key))?.id;
    if (execution.type === "accepted" && id !== undefined) this.#jobs.set(job.jobId, id);
    return execution;
  }

  /** Takes the fee of what was delivered. Nothing happens for a job that no account knows (off-chain). */
  debit(jobId: string, units: bigint, origin: Origin): void {
    this.#settle(jobId, { type: "DebitJob", jobId, units }, origin);
  }

  /** Lets go of a job that ended without a result. */
  release(jobId: string, origin: Origin): void {
    this.#settle(jobId, { type: "ReleaseJob", jobId }, origin);
  }

  /** The account has ended. Its number is used up, also while a slow disk does not show it yet. */
  closed(id: string): void {
    const text = keyOf(id);
    this.#weigh(id);
    if (this.#live.get(text)?.id === id) this.#live.delete(text);
    const number = lastIncarnation([{ stream: id }]);
    this.#ended.set(text, number);
    void this.#host.committed().then(() => {
      if (this.#ended.get(text) === number) this.#ended.delete(text);
    });
  }

  /** Lets go of jobs that have ended while nobody kept the accounts, as in a run off-chain. How many they were. */
  releaseLost(isOpen: (jobId: string) => boolean): number {
    const lost = [...this.#jobs.keys()].filter((jobId) => !isOpen(jobId));
    for (const jobId of lost) this.release(jobId, { correlationId: jobId, causationId: "job-lost" });
    return lost.length;
  }

  #settle(jobId: string, command: AccountCommand, origin: Origin): void {
    const id = this.#jobs.get(jobId);
    if (id === undefined) return;
    this.#jobs.delete(jobId);
    this.#host.execute("account", id, command, origin);
    this.#weigh(id);
  }

  /** Brings the debts up to date with one account. One that has ended owes nothing any more. */
  #weigh(id: string): void {
    const snapshot = this.#snapshot(id);
    const balance = snapshot === null ? ZERO : balanceOf(snapshot);
    const before = this.#owed.get(id) ?? ZERO;
    const now = isNegative(balance) ? negate(balance) : ZERO;
    if (isEqual(before, now)) return;
    const sender = id.slice(0, id.indexOf("/")) as Hex;
    const debt = add(this.debt(sender), subtract(now, before));
    if (isZero(debt)) this.#debts.delete(sender);
    else this.#debts.set(sender, debt);
    if (isZero(now)) this.#owed.delete(id);
    else this.#owed.set(id, now);
  }

  #snapshot(id: string): AccountSnapshot | null {
    return this.#host.snapshot("account", id) as AccountSnapshot | null;
  }
}

function textOf({ sender, manifestId }: AccountKey): string {
  return `${sender}/${manifestId}`;
}

/** The id without its number. */
function keyOf(id: string): string {
  return id.slice(0, id.lastIndexOf("."));
}
