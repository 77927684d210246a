import { createDecipheriv, pbkdf2, scrypt } from "node:crypto";
import { promisify } from "node:util";
import { keccak256 } from "../native/ffi.ts";
import { concatBytes, equalBytes, fromHex } from "../protocol/bytes.ts";
import { KeystoreError } from "./keystoreError.ts";

/*
 * The Web3 Secret Storage format, version 3: an AES-128-CTR ciphertext, a key derivation with its parameters, and
 * a MAC that tells a wrong password. Source: go-ethereum accounts/keystore; EIP-2335 tells the same story.
 */

/** geth's standard file takes 256 MiB (128 × r 8 × n 262144); twice that is the most that we give. */
const scryptBytesMax = 512 * 1024 * 1024 + 64 * 1024;
/** n × r × p; eight times geth's standard, about five seconds. */
const scryptWorkMax = 2 ** 24;
/** geth writes 262144. */
const pbkdf2RoundsMax = 2 ** 24;
const saltBytesMax = 1_024;
const keyBytesMax = 128;
const privateKeyBytes = 32;

type Fields = Readonly<Record<string, unknown>>;

/** Derives the key that decrypts; the first 16 bytes are the cipher's, the next 16 the MAC's. */
type Derive = (password: Uint8Array) => Promise<Uint8Array>;

type SealedKey = {
  readonly ciphertext: Uint8Array;
  readonly iv: Uint8Array;
  readonly mac: Uint8Array;
  readonly derive: Derive;
};

/** The field `address` of a key file: 20 bytes, or null when there is none. A broken file has none either. */
export function addressOfKeyFile(text: string): Uint8Array | null {
  const address = fieldsOf(parsed(text))["address"];
  const bytes = typeof address === "string" ? fromHex(address) : null;
  return bytes?.length === 20 ? bytes : null;
}

/**
 * Decrypts the text of a key file: the private key, 32 bytes, which the caller overwrites after use.
 *
 * @throws KeystoreError when the password is wrong, or the file is broken, unknown or absurd
 */
export async function decryptKeyFile(text: string, password: string): Promise<Uint8Array> {
  const sealed = readSealedKey(text);
  const passwordBytes = new TextEncoder().encode(password);
  const derived = await sealed.derive(passwordBytes);
  try {
    const mac = keccak256(concatBytes(derived.subarray(16, 32), sealed.ciphertext));
    if (!equalBytes(mac, sealed.mac)) throw wrongPassword();
    const decipher = createDecipheriv("aes-128-ctr", derived.subarray(0, 16), sealed.iv);
    return Uint8Array.from(decipher.update(sealed.ciphertext));
  } finally {
    derived.fill(0);
    passwordBytes.fill(0);
  }
}

function readSealedKey(text: string): SealedKey {
  const file = fieldsOf(parsed(text));
  if (file["version"] !== 3) throw broken(`version not supported: ${short(file["version"])}`);
  const crypto = fieldsOf(file["crypto"]);
  const cipher = crypto["cipher"];
  if (cipher !== "aes-128-ctr") throw broken(`cipher not supported: ${short(cipher)}`);
  const ciphertext = hexField(crypto, "ciphertext");
  if (ciphertext.length !== privateKeyBytes) throw broken("the ciphertext is not 32 bytes long");
  const iv = hexField(fieldsOf(crypto["cipherparams"]), "iv");
  if (iv.length !== 16) throw broken("the iv is not 16 bytes long");
  const mac = hexField(crypto, "mac");
  return { ciphertext, iv, mac, derive: readDerivation(crypto["kdf"], fieldsOf(crypto["kdfparams"])) };
}

function readDerivation(kdf: unknown, params: Fields): Derive {
  const salt = hexField(params, "salt");
  const length = countField(params, "dklen");
  if (salt.length > saltBytesMax || length < 32 || length > keyBytesMax) {
    throw broken("the salt or the length of the derived key is out of bounds");
  }
  if (kdf === "scrypt") return scryptDerivation(params, salt, length);
  if (kdf !== "pbkdf2") throw broken(`unsupported KDF: ${short(kdf)}`);
  if (params["prf"] !== "hmac-sha256") throw broken(`unsupported PBKDF2 PRF: ${short(params["prf"])}`);
  const rounds = countField(params, "c");
  if (rounds > pbkdf2RoundsMax) throw broken(`${rounds} rounds of PBKDF2 are more than anybody uses`);
  return async (password) => await promisify(pbkdf2)(password, salt, rounds, length, "sha256");
}

function scryptDerivation(params: Fields, salt: Uint8Array, length: number): Derive {
  const [n, r, p] = [countField(params, "n"), countField(params, "r"), countField(params, "p")];
  if (n < 2 || n > 2 ** 30 || (n & (n - 1)) !== 0) throw broken(`scrypt's n is ${n}, no power of two`);
  const bytes = 128 * r * (n + p + 2);
  if (bytes > scryptBytesMax || n * r * p > scryptWorkMax) {
    throw broken(`scrypt with n ${n}, r ${r} and p ${p} takes more memory or time than anybody uses`);
  }
  return (password) =>
    new Promise((resolve, reject) => {
      scrypt(password, salt, length, { N: n, r, p, maxmem: scryptBytesMax }, (error, derived) => {
        // Bun gives `undefined` where Node gives null.
        if (error) reject(broken("scrypt refuses the parameters"));
        else resolve(derived);
      });
    });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function hexField(fields: Fields, name: string): Uint8Array {
  const value = fields[name];
  const bytes = typeof value === "string" ? fromHex(value) : null;
  if (bytes === null) throw broken(`the field ${name} is no hexadecimal text`);
  return bytes;
}

function countField(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 1) {
    throw broken(`the field ${name} is no positive integer`);
  }
  return value;
}

/** Words from the file, for an error: bounded and printable. */
function short(value: unknown): string {
  return String(value)
    .replace(/[^\x20-\x7e]+/g, " ")
    .slice(0, 40);
}

function wrongPassword(): KeystoreError {
  return new KeystoreError("KEY_PASSWORD_WRONG", "could not decrypt key with given password", {
    action: "Check `-ethPassword`: the pass phrase, or the path of a file that holds it.",
  });
}

function broken(text: string): KeystoreError {
  return new KeystoreError("KEY_FILE_BROKEN", text, {
    action: "Restore the key file from a backup, or name another one with `-ethKeystorePath`.",
  });
}
