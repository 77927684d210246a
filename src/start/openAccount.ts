import { dirname } from "node:path";
import { statSync } from "node:fs";
import { findKey, type FoundKey, type UnlockedKey, unlockKey } from "../chain/keystore.ts";
import { KeystoreError } from "../chain/keystoreError.ts";
import { localIdentity } from "../chain/localIdentity.ts";
import type { ChainConfig } from "../config/config.ts";
import type { Secret } from "../config/secret.ts";
import { checksumHex } from "../protocol/account.ts";
import { fromHex, toHex } from "../protocol/bytes.ts";
import type { Identity } from "../runtime/ports.ts";
import { assert } from "../shared/assert.ts";
import type { Hex } from "../shared/brand.ts";
import { askPassword } from "./askPassword.ts";

/** As whom an on-chain node signs, who is paid, and which keys may spend gas. */
export type Account = {
  /** Signs towards gateways. */
  readonly identity: Identity & { readonly account: Uint8Array };
  /** The registered account that tickets are made out to, 20 bytes. Its key need not be here. */
  readonly recipient: Uint8Array;
  /** The keys that were opened, each account once, the own one first. */
  readonly signerKeys: readonly {
    /** Lower-case. */
    readonly account: Hex;
    /** 32 bytes, until {@link erase}. */
    readonly privateKey: Uint8Array;
  }[];
  /** Who redeems tickets, starts rounds and pays for it; one of {@link signerKeys}. */
  readonly redeemer: Hex;
  /** Who calls rewards, in its own name or for the recipient; one of {@link signerKeys}. */
  readonly rewardCaller: Hex;
  /** Overwrites all keys. */
  erase(): void;
};

/** Asks a person for the pass phrase of an account. */
export type AskForPassword = (account: Uint8Array) => Promise<string>;

export type OpenAccountOptions = {
  /** Null when there is nobody to ask. Default: the terminal, when standard input is one. */
  readonly ask?: AskForPassword | null;
};

/** How often a person is asked for one key. */
const tries = 3;

/**
 * Unlocks the accounts of the configuration: the node's own, and those for rewards and redemption when they are
 * others. One after the other, because each may take 256 MB for its pass phrase. Never creates a key.
 *
 * @throws KeystoreError when there is no such key or a pass phrase is wrong; PasswordPromptError when a person who
 *   was asked for one gave none
 */
export async function openAccount(chain: ChainConfig, options: OpenAccountOptions = {}): Promise<Account> {
  const ask = options.ask === undefined ? terminalQuestion() : options.ask;
  // All of them are found before a person is asked for the first.
  const own = findKey(chain.keystorePath, chain.accountText === "" ? null : fromHex(chain.accountText));
  const found: { readonly key: FoundKey; readonly password: Secret | null }[] = [
    { key: own, password: chain.password },
  ];
  const folder = folderOf(chain.keystorePath);
  for (const choice of [chain.rewardKey, chain.redeemerKey]) {
    if (choice === null || isFor(own, choice.account)) continue;
    if (found.some(({ key }) => isFor(key, choice.account))) continue;
    const key = findKey(folder, fromHex(choice.account));
    found.push({ key, password: choice.password ?? chain.password });
  }
  const unlocked: UnlockedKey[] = [];
  try {
    for (const { key, password } of found) unlocked.push(await unlock(key, password, ask));
  } catch (error) {
    for (const { privateKey } of unlocked) privateKey.fill(0);
    throw error;
  }
  return accountOf(chain, unlocked);
}

/** Whether a person at the terminal may be asked for a pass phrase, which takes as long as it takes. */
export function mayAskForPassword(chain: ChainConfig): boolean {
  return chain.password === null && process.stdin.isTTY;
}

function accountOf(chain: ChainConfig, unlocked: readonly UnlockedKey[]): Account {
  const [own] = unlocked;
  assert(own !== undefined, "The node's own key is always among those that were opened.");
  const identity = localIdentity(own.privateKey);
  const ownHex = toHex(own.account);
  return {
    identity,
    recipient: (chain.recipient === null ? null : fromHex(chain.recipient)) ?? identity.account,
    signerKeys: unlocked.map(({ account, privateKey }) => ({ account: toHex(account), privateKey })),
    redeemer: chain.redeemerKey?.account ?? ownHex,
    rewardCaller: chain.rewardKey?.account ?? ownHex,
    erase: () => {
      identity.erase();
      for (const { privateKey } of unlocked) privateKey.fill(0);
    },
  };
}

/** With the pass phrase that was given, or else the empty one, or else what a person types. */
async function unlock(
  key: FoundKey,
  password: Secret | null,
  ask: AskForPassword | null,
): Promise<UnlockedKey> {
  const first = await tryPassword(key, password?.reveal() ?? "");
  if (!(first instanceof KeystoreError)) return first;
  if (password !== null || ask === null || key.account === null) throw first;
  let last = first;
  for (let attempt = 1; attempt <= tries; attempt++) {
    const typed = await ask(key.account);
    const next = await tryPassword(key, typed);
    if (!(next instanceof KeystoreError)) return next;
    last = next;
  }
  throw last;
}

/** The error only when the pass phrase is wrong: what is wrong with the file is thrown. */
async function tryPassword(key: FoundKey, password: string): Promise<UnlockedKey | KeystoreError> {
  try {
    return await unlockKey(key, password);
  } catch (error) {
    if (error instanceof KeystoreError && error.code === "KEY_PASSWORD_WRONG") return error;
    throw error;
  }
}

function isFor(key: FoundKey, account: Hex): boolean {
  return key.account !== null && toHex(key.account) === account;
}

/** Where the other keys are when the own one was named by its file. */
function folderOf(path: string): string {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true ? dirname(path) : path;
}

function terminalQuestion(): AskForPassword | null {
  const { stdin } = process;
  if (!stdin.isTTY) return null;
  return (account) =>
    askPassword(`Pass phrase of ${checksumHex(account)}: `, stdin, (text) => {
      process.stderr.write(text);
    });
}
