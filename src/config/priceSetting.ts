import type { Rational } from "../protocol/rational.ts";
import type { PriceSetting } from "./config.ts";

/** Why a currency cannot be meant, or its normal form. */
export type ParsedCurrency =
  | { readonly type: "currency"; readonly currency: string }
  | { readonly type: "bad"; readonly reason: string };

/**
 * Normalises a currency: wei and eth in small letters, what the price feed has to know in capitals. What looks
 * like the tail of a number or like a unit of wei is refused here, where go-livepeer asks the feed for it and
 * panics.
 */
export function parseCurrency(text: string): ParsedCurrency {
  const lower = text.toLowerCase();
  if (lower === "" || lower === "wei" || lower === "eth") return { type: "currency", currency: lower };
  if (/^(?:e\d+|x[0-9a-f]+)$/.test(lower)) {
    return { type: "bad", reason: `${text} is read as a currency: write the number out in digits` };
  }
  if (/^(?:[kmgtp]wei|kwei|szabo|finney)$/.test(lower)) {
    return { type: "bad", reason: `${text} is no currency here: write the price in wei` };
  }
  if (!/^[a-z][a-z0-9]{0,15}$/.test(lower)) {
    return { type: "bad", reason: `${JSON.stringify(text)} is not the name of a currency` };
  }
  return { type: "currency", currency: text.toUpperCase() };
}

/** A frozen price setting. Its wording keeps the texts as they were written. */
export function priceSetting(
  price: { readonly amount: Rational; readonly currency: string; readonly pixelsPerUnit: Rational },
  texts: { readonly price: string; readonly pixels: string },
): PriceSetting {
  const amountText = price.currency === "" ? `${texts.price}wei` : texts.price;
  const wording = texts.pixels === "1" ? amountText : `${amountText} / ${texts.pixels}`;
  return Object.freeze({ ...price, wording });
}
