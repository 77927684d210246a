import { rationalFields } from "./account.ts";
import { bigInteger, oneOf, text } from "./codec.ts";
import type { EventOf } from "./definition.ts";
import { catalogueOf, defineEvent } from "./definition.ts";

/** Who changed a price: a flag at the start, the operator port, or the feed of a currency. */
export const priceSource = oneOf("flag", "operator", "feed");

/** What we ask for, of everybody or of one gateway. Running accounts keep the price that they were fixed at. */
export const priceChanged = defineEvent("PriceChanged", {
  /** `default`, or the gateway's account as lower-case `0x…`. */
  scope: text,
  /** Wei per unit. */
  price: rationalFields,
  /** As the operator wrote it, such as `0.13USD / 1e12`; for people. */
  wording: text,
  source: priceSource,
});

/** A gateway no longer has a price of its own. */
export const priceRemoved = defineEvent("PriceRemoved", { scope: text, source: priceSource });

/** What a ticket must be worth on average, and what it may be worth at most (0 = no limit). Wei. */
export const ticketTermsChanged = defineEvent("TicketTermsChanged", {
  ticketEv: bigInteger,
  maxFaceValue: bigInteger,
  source: priceSource,
});

export const pricingEvents = catalogueOf([priceChanged, priceRemoved, ticketTermsChanged]);

export type PricingEvent =
  EventOf<typeof priceChanged> | EventOf<typeof priceRemoved> | EventOf<typeof ticketTermsChanged>;
