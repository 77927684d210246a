import type { paymentAccepted } from "../account.ts";
import type { EventOf } from "../definition.ts";
import { storedBlock } from "./storedBlock.ts";
import type { View } from "./view.ts";

/**
 * L1 blocks for which used nonces are kept behind the newest payment: 1,000 are three hours. Parameters end at their
 * expiration block; the margin is for a chain endpoint that falls back behind what another one has shown.
 */
export const nonceMarginBlocks = 1_000;

/**
 * The nonces that payments have used up under parameters that may still be alive, so that a restart forgets none.
 * Bounded: each payment removes what has ended before it.
 */
export const noncesView: View = {
  name: "nonces",
  version: 1,
  tables: ["nonces"],
  types: ["PaymentAccepted"],
  statements: [
    "INSERT INTO nonces VALUES (?1, ?2, ?3, ?4)",
    "DELETE FROM nonces WHERE expiration_block <= ?1",
  ],
  project: ({ seq, event }) => {
    const payment = event as EventOf<typeof paymentAccepted>;
    const { recipientRandHash, nonces, expirationBlock, l1Block } = payment;
    const endedBlock = storedBlock(l1Block) - nonceMarginBlocks;
    return [
      ...(nonces.length === 0
        ? []
        : [[0, [seq, recipientRandHash, JSON.stringify(nonces), storedBlock(expirationBlock)]] as const]),
      [1, [endedBlock]],
    ];
  },
};
