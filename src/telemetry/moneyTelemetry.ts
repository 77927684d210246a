import type { AccountEvent, paymentAccepted } from "../events/account.ts";
import type { EventOf } from "../events/definition.ts";
import { parseStreamId, type RecordedEvent } from "../events/envelope.ts";
import type { PricingEvent } from "../events/pricing.ts";
import type { TicketEvent } from "../events/ticket.ts";
import { checksumHex } from "../protocol/account.ts";
import { fromHex } from "../protocol/bytes.ts";
import { add, floor, formatRational, isPositive, type Rational, ZERO } from "../protocol/rational.ts";
import type { Hex } from "../shared/brand.ts";
import type { LivepeerPaymentMetrics, PaymentLabels } from "./livepeerPaymentMetrics.ts";
import type { Logger } from "./logger.ts";
import { gweiOf } from "./moneyNumbers.ts";
import type { RepriseMetrics } from "./repriseMetrics.ts";

export type MoneyTelemetryOptions = {
  readonly livepeer: LivepeerPaymentMetrics;
  readonly reprise: RepriseMetrics;
  readonly logger: Logger;
};

/** What the log says is open at a start. */
export type OpenMoneyFacts = {
  /** Ids of accounts. */
  readonly accounts: Iterable<string>;
  readonly tickets: Iterable<{
    /** Ticket hash. */
    readonly id: string;
    readonly sender: Hex | null;
    /** Wei. */
    readonly faceValue: bigint;
  }>;
};

type OpenTicket = {
  readonly sender: Hex | null;
  readonly faceValue: bigint;
  /** Null while nobody has redeemed it, as far as this life of the node knows. */
  isPaidByUs: boolean | null;
};

/** Payments of a session that is not open yet, whose stream has no name therefore. */
type Unnamed = {
  readonly account: string;
  readonly sender: Hex;
  credited: number;
  winners: number;
  value: Rational;
  readonly refusals: string[];
};

/** Sessions whose payments wait for a name, and refusals of one of them: more are shown without a name. */
const unnamedMax = 1_000;

/**
 * The money part of the fold over the events: metrics and log lines. Memory is proportional to what is open:
 * accounts, winning tickets, sessions. Wei stay whole numbers here; the metrics make gwei of them.
 */
export class MoneyTelemetry {
  readonly #options: MoneyTelemetryOptions;
  readonly #accounts = new Set<string>();
  readonly #tickets = new Map<string, OpenTicket>();
  /** Manifest ids of open sessions, by session. Empty unless series are per stream. */
  readonly #manifests = new Map<string, string>();
  readonly #unnamed = new Map<string, Unnamed>();
  #atRisk = 0n;

  constructor(options: MoneyTelemetryOptions) {
    this.#options = options;
  }

  /** Takes up what an earlier life of the node left open. Call once on-chain, before the first payment. */
  resume({ accounts, tickets }: OpenMoneyFacts): void {
    for (const id of accounts) this.#accounts.add(id);
    for (const { id, sender, faceValue } of tickets) this.#open(id, { sender, faceValue, isPaidByUs: null });
    this.#options.reprise.accountsOpen.set(this.#accounts.size);
    this.#showTickets();
  }

