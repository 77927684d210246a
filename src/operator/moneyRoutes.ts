import { parseInteger } from "../protocol/decimal.ts";
import { isNegative, isPositive } from "../protocol/rational.ts";
import { type Answer, errorAnswer, textAnswer } from "./answer.ts";
import { parseGoRational } from "./goNumbers.ts";
import { amountOf, perform, readPercent } from "./actionRoutes.ts";
import {
  type Handler,
  type OperatorRequest,
  type Parameters,
  type RouteContext,
  withParameters,
} from "./handler.ts";
import type { OperatorCuts, OperatorMoney, OperatorPrice, PriceScope } from "./ports.ts";

/**
 * The routes that change prices and tickets, on a chain only. An answer of 200 comes after the change is durable.
 *
 * Source: go-livepeer server/handlers.go setPriceForBroadcaster, setMaxFaceValueHandler,
 * setOrchestratorConfigHandler; operator sheet 2.2, 2.4.
 */
export function moneyHandlers(money: OperatorMoney): Readonly<Record<string, Handler | undefined>> {
  return {
    "/setPriceForBroadcaster": withParameters(
      ["pricePerUnit", "pixelsPerUnit", "broadcasterEthAddr"],
      (parameter, context) => setPriceForGateway(parameter, money, context),
    ),
    "/setMaxFaceValue": withParameters(["maxfacevalue"], (parameter, context) =>
      setMaxFaceValue(parameter("maxfacevalue"), money, context),
    ),
    "/setOrchestratorConfig": withParameters([], (parameter, context, request) =>
      setOrchestratorConfig(parameter, money, { ...context, request }),
    ),
    "/activateOrchestrator": withParameters(
      ["blockRewardCut", "feeShare", "pricePerUnit", "pixelsPerUnit", "serviceURI"],
      (parameter, context, request) => activateOrchestrator(parameter, money, { ...context, request }),
    ),
  };
}

async function setPriceForGateway(
  parameter: Parameters,
  money: OperatorMoney,
  context: RouteContext,
): Promise<Answer> {
  const gateway = parameter("broadcasterEthAddr");
  const scope = readScope(gateway);
  if (scope === null) {
    return errorAnswer(400, `broadcasterEthAddr is not a valid eth address, provided ${shown(gateway)}`);
  }
  const refusal = await changePrice(scope, parameter, money, context);
  if (refusal !== null) return errorAnswer(400, refusal);
  // "wei" whatever the currency: go-livepeer's answer, which scripts compare.
  return textAnswer(
    `Price per pixel set to ${parameter("pricePerUnit")} wei for ${parameter("pixelsPerUnit")} pixels for broadcaster ${gateway}\n`,
  );
}

/**
 * The whole text must be an address or the word: go-livepeer also takes `xdefault` and addresses with a tail, and
 * keeps a price for nobody.
 */
function readScope(text: string): PriceScope | null {
  if (text === "default") return "default";
  return /^0x[0-9a-fA-F]{40}$/.test(text) ? `0x${text.slice(2).toLowerCase()}` : null;
}

/** Null, or why the price stays. */
async function changePrice(
  scope: PriceScope,
  parameter: Parameters,
  money: OperatorMoney,
  { notify }: RouteContext,
): Promise<string | null> {
  const price = readPrice(parameter);
  if (typeof price === "string") return price;
  if (money.ticketEv() === 0n && isPositive(price.amount)) {
    return "price unit must be 0 while -ticketEV is 0: no gateway could ever pay";
  }
  const change = await money.setPrice(scope, price);
  if (change.type === "refused") return `error converting price: ${change.text}`;
  notify({ type: "changed", setting: "price", scope, value: price.wording });
  return null;
}

/** The price, or what is wrong with it, checked in go-livepeer's order. */
function readPrice(parameter: Parameters): OperatorPrice | string {
  const priceText = parameter("pricePerUnit");
  const pixelsText = parameter("pixelsPerUnit");
  const amount = parseGoRational(priceText);
  if (amount === null) return `error parsing pricePerUnit value: ${shown(priceText)}`;
  if (isNegative(amount)) return `price unit must be greater than or equal to 0, provided ${priceText}`;
  const pixelsPerUnit = parseGoRational(pixelsText);
  if (pixelsPerUnit === null) return `error parsing pixelsPerUnit value: ${shown(pixelsText)}`;
  if (!isPositive(pixelsPerUnit)) return `pixels per unit must be greater than 0, provided ${pixelsText}`;
  const currency = readCurrency(parameter("currency"));
  if (currency === null) return `error converting price: ${shown(parameter("currency"))} is not a currency`;
  const amountText = `${priceText}${currency === "" ? "wei" : parameter("currency")}`;
  const wording = pixelsText === "1" ? amountText : `${amountText} / ${pixelsText}`;
  return { amount, currency, pixelsPerUnit, wording };
}

