import { accountOfPrivateKey, isPersonalSignatureOf, signPersonalMessage } from "../native/ffi.ts";
import type { Identity } from "../runtime/ports.ts";
import { BaseError } from "../shared/errors.ts";

/** An identity that signs with a key in this process. */
export type LocalIdentity = Identity & {
  /** 20 bytes. */
  readonly account: Uint8Array;
  /** Overwrites the key. Signing throws from then on. */
  erase(): void;
};

/**
 * Signs as the account of `privateKey` (32 bytes). The key is copied into this closure; the caller may overwrite
 * its own copy.
 *
 * Source: EIP-191; go-livepeer eth/accountmanager.go Sign, crypto/verify.go.
 */
export function localIdentity(privateKey: Uint8Array): LocalIdentity {
  const key = Uint8Array.from(privateKey);
  let isErased = false;
  return {
    account: accountOfPrivateKey(key),
    sign: (message) => {
      if (isErased) throw new KeyErasedError();
      return signPersonalMessage(message, key);
    },
    isSignedBy: isPersonalSignatureOf,
    erase: () => {
      isErased = true;
      key.fill(0);
    },
  };
}

/** Something wanted a signature after the node had let go of its key. */
export class KeyErasedError extends BaseError {
  constructor() {
    super("The account's key has been erased.", { code: "KEY_ERASED", disposition: "halt" });
  }
}
