import { integer, oneOf } from "./codec.ts";
import type { EventOf } from "./definition.ts";
import { catalogueOf, defineEvent } from "./definition.ts";

/*
 * The nonces of an account that this node sends from: stream `wallet:<account>`. Nobody else counts them.
 */

/** A transaction has this nonce from now on. */
export const nonceReserved = defineEvent("NonceReserved", { nonce: integer });

/** The chain counts otherwise: the next transaction gets this nonce. */
export const nonceCorrected = defineEvent("NonceCorrected", {
  nonce: integer,
  /** `ahead`: another wallet sends from the account. `behind`: what we counted is gone from the chain. */
  cause: oneOf("ahead", "behind"),
});

export const walletEvents = catalogueOf([nonceReserved, nonceCorrected]);

export type WalletEvent = EventOf<typeof nonceReserved> | EventOf<typeof nonceCorrected>;
