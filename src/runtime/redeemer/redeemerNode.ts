import { equalBytes, fromHex, toHex } from "../../protocol/bytes.ts";
import {
  isForRecipient,
  type NamedRecipient,
  type QueuedTicket,
  queuedTicketHash,
  ticketFlaw,
  type Unreadable,
  wrongRecipientText,
} from "../../protocol/redeemer.ts";
import { auxData } from "../../protocol/ticket.ts";
import type { Hex } from "../../shared/brand.ts";
import type { Host } from "../host.ts";
import type { Solvency } from "../money/solvency.ts";
import type { TicketBook } from "../money/ticketBook.ts";
import type { ChainView } from "../ports.ts";
import type { MaxFloatListener, Peer, RedeemerRefusal, RedeemerService } from "../service.ts";
import type { FloatBoard } from "./floatBoard.ts";

export type RedeemerNodeOptions = {
  readonly host: Host;
  readonly tickets: TicketBook;
  readonly solvency: Solvency;
  readonly chain: ChainView;
  readonly floats: FloatBoard;
  /** Gas that the redemption of one ticket is taken to cost. */
  readonly redeemGas: bigint;
  /** Who signed 32 bytes as a personal message, 20 bytes; null for what is no signature. */
  readonly recoverSigner: (message: Uint8Array, signature: Uint8Array) => Uint8Array | null;
  /** Why nothing can be recorded now, or null. */
  readonly logRefusal: () => string | null;
  /** `sender` is who seems to have signed it; "" when nobody knows. */
  readonly onRefused?: (refusal: RedeemerRefusal, sender: string) => void;
};

/** Rounds for which the TicketBroker takes a ticket, its own included. Source: payments sheet 5.6. */
const defaultValidityPeriod = 2n;
/** Rounds and blocks that the log can hold. */
const numberMax = 1n << 63n;
/** Open tickets of one sender that can pay. */
const openOfSenderMax = 10_000;
/** Open tickets of one sender that cannot pay for what it has signed: it may refill, or be made up. */
const openOfPoorMax = 100;
/** Senders with such tickets: made-up ones cost nobody but us. */
const poorSendersMax = 1_000;

/**
 * Takes winning tickets in from orchestrators and answers what their senders' funds cover. Everybody who reaches the
 * port may call: nothing that comes is believed, and what is kept for senders without money is bounded.
 */
export class RedeemerNode implements RedeemerService {
  readonly #options: RedeemerNodeOptions;
  readonly #poor = new Set<Hex>();
  #isDraining = false;

  constructor(options: RedeemerNodeOptions) {
    this.#options = options;
  }

  async queueTicket(message: {
    readonly ticket: QueuedTicket | Unreadable;
    readonly recipient: NamedRecipient;
  }): Promise<RedeemerRefusal | { readonly type: "queued" }> {
    const { chain, logRefusal, onRefused } = this.#options;
    const { ticket, recipient } = message;
    const refuse = (status: RedeemerRefusal["status"], text: string): RedeemerRefusal => {
      const refusal: RedeemerRefusal = { type: "refused", status, text };
      onRefused?.(refusal, ticket.type === "ticket" ? toHex(ticket.terms.sender) : "");
      return refusal;
    };
    if (recipient !== null && !isForRecipient(recipient, chain.recipient)) {
      return refuse("permission-denied", wrongRecipientText(recipient, chain.recipient));
    }
    if (ticket.type === "unreadable") return refuse("invalid-argument", ticket.text);
    const flaw = this.#flaw(ticket);
    if (flaw !== null) return refuse("invalid-argument", flaw);
    const cause = this.#isDraining ? "the redeemer is stopping" : logRefusal();
    if (cause !== null) return refuse("unavailable", cause);
    const hash = queuedTicketHash(ticket);
    if (!this.#options.tickets.isKnown(hash)) {
      const crowd = await this.#crowd(ticket);
      if (crowd !== null) return refuse("resource-exhausted", crowd);
      this.#win(hash, ticket);
    }
    // Of one that was known as well: the call that brought it may not be answered yet.
    await this.#options.host.committed();
    return { type: "queued" };
  }

  async maxFloat(
    sender: Uint8Array,
  ): Promise<RedeemerRefusal | { readonly type: "max-float"; readonly maxFloat: bigint }> {
    const value = await this.#options.floats.read(sender);
    if (value !== null) return { type: "max-float", maxFloat: value };
    const cause = this.#options.chain.trouble ?? "it has not been read yet";
    return { type: "refused", status: "internal", text: `the chain cannot be read: ${cause}` };
  }

