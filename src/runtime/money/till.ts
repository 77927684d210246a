import type { PaymentHeader } from "../../protocol/headers.ts";
import { readPayment } from "../../protocol/payment.ts";
import { type Price, priceOfInfo } from "../../protocol/price.ts";
import { isEqual } from "../../protocol/rational.ts";
import { segmentTexts } from "../../protocol/texts.ts";
import type { Hex } from "../../shared/brand.ts";
import type { Host, Origin } from "../host.ts";
import type { HttpRefusal } from "../service.ts";
import type { AccountBook, AccountKey } from "./accountBook.ts";
import type { Market, Sale, SaleOffer } from "./market.ts";
import type { MoneyObserver } from "./moneyObserver.ts";
import type { PaymentDesk } from "./paymentDesk.ts";

export type TillOptions = {
  readonly host: Host;
  readonly market: Market;
  readonly desk: PaymentDesk;
  readonly accounts: AccountBook;
  readonly observer: MoneyObserver;
};

/** What a payment is for. */
export type Purchase = {
  /** Where tickets are credited. */
  readonly account: AccountKey;
  /** The account whose price is quoted in the answer: `/payment` credits one and quotes another. */
  readonly priceOf: AccountKey;
  /** Whether work follows: then a price must be named even without tickets. */
  readonly isForWork: boolean;
};

/** Gateways whose price the operator's webhook has set; the oldest go first. */
const agreedMax = 10_000;

/**
 * Where a request of an on-chain gateway pays: fresh parameters first, then the payment, then the balance. The order
 * and the answers are the network's. Source: payments sheet 3.2.
 */
export class Till {
  readonly #options: TillOptions;
  readonly #agreed = new Map<Hex, Price>();

  constructor(options: TillOptions) {
    this.#options = options;
  }

  /** The operator's webhook has decided what this gateway pays from now on; null = as everybody. */
  agree(sender: Hex, price: Price | null): void {
    this.#agreed.delete(sender);
    if (price === null) return;
    this.#agreed.set(sender, price);
    const oldest = this.#agreed.keys().next().value;
    if (this.#agreed.size > agreedMax && oldest !== undefined) this.#agreed.delete(oldest);
  }

  /** Price and parameters for a gateway that opens no account yet, or for the account's own price. */
  offer(
    sender: Uint8Array,
    account: AccountKey | null,
    webhookPrice: Price | null = null,
  ): SaleOffer | Promise<SaleOffer> {
    const fixed = account === null ? null : this.#options.accounts.price(account);
    const agreed = account === null ? null : (this.#agreed.get(account.sender) ?? null);
    return this.#options.market.offer(sender, fixed ?? webhookPrice ?? agreed);
  }

  /** The price that was agreed for an account, or null. */
  priceOf(account: AccountKey): Price | null {
    return this.#options.accounts.price(account);
  }

  /**
   * Takes what came in `Livepeer-Payment`. Resolves in the turn of the decision; a refusal is durable when it
   * resolves, since tickets before the one that failed were credited.
   */
  async take(
    { payment, sender }: PaymentHeader,
    purchase: Purchase,
    origin: Origin,
  ): Promise<HttpRefusal | { readonly type: "taken"; readonly sale: Sale }> {
    const offered = this.offer(sender, purchase.priceOf);
    const offer = offered instanceof Promise ? await offered : offered;
    if (offer.type === "refused") {
      return offer.isUnlocking === true ? refused(400, offer.text) : refused(500, segmentTexts.internal);
    }
    const claim = readPayment(payment);
    if (claim.type === "refused") return claim;
    const hasTickets = (claim.tickets?.senderParams.length ?? 0) > 0;
    if (!hasTickets && !purchase.isForWork) return { type: "taken", sale: offer.sale };
    const { account } = purchase;
    const ownPrice = this.#agreed.get(account.sender) ?? this.#options.market.price(sender);
    const receipt = await this.#options.desk.receive(claim, account, ownPrice, origin);
    if (receipt.type === "received") {
      const sale = this.#agreedSale(sender, purchase, offer.sale);
      const told = priceOfInfo(sale.price);
      if (told.type === "price") this.#options.observer.priced(account.sender, told.price);
      return { type: "taken", sale };
    }
    await this.#options.host.committed();
    return refused(400, receipt.text);
  }

  /**
   * What the answer quotes. The first payment of an account fixes its price; when ours has moved since that was
   * quoted, the sale that was prepared before it would lead the gateway away from the price that it is held to.
   */
  #agreedSale(sender: Uint8Array, { priceOf }: Purchase, prepared: Sale): Sale {
    const fixed = this.#options.accounts.price(priceOf);
    const quoted = priceOfInfo(prepared.price);
    if (fixed === null || (quoted.type === "price" && isEqual(quoted.price, fixed))) return prepared;
    const renewed = this.#options.market.offer(sender, fixed);
    return !(renewed instanceof Promise) && renewed.type === "sale" ? renewed.sale : prepared;
  }

  /** Speaks for the fee of a job; the text of the refusal when the balance does not carry it. */
  reserve(
    account: AccountKey,
    job: { readonly jobId: string; readonly units: bigint },
    origin: Origin,
  ): string | null {
    const { accounts, market } = this.#options;
    const execution = accounts.reserve(account, { ...job, ticketEv: market.ticketEv }, origin);
    return execution.type === "rejected" ? execution.text : null;
  }
}

function refused(status: number, text: string): HttpRefusal {
  return { type: "refused", status, text };
}
