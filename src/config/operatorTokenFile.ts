import { join } from "node:path";
import { toHex } from "../protocol/bytes.ts";
import { readSecretFile, writeSecretFile } from "./secretFile.ts";

/** The file in the data folder with what commands show to the running node. */
export const operatorTokenFile = "operator.token";

/**
 * Makes a new token for this start of the node and writes it where only this user can read it. The data folder must be
 * ours: another node's token would be overwritten.
 *
 * @returns 64 hexadecimal digits
 */
export function createOperatorToken(dataDir: string, randomBytes: (length: number) => Uint8Array): string {
  const token = toHex(randomBytes(32)).slice(2);
  writeSecretFile(join(dataDir, operatorTokenFile), `${token}\n`);
  return token;
}

/** The token of the node that runs or ran last in the data folder; null when there is none. */
export function readOperatorToken(dataDir: string): string | null {
  const text = readSecretFile(join(dataDir, operatorTokenFile))?.trim() ?? "";
  return /^[0-9a-f]{64}$/.test(text) ? text : null;
}