  monitorMaxFloat(
    sender: Uint8Array,
    { remoteAddress }: Peer,
    listener: MaxFloatListener,
  ): RedeemerRefusal | { readonly type: "monitored"; stop(): void } {
    if (this.#isDraining) {
      return { type: "refused", status: "unavailable", text: "the redeemer is stopping" };
    }
    const watch = this.#options.floats.watch(sender, remoteAddress, listener);
    if (watch !== null) return { type: "monitored", stop: () => watch.stop() };
    return { type: "refused", status: "resource-exhausted", text: "too many floats are monitored" };
  }

  unhealthyReason(): string | null {
    return this.#isDraining ? "The node is stopping." : this.#options.logRefusal();
  }

  /** No further tickets, and an end to every stream. */
  drain(): void {
    this.#isDraining = true;
    this.#options.floats.close();
  }

  /** Why the broker would never pay the ticket, or null. Without a clock it gets the benefit of the doubt. */
  #flaw(ticket: QueuedTicket): string | null {
    const { terms, signature, expirationBlock } = ticket;
    const { creationRound } = terms.expiration;
    if (expirationBlock >= numberMax) return "expiration_block is out of range";
    if (auxData(terms.expiration).length === 0) return "the ticket names no round";
    const clock = this.#options.chain.clock();
    if (clock !== null) {
      const round = clock.lastInitializedRound;
      // Somebody else may have seen the next round before us.
      if (creationRound > round + 1n) return `the ticket is of round ${creationRound}, and this is ${round}`;
      const last = this.#lastValidRound(ticket);
      if (last < round) return `the ticket has expired: its last round was ${last}, and this is ${round}`;
    }
    const flaw = ticketFlaw(ticket);
    if (flaw !== null) return flaw;
    const signer = this.#options.recoverSigner(fromHex(queuedTicketHash(ticket)) ?? signature, signature);
    return signer !== null && equalBytes(signer, terms.sender) ? null : "the signature is not the sender's";
  }

  #lastValidRound({ terms }: QueuedTicket): bigint {
    const validity = this.#options.chain.clock()?.ticketValidityPeriod ?? defaultValidityPeriod;
    return terms.expiration.creationRound + validity - 1n;
  }

  /** Why there is no room for the ticket, or null. */
  async #crowd({ terms: { sender, faceValue } }: QueuedTicket): Promise<string | null> {
    const { chain, solvency, redeemGas } = this.#options;
    const funds = chain.funds(sender) ?? (await chain.readFunds(sender));
    const key = toHex(sender);
    const cost = redeemGas * chain.gasPrice();
    const needed = faceValue > cost ? faceValue : cost;
    const open = solvency.countOf(key);
    if (funds !== null && funds.deposit + funds.reserve >= needed) {
      this.#poor.delete(key);
      return open < openOfSenderMax ? null : `the sender has ${open} tickets that wait already`;
    }
    if (this.#poor.size >= poorSendersMax) {
      for (const poor of this.#poor) if (solvency.countOf(poor) === 0) this.#poor.delete(poor);
    }
    const isCrowded = !this.#poor.has(key) && this.#poor.size >= poorSendersMax;
    if (isCrowded) return "too many tickets wait whose senders cannot pay";
    if (open >= openOfPoorMax) return `the sender cannot pay, and has ${open} tickets that wait already`;
    this.#poor.add(key);
    return null;
  }

  #win(hash: Hex, ticket: QueuedTicket): void {
    const { terms } = ticket;
    this.#options.tickets.win(
      hash,
      {
        sender: toHex(terms.sender),
        recipient: toHex(terms.recipient),
        faceValue: terms.faceValue,
        winProb: terms.winProb,
        senderNonce: ticket.senderNonce,
        recipientRandHash: toHex(terms.recipientRandHash),
        recipientRand: toHex(ticket.recipientRand),
        sig: toHex(ticket.signature),
        creationRound: terms.expiration.creationRound,
        creationRoundBlockHash: toHex(terms.expiration.creationRoundBlockHash),
        expirationBlock: ticket.expirationBlock,
        lastValidRound: this.#lastValidRound(ticket),
        account: null,
        source: "import",
      },
      { correlationId: `ticket:${hash}`, causationId: "QueueTicket" },
    );
  }
}
