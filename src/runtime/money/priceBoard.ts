import type { PricingCommand, PricingSnapshot } from "../../actors/pricing/decide.ts";
import { defaultScope, ownPricing } from "../../actors/pricing/decide.ts";
import type { Price } from "../../protocol/price.ts";
import { noPrices, type PriceList, priceFor } from "../../protocol/priceList.ts";
import type { Hex } from "../../shared/brand.ts";
import type { Host } from "../host.ts";

/** What the operator asks for: the same as the commands of the pricing machine. */
export type PriceSource = "flag" | "operator" | "feed";

export type PriceEntry = { readonly price: Price; readonly wording: string };

export type TicketTermsSetting = { readonly ticketEv: bigint; readonly maxFaceValue: bigint };

/** The prices in force. They live in the log: what is quoted at any moment can be told from it. */
export class PriceBoard {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Wei per unit for this gateway; null while it is in a currency whose rate nobody knows yet. */
  price(sender: Hex): Price | null {
    const everybody = this.#listOf(defaultScope);
    const gateway = this.#listOf(sender);
    if (everybody === noPrices && gateway === noPrices) return null;
    return priceFor(everybody, gateway, null);
  }

  /** Only transcoding has a price so far. */
  #listOf(scope: string): PriceList {
    const entry = this.#snapshot()?.context.prices.find((known) => known.scope === scope);
    return entry === undefined ? noPrices : { transcode: entry.price, capabilities: {} };
  }

  /** The entries of all scopes: `default`, and gateways by their account. */
  entries(): readonly (PriceEntry & { readonly scope: string })[] {
    return this.#snapshot()?.context.prices ?? [];
  }

  get terms(): TicketTermsSetting {
    return this.#snapshot()?.context.terms ?? { ticketEv: 0n, maxFaceValue: 0n };
  }

  setPrice(scope: Hex | typeof defaultScope, entry: PriceEntry, source: PriceSource): void {
    this.#execute({ type: "SetPrice", scope, ...entry, source });
  }

  setTerms(terms: TicketTermsSetting, source: PriceSource): void {
    this.#execute({ type: "SetTicketTerms", ...terms, source });
  }

  /** Makes the board equal to the flags of this start: what an operator changed while running ends with the run. */
  startWith(
    prices: ReadonlyMap<string, { readonly price: Price | null; readonly wording: string }>,
    terms: TicketTermsSetting,
  ): void {
    for (const { scope, wording } of this.entries()) {
      // A price in a currency keeps the rate that was known last until the feed says another.
      const isKept = prices.get(scope)?.wording === wording;
      if (!isKept) this.#execute({ type: "RemovePrice", scope, source: "flag" });
    }
    for (const [scope, { price, wording }] of prices) {
      if (price !== null) this.#execute({ type: "SetPrice", scope, price, wording, source: "flag" });
    }
    this.#execute({ type: "SetTicketTerms", ...terms, source: "flag" });
  }

  #execute(command: PricingCommand): void {
    const origin = { correlationId: `pricing:${ownPricing}`, causationId: command.source };
    this.#host.execute("pricing", ownPricing, command, origin);
  }

  #snapshot(): PricingSnapshot | null {
    return this.#host.snapshot("pricing", ownPricing) as PricingSnapshot | null;
  }
}
