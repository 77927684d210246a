import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { bump, firstFees, raisedFees } from "../../../src/protocol/fees.ts";

// Goal: fees are high enough to be taken and never above the operator's maximum. Method: the sheet's numbers, and
// the rules of nodes for a replacement, over any prices.

const gwei = 10n ** 9n;
const prices = fc.bigInt({ min: 0n, max: 10n ** 13n });
const looks = fc.record({ baseFee: fc.option(prices), gasPrice: prices, tip: prices });
const maxima = fc.option(prices);

describe("a first attempt", () => {
  test("chain check 25: nothing is offered while the price of the chain is above the maximum", () => {
    const look = { baseFee: 2n * gwei, gasPrice: 2n * gwei, tip: 0n };
    expect(firstFees(look, gwei)).toBe("above-max");
    expect(firstFees(look, 2n * gwei)).toEqual({ cap: 2n * gwei, tip: 0n });
    expect(firstFees({ baseFee: null, gasPrice: 2n * gwei, tip: 0n }, gwei)).toBe("above-max");
    // base fee and tip count even where `eth_gasPrice` knows less
    expect(firstFees({ baseFee: gwei, gasPrice: 1n, tip: 1n }, gwei)).toBe("above-max");
  });

  test("chain check 26: the cap is twice the base fee and the tip", () => {
    const look = { baseFee: gwei / 10n, gasPrice: gwei / 10n, tip: 0n };
    expect(firstFees(look, 100n * gwei)).toEqual({ cap: gwei / 5n, tip: 0n });
    const tip = gwei / 100n;
    expect(firstFees({ ...look, tip }, null)).toEqual({ cap: gwei / 5n + tip, tip });
  });

  test("chain check 27: a tip above twice the base fee is sent within the maximum", () => {
    const look = { baseFee: 7n, gasPrice: gwei, tip: gwei };
    expect(firstFees(look, 10n * gwei)).toEqual({ cap: gwei + 14n, tip: gwei });
    expect(firstFees(look, gwei + 7n)).toEqual({ cap: gwei + 7n, tip: gwei });
    expect(firstFees(look, gwei + 6n)).toBe("above-max");
  });

  test("without EIP-1559 the gas price is the chain's: all of it is paid", () => {
    const look = { baseFee: null, gasPrice: 5n, tip: 0n };
    expect(firstFees(look, null)).toEqual({ cap: 5n, tip: null });
    expect(firstFees(look, 9n)).toEqual({ cap: 5n, tip: null });
  });

  test("is within the maximum, takes the next block, and has a cap above its tip", () => {
    fc.assert(
      fc.property(looks, maxima, (look, feeMax) => {
        const fees = firstFees(look, feeMax);
        if (fees === "above-max") {
          expect(feeMax).not.toBeNull();
          return;
        }
        if (feeMax !== null) expect(fees.cap).toBeLessThanOrEqual(feeMax);
        expect(fees.tip === null).toBe(look.baseFee === null);
        expect(fees.cap).toBeGreaterThanOrEqual(
          look.baseFee === null ? look.gasPrice : look.baseFee + look.tip,
        );
      }),
    );
  });
});

describe("a replacement", () => {
  test("chain check 28: the reference node's steps of 11 percent, rounded up", () => {
    expect([500n, 50n, 501n, 9n].map((value) => bump(value))).toEqual([555n, 56n, 557n, 10n]);
  });

  test("chain check 29: the cap itself stays within the maximum, unlike the reference node's", () => {
    const look = { baseFee: 9n, gasPrice: 10n, tip: 1n };
    // An eighth more than 19 is 22. The reference node compares (22 − 2) / 2 + 2 = 12 with the maximum.
    expect(raisedFees({ cap: 19n, tip: 1n }, look, 1n)).toBe("at-max");
    expect(raisedFees({ cap: 19n, tip: 1n }, look, 21n)).toBe("at-max");
    expect(raisedFees({ cap: 19n, tip: 1n }, look, 22n)).toEqual({ cap: 22n, tip: 2n });
    expect(raisedFees({ cap: 19n, tip: 1n }, look, null)).toEqual({ cap: 22n, tip: 2n });
  });

  test("a tip of nothing grows too: nodes want more than before", () => {
    const look = { baseFee: 100n, gasPrice: 100n, tip: 0n };
    expect(raisedFees({ cap: 200n, tip: 0n }, look, null)).toEqual({ cap: 225n, tip: 1n });
  });

  test("follows a price that ran away", () => {
    const look = { baseFee: 1_000n, gasPrice: 1_000n, tip: 40n };
    expect(raisedFees({ cap: 200n, tip: 1n }, look, null)).toEqual({ cap: 2_040n, tip: 40n });
    expect(raisedFees({ cap: 200n, tip: 1n }, look, 1_500n)).toEqual({ cap: 1_500n, tip: 40n });
    expect(raisedFees({ cap: 200n, tip: null }, look, null)).toEqual({ cap: 1_000n, tip: null });
  });

  test("is one that nodes take, of the same kind, within the maximum", () => {
    const previous = fc.record({ tip: fc.option(prices), more: prices });
    fc.assert(
      fc.property(previous, looks, maxima, ({ tip, more }, look, feeMax) => {
        const before = { tip, cap: (tip ?? 0n) + more };
        const fees = raisedFees(before, look, feeMax);
        if (fees === "at-max") {
          expect(feeMax).not.toBeNull();
          return;
        }
        if (feeMax !== null) expect(fees.cap).toBeLessThanOrEqual(feeMax);
        expect(fees.cap).toBeGreaterThan(before.cap);
        expect(fees.cap * 10n).toBeGreaterThanOrEqual(before.cap * 11n);
        if (tip === null || fees.tip === null) {
          expect(fees.tip).toBe(tip);
          return;
        }
        expect(fees.tip).toBeGreaterThan(tip);
        expect(fees.tip * 10n).toBeGreaterThanOrEqual(tip * 11n);
        expect(fees.tip).toBeLessThanOrEqual(fees.cap);
      }),
    );
  });
});
