import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { feedPrice, feedSides, isFixedCurrency, weiPerCurrency } from "../../../../src/protocol/currency.ts";
import { parseDecimal, parseInteger } from "../../../../src/protocol/decimal.ts";
import { parsePixelsText, parsePriceText, pricePerPixel } from "../../../../src/protocol/priceText.ts";
import { multiply, ONE, type Rational, rational } from "../../../../src/protocol/rational.ts";
import { vectors } from "../vectors.ts";
import { fraction, type VectorFraction } from "./money.ts";

/*
 * Goal: an operator's price means what go-livepeer makes of it, exactly, and a slip of the pen is told instead
 * of costing money. Method: recorded texts and feeds; the peer's crashes and traps are refusals here.
 */

type TextCase = {
  readonly text: string;
  readonly price: VectorFraction | null;
  readonly currency: string;
  readonly error: string | null;
};

describe("price text", () => {
  for (const { text, price, currency, error } of vectors<TextCase>("eth-units-price", "parsePricePerUnit")) {
    test(`payments check 33: recorded price ${JSON.stringify(text)}`, () => {
      const read = parsePriceText(text);
      if (/e\d+$/.test(text)) {
        // The peer takes these for the price 1 in a currency named e3 or e18.
        expect(read).toEqual({
          type: "invalid",
          text: `price must be written without an exponent, provided ${text}`,
        });
      } else if (price === null) expect<unknown>(read).toEqual({ type: "invalid", text: error });
      else expect(read).toEqual({ type: "amount", amount: fraction(price), currency });
    });
  }

  test("payments check 33: 0.13USD is 13/100 USD; signs and words are refused", () => {
    expect(parsePriceText("0.13USD")).toEqual({
      type: "amount",
      amount: rational(13n, 100n),
      currency: "USD",
    });
    for (const text of ["-100USD", "abcUSD", "1E18", `${"9".repeat(500)}`]) {
      expect(parsePriceText(text).type).toBe("invalid");
    }
  });

  // From the recorded starts of the real node with -pixelsPerUnit.
  const pixels: Readonly<Record<string, bigint | string>> = {
    "1": 1n,
    "3": 3n,
    "1e12": 10n ** 12n,
    "0x10": 16n,
    "4/2": 2n,
    "0": "must be > 0, provided 0",
    "-1": "must be > 0, provided -1",
    "": "must be a valid integer, provided ",
    x: "must be a valid integer, provided x",
    "1.5": "must be a valid integer, provided 1.5",
    "1/2": "must be a valid integer, provided 1/2",
    "1/0": "must be a valid integer, provided 1/0",
    "1/2/3": "must be a valid integer, provided 1/2/3",
    "1e999999999": "must be a valid integer, provided 1e999999999",
  };
  for (const [text, expected] of Object.entries(pixels)) {
    test(`pixels per unit ${JSON.stringify(text)}`, () => {
      const read = parsePixelsText(text);
      expect(read.type === "pixels" ? read.pixels : read.text).toBe(expected);
    });
  }

  test("payments check 33: 2000 wei for 3 pixels are exact", () => {
    expect(pricePerPixel(rational(2000n), rational(3n))).toEqual(rational(2000n, 3n));
  });
});

describe("numbers", () => {
  type IntegerCase = { readonly text: string; readonly value: string | null };
  for (const { text, value } of vectors<IntegerCase>("eth-units-price", "parseBigInt")) {
    test(`recorded integer ${JSON.stringify(text)}`, () => {
      expect(parseInteger(text)).toBe(value === null ? null : BigInt(value));
    });
  }

  test("decimals are exact", () => {
    expect(parseDecimal("0.1")).toEqual(rational(1n, 10n));
    expect(parseDecimal("-12.50e-1")).toEqual(rational(-5n, 4n));
    expect(parseDecimal(".5")).toEqual(rational(1n, 2n));
    expect(parseDecimal("5.")).toEqual(rational(5n));
    expect(parseDecimal("1E+3")).toEqual(rational(1000n));
    const bad = [
      "",
      ".",
      "e1",
      "1e",
      "1e1.5",
      "1 ",
      "0x1",
      "1_0",
      "--1",
      "NaN",
      "Infinity",
      "1e401",
      "1e-401",
    ];
    for (const text of [...bad, "1".repeat(401), "1\n"]) expect(parseDecimal(text)).toBeNull();
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }),
        fc.integer({ min: -30, max: 30 }),
        (digits, exponent) => {
          const scale = 10n ** BigInt(Math.abs(exponent));
          const value = exponent < 0 ? rational(digits, scale) : rational(digits * scale);
          expect(parseDecimal(`${digits}e${exponent}`)).toEqual(value);
        },
      ),
    );
  });
});

