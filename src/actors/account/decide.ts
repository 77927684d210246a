import type { SnapshotFrom } from "xstate";
import { accountEvents } from "../../events/account.ts";
import type { AccountEvent, paymentAccepted } from "../../events/account.ts";
import type { EventOf } from "../../events/definition.ts";
import { paymentTexts } from "../../protocol/paymentTexts.ts";
import { isSufficient, jobFee } from "../../protocol/price.ts";
import { add, compare, rational, type Rational, subtract, ZERO } from "../../protocol/rational.ts";
import type { Hex, UnixMs } from "../../shared/brand.ts";
import type { ActorKind, Deadline, Decided, Facts } from "../kind.ts";
import { decided, rejected } from "../kind.ts";
import { accountContext, accountMachine } from "./machine.ts";

/**
 * Milliseconds without use after which an account ends: 15 minutes. The peer forgets between 10 and 20.
 * Source: payments sheet 4.1.
 */
export const accountIdleMs = 15 * 60_000;

export type AccountCommand =
  | ({ readonly type: "AcceptPayment" } & Omit<EventOf<typeof paymentAccepted>, "type" | "idleDeadlineMs">)
  /** Nothing happens when a price is fixed already. */
  | { readonly type: "FixPrice"; readonly sender: Hex; readonly price: Rational }
  | {
      readonly type: "ReserveJob";
      readonly jobId: string;
      readonly units: bigint;
      /** Wei that must be there beyond what other jobs speak for. */
      readonly ticketEv: bigint;
    }
  | { readonly type: "DebitJob"; readonly jobId: string; readonly units: bigint }
  | { readonly type: "ReleaseJob"; readonly jobId: string }
  | { readonly type: "ExpireAccount"; readonly dueMs: UnixMs };

export type AccountSnapshot = SnapshotFrom<typeof accountMachine>;

/** Wei; credits minus debits, exactly. */
export function balanceOf({ context }: AccountSnapshot): Rational {
  return subtract(context.credited, context.debited);
}

/** Pure: what becomes of a command to an account. */
export function decideAccount(
  snapshot: AccountSnapshot | null,
  command: AccountCommand,
  facts: Facts,
): Decided<AccountEvent> {
  // An ended account takes nothing: the next payment under its key opens another one.
  if (snapshot?.matches("expired") === true) return accountEnded;
  const idleDeadlineMs = facts.nowMs + accountIdleMs;
  switch (command.type) {
    case "AcceptPayment":
      return decidePayment(snapshot, command, idleDeadlineMs);
    case "FixPrice":
      if (snapshot !== null && snapshot.context.price !== null) {
        return rejected("PRICE_FIXED", "The account has a price already.");
      }
      return decided({ type: "PriceFixed", sender: command.sender, price: command.price, idleDeadlineMs });
    case "ReserveJob":
      return decideReservation(snapshot, command);
    case "DebitJob": {
      const job = openJob(snapshot, command.jobId);
      if (job === null) return jobNotOpen;
      const { jobId, units } = command;
      const fee = jobFee(units, job.price);
      return decided({ type: "JobDebited", jobId, units, price: job.price, fee, idleDeadlineMs });
    }
    case "ReleaseJob":
      if (openJob(snapshot, command.jobId) === null) return jobNotOpen;
      return decided({ type: "JobReleased", jobId: command.jobId, idleDeadlineMs });
    case "ExpireAccount":
      // A deadline that newer use has moved is stale: the account lives on.
      if (snapshot === null || snapshot.context.idleDeadlineMs !== command.dueMs) {
        return rejected("DEADLINE_MOVED", "The account was used since.");
      }
      // A job's fee must find the account; its end moves the deadline.
      if (snapshot.context.openJobs.length > 0)
        return rejected("ACCOUNT_BUSY", "The account holds open jobs.");
      return decided({ type: "AccountExpired", balance: balanceOf(snapshot) });
  }
}

const accountEnded = rejected("ACCOUNT_ENDED", "The account has ended.");
const jobNotOpen = rejected("JOB_NOT_OPEN", "The account holds no such open job.");

function openJob(snapshot: AccountSnapshot | null, jobId: string) {
  return snapshot?.context.openJobs.find((job) => job.jobId === jobId) ?? null;
}

/** The first payment of which a ticket counted fixes the price: a worthless one fixes nothing. */
function decidePayment(
  snapshot: AccountSnapshot | null,
  command: AccountCommand & { readonly type: "AcceptPayment" },
  idleDeadlineMs: UnixMs,
): Decided<AccountEvent> {
  const payment = { ...command, type: "PaymentAccepted" as const, idleDeadlineMs };
  const isFirst = (snapshot?.context.price ?? null) === null && command.creditedTickets > 0;
  if (!isFirst) return decided(payment);
  return decided<AccountEvent>(payment, {
    type: "PriceFixed",
    sender: command.sender,
    price: command.price,
    idleDeadlineMs,
  });
}

/**
 * Whether the balance carries another job. Asked and answered in one step, so two requests can never both win the
 * same money. A price of zero is not checked.
 *
 * The network asks for the value of one ticket. We ask for the job's fee where that is more: gateways prepay it, and
 * otherwise one ticket would buy a segment of any size. Source: payments sheet 3.6, 4.2, 13.
 */
function decideReservation(
  snapshot: AccountSnapshot | null,
  command: AccountCommand & { readonly type: "ReserveJob" },
): Decided<AccountEvent> {
  const price = snapshot?.context.price ?? null;
  if (snapshot === null || price === null) return insufficient;
  const { jobId, units, ticketEv } = command;
  const { openJobs, ticketValue } = snapshot.context;
  if (openJob(snapshot, jobId) !== null) return rejected("JOB_OPEN", "The account holds this job already.");
  if (price.numerator === 0n) return decided({ type: "JobReserved", jobId, units, price, fee: ZERO });
  // Tickets under way were made for what we asked then: a higher value must not strand their gateway.
  const least = smaller(rational(ticketEv), ticketValue ?? rational(ticketEv));
  // A job that is announced as next to nothing speaks for a ticket all the same: that is what it was prepaid with.
  const fee = larger(jobFee(units, price), least);
  const reserved = openJobs.reduce((sum, job) => add(sum, job.fee), ZERO);
  if (!isSufficient(balanceOf(snapshot), reserved, fee)) return insufficient;
  return decided({ type: "JobReserved", jobId, units, price, fee });
}

function larger(left: Rational, right: Rational): Rational {
  return compare(left, right) < 0 ? right : left;
}

function smaller(left: Rational, right: Rational): Rational {
  return compare(left, right) < 0 ? left : right;
}

const insufficient = rejected("BALANCE_INSUFFICIENT", paymentTexts.insufficientBalance);

function accountDeadline(snapshot: AccountSnapshot): Deadline | null {
  const { idleDeadlineMs: atMs, openJobs } = snapshot.context;
  if (atMs === null || openJobs.length > 0 || !snapshot.matches("open")) return null;
  return { atMs, command: { type: "ExpireAccount", dueMs: atMs } };
}

export const accountKind: ActorKind = {
  kind: "account",
  machine: accountMachine,
  events: accountEvents,
  context: accountContext as ActorKind["context"],
  decide: decideAccount as ActorKind["decide"],
  deadline: accountDeadline as ActorKind["deadline"],
};
