import { dlopen, type Library, ptr } from "bun:ffi";
import type { TicketBatch } from "../runtime/ports.ts";
import { BaseError } from "../shared/errors.ts";
import { buildNativeLibrary } from "./build.ts";

/** Must equal `ABI_VERSION` of native.c. */
const abiVersion = 3;

const symbols = {
  reprise_native_abi_version: { args: [], returns: "u32" },
  reprise_native_keccak_size: { args: [], returns: "u32" },
  reprise_native_keccak_init: { args: ["ptr"], returns: "void" },
  reprise_native_keccak_update: { args: ["ptr", "ptr", "u64"], returns: "void" },
  reprise_native_keccak_digest: { args: ["ptr", "ptr"], returns: "void" },
  // `buffer` arguments are held by the engine until the call returns, unlike those that went through `ptr`.
  reprise_native_recover: { args: ["buffer", "u64", "buffer", "buffer"], returns: "i32" },
  reprise_native_sign: { args: ["buffer", "u64", "buffer", "buffer", "buffer"], returns: "i32" },
  reprise_native_sign_digest: { args: ["buffer", "buffer", "buffer", "buffer"], returns: "i32" },
  reprise_native_account: { args: ["buffer", "buffer", "buffer"], returns: "i32" },
  reprise_native_verify_tickets: {
    args: ["buffer", "u64", "buffer", "buffer", "buffer", "buffer", "buffer", "u32", "buffer"],
    returns: "i32",
  },
  reprise_native_trim: { args: [], returns: "i32" },
  reprise_native_fix_thresholds: { args: [], returns: "void" },
  reprise_native_die_with_parent: { args: ["i32"], returns: "i32" },
} as const;

type Native = Library<typeof symbols>["symbols"];
let opened: { readonly functions: Native; readonly stateBytes: number } | null = null;

/**
 * Keccak-256 over bytes that arrive in pieces. The state is memory of this process: a hash that is dropped
 * half-way costs nothing.
 */
export class Keccak256 {
  readonly #state: Uint8Array;
  #done = false;

