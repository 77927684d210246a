import { parseInteger } from "../protocol/decimal.ts";
import { parsePixelsText, parsePriceText } from "../protocol/priceText.ts";
import { isPositive, isZero, ONE, rational, ZERO } from "../protocol/rational.ts";
import type { RuleInput } from "./buildConfig.ts";
import type { PriceSetting, PricingConfig } from "./config.ts";
import type { Findings } from "./findings.ts";
import type { FlagValues } from "./flagTable.ts";
import { readGatewayPrices } from "./gatewayPrices.ts";
import type { Mistake } from "./mistake.ts";
import { networkOf, offchainNetwork } from "./networks.ts";
import { parseCurrency, priceSetting } from "./priceSetting.ts";

/*
 * The rules about prices and tickets. A set of flags with which no gateway could ever pay is refused here, because
 * the node would look healthy and earn nothing.
 */

/** What a gateway takes for one ticket unless its operator says otherwise, in wei. Source: payments sheet 9. */
const gatewayTicketEvMax = 3_000_000_000_000n;

/** Gas price up to which gateways are served whatever the face value, in wei. Source: payments sheet 2.2 g. */
const usualGasPrice = 3_000_000_000n;

/**
 * What the price flags say; null off-chain.
 *
 * Source: operator sheet 1.5, 1.8; payments sheet 4.4, 9.
 */
export function readPricing(input: RuleInput, findings: Findings): PricingConfig | null {
  const { values } = input;
  if (values.network === offchainNetwork) return null;
  if (values.redeemer) return nothingToSell;
  const { mistakes } = findings;
  const base = readBasePrice(values, mistakes);
  const pricing: PricingConfig = {
    base,
    perGateway: readGatewayPrices(input, findings),
    isAutoAdjusted: values.autoAdjustPrice,
    ticketEv: readTicketEv(values.ticketEV, mistakes),
    maxFaceValue: readMaxFaceValue(values.maxFaceValue, mistakes),
    maxGatewayLoss: readMaxGatewayLoss(values.maxGatewayLoss, mistakes),
  };
  const redeemGas = values.redeemGas > 0n ? values.redeemGas : networkOf(values.network).redeemGas;
  checkTickets(pricing, redeemGas, findings);
  return pricing;
}

/** Stands in where a mistake was found. */
const free: PriceSetting = { amount: ZERO, currency: "", pixelsPerUnit: ONE, wording: "0wei" };

/** A redeemer makes no parameters and takes no payments. */
const nothingToSell: PricingConfig = {
  base: free,
  perGateway: new Map(),
  isAutoAdjusted: false,
  ticketEv: 0n,
  maxFaceValue: 0n,
  maxGatewayLoss: 0n,
};

function readBasePrice(values: FlagValues, mistakes: Mistake[]): PriceSetting {
  const text = values.pricePerUnit;
  const pixels = parsePixelsText(values.pixelsPerUnit);
  if (pixels.type === "invalid") {
    mistakes.push({
      flag: "pixelsPerUnit",
      text: `-pixelsPerUnit ${pixels.text}`,
      fix: "Give a whole number of pixels, such as -pixelsPerUnit 1 or -pixelsPerUnit 1e12.",
      exitCode: 2,
    });
  }
  if (text === null) {
    mistakes.push({
      flag: "pricePerUnit",
      text: "-pricePerUnit must be set",
      fix: "Say what a pixel costs, such as -pricePerUnit 1200 for 1200 wei, or 0 to work for nothing.",
      exitCode: 2,
    });
    return free;
  }
  const price = parsePriceText(text);
  // An exponent is read as a currency by go-livepeer, which has its own words for those below.
  if (price.type === "invalid" && !/^\d+(?:\.\d+)?e\d+$/i.test(text)) {
    mistakes.push({
      flag: "pricePerUnit",
      text: `-pricePerUnit must be a valid integer with an optional currency, provided ${text}`,
      fix: "Give a number in digits, with a currency right behind it if it is not wei: 1200, 0.5, 0.13USD.",
      exitCode: 2,
    });
    return free;
  }
  const currency = parseCurrency(price.type === "amount" ? price.currency : text.replace(/^[\d.]+/, ""));
  if (currency.type === "bad" || price.type === "invalid") {
    mistakes.push({
      flag: "pricePerUnit",
      text: `Error converting price: -pricePerUnit ${text}: ${currency.type === "bad" ? currency.reason : "no currency"}`,
      fix: "Give wei in digits, or a currency that the price feed knows, such as -pricePerUnit 0.13USD -pixelsPerUnit 1e12.",
      exitCode: 2,
    });
    return free;
  }
  if (pixels.type === "invalid") return free;
  return priceSetting(
    { amount: price.amount, currency: currency.currency, pixelsPerUnit: rational(pixels.pixels) },
    { price: text, pixels: values.pixelsPerUnit },
  );
}

