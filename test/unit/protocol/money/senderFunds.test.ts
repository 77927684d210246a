import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { bytes, vectors } from "../vectors.ts";
import { senderInfoText, unlockingText } from "../../../../src/protocol/paymentTexts.ts";
import {
  availableFunds,
  type FundAmounts,
  isUnlockingSoon,
  maxFloat,
  reserveAllocation,
} from "../../../../src/protocol/senderFunds.ts";

/*
 * Goal: we trust a gateway with exactly what its deposit and reserve can pay. Method: recorded cases of the
 * reference node, worked example E7, and properties over odd amounts.
 */

type FundsCase = {
  readonly name: string;
  readonly deposit: string;
  readonly reserveFundsRemaining: string;
  readonly claimedInCurrentRound: string;
  readonly claimedByUs: string;
  readonly poolSize: string;
  readonly pendingAmount: string;
  readonly maxFloat: string;
  readonly availableFunds: string;
};

describe("sender funds", () => {
  for (const vector of vectors<FundsCase>("sender-funds", "funds")) {
    test(`recorded funds: ${vector.name}, ${vector.deposit} wei`, () => {
      const [funds, poolSize] = [fundsOf(vector), BigInt(vector.poolSize)];
      const pending = BigInt(vector.pendingAmount);
      expect(availableFunds(funds, poolSize, pending)).toBe(BigInt(vector.availableFunds));
      if (vector.name.startsWith("huge deposit")) {
        // The peer divides as floats and so takes one wei too little for three times. 10⁴⁰ wei do not exist.
        expect(maxFloat(funds, poolSize, pending)).toBe(100n - pending);
        return;
      }
      expect(maxFloat(funds, poolSize, pending)).toBe(BigInt(vector.maxFloat));
    });
  }

  test("recorded changes of what is pending move the max float", () => {
    type PendingCase = FundsCase & {
      readonly ops: readonly {
        readonly pendingChange: number;
        readonly error: string | null;
        readonly maxFloat: string;
      }[];
    };
    for (const vector of vectors<PendingCase>("sender-funds", "pending")) {
      let pending = 0n;
      for (const { pendingChange, error, maxFloat: expected } of vector.ops) {
        const changed = pending + BigInt(pendingChange);
        expect(changed < 0n).toBe(error !== null);
        if (error === null) pending = changed;
        expect(maxFloat(fundsOf(vector), BigInt(vector.poolSize), pending)).toBe(BigInt(expected));
      }
    }
  });

  test("payments check 38: the numbers of E7", () => {
    const eth = 10n ** 18n;
    const funds = (deposit: bigint): FundAmounts => ({
      deposit,
      reserve: (36n * eth) / 100n,
      claimedInRound: (4n * eth) / 100n,
      claimedByUs: eth / 1000n,
    });
    const deposit = (2n * eth) / 100n;
    expect(reserveAllocation(funds(deposit), 100n)).toBe(3_000_000_000_000_000n);
    expect(maxFloat(funds(deposit), 100n, 0n)).toBe(3_000_000_000_000_000n);
    expect(maxFloat(funds(deposit), 100n, 2_400_000_000_000_000n)).toBe(3_000_000_000_000_000n);
    expect(maxFloat(funds(deposit), 100n, 12_000_000_000_000_000n)).toBe(-9_000_000_000_000_000n);
    const threefold = 3_600_000_000_000_000n;
    expect(maxFloat(funds(threefold), 100n, threefold / 3n)).toBe(3_000_000_000_000_000n);
    expect(maxFloat(funds(threefold - 1n), 100n, threefold / 3n)).toBe(1_800_000_000_000_000n);
    expect(availableFunds(funds(deposit), 100n, 2_400_000_000_000_000n)).toBe(20_600_000_000_000_000n);
  });

  test("more pending never raises what we trust, more deposit never lowers it", () => {
    const amount = fc.bigInt({ min: 0n, max: 10n ** 20n });
    const some = fc.record({ deposit: amount, reserve: amount, claimedInRound: amount, claimedByUs: amount });
    fc.assert(
      fc.property(some, fc.bigInt({ min: 0n, max: 200n }), amount, amount, (funds, pool, pending, more) => {
        const now = maxFloat(funds, pool, pending);
        expect(maxFloat(funds, pool, pending + more) <= now).toBe(true);
        expect(maxFloat({ ...funds, deposit: funds.deposit + more }, pool, pending) >= now).toBe(true);
        expect(availableFunds(funds, pool, pending)).toBe(
          reserveAllocation(funds, pool) + funds.deposit - pending,
        );
      }),
    );
  });
});

type SenderCase = {
  readonly sender: string;
  readonly lastInitializedRound: string;
  readonly withdrawRound: string;
  readonly senderInfoError: string | null;
  readonly error: string | null;
};

test("payments check 22: recorded senders that unlock, and the texts for them", () => {
  for (const vector of vectors<SenderCase>("sender-funds", "validateSender")) {
    const sender = bytes(vector.sender);
    if (vector.senderInfoError !== null) {
      expect<string | null>(senderInfoText(sender, vector.senderInfoError)).toBe(vector.error);
      continue;
    }
    const isUnlocking = isUnlockingSoon(BigInt(vector.withdrawRound), BigInt(vector.lastInitializedRound));
    expect(isUnlocking ? unlockingText(sender) : null).toBe(vector.error);
  }
  expect([0n, 101n, 102n].map((round) => isUnlockingSoon(round, 100n))).toEqual([false, true, false]);
});

function fundsOf(vector: FundsCase): FundAmounts {
  return {
    deposit: BigInt(vector.deposit),
    reserve: BigInt(vector.reserveFundsRemaining),
    claimedInRound: BigInt(vector.claimedInCurrentRound),
    claimedByUs: BigInt(vector.claimedByUs),
  };
}
