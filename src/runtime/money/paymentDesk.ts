import type { Execution, Host, Origin } from "../host.ts";
import type { ChainClock, ChainView, TicketVerifier } from "../ports.ts";
import type { HmacSha256 } from "../../protocol/authToken.ts";
import { equalBytes, toHex, uint256Bytes } from "../../protocol/bytes.ts";
import { claimedRand, type PaymentClaim, type TicketClaim, ticketTerms } from "../../protocol/payment.ts";
import {
  inactiveText,
  nonceSeenText,
  paymentTexts,
  senderInfoText,
  tooManyNoncesText,
} from "../../protocol/paymentTexts.ts";
import type { Price } from "../../protocol/price.ts";
import { isEqual, isZero, multiply, rational, ZERO } from "../../protocol/rational.ts";
import { recipientRand, recipientRandHash } from "../../protocol/recipientRand.ts";
import {
  TICKET_SIGNATURE_BYTES,
  ticketHash,
  ticketPreimage,
  type TicketTerms,
  ticketValue,
} from "../../protocol/ticket.ts";

import type { Hex } from "../../shared/brand.ts";
import type { AccountBook, AccountKey } from "./accountBook.ts";
import { type TicketSecrets, refusalText } from "./market.ts";
import type { MoneyObserver } from "./moneyObserver.ts";
import type { NonceMemory } from "./nonceMemory.ts";
import type { Solvency, SolvencyRefusal } from "./solvency.ts";
import type { TicketBook } from "./ticketBook.ts";

export type PaymentDeskOptions = {
  readonly host: Host;
  readonly hmac: HmacSha256;
  readonly chain: ChainView;
  readonly secrets: TicketSecrets;
  readonly verifier: TicketVerifier;
  readonly nonces: NonceMemory;
  readonly accounts: AccountBook;
  readonly tickets: TicketBook;
  readonly solvency: Solvency;
  readonly observer?: MoneyObserver;
  /** Told whenever a gateway is refused for its funds. */
  readonly onRefused: (sender: Uint8Array, refusal: SolvencyRefusal) => void;
};

/** What became of a payment. A refusal may have credited tickets before the one that failed. */
export type Receipt = { readonly type: "received" } | { readonly type: "refused"; readonly text: string };

const received: Receipt = { type: "received" };

/** Tickets in a payment that is verified without waiting for the gateway's other payments. */
const fewTickets = 4;

/** A ticket's verdict from the verifier. */
const verdicts = { badSignature: 0, loses: 1, wins: 2 } as const;

/** A payment whose parameters are ours and whose signatures were checked: nothing is decided yet. */
type CheckedTickets = {
  readonly claim: PaymentClaim;
  readonly tickets: TicketClaim;
  readonly terms: TicketTerms;
  readonly price: Price;
  readonly rand: Uint8Array;
  readonly verdicts: Uint8Array;
};

/**
 * Takes payments: judges each ticket in the network's order, credits what counts and keeps what won.
 *
 * Signatures are checked off the event loop. Everything after them happens in one turn: nonces, winners and credit
 * join one commit, and so does whatever the caller decides in the same turn. Payments of one gateway are judged in
 * the order in which they came. Nothing may be answered before `Host.committed`.
 *
 * Source: payments sheet 3.3 to 3.5.
 */
export class PaymentDesk {
  readonly #options: PaymentDeskOptions;
  readonly #tails = new Map<Hex, Promise<unknown>>();
  #droppedUpTo = 0n;

  constructor(options: PaymentDeskOptions) {
    this.#options = options;
  }

  /**
   * Takes a payment for an account. When the promise resolves the caller is in the turn of the decision.
   *
   * @param ownPrice - what this gateway would be asked now: only at a price of 0 is anybody served for nothing
   */
  async receive(
    claim: PaymentClaim,
    key: AccountKey,
    ownPrice: Price | null,
    origin: Origin,
  ): Promise<Receipt> {
    const { tickets } = claim;
    if (tickets === null || tickets.senderParams.length === 0) {
      await this.#turn(key.sender, null);
      return this.#noted(key, this.#withoutTickets(claim, key, ownPrice, origin));
    }
    const checked = this.#check(claim, tickets);
    const outcome = await this.#turn(key.sender, checked);
    if (outcome === null) return received;
    if (outcome.type === "refused") return this.#noted(key, outcome);
    return this.#settle(outcome.checked, key, origin);
  }