/** go-livepeer ends with 0 here. */
function readTicketEv(text: string, mistakes: Mistake[]): bigint {
  const value = parseInteger(text);
  if (value !== null && value >= 0n) return value;
  const what = value === null ? "a valid integer" : "greater than 0";
  mistakes.push({
    flag: "ticketEV",
    text: `-ticketEV must be ${what}, but ${text} provided. Restart the node with a different valid value for -ticketEV`,
    fix: "Give wei in digits, such as -ticketEV 8000000000.",
    exitCode: 1,
  });
  return 0n;
}

function readMaxFaceValue(text: string, mistakes: Mistake[]): bigint {
  const value = parseInteger(text);
  if (value !== null && value >= 0n) return value;
  mistakes.push({
    flag: "maxFaceValue",
    text:
      value === null
        ? `-maxFaceValue must be a valid integer, but ${text} provided. Restart the node with a different valid value for -maxFaceValue`
        : `-maxFaceValue must not be negative, but ${text} provided`,
    fix: "Give wei in digits, or 0 for no limit.",
    exitCode: 2,
  });
  return 0n;
}

function readMaxGatewayLoss(text: string, mistakes: Mistake[]): bigint {
  const value = parseInteger(text);
  if (value !== null && value >= 0n) return value;
  mistakes.push({
    flag: "maxGatewayLoss",
    text: `-maxGatewayLoss must be an amount of wei, but ${text} provided`,
    fix: "Give wei in digits, such as -maxGatewayLoss 20000000000000000 for 0.02 ETH; 0 risks nothing.",
    exitCode: 1,
  });
  return 0n;
}

/** Whether a gateway could pay with these tickets at all. */
function checkTickets(pricing: PricingConfig, redeemGas: bigint, { mistakes, notices }: Findings): void {
  const { base, perGateway, ticketEv, maxFaceValue } = pricing;
  // Numbers that could not be read stand in as 0 and would only lead to follow-up mistakes.
  if (mistakes.some(({ flag }) => flag === "ticketEV" || flag === "maxFaceValue")) return;
  const isPaid = [base, ...perGateway.values()].some((price) => isPositive(price.amount));
  if (ticketEv === 0n && isPaid) {
    mistakes.push({
      flag: "ticketEV",
      text: "-ticketEV 0 with a price above 0: a ticket would be worth nothing, so that no gateway could ever pay",
      fix: "Take -ticketEV out, or set every price to 0.",
      exitCode: 1,
    });
  }
  if (maxFaceValue > 0n && maxFaceValue < ticketEv) {
    mistakes.push({
      flag: "maxFaceValue",
      text: `-maxFaceValue ${maxFaceValue} is below -ticketEV ${ticketEv}: every gateway would be refused`,
      fix: "Raise -maxFaceValue (the usual face value is at least 100 times -ticketEV), or give 0 for no limit.",
      exitCode: 1,
    });
  } else if (maxFaceValue > 0n && maxFaceValue < redeemGas * usualGasPrice) {
    notices.push(
      `-maxFaceValue ${maxFaceValue} is less than the redemption of a ticket may cost: gateways are refused while ` +
        `the gas price is above ${maxFaceValue / redeemGas} wei.`,
    );
  }
  if (ticketEv > gatewayTicketEvMax) {
    notices.push(
      `-ticketEV ${ticketEv} is more than gateways take unless they are told to (${gatewayTicketEvMax}): they will not choose this node.`,
    );
  }
  if (
    isZero(base.amount) &&
    !mistakes.some(({ flag }) => flag === "pricePerUnit" || flag === "pixelsPerUnit")
  ) {
    notices.push("-pricePerUnit 0: gateways without a price of their own are served for nothing.");
  }
}
