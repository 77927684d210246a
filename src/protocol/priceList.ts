import { create } from "@bufbuild/protobuf";
import { type PriceInfo, PriceInfoSchema } from "./gen/lp_rpc_pb.ts";
import { INT64_MAX } from "./integerBytes.ts";
import { expressiblePrice, type Price } from "./price.ts";
import { add, floor, isZero, ZERO } from "./rational.ts";

/*
 * Which price holds for whom and for what. Source: payments sheet 4.3.
 */

/** Prices for everybody, or for one gateway. Plain data. */
export type PriceList = {
  /** Wei per transcoded pixel; null = not set here. */
  readonly transcode: Price | null;
  /** Prices of AI models: by capability number, then model id. */
  readonly capabilities: CapabilityPrices;
};

/** By capability number, then model id. */
export type CapabilityPrices = Readonly<Record<number, Readonly<Record<string, Price>>>>;

/** The part of a request's capabilities that has a price. A `CapabilitySet` is one. */
export type PricedNeeds = {
  readonly capacities: Readonly<Record<number, number>>;
  readonly perCapability: Readonly<Record<number, Readonly<Record<string, unknown>>>>;
};

/** A list without any price. */
export const noPrices: PriceList = { transcode: null, capabilities: {} };

/**
 * The base price for a request, before any overhead: the sum over the wanted models that have a price, else the
 * price of transcoding. A gateway's own prices go before those for everybody.
 *
 * @param gateway - prices of the gateway that asks; null = it has none of its own
 * @param needs - null when the request names no capabilities
 */
export function priceFor(everybody: PriceList, gateway: PriceList | null, needs: PricedNeeds | null): Price {
  const transcode = gateway?.transcode ?? everybody.transcode ?? ZERO;
  if (needs === null) return transcode;
  const sum = modelsSum(everybody, gateway, needs);
  return isZero(sum) ? transcode : sum;
}

/**
 * The list of prices by capability and model for an offer: without overhead, in whole wei as the peer writes
 * them, but exact where that would say 0 for a price above 0. Ordered by capability, then model.
 */
export function capabilityPrices(everybody: PriceList, gateway: PriceList | null): PriceInfo[] {
  const infos: PriceInfo[] = [];
  for (const capability of numbersOf(everybody.capabilities, gateway?.capabilities ?? {})) {
    const models = { ...everybody.capabilities[capability], ...gateway?.capabilities[capability] };
    for (const constraint of Object.keys(models).sort()) {
      const { numerator, denominator } = listedPrice(models[constraint] ?? ZERO);
      const amounts = { pricePerUnit: numerator, pixelsPerUnit: denominator };
      infos.push(create(PriceInfoSchema, { ...amounts, capability, constraint }));
    }
  }
  return infos;
}

function listedPrice(price: Price): Price {
  const whole = floor(price);
  return whole === 0n || whole > INT64_MAX ? expressiblePrice(price) : { numerator: whole, denominator: 1n };
}

function modelsSum(everybody: PriceList, gateway: PriceList | null, needs: PricedNeeds): Price {
  let sum = ZERO;
  for (const [number, models] of Object.entries(needs.perCapability)) {
    const capability = Number(number);
    if (!Object.hasOwn(needs.capacities, capability)) continue;
    for (const model of Object.keys(models)) {
      const price = modelPrice(gateway, capability, model) ?? modelPrice(everybody, capability, model);
      if (price !== null) sum = add(sum, price);
    }
  }
  return sum;
}

/** Only what was put in: a model id comes from the network and may be `constructor`. */
function modelPrice(list: PriceList | null, capability: number, model: string): Price | null {
  if (list === null || !Object.hasOwn(list.capabilities, capability)) return null;
  const models = list.capabilities[capability] ?? {};
  return Object.hasOwn(models, model) ? (models[model] ?? null) : null;
}

function numbersOf(left: CapabilityPrices, right: CapabilityPrices): number[] {
  const numbers = new Set([...Object.keys(left), ...Object.keys(right)].map(Number));
  return [...numbers].sort((a, b) => a - b);
}
