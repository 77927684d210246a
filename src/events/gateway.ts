import { bigInteger, integer } from "./codec.ts";
import type { EventOf } from "./definition.ts";
import { catalogueOf, defineEvent } from "./definition.ts";

/**
 * What the TicketBroker holds for a gateway that pays us, in wei, whenever it is another amount than before. Kept so
 * that a known gateway is served after a restart although the chain cannot be read.
 */
export const gatewayFundsRead = defineEvent("GatewayFundsRead", {
  deposit: bigInteger,
  reserve: bigInteger,
  /** Claimed from the reserve in this round by all orchestrators. */
  claimedInRound: bigInteger,
  claimedByUs: bigInteger,
  /** Round in which it may take everything back; 0 when it has not asked to. */
  withdrawRound: bigInteger,
  /** Unix milliseconds. */
  readAtMs: integer,
});

export const gatewayEvents = catalogueOf([gatewayFundsRead]);

export type GatewayEvent = EventOf<typeof gatewayFundsRead>;
