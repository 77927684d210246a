import { findKey, unlockKey } from "../chain/keystore.ts";
import { localIdentity } from "../chain/localIdentity.ts";
import type { ChainConfig } from "../config/config.ts";
import { fromHex } from "../protocol/bytes.ts";
import type { Identity } from "../runtime/ports.ts";

/** As whom an on-chain node signs, and who is paid. */
export type Account = {
  readonly identity: Identity & { readonly account: Uint8Array };
  /** The registered account that tickets are made out to, 20 bytes. */
  readonly recipient: Uint8Array;
  /** Overwrites the key. */
  erase(): void;
};

/**
 * Unlocks the account of the configuration.
 *
 * @throws KeystoreError when there is no such key or the password is wrong
 */
export async function openAccount(chain: ChainConfig): Promise<Account> {
  const wanted = chain.accountText === "" ? null : fromHex(chain.accountText);
  const unlocked = await unlockKey(findKey(chain.keystorePath, wanted), chain.password?.reveal() ?? "");
  const identity = localIdentity(unlocked.privateKey);
  unlocked.privateKey.fill(0);
  return {
    identity,
    recipient: (chain.recipient === null ? null : fromHex(chain.recipient)) ?? identity.account,
    erase: () => identity.erase(),
  };
}
