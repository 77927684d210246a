import type { SnapshotFrom } from "xstate";
import type { EventOf } from "../../events/definition.ts";
import { pricingEvents } from "../../events/pricing.ts";
import type { PricingEvent, priceChanged, priceRemoved, ticketTermsChanged } from "../../events/pricing.ts";
import { compare } from "../../protocol/rational.ts";
import type { ActorKind, Decided } from "../kind.ts";
import { decided, rejected } from "../kind.ts";
import { pricingContext, pricingMachine } from "./machine.ts";

/** The only entity of its kind. */
export const ownPricing = "own";
/** The price of everybody who has none of his own. */
export const defaultScope = "default";

export type PricingCommand =
  | ({ readonly type: "SetPrice" } & Omit<EventOf<typeof priceChanged>, "type">)
  | ({ readonly type: "RemovePrice" } & Omit<EventOf<typeof priceRemoved>, "type">)
  | ({ readonly type: "SetTicketTerms" } & Omit<EventOf<typeof ticketTermsChanged>, "type">);

export type PricingSnapshot = SnapshotFrom<typeof pricingMachine>;

const unchanged = rejected("PRICE_UNCHANGED", "That is the price already.");

/** Pure: only a change is a fact. */
export function decidePricing(
  snapshot: PricingSnapshot | null,
  command: PricingCommand,
): Decided<PricingEvent> {
  const context = snapshot?.context;
  switch (command.type) {
    case "SetPrice": {
      const known = context?.prices.find(({ scope }) => scope === command.scope);
      const isSame =
        known !== undefined && compare(known.price, command.price) === 0 && known.wording === command.wording;
      return isSame ? unchanged : decided({ ...command, type: "PriceChanged" });
    }
    case "RemovePrice": {
      const isKnown = context?.prices.some(({ scope }) => scope === command.scope) ?? false;
      return isKnown ? decided({ ...command, type: "PriceRemoved" }) : unchanged;
    }
    case "SetTicketTerms": {
      const terms = context?.terms ?? null;
      const isSame =
        terms !== null && terms.ticketEv === command.ticketEv && terms.maxFaceValue === command.maxFaceValue;
      return isSame ? unchanged : decided({ ...command, type: "TicketTermsChanged" });
    }
  }
}

export const pricingKind: ActorKind = {
  kind: "pricing",
  machine: pricingMachine,
  events: pricingEvents,
  context: pricingContext as ActorKind["context"],
  decide: decidePricing as unknown as ActorKind["decide"],
  deadline: () => null,
  isMovedFromOutside: true,
};
