import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { recoverTransactionAddress } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { KeyErasedError } from "../../../src/chain/localIdentity.ts";
import { openSigner } from "../../../src/chain/signer.ts";
import {
  describeTransaction,
  readSigned,
  signingDigest,
  unsignedBytes,
} from "../../../src/chain/transactionBytes.ts";
import { keccak256 } from "../../../src/native/ffi.ts";
import { fromHex, toHex } from "../../../src/protocol/bytes.ts";
import type { UnsignedTransaction } from "../../../src/runtime/chainPorts.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import vectors from "../../vectors/eth-tx.json";

/*
 * Goal: our transactions are, byte for byte, what the reference node and viem make of the same terms, and what
 * others signed is read as they meant it. Method: recorded transactions of go-livepeer; viem's own accounts for any
 * others.
 */

const lower = (hex: string) => hex.toLowerCase() as Hex;
const bytes = (hex: string) => fromHex(hex) ?? new Uint8Array();
const recorded = vectors.cases.flatMap((row) => {
  if (row.kind !== "signedTx" || row.to === undefined || row.privateKey === undefined) return [];
  const transaction: UnsignedTransaction = {
    chainId: BigInt(row.chainId ?? 0),
    from: lower(row.from ?? ""),
    to: lower(row.to),
    nonce: row.nonce ?? -1,
    value: BigInt(row.value ?? 0),
    data: lower(row.data ?? ""),
    gasLimit: BigInt(row.gas ?? 0),
    fees: { cap: BigInt(row.gasFeeCap ?? 0), tip: row.type === 0 ? null : BigInt(row.gasTipCap ?? 0) },
  };
  return [{ transaction, ...row, privateKey: bytes(row.privateKey) }];
});

const keyBytes = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .filter((key) => key[0] !== 0xff && key[0] !== 0);
const hexes = (minLength: number, maxLength: number) =>
  fc.uint8Array({ minLength, maxLength }).map((value) => toHex(value));
const amounts = fc.bigInt({ min: 0n, max: 2n ** 96n });
const terms = fc.record({
  chainId: fc.constantFrom(1n, 42161n, 54321n, 2n ** 40n),
  to: hexes(20, 20),
  nonce: fc.nat(2 ** 31 - 1),
  value: amounts,
  data: hexes(0, 300),
  gasLimit: fc.bigInt({ min: 21_000n, max: 2n ** 40n }),
  fees: fc.record({
    tip: fc.option(fc.bigInt({ min: 0n, max: 10n ** 12n })),
    more: fc.bigInt({ min: 0n, max: 10n ** 12n }),
  }),
});

function transactionOf(
  from: Hex,
  made: typeof terms extends fc.Arbitrary<infer T> ? T : never,
): UnsignedTransaction {
  const { tip, more } = made.fees;
  return { ...made, from, fees: { tip, cap: (tip ?? 0n) + more } };
}

describe("recorded transactions", () => {
  test("are signed byte for byte, with the same hash", () => {
    expect(recorded).toHaveLength(4);
    for (const { transaction, privateKey, raw, hash, signingHash, name } of recorded) {
      const signer = openSigner([privateKey]);
      expect(`${name}: ${toHex(signingDigest(transaction))}`).toBe(`${name}: ${signingHash}`);
      expect(signer.sign(transaction)).toEqual({ raw: raw as Hex, hash: hash as Hex });
      expect(signer.accounts).toEqual([transaction.from]);
    }
  });

  test("are read back", async () => {
    for (const { transaction, raw, hash } of recorded) {
      expect(await readSigned(raw ?? "")).toEqual({ ...transaction, hash: hash as Hex });
    }
  });
});

