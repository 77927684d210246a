import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { accountOfPrivateKey } from "../native/ffi.ts";
import { checksumHex } from "../protocol/account.ts";
import { equalBytes, plainHex } from "../protocol/bytes.ts";
import { addressOfKeyFile, decryptKeyFile } from "./keyFile.ts";
import { KeystoreError } from "./keystoreError.ts";

/** Key files are half a kilobyte. */
const fileBytesMax = 64 * 1024;
const filesMax = 10_000;

/** A key file that was found, still locked. */
export type FoundKey = {
  readonly path: string;
  /** 20 bytes: what the file says; null for a file that was named and does not say. */
  readonly account: Uint8Array | null;
  readonly text: string;
};

/** An unlocked account. Overwrite `privateKey` once it has been handed on. */
export type UnlockedKey = {
  readonly path: string;
  /** 20 bytes. */
  readonly account: Uint8Array;
  /** 32 bytes. */
  readonly privateKey: Uint8Array;
};

/**
 * Finds a key: `path` is a folder of key files, or one key file. `account` (20 bytes) names the one that is meant;
 * without it there must be exactly one account. Of several files for one account the first by name counts.
 *
 * Ignored in a folder, as geth does: folders, links, names that start with `.` or end with `~`, and files without
 * an address.
 *
 * @throws KeystoreError when there is no such key. A key is never created.
 */
export function findKey(path: string, account: Uint8Array | null): FoundKey {
  const stat = statOrNull(path);
  if (stat === null) {
    throw new KeystoreError("KEYSTORE_NOT_FOUND", "provided -ethKeystorePath was not found", {
      action: "Name a folder with key files, or one key file.",
      path,
    });
  }
  return stat.isDirectory() ? findInFolder(path, account) : readNamedFile(path, account);
}

/**
 * Unlocks a key that was found. A wrong password takes as long as a right one: up to some seconds.
 *
 * @throws KeystoreError when the password is wrong, the file is broken, or it holds the key of another account
 */
export async function unlockKey(found: FoundKey, password: string): Promise<UnlockedKey> {
  const privateKey = await decryptKeyFile(found.text, password);
  const account = keyAccount(privateKey, found.path);
  if (found.account !== null && !equalBytes(account, found.account)) {
    privateKey.fill(0);
    const [have, want] = [plainHex(account), plainHex(found.account)];
    throw new KeystoreError("KEY_MISMATCH", `key content mismatch: have account ${have}, want ${want}`, {
      action: "The key file was changed by hand: restore it from a backup.",
      path: found.path,
    });
  }
  return { path: found.path, account, privateKey };
}

/**
 * The pass phrase that `-ethPassword` means: the content of the file of that name without white space around it,
 * or the text itself when there is no such file, or nothing in it.
 *
 * Source: go-livepeer common/readfromfile.go ReadFromFile.
 */
export function readPassword(text: string): string {
  const stat = text === "" ? null : statOrNull(text);
  if (stat === null || !stat.isFile() || stat.size > fileBytesMax) return text;
  const content = readText(text).trim();
  return content === "" ? text : content;
}

function findInFolder(folder: string, account: Uint8Array | null): FoundKey {
  const keys = keysIn(folder);
  if (account !== null) {
    const found = keys.find((key) => equalBytes(key.account, account));
    if (found !== undefined) return found;
    throw new KeystoreError("KEY_NOT_FOUND", `there is no key for the account ${checksumHex(account)}`, {
      action: "Check `-ethAcctAddr` and `-ethKeystorePath`. Reprise never creates an account.",
      path: folder,
    });
  }
  const [first] = keys;
  if (first === undefined) {
    throw new KeystoreError("KEYSTORE_EMPTY", "the folder holds no key file", {
      action: "Put the account's key file there. Reprise never creates an account.",
      path: folder,
    });
  }
  const others = keys.filter((key) => !equalBytes(key.account, first.account));
  if (others.length === 0) return first;
  const names = [first, ...others].slice(0, 5).map((key) => checksumHex(key.account));
  throw new KeystoreError("KEY_AMBIGUOUS", `the folder holds several accounts: ${names.join(", ")}`, {
    action: "Name the one to use with `-ethAcctAddr`.",
    path: folder,
  });
}

function keysIn(folder: string): (FoundKey & { readonly account: Uint8Array })[] {
  const entries = listFolder(folder)
    .filter((entry) => entry.isFile() && !entry.name.startsWith(".") && !entry.name.endsWith("~"))
    .map((entry) => join(folder, entry.name))
    .sort();
  return entries.slice(0, filesMax).flatMap((path) => {
    const stat = statOrNull(path);
    if (stat === null || stat.size > fileBytesMax) return [];
    const text = readText(path);
    const account = addressOfKeyFile(text);
    return account === null ? [] : [{ path, account, text }];
  });
}

function readNamedFile(path: string, account: Uint8Array | null): FoundKey {
  const stat = statOrNull(path);
  if (stat === null || !stat.isFile() || stat.size > fileBytesMax) throw unreadable(path);
  const text = readText(path);
  const own = addressOfKeyFile(text);
  if (own === null) {
    throw new KeystoreError("KEY_FILE_BROKEN", "error parsing address from keyfile", {
      action: "The file is no key file of version 3, or has lost its address.",
      path,
    });
  }
  if (account !== null && !equalBytes(own, account)) {
    throw new KeystoreError(
      "KEY_MISMATCH",
      "-ethKeystorePath and -ethAcctAddr were both provided, " +
        "but ethAcctAddr does not match the address found in keystore",
      { action: "Leave out `-ethAcctAddr`, or name the right file.", path },
    );
  }
  return { path, account: own, text };
}

function keyAccount(privateKey: Uint8Array, path: string): Uint8Array {
  try {
    return accountOfPrivateKey(privateKey);
  } catch {
    // Zero, or not below the order of the curve: the MAC was right, so the file was made that way.
    throw new KeystoreError("KEY_FILE_BROKEN", "the file holds no private key", {
      action: "Restore the key file from a backup.",
      path,
    });
  }
}

function statOrNull(path: string) {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

function listFolder(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    throw unreadable(folder);
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    throw unreadable(path);
  }
}

function unreadable(path: string): KeystoreError {
  return new KeystoreError("KEYSTORE_UNREADABLE", "the key store cannot be read", {
    action: "Check that the path is a key file or a folder, and that this user may read it.",
    path,
  });
}
