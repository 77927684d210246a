import { join } from "node:path";
import { BaseError, errorText } from "../shared/errors.ts";
import { readSecretFile, writeSecretFile } from "./secretFile.ts";

const fileName = "token.key";
const secretBytes = 32;

/**
 * The secret that makes session tokens, from the data folder; made at the first start. It outlives restarts, so
 * that a gateway's running session is served by the node that comes back.
 *
 * @returns 32 random bytes
 * @throws {TokenKeyError} when the file is damaged or cannot be made
 */
export function loadTokenSecret(dataDir: string, randomBytes: (length: number) => Uint8Array): Uint8Array {
  const path = join(dataDir, fileName);
  try {
    const known = readSecretFile(path);
    if (known !== null) {
      if (!/^[0-9a-f]{64}\n?$/.test(known)) throw new Error("it does not hold 32 bytes in hexadecimal");
      return Uint8Array.from(Buffer.from(known.trim(), "hex"));
    }
    const secret = randomBytes(secretBytes);
    writeSecretFile(path, `${Buffer.from(secret).toString("hex")}\n`);
    return secret;
  } catch (error) {
    throw new TokenKeyError(path, error);
  }
}

/** The token secret cannot be read or made. */
export class TokenKeyError extends BaseError {
  constructor(path: string, cause: unknown) {
    super(`The token key \`${path}\` is unusable: ${errorText(cause)}.`, {
      code: "TOKEN_KEY_UNUSABLE",
      disposition: "halt",
      action: "Make it readable for this user, or delete it: running sessions then have to be opened anew.",
      cause,
    });
  }
}