describe("any transaction", () => {
  test("equals what viem's account signs, and leads back to the account", async () => {
    await fc.assert(
      fc.asyncProperty(keyBytes, terms, async (key, made) => {
        const account = privateKeyToAccount(toHex(key));
        const transaction = transactionOf(lower(account.address), made);
        const { fees, to, value, data, nonce, gasLimit: gas } = transaction;
        const common = { chainId: Number(transaction.chainId), to, value, data, nonce, gas };
        const expected = await account.signTransaction(
          fees.tip === null
            ? { ...common, type: "legacy", gasPrice: fees.cap }
            : { ...common, type: "eip1559", maxFeePerGas: fees.cap, maxPriorityFeePerGas: fees.tip },
        );
        const signed = openSigner([key]).sign(transaction);
        expect(signed.raw).toBe(expected);
        expect(await recoverTransactionAddress({ serializedTransaction: expected as `0x02${string}` })).toBe(
          account.address,
        );
        expect(await readSigned(signed.raw.toUpperCase().replace("0X", "0x"))).toEqual({
          ...transaction,
          hash: signed.hash,
        });
      }),
      { numRuns: 60 },
    );
  });

  test("can be signed elsewhere: its form and its unsigned bytes say all of it", async () => {
    const key = new Uint8Array(32).fill(7);
    const account = privateKeyToAccount(toHex(key));
    const from = lower(account.address);
    const base = {
      chainId: 42161n,
      from,
      to: from,
      nonce: 0,
      value: 0n,
      data: "0x01",
      gasLimit: 21_000n,
    } as const;
    const dynamic: UnsignedTransaction = { ...base, fees: { cap: 20n, tip: 0n } };
    expect(describeTransaction(dynamic)).toEqual({
      ...{ type: "0x2", chainId: "0xa4b1", from, to: from, nonce: "0x0", gas: "0x5208", value: "0x0" },
      ...{ input: "0x01", data: "0x01", maxFeePerGas: "0x14", maxPriorityFeePerGas: "0x0" },
    });
    const legacy: UnsignedTransaction = { ...base, fees: { cap: 20n, tip: null } };
    expect(describeTransaction(legacy)).toMatchObject({ type: "0x0", gasPrice: "0x14" });
    for (const transaction of [dynamic, legacy]) {
      const digest = keccak256(bytes(unsignedBytes(transaction)));
      expect(digest).toEqual(signingDigest(transaction));
    }
  });
});

describe("what is no transaction of ours", () => {
  const key = new Uint8Array(32).fill(9);
  const account = privateKeyToAccount(toHex(key));
  const to = lower(account.address);

  test("is not read: other types, creations, no chain id, rests, rubbish", async () => {
    const common = { chainId: 1, to, nonce: 0, gas: 21_000n } as const;
    const good = await account.signTransaction({ ...common, type: "eip1559", maxFeePerGas: 1n });
    expect(await readSigned(good)).not.toBeNull();
    const { to: _, ...creation } = common;
    const bad = [
      await account.signTransaction({ ...common, type: "eip2930", gasPrice: 1n, accessList: [] }),
      await account.signTransaction({ ...creation, type: "eip1559", maxFeePerGas: 1n, data: "0x00" }),
      await account.signTransaction({ to, nonce: 0, gas: 21_000n, type: "legacy", gasPrice: 1n }),
      await account.signTransaction({
        ...{ ...common, type: "eip1559", maxFeePerGas: 1n },
        accessList: [{ address: to, storageKeys: [] }],
      }),
      ...[
        "",
        "0x",
        "0x02",
        "0x0",
        "zz",
        `${good}00`,
        good.slice(0, -2),
        good.slice(2),
        `0x${"00".repeat(140_000)}`,
      ],
    ];
    for (const raw of bad)
      expect(`${raw.slice(0, 80)} ${await readSigned(raw)}`).toBe(`${raw.slice(0, 80)} null`);
  });

  test("the signer refuses accounts without a key, impossible fees, and everything once it is erased", () => {
    const signer = openSigner([key, key, new Uint8Array(32).fill(8)]);
    expect(signer.accounts).toHaveLength(2);
    const good: UnsignedTransaction = {
      ...{ chainId: 1n, from: to, to, nonce: 0, value: 0n, data: "0x", gasLimit: 21_000n },
      fees: { cap: 2n, tip: 1n },
    };
    expect(signer.sign(good).raw).toStartWith("0x02");
    expect(() => signer.sign({ ...good, from: `0x${"11".repeat(20)}` })).toThrow("holds no key");
    expect(() => signer.sign({ ...good, fees: { cap: 1n, tip: 2n } })).toThrow("tip above");
    expect(() => signer.sign({ ...good, chainId: 0n })).toThrow("one chain");
    expect(() => signer.sign({ ...good, nonce: -1 })).toThrow("nonce");
    signer.erase();
    expect(() => signer.sign(good)).toThrow(KeyErasedError);
  });
});
