import type { AccountCommand, AccountSnapshot } from "../../actors/account/decide.ts";
import { lastIncarnation } from "../../events/log/incarnations.ts";
import type { LogReader } from "../../events/log/reader.ts";
import type { Rational } from "../../protocol/rational.ts";
import type { Hex } from "../../shared/brand.ts";
import type { Execution, Host, Origin } from "../host.ts";

/** Whose money, and for what: the session id of a video stream, or whatever else the payment names. */
export type AccountKey = { readonly sender: Hex; readonly manifestId: string };

/**
 * Finds the open account of a key and the account of a job. An account that ended is a closed stream; the next
 * payment under the same key opens a new one, `<sender>/<manifest id>.<n>`.
 */
export class AccountBook {
  readonly #host: Host;
  readonly #reader: LogReader;
  readonly #live = new Map<string, string>();
  readonly #jobs = new Map<string, string>();

  constructor(host: Host, reader: LogReader) {
    this.#host = host;
    this.#reader = reader;
  }

  /** Takes up the accounts that the log says are open. Call once, after the host has started. */
  resume(): number {
    for (const id of this.#host.idsOf("account")) {
      this.#live.set(keyOf(id), id);
      for (const { jobId } of this.#snapshot(id)?.context.openJobs ?? []) this.#jobs.set(jobId, id);
    }
    return this.#live.size;
  }

  get count(): number {
    return this.#live.size;
  }

  /** The open account, or null. */
  find(key: AccountKey): AccountSnapshot | null {
    const id = this.#live.get(textOf(key));
    return id === undefined ? null : this.#snapshot(id);
  }

  /** Wei per unit that was fixed for the account; null when none is. */
  price(key: AccountKey): Rational | null {
    return this.find(key)?.context.price ?? null;
  }

  /** Id of the account's stream: the open one, or the one that its next command opens. */
  idFor(key: AccountKey): string {
    const text = textOf(key);
    const live = this.#live.get(text);
    if (live !== undefined) return live;
    const used = lastIncarnation(this.#reader.streamsWithPrefix(`account:${text}.`));
    const id = `${text}.${used + 1}`;
    this.#live.set(text, id);
    return id;
  }

  execute(key: AccountKey, command: AccountCommand, origin: Origin): Execution {
    const id = this.idFor(key);
    const execution = this.#host.execute("account", id, command, origin);
    // Nothing was opened: the number stays free.
    if (execution.type === "rejected" && this.#snapshot(id) === null) this.#live.delete(textOf(key));
    return execution;
  }

  /** Speaks for the fee of a job. A rejection says that the balance does not carry it. */
  reserve(
    key: AccountKey,
    job: { readonly jobId: string; readonly units: bigint; readonly ticketEv: bigint },
    origin: Origin,
  ): Execution {
    const execution = this.execute(key, { type: "ReserveJob", ...job }, origin);
    const id = this.#live.get(textOf(key));
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

  /** The account has ended. */
  closed(id: string): void {
    if (this.#live.get(keyOf(id)) === id) this.#live.delete(keyOf(id));
  }

  #settle(jobId: string, command: AccountCommand, origin: Origin): void {
    const id = this.#jobs.get(jobId);
    if (id === undefined) return;
    this.#jobs.delete(jobId);
    this.#host.execute("account", id, command, origin);
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
