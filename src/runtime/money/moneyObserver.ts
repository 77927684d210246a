import type { Price } from "../../protocol/price.ts";
import type { Hex } from "../../shared/brand.ts";

/** Told of what is no event: for counters and gauges, never for decisions. Amounts in wei. */
export type MoneyObserver = {
  /** Parameters were made for a gateway with funds, or would have been if they were enough. */
  paramsMade(sender: Hex, faceValue: bigint, maxFloat: bigint): void;
  /** A gateway is told this price with the answer to a payment. */
  priced(sender: Hex, price: Price): void;
  /** A payment was refused and left no event. */
  paymentRefused(sender: Hex, text: string): void;
  /** Tickets were verified; a byte each, see `TicketVerifier`. */
  verified(verdicts: Uint8Array): void;
};

/** Nobody listens. */
export const silentObserver: MoneyObserver = {
  paramsMade: () => {},
  priced: () => {},
  paymentRefused: () => {},
  verified: () => {},
};
