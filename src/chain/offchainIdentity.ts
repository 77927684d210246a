import type { Identity } from "../runtime/ports.ts";

/** The identity of a node without a chain: it signs nothing and believes everybody, as go-livepeer does. */
export const offchainIdentity: Identity = {
  account: null,
  sign: () => new Uint8Array(0),
  isSignedBy: () => true,
};