  /** A refusal that leaves no event is told to whoever counts. */
  #noted({ sender }: AccountKey, receipt: Receipt): Receipt {
    if (receipt.type === "refused") this.#options.observer?.paymentRefused(sender, receipt.text);
    return receipt;
  }

  /** Waits for `work` and for everything that this gateway sent before it. */
  async #turn<T>(sender: Hex, work: Promise<T> | null): Promise<T | null> {
    const before = this.#tails.get(sender) ?? Promise.resolve();
    const mine = Promise.all([work, before]).then(([value]) => value);
    const tail = mine.catch(() => {});
    this.#tails.set(sender, tail);
    try {
      return await mine;
    } finally {
      if (this.#tails.get(sender) === tail) this.#tails.delete(sender);
    }
  }

  /** Rows 3 to 7 of payments sheet 3.3 and 3.4: all that needs no order. */
  async #check(
    claim: PaymentClaim,
    tickets: TicketClaim,
  ): Promise<
    Extract<Receipt, { type: "refused" }> | { readonly type: "checked"; readonly checked: CheckedTickets }
  > {
    const { chain, solvency, onRefused, verifier } = this.#options;
    const { sender, price } = claim;
    const before = this.#tails.get(toHex(sender));
    if (price === null) return refused(paymentTexts.priceMissing);
    const clock = chain.clock();
    if (clock === null) return refused(senderInfoText(sender, "the chain has not been read yet"));
    if (!clock.isRecipientActive) return refused(inactiveText(chain.recipient, clock.lastInitializedRound));
    if (solvency.needsReading(sender)) await chain.readFunds(sender);
    if (chain.funds(sender) === null) return refused(senderInfoText(sender, "the chain cannot be read"));
    const refusal = solvency.refusal(sender);
    if (refusal !== null) {
      onRefused(sender, refusal);
      return refused(refusalText(sender, refusal));
    }
    if (!equalBytes(tickets.recipient, chain.recipient)) return refused(paymentTexts.badRecipient);
    if (sender.every((byte) => byte === 0)) return refused(paymentTexts.badSender);
    const rand = this.#randOf(tickets, sender, price);
    if (rand === null) return refused(paymentTexts.badRand);
    const terms = ticketTerms(tickets, sender);
    // Bad signatures cost a gateway nothing and us a core: only one of its large payments stands before the others'.
    if (tickets.senderParams.length > fewTickets) await before;
    const verdicts = await verifier.verify(batchOf(tickets, terms, rand));
    this.#options.observer?.verified(verdicts);
    return { type: "checked", checked: { claim, tickets, terms, price, rand, verdicts } };
  }

  /** The number behind the hash, if one of our secrets made exactly these parameters. */
  #randOf(tickets: TicketClaim, sender: Uint8Array, price: Price): Uint8Array | null {
    const input = claimedRand(tickets, sender, price);
    for (const secret of this.#options.secrets.current()) {
      const rand = recipientRand(secret, input, this.#options.hmac);
      if (equalBytes(recipientRandHash(rand), tickets.recipientRandHash)) return rand;
    }
    return null;
  }

  /** Rows 8 to 11 of payments sheet 3.4, and the effects: one turn, one commit. */
  #settle(checked: CheckedTickets, key: AccountKey, origin: Origin): Receipt {
    const { chain, onRefused, solvency } = this.#options;
    const clock = chain.clock();
    if (clock === null) return refused(paymentTexts.badRand);
    const { claim, tickets, terms, price } = checked;
    // While signatures were checked, an earlier payment of this gateway may have won more than it can pay.
    const overdrawn = solvency.refusal(claim.sender);
    if (overdrawn !== null) {
      onRefused(claim.sender, overdrawn);
      return this.#noted(key, refused(refusalText(claim.sender, overdrawn)));
    }
    const judged = this.#judge(checked, clock);
    const winners: Hex[] = [];
    for (const index of judged.winners) {
      const ticket = tickets.senderParams[index];
      if (ticket === undefined) continue;
      const hash = toHex(ticketHash(terms, ticket.nonce));
      if (this.#keep(hash, checked, ticket, clock, key, origin)) winners.push(hash);
    }
    const refusal = judged.refusal;
    const hasRecord = judged.nonces.length > 0 || winners.length > 0;
    if (hasRecord) {
      // A gateway's entity never ends: made-up accounts that pay nothing must not leave one each.
      if (tickets.faceValue > 0n) this.#recordFunds(claim.sender, origin);
      const execution: Execution = this.#options.accounts.execute(
        key,
        {
          type: "AcceptPayment",
          sender: key.sender,
          price,
          recipientRandHash: toHex(tickets.recipientRandHash),
          faceValue: tickets.faceValue,
          winProb: tickets.winProb,
          expirationBlock: tickets.expirationBlock,
          l1Block: clock.l1Block,
          nonces: judged.nonces,
          creditedTickets: judged.credited,
          credit: multiply(
            ticketValue(tickets.faceValue, tickets.winProb),
            rational(BigInt(judged.credited)),
          ),
          winners,
          refusal,
        },
        origin,
      );
      if (execution.type === "rejected") return refused(execution.text);
    }
    if (refusal === null) return received;
    return hasRecord ? refused(refusal) : this.#noted(key, refused(refusal));
  }

  #judge(
    { claim, tickets, verdicts: results }: CheckedTickets,
    clock: ChainClock,
  ): {
    readonly credited: number;
    readonly nonces: readonly number[];
    /** Indices of tickets. */
    readonly winners: readonly number[];
    readonly refusal: string | null;
  } {
    const { nonces: memory } = this.#options;
    if (clock.l1Block > this.#droppedUpTo) {
      this.#droppedUpTo = clock.l1Block;
      memory.dropExpired(clock.l1Block);
    }
    const isExpired = tickets.expirationBlock <= clock.l1Block;
    const nonces: number[] = [];
    const winners: number[] = [];
    let credited = 0;
    // The last failure is told. Its text is made once: an account's checksum takes longer than a ticket.
    let refusal: (() => string) | null = null;
    for (const [index, { nonce }] of tickets.senderParams.entries()) {
      if (results[index] === verdicts.badSignature) {
        refusal = () => paymentTexts.badSignature;
        continue;
      }
      if (results[index] === verdicts.wins) winners.push(index);
      const state = memory.check(tickets.recipientRandHash, nonce, tickets.expirationBlock);
      if (state === "seen") {
        refusal = () => nonceSeenText(claim.sender, nonce);
        continue;
      }
      if (state === "full") {
        refusal = () => tooManyNoncesText(claim.sender, nonce);
        continue;
      }
      memory.add(tickets.recipientRandHash, nonce, tickets.expirationBlock);
      if (isExpired) {
        refusal = () => paymentTexts.expired;
        continue;
      }
      nonces.push(nonce);
      if (refusal === null) credited += 1;
    }
    return { credited, nonces, winners, refusal: refusal === null ? null : refusal() };
  }

  #keep(
    hash: Hex,
    { terms, tickets, rand }: CheckedTickets,
    ticket: { readonly nonce: number; readonly signature: Uint8Array },
    clock: ChainClock,
    key: AccountKey,
    origin: Origin,
  ): boolean {
    const { creationRound, creationRoundBlockHash } = terms.expiration;
    return this.#options.tickets.win(
      hash,
      {
        sender: key.sender,
        recipient: toHex(terms.recipient),
        faceValue: terms.faceValue,
        winProb: terms.winProb,
        senderNonce: ticket.nonce,
        recipientRandHash: toHex(terms.recipientRandHash),
        recipientRand: toHex(rand),
        sig: toHex(ticket.signature),
        creationRound,
        creationRoundBlockHash: toHex(creationRoundBlockHash),
        expirationBlock: tickets.expirationBlock,
        lastValidRound: creationRound + clock.ticketValidityPeriod - 1n,
        account: this.#options.accounts.idFor(key),
        source: "payment",
      },
      origin,
    );
  }

  /** What the gateway had when it paid us: a known gateway is served over a restart without the chain. */
  #recordFunds(sender: Uint8Array, origin: Origin): void {
    const funds = this.#options.chain.funds(sender);
    if (funds === null) return;
    this.#options.host.execute("gateway", toHex(sender), { type: "RecordFunds", ...funds } as never, origin);
  }

  /** A payment without tickets pays from the balance, at the price that was agreed. */
  #withoutTickets(claim: PaymentClaim, key: AccountKey, ownPrice: Price | null, origin: Origin): Receipt {
    if (claim.price === null) return refused(paymentTexts.priceMissing);
    const agreed = this.#options.accounts.price(key);
    if (agreed !== null) {
      return isEqual(agreed, claim.price) ? received : refused(paymentTexts.priceOther);
    }
    // Nothing was ever paid here. Only who is served for nothing may go on.
    if (ownPrice === null || !isZero(ownPrice))
      return isZero(claim.price) ? refused(paymentTexts.priceOther) : received;
    this.#options.accounts.execute(key, { type: "FixPrice", sender: key.sender, price: ZERO }, origin);
    return received;
  }
}

function batchOf(tickets: TicketClaim, terms: TicketTerms, rand: Uint8Array) {
  const { senderParams } = tickets;
  const nonces = new Uint32Array(senderParams.length);
  const signatures = new Uint8Array(TICKET_SIGNATURE_BYTES * senderParams.length);
  for (const [index, { nonce, signature }] of senderParams.entries()) {
    nonces[index] = nonce;
    if (signature.length === TICKET_SIGNATURE_BYTES)
      signatures.set(signature, TICKET_SIGNATURE_BYTES * index);
  }
  return {
    preimage: ticketPreimage(terms, 0),
    sender: terms.sender,
    recipientRand: rand,
    winProb: uint256Bytes(terms.winProb),
    nonces,
    signatures,
  };
}

function refused(text: string): Extract<Receipt, { type: "refused" }> {
  return { type: "refused", text };
}