/** Wei and eth in small letters, everything else in capitals for the price feed to judge; null = none. */
function readCurrency(text: string): string | null {
  const lower = text.toLowerCase();
  if (lower === "" || lower === "wei" || lower === "eth") return lower;
  return /^[a-z][a-z0-9]{0,15}$/.test(lower) ? text.toUpperCase() : null;
}

async function setMaxFaceValue(
  text: string,
  money: OperatorMoney,
  { notify }: RouteContext,
): Promise<Answer> {
  const value = parseInteger(text);
  if (value === null) return errorAnswer(400, "maxfacevalue not set to number");
  // go-livepeer takes these two and then has no limit, or refuses every gateway.
  if (value < 0n) {
    return errorAnswer(400, `maxfacevalue must be greater than or equal to 0, provided ${text}`);
  }
  if (value > 0n && value < money.ticketEv()) {
    return errorAnswer(
      400,
      `maxfacevalue must be 0 or at least the ticket EV of ${money.ticketEv()}, provided ${text}`,
    );
  }
  const change = await money.setMaxFaceValue(value);
  if (change.type === "refused") return errorAnswer(400, change.text);
  notify({ type: "changed", setting: "maxFaceValue", value });
  return textAnswer("ticket max face value set");
}

type RequestContext = RouteContext & { readonly request: OperatorRequest };

/**
 * Price, cuts and service address. Everything is read before anything is changed; what is on the chain changes first,
 * because it can fail. Like go-livepeer, which looks at a share only together with the cut.
 */
async function setOrchestratorConfig(
  parameter: Parameters,
  money: OperatorMoney,
  context: RequestContext,
): Promise<Answer> {
  const isGiven = (name: string) => parameter(name) !== "";
  const hasPrice = isGiven("pricePerUnit") && isGiven("pixelsPerUnit");
  const price = hasPrice ? readPrice(parameter) : null;
  if (typeof price === "string") return errorAnswer(400, price);
  const cuts = isGiven("blockRewardCut") && isGiven("feeShare") ? readCuts(parameter, configPrefixes) : null;
  if (typeof cuts === "string") return errorAnswer(400, cuts);
  const serviceUri = isGiven("serviceURI") ? parameter("serviceURI") : null;
  if (cuts !== null || serviceUri !== null) {
    const result = await perform({ type: "set-config", cuts, serviceUri }, context);
    if ("status" in result) return result;
    if (result.type !== "done") return errorAnswer(result.type === "malformed" ? 400 : 500, result.text);
  }
  if (price === null) return textAnswer("");
  const refusal = await changePrice("default", parameter, money, context);
  return refusal === null ? textAnswer("") : errorAnswer(400, refusal);
}

/** Registers the account: the address first, then the stake, then the cuts, and the price when all of it is done. */
async function activateOrchestrator(
  parameter: Parameters,
  money: OperatorMoney,
  context: RequestContext,
): Promise<Answer> {
  const cuts = readCuts(parameter, { rewardCut: "", feeShare: "" });
  if (typeof cuts === "string") return errorAnswer(400, cuts);
  const price = readPrice(parameter);
  if (typeof price === "string") return errorAnswer(400, price);
  const [amount, lock] = [parameter("amount"), parameter("unbondingLockId")].map((text) =>
    text === "" ? undefined : amountOf(text),
  );
  if (amount === null || lock === null) return errorAnswer(400, "failed to parse big integer");
  const serviceUri = parameter("serviceURI");
  const wanted = { type: "activate", cuts, serviceUri, amount: amount ?? 0n, lock: lock ?? null } as const;
  const result = await perform(wanted, context);
  if ("status" in result) return result;
  if (result.type !== "done") {
    const isTheirs = result.type === "malformed" || result.text === "orchestrator already registered";
    return errorAnswer(isTheirs ? 400 : 500, result.text);
  }
  const refusal = await changePrice("default", parameter, money, context);
  return refusal === null ? textAnswer("") : errorAnswer(400, refusal);
}

const configPrefixes = {
  rewardCut: "Cannot convert block reward cut: ",
  feeShare: "Cannot convert fee share: ",
};

function readCuts(
  parameter: Parameters,
  prefixes: { readonly rewardCut: string; readonly feeShare: string },
): OperatorCuts | string {
  const rewardCut = readPercent(parameter("blockRewardCut"));
  if ("text" in rewardCut) return `${prefixes.rewardCut}${rewardCut.text}`;
  const feeShare = readPercent(parameter("feeShare"));
  if ("text" in feeShare) return `${prefixes.feeShare}${feeShare.text}`;
  return { rewardCut: rewardCut.parts, feeShare: feeShare.parts };
}

/** A text for an error answer: not as long as a form may be. */
function shown(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