  constructor() {
    const { functions, stateBytes } = native();
    this.#state = new Uint8Array(stateBytes);
    functions.reprise_native_keccak_init(ptr(this.#state));
  }

  /** Takes the next bytes; they may be changed afterwards. Throws once `digest` was called. */
  update(bytes: Uint8Array): this {
    if (this.#done) throw new NativeError("This hash has been finished.");
    if (bytes.length > 0) {
      native().functions.reprise_native_keccak_update(ptr(this.#state), ptr(bytes), BigInt(bytes.length));
    }
    return this;
  }

  /** The 32 bytes of the hash. Once. */
  digest(): Uint8Array {
    if (this.#done) throw new NativeError("This hash has been finished.");
    this.#done = true;
    const digest = new Uint8Array(32);
    native().functions.reprise_native_keccak_digest(ptr(this.#state), ptr(digest));
    return digest;
  }
}

/** Keccak-256 of `bytes`, 32 bytes. */
export function keccak256(bytes: Uint8Array): Uint8Array {
  return new Keccak256().update(bytes).digest();
}

/** Bytes of a signature: r, s and v (27 or 28). */
export const SIGNATURE_BYTES = 65;
const accountBytes = 20;
const wordBytes = 32;
/** Bytes that the hash of a ticket covers, without and with a creation round. */
const preimageBytes: readonly number[] = [168, 232];

/**
 * The account (20 bytes) that signed `message` as a personal message (EIP-191). Null for whatever is no
 * signature: another length than 65 bytes, v other than 27 and 28, an s in the upper half, numbers off the
 * curve. About 40 µs. Source: payments sheet 1.4.
 *
 * @param message - of any length; usually 32 bytes, a hash
 */
export function recoverPersonalSigner(message: Uint8Array, signature: Uint8Array): Uint8Array | null {
  if (signature.length !== SIGNATURE_BYTES) return null;
  const account = new Uint8Array(accountBytes);
  const isDone = native().functions.reprise_native_recover(message, message.length, signature, account);
  return isDone === 1 ? account : null;
}

/**
 * Whether `signature` over `message`, as a personal message, is that of `account` (20 bytes). Never throws:
 * what is no signature is nobody's.
 */
export function isPersonalSignatureOf(
  message: Uint8Array,
  signature: Uint8Array,
  account: Uint8Array,
): boolean {
  const signer = recoverPersonalSigner(message, signature);
  if (signer === null || account.length !== accountBytes) return false;
  return signer.every((byte, index) => byte === account[index]);
}

/**
 * Signs `message` as a personal message: 65 bytes with a low s and v 27 or 28, the same for the same message
 * (RFC 6979). About 40 µs. Source: payments sheet 1.4.
 *
 * @param privateKey - 32 bytes
 * @throws NativeError when that is not a private key
 */
export function signPersonalMessage(message: Uint8Array, privateKey: Uint8Array): Uint8Array {
  assertPrivateKey(privateKey.length === wordBytes);
  const signature = new Uint8Array(SIGNATURE_BYTES);
  const { functions } = native();
  assertPrivateKey(
    functions.reprise_native_sign(message, message.length, privateKey, randomWord(), signature) === 1,
  );
  return signature;
}

/** A signature in the parts that a transaction holds. */
export type DigestSignature = {
  /** 32 bytes, big-endian. */
  readonly r: Uint8Array;
  /** 32 bytes, big-endian, in the lower half of the curve's order. */
  readonly s: Uint8Array;
  readonly yParity: 0 | 1;
};

/**
 * Signs a digest of 32 bytes as it is, without any prefix: for transactions. The same signature for the same digest
 * (RFC 6979), with a low s. About 40 µs. Never hand in what somebody else chose: it could be a transaction's digest.
 *
 * @param privateKey - 32 bytes
 * @throws NativeError when the digest has another length, or the key is no private key
 */
export function signDigest(digest: Uint8Array, privateKey: Uint8Array): DigestSignature {
  if (digest.length !== wordBytes) throw new NativeError("A digest to be signed has 32 bytes.");
  assertPrivateKey(privateKey.length === wordBytes);
  const signature = new Uint8Array(SIGNATURE_BYTES);
  const { functions } = native();
  assertPrivateKey(functions.reprise_native_sign_digest(digest, privateKey, randomWord(), signature) === 1);
  return {
    r: signature.slice(0, wordBytes),
    s: signature.slice(wordBytes, 2 * wordBytes),
    yParity: signature[2 * wordBytes] === 28 ? 1 : 0,
  };
}

/**
 * The account of a private key, 20 bytes.
 *
 * @param privateKey - 32 bytes
 * @throws NativeError when that is not a private key
 */
export function accountOfPrivateKey(privateKey: Uint8Array): Uint8Array {
  assertPrivateKey(privateKey.length === wordBytes);
  const account = new Uint8Array(accountBytes);
  assertPrivateKey(native().functions.reprise_native_account(privateKey, randomWord(), account) === 1);
  return account;
}

/**
 * Verifies and draws tickets in one call, about 45 µs each on the calling thread: a {@link TicketVerifier} does
 * it beside the event loop. Answers a byte a ticket, in order: 0 = bad signature, 1 = good and loses, 2 = good
 * and wins. Source: payments sheet 1.3 to 1.5.
 *
 * @throws NativeError when the lengths in `batch` do not fit together
 */
export function verifyTickets(batch: TicketBatch): Uint8Array {
  assertTicketBatch(batch);
  const verdicts = new Uint8Array(batch.nonces.length);
  if (verdicts.length === 0) return verdicts;
  native().functions.reprise_native_verify_tickets(
    batch.preimage,
    batch.preimage.length,
    batch.sender,
    batch.recipientRand,
    batch.winProb,
    batch.nonces,
    batch.signatures,
    verdicts.length,
    verdicts,
  );
  return verdicts;
}

/** @throws NativeError when the lengths in `batch` do not fit together: C would read what is not there */
export function assertTicketBatch(batch: TicketBatch): void {
  const isFitting =
    preimageBytes.includes(batch.preimage.length) &&
    batch.sender.length === accountBytes &&
    batch.recipientRand.length === wordBytes &&
    batch.winProb.length === wordBytes &&
    batch.signatures.length === batch.nonces.length * SIGNATURE_BYTES;
  if (!isFitting) throw new NativeError("The lengths in a batch of tickets do not fit together.");
}

/**
 * Opens the library now, and compiles it when needed, instead of at the first use. Blocks for some ten
 * milliseconds, for seconds when it compiles.
 *
 * @throws NativeError or CompileError
 */
export function openNativeLibrary(): void {
  native();
}

function assertPrivateKey(isValid: boolean): void {
  if (!isValid) throw new NativeError("A private key has 32 bytes and lies between 1 and the curve's order.");
}

function randomWord(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(wordBytes));
}

/** Gives memory that the C library keeps for later back to the system. True when some went back. */
export function trimMemory(): boolean {
  return native().functions.reprise_native_trim() === 1;
}

/** Makes large blocks return to the system as soon as they are freed (128 KiB and more). Call once, early. */
export function fixMemoryThresholds(): void {
  native().functions.reprise_native_fix_thresholds();
}

/**
 * Asks the kernel to kill this process when its parent ends, so that no worker outlives the node.
 * False when the parent `parentPid` is gone already: then nothing will kill us and the caller should exit.
 *
 * @throws NativeError when the system refuses.
 */
export function dieWithParent(parentPid: number): boolean {
  const answer = native().functions.reprise_native_die_with_parent(parentPid);
  if (answer < 0) throw new NativeError("The system refused to tie this process to its parent.");
  return answer === 0;
}

/** The native library is broken, of another version, or used wrongly. */
export class NativeError extends BaseError {
  constructor(message: string) {
    super(message, { code: "NATIVE_LIBRARY", disposition: "halt" });
  }
}

/** Opened at the first use: importing this file costs nothing. */
function native(): { readonly functions: Native; readonly stateBytes: number } {
  if (opened !== null) return opened;
  const { symbols: functions } = dlopen(buildNativeLibrary(), symbols);
  const version = functions.reprise_native_abi_version();
  if (version !== abiVersion)
    throw new NativeError(`The native library has ABI ${version}, not ${abiVersion}.`);
  opened = { functions, stateBytes: functions.reprise_native_keccak_size() };
  return opened;
}
