import { accountOfPrivateKey, signDigest } from "../native/ffi.ts";
import { toHex } from "../protocol/bytes.ts";
import type { SignedTransaction, TransactionSigner, UnsignedTransaction } from "../runtime/chainPorts.ts";
import { assert } from "../shared/assert.ts";
import type { Hex } from "../shared/brand.ts";
import { KeyErasedError } from "./localIdentity.ts";
import { signedBytes, signingDigest } from "./transactionBytes.ts";

/** A {@link TransactionSigner} over keys in this process. */
export type LocalSigner = TransactionSigner & {
  /** Overwrites the keys. Signing throws from then on. */
  erase(): void;
};

/**
 * Signs transactions of the accounts of `privateKeys` (32 bytes each; the same key twice is one account): the own
 * one, the reward caller, the redeemer. The keys are copied; the caller may overwrite its own.
 *
 * @throws NativeError when one is no private key
 */
export function openSigner(privateKeys: readonly Uint8Array[]): LocalSigner {
  const keys = new Map<Hex, Uint8Array>();
  for (const key of privateKeys) keys.set(toHex(accountOfPrivateKey(key)), Uint8Array.from(key));
  let isErased = false;
  return {
    accounts: [...keys.keys()],
    sign: (transaction: UnsignedTransaction): SignedTransaction => {
      if (isErased) throw new KeyErasedError();
      const key = keys.get(transaction.from);
      assert(key !== undefined, `This node holds no key of ${transaction.from}.`);
      return signedBytes(transaction, signDigest(signingDigest(transaction), key));
    },
    erase: () => {
      isErased = true;
      for (const key of keys.values()) key.fill(0);
    },
  };
}
