import type { HmacSha256 } from "../../protocol/authToken.ts";
import { toHex } from "../../protocol/bytes.ts";
import type { PriceInfo, TicketParams } from "../../protocol/gen/lp_rpc_pb.ts";
import { paymentTexts, senderInfoText, unlockingText } from "../../protocol/paymentTexts.ts";
import { adjustedPrice, type Price, priceInfoOf, priceOverhead } from "../../protocol/price.ts";
import { isPositive, ZERO } from "../../protocol/rational.ts";
import {
  RAND_BYTES,
  recipientRand,
  recipientRandHash,
  type TicketSecret,
} from "../../protocol/recipientRand.ts";
import {
  faceValue,
  PARAMS_LIFETIME_BLOCKS,
  ticketExpiration,
  ticketOffer,
  ticketParamsMessage,
} from "../../protocol/ticketParams.ts";
import type { ChainView, Edge } from "../ports.ts";
import { type MoneyObserver, silentObserver } from "./moneyObserver.ts";
import type { PriceBoard } from "./priceBoard.ts";
import type { Solvency, SolvencyRefusal } from "./solvency.ts";

/** The secrets that ticket parameters are authenticated with: the first makes them, all of them verify. */
export type TicketSecrets = { current(): readonly [TicketSecret, ...TicketSecret[]] };

export type MarketOptions = {
  readonly edge: Edge;
  readonly hmac: HmacSha256;
  readonly chain: ChainView;
  readonly secrets: TicketSecrets;
  readonly solvency: Solvency;
  readonly board: PriceBoard;
  /** Gas to redeem one ticket. */
  readonly redeemGas: bigint;
  /** `-autoAdjustPrice`: the price pays for redeeming its tickets too. */
  readonly isAdjusted: boolean;
  readonly observer?: MoneyObserver;
  /** Told whenever a gateway is refused for its funds. */
  readonly onRefused: (sender: Uint8Array, refusal: SolvencyRefusal) => void;
};

/** What a gateway is told to pay, and the parameters of the tickets to pay it with. */
export type Sale = { readonly ticketParams: TicketParams; readonly price: PriceInfo };

export type SaleOffer =
  | { readonly type: "sale"; readonly sale: Sale }
  | {
      readonly type: "refused";
      readonly text: string;
      /** The reference node offers these gateways params and then refuses their tickets with this text. */
      readonly isUnlocking?: true;
    };

/** Text for a node whose chain has not answered yet. */
const chainUnreadText = "the chain has not been read yet";
/** Text for a price in a currency whose rate has not been read yet. */
const priceUnknownText = "the price feed has not been read yet";

/**
 * Quotes prices and makes ticket parameters. Nothing is remembered about either: what a gateway sends back is
 * recognised by its MAC.
 */
export class Market {
  readonly #options: MarketOptions;
  readonly #observer: MoneyObserver;

  constructor(options: MarketOptions) {
    this.#options = options;
    this.#observer = options.observer ?? silentObserver;
  }

  /** Wei that a ticket must be worth on average. */
  get ticketEv(): bigint {
    return this.#options.board.terms.ticketEv;
  }

  /**
   * Fresh parameters for a gateway. At once for a gateway whose funds are known and enough; others are looked up first.
   *
   * @param fixed - a price that is agreed already (of an account, or of the operator's webhook): it is not adjusted
   */
  offer(sender: Uint8Array, fixed: Price | null): SaleOffer | Promise<SaleOffer> {
    const { chain, solvency } = this.#options;
    const isKnown = !this.#needsFunds(sender, fixed) || !solvency.needsReading(sender);
    if (isKnown) return this.#offer(sender, fixed);
    return chain.readFunds(sender).then(() => this.#offer(sender, fixed));
  }

  /** Our price for this gateway now, before it is bound into anything. Source: payments sheet 4.3. */
  price(sender: Uint8Array): Price | null {
    return this.#options.board.price(toHex(sender));
  }

  #needsFunds(sender: Uint8Array, fixed: Price | null): boolean {
    const price = fixed ?? this.price(sender);
    return price !== null && isPositive(price);
  }

  #offer(sender: Uint8Array, fixed: Price | null): SaleOffer {
    const { chain, edge, hmac, secrets } = this.#options;
    const clock = chain.clock();
    const expiration = clock === null ? null : ticketExpiration(clock);
    if (clock === null || expiration === null) return refused(chainUnreadText);
    const quote = this.#quote(sender, fixed);
    if (quote.type === "refused") return quote;
    const seed = edge.randomBytes(RAND_BYTES);
    const terms = {
      seed,
      recipient: chain.recipient,
      faceValue: quote.faceValue,
      winProb: quote.winProb,
      expirationBlock: clock.l1Block + PARAMS_LIFETIME_BLOCKS,
      expiration,
    };
    const [secret] = secrets.current();
    const rand = recipientRand(secret, { ...terms, sender, price: quote.price }, hmac);
    return {
      type: "sale",
      sale: {
        ticketParams: ticketParamsMessage({ ...terms, recipientRandHash: recipientRandHash(rand) }),
        price: priceInfoOf(quote.price),
      },
    };
  }

  /** Price, face value and win probability. Free work asks for no funds. */
  #quote(sender: Uint8Array, fixed: Price | null): Quote | Refused {
    const { chain, board, redeemGas, solvency, isAdjusted, onRefused } = this.#options;
    const base = fixed ?? this.price(sender);
    if (base === null) return refused(priceUnknownText);
    if (!isPositive(base)) return { type: "quote", price: ZERO, faceValue: 0n, winProb: 0n };
    const { ticketEv, maxFaceValue } = board.terms;
    const txCost = redeemGas * chain.gasPrice();
    let floor = ticketEv;
    if (txCost > floor) floor = txCost;
    const float = solvency.maxFloat(sender, floor);
    if (typeof float !== "bigint") {
      onRefused(sender, float);
      const text = refusalText(sender, float);
      return float.code === "SENDER_UNLOCKING" ? { type: "refused", text, isUnlocking: true } : refused(text);
    }
    const input = { txCost, redeemGas, ticketEv, maxFaceValue, maxFloat: () => float };
    const value = faceValue(input);
    // Whoever has nothing is nobody to keep a gauge for: keys cost nothing.
    if (float > 0n) {
      this.#observer.paramsMade(toHex(sender), value.type === "refused" ? 0n : value.value, float);
    }
    if (value.type === "refused") return value;
    const price = fixed ?? adjustedPrice(base, priceOverhead(value.value, txCost), isAdjusted);
    const offer = ticketOffer(price, input);
    return offer.type === "refused" ? offer : { ...offer, type: "quote", price };
  }
}

type Refused = Extract<SaleOffer, { readonly type: "refused" }>;
type Quote = {
  readonly type: "quote";
  /** Wei per unit. */
  readonly price: Price;
  /** Wei. */
  readonly faceValue: bigint;
  readonly winProb: bigint;
};

function refused(text: string): Refused {
  return { type: "refused", text };
}

/** What a gateway hears: the network's text for the case, so that it goes elsewhere without harm. */
export function refusalText(sender: Uint8Array, refusal: SolvencyRefusal): string {
  switch (refusal.code) {
    case "SENDER_UNKNOWN":
      return senderInfoText(sender, "the chain cannot be read");
    case "SENDER_UNLOCKING":
      return unlockingText(sender);
    case "LOSS_CAP":
      return paymentTexts.insufficientReserve;
  }
}
