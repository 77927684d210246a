import { isPositive, ONE, type Rational, rational } from "./rational.ts";

/*
 * Prices in other currencies than wei. Source: payments sheet 4.4; vectors eth-units.json.
 */

/** What a price feed says: so many `quote` for one `base`. */
export type FeedQuote = {
  /** As in `ETH / USD`; letter case does not matter. */
  readonly base: string;
  readonly quote: string;
  readonly price: Rational;
};

/** Wei for one of a currency, or why nobody knows. */
export type CurrencyRate =
  { readonly type: "rate"; readonly rate: Rational } | { readonly type: "invalid"; readonly text: string };

/** Whether the currency needs no price feed. */
export function isFixedCurrency(currency: string): boolean {
  return fixedRates.has(currency.toLowerCase());
}

/**
 * Wei for one unit of a currency.
 *
 * @param currency - empty or `wei`, `eth`, else a side of the feed; in any letter case
 * @param feed - the last answer of the price feed; null when there is none
 */
export function weiPerCurrency(currency: string, feed: FeedQuote | null): CurrencyRate {
  const fixed = fixedRates.get(currency.toLowerCase());
  if (fixed !== undefined) return { type: "rate", rate: fixed };
  if (feed === null) return invalid("PriceFeedWatcher is not initialized");
  const sides = `(${feed.base}/${feed.quote})`;
  const isQuote = isSame(feed.quote, currency);
  if (!isQuote && !isSame(feed.base, currency)) {
    return invalid(`price feed does not have ${currency} as a currency ${sides}`);
  }
  const other = isQuote ? feed.base : feed.quote;
  if (!isSame(other, "eth")) return invalid(`price feed does not have ETH as a currency ${sides}`);
  if (!isPositive(feed.price)) return invalid(`price feed answer is not above 0 ${sides}`);
  const { numerator, denominator } = feed.price;
  return {
    type: "rate",
    rate: isQuote
      ? rational(WEI_PER_ETH * denominator, numerator)
      : rational(WEI_PER_ETH * numerator, denominator),
  };
}

/**
 * The price in an answer of a Chainlink feed; null when it is not above 0, which the peer takes for a price and
 * then divides by.
 *
 * @param decimals - 0 to 255
 */
export function feedPrice(answer: bigint, decimals: number): Rational | null {
  return answer > 0n ? rational(answer, 10n ** BigInt(decimals)) : null;
}

/** Both sides of a feed's description such as `ETH / USD`; null when it is none. */
export function feedSides(description: string): { readonly base: string; readonly quote: string } | null {
  const match = /^\s*([^\s/]{1,32})\s*\/\s*([^\s/]{1,32})\s*$/.exec(description);
  return match === null ? null : { base: match[1] ?? "", quote: match[2] ?? "" };
}

const WEI_PER_ETH = 10n ** 18n;
const fixedRates: ReadonlyMap<string, Rational> = new Map([
  ["", ONE],
  ["wei", ONE],
  ["eth", rational(WEI_PER_ETH)],
]);

function isSame(left: string, right: string): boolean {
  return left.toLowerCase() === right.toLowerCase();
}

function invalid(text: string): CurrencyRate {
  return { type: "invalid", text };
}
