import { accountEvents } from "./account.ts";
import { chainEvents } from "./chain.ts";
import type { AnyEventDefinition } from "./definition.ts";
import { gatewayEvents } from "./gateway.ts";
import { pricingEvents } from "./pricing.ts";
import { segmentEvents } from "./segment.ts";
import { sessionEvents } from "./session.ts";
import { roundEvents } from "./round.ts";
import { ticketEvents } from "./ticket.ts";
import { transactionEvents } from "./transaction.ts";
import { walletEvents } from "./wallet.ts";
import { watchEvents } from "./watch.ts";

/** Every type of fact that this release can read, by name. */
export const allEvents: ReadonlyMap<string, AnyEventDefinition> = new Map([
  ...sessionEvents,
  ...segmentEvents,
  ...accountEvents,
  ...ticketEvents,
  ...gatewayEvents,
  ...chainEvents,
  ...pricingEvents,
  ...transactionEvents,
  ...walletEvents,
  ...roundEvents,
  ...watchEvents,
]);
