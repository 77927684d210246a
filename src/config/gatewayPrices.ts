import { parseDecimal } from "../protocol/decimal.ts";
import { isNegative, isPositive, type Rational } from "../protocol/rational.ts";
import type { Hex } from "../shared/brand.ts";
import { parseAccount } from "./accountText.ts";
import type { RuleInput } from "./buildConfig.ts";
import type { PriceSetting } from "./config.ts";
import type { Findings } from "./findings.ts";
import { parseCurrency, priceSetting } from "./priceSetting.ts";
import { readFileOrLiteral } from "./readSecret.ts";

/** More gateways than this are a mistake, and a slow start. */
const gatewaysMax = 100_000;

/**
 * The prices of single gateways from `-pricePerGateway` (or `-pricePerBroadcaster`, which wins): JSON text or a
 * file with it.
 *
 * A list that cannot be read, or one bad entry in it, is a mistake. go-livepeer ignores the whole list then and
 * serves those gateways at the base price, and it panics for some entries.
 *
 * Source: go-livepeer cmd/livepeer/starter/starter.go getGatewayPrices; payments sheet 4.4.
 */
export function readGatewayPrices(
  { values, readFile }: RuleInput,
  { mistakes, notices }: Findings,
): ReadonlyMap<Hex, PriceSetting> {
  const isOldFlag = values.pricePerBroadcaster !== "";
  const flag = isOldFlag ? "pricePerBroadcaster" : "pricePerGateway";
  if (isOldFlag) notices.push("-pricePerBroadcaster is the old name of -pricePerGateway and wins over it.");
  if (values[flag] === "") return new Map();
  const parsed = parseGatewayPrices(readFileOrLiteral(values[flag], readFile));
  if (parsed.type === "prices") {
    if (parsed.isOldKey) {
      notices.push(`The list of -${flag} uses the old name \`broadcasters\`: call it \`gateways\`.`);
    }
    return parsed.prices;
  }
  mistakes.push({
    flag,
    text: `gateway prices could not be parsed: ${parsed.reason}`,
    fix: 'Give {"gateways":[{"ethaddress":"0x…","priceperunit":1000,"pixelsperunit":1}]}, or a file with it; "currency" is optional.',
    exitCode: 1,
  });
  return new Map();
}

/** The prices of a list, or what is wrong with it. */
export type ParsedGatewayPrices =
  | {
      readonly type: "prices";
      readonly prices: ReadonlyMap<Hex, PriceSetting>;
      /** Whether the list was under `broadcasters`. */
      readonly isOldKey: boolean;
    }
  | { readonly type: "bad"; readonly reason: string };

/** Reads the JSON text of a price list. Names count in any case, as in Go; unknown ones are passed over. */
export function parseGatewayPrices(text: string): ParsedGatewayPrices {
  let document: unknown;
  try {
    document = parseExactJson(text);
  } catch {
    return { type: "bad", reason: "it is neither JSON nor the name of a file with it" };
  }
  const fields = fieldsOf(document);
  if (fields === null) return { type: "bad", reason: "it is no JSON object" };
  const prices = new Map<Hex, PriceSetting>();
  // In this order, so that an entry of the new list wins.
  for (const key of ["broadcasters", "gateways"]) {
    const list = fields.get(key) ?? [];
    if (!Array.isArray(list)) return { type: "bad", reason: `\`${key}\` is no list` };
    if (list.length > gatewaysMax)
      return { type: "bad", reason: `\`${key}\` has over ${gatewaysMax} entries` };
    const seen = new Set<Hex>();
    for (const [index, entry] of list.entries()) {
      const parsed = parseEntry(entry);
      const where = `entry ${index + 1} of \`${key}\``;
      if (typeof parsed === "string") return { type: "bad", reason: `${where}: ${parsed}` };
      if (seen.has(parsed.account)) {
        return { type: "bad", reason: `${where}: ${parsed.account} has a price in the list already` };
      }
      seen.add(parsed.account);
      prices.set(parsed.account, parsed.price);
    }
  }
  return { type: "prices", prices, isOldKey: fields.has("broadcasters") };
}

/** A JSON number as it was written: a price must not pass through a float. */
class NumberText {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;

function parseExactJson(text: string): unknown {
  const keepNumbers: Reviver = (_, value, { source }) =>
    typeof value === "number" ? new NumberText(source ?? String(value)) : value;
  return JSON.parse(text, keepNumbers as Parameters<typeof JSON.parse>[1]);
}

function fieldsOf(value: unknown): ReadonlyMap<string, unknown> | null {
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof NumberText) {
    return null;
  }
  return new Map(Object.entries(value).map(([name, inner]) => [name.toLowerCase(), inner]));
}

function parseEntry(entry: unknown): { readonly account: Hex; readonly price: PriceSetting } | string {
  const fields = fieldsOf(entry);
  if (fields === null) return "it is no JSON object";
  const address = fields.get("ethaddress");
  const account = parseAccount(typeof address === "string" ? address : "");
  if (account.type === "bad") return `ethaddress ${JSON.stringify(address)}: ${account.reason}`;
  const amount = numberOf(fields, "priceperunit");
  if (typeof amount === "string") return amount;
  if (isNegative(amount.value)) return `priceperunit must not be negative, provided ${amount.text}`;
  const pixels = numberOf(fields, "pixelsperunit");
  if (typeof pixels === "string") return pixels;
  if (!isPositive(pixels.value)) return `pixelsperunit must be > 0, provided ${pixels.text}`;
  const currencyText = fields.get("currency") ?? "";
  if (typeof currencyText !== "string") return "currency is no text";
  const currency = parseCurrency(currencyText);
  if (currency.type === "bad") return `currency: ${currency.reason}`;
  const price = priceSetting(
    { amount: amount.value, currency: currency.currency, pixelsPerUnit: pixels.value },
    { price: `${amount.text}${currencyText}`, pixels: pixels.text },
  );
  return { account: account.hex, price };
}

function numberOf(
  fields: ReadonlyMap<string, unknown>,
  name: string,
): { readonly value: Rational; readonly text: string } | string {
  const field = fields.get(name);
  if (field === undefined) return `${name} is missing`;
  const value = field instanceof NumberText ? parseDecimal(field.text) : null;
  if (value === null || !(field instanceof NumberText)) {
    return `${name}: value is not a number: ${JSON.stringify(field)}`;
  }
  return { value, text: field.text };
}
