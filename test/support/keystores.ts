import { createCipheriv, randomBytes, scryptSync } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { keccak_256 } from "@noble/hashes/sha3";
import { accountOfPrivateKey } from "./signatures.ts";

/** scrypt's cost in the key files that geth and go-livepeer write: 256 MB of memory. */
export const standardCost = 262_144;

/**
 * Writes a key file (version 3, scrypt with little memory) as wallets do, into a folder that is made when needed.
 *
 * @param cost - scrypt's n
 * @returns the folder
 */
export function writeKeystore(
  folder: string,
  privateKey: Uint8Array,
  password: string,
  cost: number = 4_096,
): string {
  const salt = randomBytes(32);
  const iv = randomBytes(16);
  const [n, r, p] = [cost, 8, 1];
  const derived = scryptSync(password, salt, 32, { N: n, r, p, maxmem: 256 * r * n });
  const cipher = createCipheriv("aes-128-ctr", derived.subarray(0, 16), iv);
  const ciphertext = Buffer.concat([cipher.update(privateKey), cipher.final()]);
  const mac = keccak_256(Buffer.concat([derived.subarray(16, 32), ciphertext]));
  const address = Buffer.from(accountOfPrivateKey(privateKey)).toString("hex");
  const file = {
    address,
    crypto: {
      cipher: "aes-128-ctr",
      ciphertext: ciphertext.toString("hex"),
      cipherparams: { iv: iv.toString("hex") },
      kdf: "scrypt",
      kdfparams: { dklen: 32, n, p, r, salt: salt.toString("hex") },
      mac: Buffer.from(mac).toString("hex"),
    },
    id: crypto.randomUUID(),
    version: 3,
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `UTC--2026-01-01T00-00-00.000000000Z--${address}`), JSON.stringify(file));
  return folder;
}
