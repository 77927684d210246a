import {
  parseTransaction,
  recoverTransactionAddress,
  serializeTransaction,
  type TransactionSerializable,
  type TransactionSerialized,
} from "viem";
import { keccak256 } from "../native/ffi.ts";
import { fromHex, toHex } from "../protocol/bytes.ts";
import type { UnsignedTransaction } from "../runtime/chainPorts.ts";
import { assert } from "../shared/assert.ts";
import type { Hex } from "../shared/brand.ts";

/*
 * Transactions as bytes: EIP-1559 (type 2) and legacy with a chain id (EIP-155), and nothing else, because we make
 * nothing else and take nothing else from those who sign elsewhere.
 */

/** More than any transaction that a pool takes (128 KiB). */
const rawDigitsMax = 2 + 2 * 128 * 1024;

/** What is signed: the bytes whose Keccak-256 is the digest. Source: EIP-1559; EIP-155. */
export function unsignedBytes(transaction: UnsignedTransaction): Hex {
  return serializeTransaction(serializable(transaction));
}

/** The digest that the key of `from` signs. 32 bytes. */
export function signingDigest(transaction: UnsignedTransaction): Uint8Array {
  return keccak256(bytesOf(unsignedBytes(transaction)));
}

/** The signed transaction as it travels, and its hash. */
export function signedBytes(
  transaction: UnsignedTransaction,
  signature: { readonly r: Uint8Array; readonly s: Uint8Array; readonly yParity: 0 | 1 },
): { readonly raw: Hex; readonly hash: Hex } {
  const { yParity } = signature;
  const raw = serializeTransaction(serializable(transaction), {
    r: toHex(signature.r),
    s: toHex(signature.s),
    yParity,
    // A legacy transaction gets 35 + 2 × chain id + parity in place of this. Source: EIP-155.
    v: BigInt(27 + yParity),
  });
  return { raw, hash: toHex(keccak256(bytesOf(raw))) };
}

/**
 * A transaction for signing elsewhere, in the form of `eth_signTransaction`: quantities are hexadecimal without
 * leading zeros, `data` stands twice because programs read one or the other name.
 */
export type TransactionForm = {
  readonly type: "0x0" | "0x2";
  readonly chainId: Hex;
  readonly from: Hex;
  readonly to: Hex;
  readonly nonce: Hex;
  readonly gas: Hex;
  readonly value: Hex;
  readonly input: Hex;
  readonly data: Hex;
  readonly gasPrice?: Hex;
  readonly maxFeePerGas?: Hex;
  readonly maxPriorityFeePerGas?: Hex;
};

/** {@link TransactionForm} of a transaction. `unsigned` in {@link unsignedBytes} says the same in bytes. */
export function describeTransaction(transaction: UnsignedTransaction): TransactionForm {
  const { fees, data } = transaction;
  const common = {
    chainId: quantity(transaction.chainId),
    from: transaction.from,
    to: transaction.to,
    nonce: quantity(BigInt(transaction.nonce)),
    gas: quantity(transaction.gasLimit),
    value: quantity(transaction.value),
    input: data,
    data,
  };
  if (fees.tip === null) return { type: "0x0", ...common, gasPrice: quantity(fees.cap) };
  const { cap, tip } = fees;
  return { type: "0x2", ...common, maxFeePerGas: quantity(cap), maxPriorityFeePerGas: quantity(tip) };
}

/** A transaction that somebody signed, as its bytes say. Amounts in wei. */
export type SignedReading = {
  readonly hash: Hex;
  /** The account whose key signed it: recovered, not claimed. */
  readonly from: Hex;
  readonly chainId: bigint;
  readonly nonce: number;
  readonly to: Hex;
  readonly value: bigint;
  readonly data: Hex;
  readonly gasLimit: bigint;
  /** Wei per gas; `tip` null for a legacy transaction. */
  readonly fees: { readonly cap: bigint; readonly tip: bigint | null };
};

/**
 * Reads a signed transaction that was handed in. Null for whatever is none: other types, without chain id, contract
 * creations, foreign bytes behind it, a signature that leads to no account.
 */
export async function readSigned(rawHex: string): Promise<SignedReading | null> {
  if (rawHex.length > rawDigitsMax || !/^0x(?:[0-9a-fA-F]{2})+$/.test(rawHex)) return null;
  const raw = rawHex.toLowerCase() as Hex;
  try {
    const parsed = parseTransaction(raw);
    const { to, chainId, nonce, type, r, s } = parsed;
    if (type !== "eip1559" && type !== "legacy") return null;
    if (typeof to !== "string" || chainId === undefined || r === undefined || s === undefined) return null;
    if (type === "eip1559" && (parsed.accessList?.length ?? 0) > 0) return null;
    const from = await recoverTransactionAddress({ serializedTransaction: raw as TransactionSerialized });
    const cap = type === "legacy" ? parsed.gasPrice : parsed.maxFeePerGas;
    const reading = {
      hash: toHex(keccak256(bytesOf(raw))),
      from: lowerHex(from),
      chainId: BigInt(chainId),
      nonce: nonce ?? 0,
      to: lowerHex(to),
      value: parsed.value ?? 0n,
      data: lowerHex(parsed.data ?? "0x"),
      gasLimit: parsed.gas ?? 0n,
      fees: { cap: cap ?? 0n, tip: type === "legacy" ? null : (parsed.maxPriorityFeePerGas ?? 0n) },
    };
    // Two spellings of one transaction have two hashes, and only one of them is ever mined.
    return isCanonical(reading, raw, parsed) ? reading : null;
  } catch {
    return null;
  }
}

/** Half of the curve's order: a signature with a larger s is refused by every node. Source: EIP-2. */
const halfOrder = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;

function isCanonical(
  reading: SignedReading,
  raw: Hex,
  signature: {
    readonly r?: Hex | undefined;
    readonly s?: Hex | undefined;
    readonly v?: bigint | undefined;
  } & {
    readonly yParity?: number | undefined;
  },
): boolean {
  const [r, s] = [BigInt(signature.r ?? "0x0"), BigInt(signature.s ?? "0x0")];
  if (s > halfOrder) return false;
  const yParity = signature.yParity ?? Number(((signature.v ?? 0n) - 35n) & 1n);
  const again = signedBytes(reading, { r: word(r), s: word(s), yParity: yParity === 1 ? 1 : 0 });
  return again.raw === raw;
}

function serializable(transaction: Omit<UnsignedTransaction, "from">): TransactionSerializable {
  const { fees, to, value, data, nonce } = transaction;
  assert(Number.isSafeInteger(nonce) && nonce >= 0, "A nonce is a whole number.");
  const chainId = Number(transaction.chainId);
  assert(Number.isSafeInteger(chainId) && chainId > 0, "A transaction is made for one chain.");
  const common = { chainId, to, value, data, nonce, gas: transaction.gasLimit };
  if (fees.tip === null) return { ...common, type: "legacy", gasPrice: fees.cap };
  assert(fees.tip <= fees.cap, "A tip above the fee cap is refused by every node.");
  return { ...common, type: "eip1559", maxFeePerGas: fees.cap, maxPriorityFeePerGas: fees.tip };
}

function quantity(value: bigint): Hex {
  return `0x${value.toString(16)}`;
}

function word(value: bigint): Uint8Array {
  return bytesOf(`0x${value.toString(16).padStart(64, "0")}`);
}

function lowerHex(hex: string): Hex {
  return hex.toLowerCase() as Hex;
}

function bytesOf(hex: Hex): Uint8Array {
  const bytes = fromHex(hex);
  assert(bytes !== null, "Our own bytes are hexadecimal.");
  return bytes;
}