type ConversionCase = {
  readonly currency: string;
  readonly basePrice: VectorFraction;
  readonly feed: {
    readonly base: string;
    readonly quote: string;
    readonly currenciesError: string | null;
    readonly price: VectorFraction | null;
  } | null;
  readonly feedUpdate?: VectorFraction;
  readonly error: string | null;
  readonly wei: VectorFraction;
  readonly weiAfterUpdate?: VectorFraction;
};

describe("currencies", () => {
  for (const [index, vector] of vectors<ConversionCase>("eth-units-price", "autoConvertedPrice").entries()) {
    const { currency, feed } = vector;
    test(`payments check 34: recorded conversion ${index} from ${JSON.stringify(currency)}`, () => {
      // A feed that does not answer is its reader's matter.
      if (feed !== null && feed.price === null) {
        expect(vector.error).toStartWith("error getting ");
        return;
      }
      const convert = (price: VectorFraction | null) =>
        weiPerCurrency(
          currency,
          feed === null || price === null ? null : { ...feed, price: fraction(price) },
        );
      const rate = convert(feed?.price ?? null);
      const isBadAnswer = feed?.price?.num === "0" || feed?.price?.num.startsWith("-");
      if (isBadAnswer) {
        // The peer divides by 0, or asks for a price below 0.
        expect(rate).toEqual({ type: "invalid", text: "price feed answer is not above 0 (ETH/USD)" });
        return;
      }
      if (rate.type === "invalid") {
        expect<string | null>(rate.text).toBe(vector.error);
        return;
      }
      expect(multiply(fraction(vector.basePrice), rate.rate)).toEqual(fraction(vector.wei));
      if (vector.feedUpdate === undefined || vector.weiAfterUpdate === undefined) return;
      const updated = convert(vector.feedUpdate);
      if (updated.type === "invalid") throw new Error(updated.text);
      expect(multiply(fraction(vector.basePrice), updated.rate)).toEqual(fraction(vector.weiAfterUpdate));
    });
  }

  test("payments check 34: both directions of a feed", () => {
    const rate = (base: string, quote: string, price: Rational) =>
      weiPerCurrency("USD", { base, quote, price });
    expect(rate("ETH", "USD", rational(500n))).toEqual({ type: "rate", rate: rational(2n * 10n ** 15n) });
    expect(rate("USD", "ETH", rational(1n, 2000n))).toEqual({
      type: "rate",
      rate: rational(5n * 10n ** 14n),
    });
    expect(weiPerCurrency("", null)).toEqual({ type: "rate", rate: ONE });
    expect(["", "Wei", "ETH", "usd"].map(isFixedCurrency)).toEqual([true, true, true, false]);
  });

  test("recorded feed answers; those not above 0 are none", () => {
    type AnswerCase = { readonly answer: string; readonly decimals: number; readonly price: VectorFraction };
    for (const { answer, decimals, price } of vectors<AnswerCase>("eth-units-price", "priceFeedAnswer")) {
      const isNone = BigInt(answer) <= 0n;
      expect(feedPrice(BigInt(answer), decimals)).toEqual(isNone ? null : fraction(price));
    }
  });

  test("a feed's description names two currencies", () => {
    expect(feedSides("ETH / USD")).toEqual({ base: "ETH", quote: "USD" });
    expect(feedSides("ETH/USD")).toEqual({ base: "ETH", quote: "USD" });
    for (const text of ["", "ETH", "ETH / ", "/ USD", "A / B / C", "x".repeat(99)])
      expect(feedSides(text)).toBeNull();
  });
});