  /** A segment of this session was accepted: from here on the stream behind its payments is known. */
  sessionNamed(sessionId: string, manifestId: string): void {
    if (!this.#options.livepeer.isPerStream) return;
    this.#manifests.set(sessionId, manifestId);
    this.#nameAs(sessionId, manifestId);
  }

  sessionEnded(sessionId: string): void {
    this.#manifests.delete(sessionId);
  }

  onAccount(recorded: RecordedEvent, event: AccountEvent): void {
    const { id } = parseStreamId(recorded.stream);
    switch (event.type) {
      case "PaymentAccepted":
        this.#accountOpen(id);
        this.#onPayment(recorded, event);
        return;
      case "PriceFixed":
        this.#accountOpen(id);
        return;
      case "AccountExpired":
        this.#onAccountExpired(recorded, id, event.balance);
        return;
      default:
    }
  }

  onTicket({ stream, correlationId }: RecordedEvent, event: TicketEvent): void {
    const { logger, livepeer, reprise } = this.#options;
    const ticketHash = parseStreamId(stream).id;
    if (event.type === "TicketWon") {
      const { sender, faceValue, lastValidRound } = event;
      this.#open(ticketHash, { sender, faceValue, isPaidByUs: null });
      this.#showTickets();
      // What reveals the secret number stays out of the logs.
      logger.info("A ticket won", {
        ...{
          correlationId,
          ticketHash,
          sender: checksummed(sender),
          faceValueWei: faceValue,
          lastValidRound,
        },
      });
      return;
    }
    const ticket = this.#tickets.get(ticketHash) ?? null;
    const sender = ticket?.sender ?? null;
    const named = { ticketHash, sender: sender === null ? null : checksummed(sender) };
    switch (event.type) {
      case "TicketExpired":
        this.#close(ticketHash);
        reprise.ticketsExpiredGwei.add(gweiOf(event.loss));
        logger.error("A winning ticket expired: nobody redeemed it in time", {
          ...named,
          lossWei: event.loss,
          round: event.round,
        });
        return;
      case "TicketRefused":
        this.#close(ticketHash);
        livepeer.redemptionError();
        reprise.ticketsRefusedGwei.add(gweiOf(event.loss));
        logger.error("The broker will never take a winning ticket", {
          ...named,
          lossWei: event.loss,
          text: event.text,
        });
        return;
      case "TicketRedeemed": {
        this.#close(ticketHash);
        const { txHash, round } = event;
        logger.info("A winning ticket was redeemed", { ...named, txHash, round });
        // Somebody else redeemed it: the money came, but not by our doing.
        const isOurs = ticket?.isPaidByUs ?? txHash !== null;
        if (isOurs && ticket !== null && sender !== null) livepeer.ticketRedeemed(sender, ticket.faceValue);
        return;
      }
      default:
        this.#onRedemption(ticketHash, named, event);
    }
  }

  /** What happens to a ticket on its way to its end. */
  #onRedemption(
    ticketHash: string,
    named: { readonly ticketHash: string; readonly sender: string | null },
    event: Exclude<TicketEvent, { type: "TicketWon" | "TicketExpired" | "TicketRefused" | "TicketRedeemed" }>,
  ): void {
    const { logger, livepeer, reprise } = this.#options;
    const ticket = this.#tickets.get(ticketHash);
    switch (event.type) {
      case "TicketPaid": {
        if (ticket !== undefined) ticket.isPaidByUs = event.transaction !== null;
        const { transaction, txHash, block, amount } = event;
        logger.info("A winning ticket was paid", { ...named, transaction, txHash, block, amountWei: amount });
        return;
      }
      case "TicketUnpaid":
        if (ticket !== undefined) ticket.isPaidByUs = null;
        logger.warn("A re-org took the payment of a winning ticket back", { ...named, block: event.block });
        return;
      case "RedemptionReturned": {
        const { transaction, cause, text } = event;
        livepeer.redemptionError();
        logger.warn("A transaction did not redeem its ticket", { ...named, transaction, cause, text });
        return;
      }
      case "RedemptionPostponed":
        reprise.redemptionsPostponed.add(1, [event.cause]);
        logger.info("A winning ticket waits", { ...named, cause: event.cause, text: event.text });
        return;
      case "RedemptionSubmitted":
        logger.debug("A winning ticket is being redeemed", { ...named, transaction: event.transaction });
        return;
      case "TicketHeld":
        logger.info(event.isHeld ? "A winning ticket is kept back" : "A winning ticket is let go", named);
        return;
      case "TicketEntrusted":
        logger.info("The redeemer has a winning ticket", { ...named, redeemer: event.redeemer });
        return;
    }
  }

  onPricing(event: PricingEvent): void {
    const { logger } = this.#options;
    const { source } = event;
    switch (event.type) {
      case "PriceChanged": {
        const { scope, wording } = event;
        logger.info("A price changed", { scope, weiPerUnit: formatRational(event.price), wording, source });
        return;
      }
      case "PriceRemoved":
        logger.info("A price was removed", { scope: event.scope, source });
        return;
      case "TicketTermsChanged": {
        const { ticketEv: ticketEvWei, maxFaceValue: maxFaceValueWei } = event;
        logger.info("The terms of tickets changed", { ticketEvWei, maxFaceValueWei, source });
        return;
      }
    }
  }

  #accountOpen(id: string): void {
    if (this.#accounts.has(id)) return;
    this.#accounts.add(id);
    this.#options.reprise.accountsOpen.set(this.#accounts.size);
  }

  #onAccountExpired({ correlationId }: RecordedEvent, id: string, balance: Rational): void {
    const { logger, reprise } = this.#options;
    this.#accounts.delete(id);
    reprise.accountsOpen.set(this.#accounts.size);
    for (const [session, { account }] of this.#unnamed) if (account === id) this.#nameAs(session, "");
    if (isPositive(balance)) {
      logger.debug("An account ended with money in it", {
        correlationId,
        account: id,
        balanceWei: floor(balance),
      });
    }
  }

  #onPayment(recorded: RecordedEvent, payment: EventOf<typeof paymentAccepted>): void {
    const { sender, refusal } = payment;
    const tickets = {
      credited: payment.creditedTickets,
      winners: payment.winners.length,
      value: payment.credit,
    };
    const manifestId = this.#manifestOf(recorded);
    if (manifestId !== null) {
      this.#show({ sender, manifestId }, tickets, refusal === null ? [] : [refusal]);
      return;
    }
    const session = recorded.correlationId;
    const account = parseStreamId(recorded.stream).id;
    const none = { account, sender, credited: 0, winners: 0, value: ZERO, refusals: [] };
    const all: Unnamed = this.#unnamed.get(session) ?? none;
    all.credited += tickets.credited;
    all.winners += tickets.winners;
    all.value = add(all.value, tickets.value);
    if (refusal !== null) all.refusals.push(refusal);
    this.#unnamed.set(session, all);
    const oldest = this.#unnamed.keys().next().value;
    if (this.#unnamed.size > unnamedMax && oldest !== undefined) this.#nameAs(oldest, "");
    if (all.refusals.length > unnamedMax) this.#nameAs(session, "");
  }

  /**
   * The stream that a payment is for, or null while its session has no accepted segment. A payment comes before the
   * first segment of its session; a payment on its own (`/payment`) names the stream itself, and is correlated by
   * its account.
   */
  #manifestOf({ correlationId, stream }: RecordedEvent): string | null {
    if (!this.#options.livepeer.isPerStream) return "";
    const slash = correlationId.indexOf("/");
    if (slash >= 0 && stream.startsWith(`account:${correlationId}.`)) return correlationId.slice(slash + 1);
    return this.#manifests.get(correlationId) ?? null;
  }

  #nameAs(session: string, manifestId: string): void {
    const waiting = this.#unnamed.get(session);
    if (waiting === undefined) return;
    this.#unnamed.delete(session);
    const { sender, refusals, credited, winners, value } = waiting;
    this.#show({ sender, manifestId }, { credited, winners, value }, refusals);
  }

  #show(
    labels: PaymentLabels,
    tickets: { readonly credited: number; readonly winners: number; readonly value: Rational },
    refusals: readonly string[],
  ): void {
    const { livepeer } = this.#options;
    livepeer.ticketsReceived(labels, tickets);
    for (const text of refusals) livepeer.paymentError(labels.sender, text, labels.manifestId);
  }

  #open(id: string, ticket: OpenTicket): void {
    if (this.#tickets.has(id)) return;
    this.#tickets.set(id, ticket);
    this.#atRisk += ticket.faceValue;
  }

  #close(id: string): void {
    const ticket = this.#tickets.get(id);
    if (this.#tickets.delete(id)) this.#atRisk -= ticket?.faceValue ?? 0n;
    this.#showTickets();
  }

  #showTickets(): void {
    const { ticketsOpen, ticketsOpenGwei } = this.#options.reprise;
    ticketsOpen.set(this.#tickets.size);
    ticketsOpenGwei.set(gweiOf(this.#atRisk));
  }
}

function checksummed(sender: Hex): string {
  const bytes = fromHex(sender);
  return bytes === null ? sender : checksumHex(bytes);
}
