import { checksumHex } from "../protocol/account.ts";
import { utf8 } from "../protocol/bytes.ts";
import { parseInteger } from "../protocol/decimal.ts";
import { type Answer, bytesAnswer, errorAnswer, textAnswer } from "./answer.ts";
import type { ChainContext, ChainHandler } from "./handler.ts";

/*
 * What a node on a chain knows of itself, the bounds of gas prices, and signatures by its key.
 *
 * Source: go-livepeer server/handlers.go setMaxGasPriceHandler, setMinGasPriceHandler, signMessageHandler; operator
 * sheet 2.2, 8a.
 */

export const chainSettingHandlers: Readonly<Record<string, ChainHandler>> = {
  "/ethAddr": (_, { chain }) => textAnswer(checksumHex(chain.account)),
  "/minGasPrice": (_, { chain }) => textAnswer(String(chain.minGasPrice())),
  // Empty when there is no limit.
  "/maxGasPrice": (_, { chain }) => textAnswer(String(chain.maxGasPrice() ?? "")),
  "/setMaxGasPrice": (parameter, context) => setMaxGasPrice(parameter("amount"), context),
  "/setMinGasPrice": (parameter, context) => setMinGasPrice(parameter("minGasPrice"), context),
  "/signMessage": (parameter, { chain, request }) =>
    request.header("sigformat") === "data/typed"
      ? signTypedData(parameter("message"), chain)
      : signMessage(parameter("message"), chain),
};

/** Every zero means no limit: go-livepeer takes `00` for a limit of 0, with which nothing could ever be sent. */
function setMaxGasPrice(text: string, { chain, notify }: ChainContext): Answer {
  const wei = parseInteger(text);
  if (wei === null) return errorAnswer(400, "Parsing failed for price: failed to parse big integer");
  if (wei < 0n) return errorAnswer(400, `Parsing failed for price: it must not be negative, provided ${wei}`);
  const min = chain.minGasPrice();
  const max = wei === 0n ? null : wei;
  if (max !== null && max < min) {
    return errorAnswer(400, `the maximum gas price ${max} would be below the minimum ${min}`);
  }
  chain.setGasPrices({ min, max });
  notify({ type: "changed", setting: "maxGasPrice", value: max });
  return textAnswer("");
}

function setMinGasPrice(text: string, { chain, notify }: ChainContext): Answer {
  const min = parseInteger(text);
  if (min === null) return errorAnswer(400, "invalid minGasPrice: failed to parse big integer");
  if (min < 0n) return errorAnswer(400, `invalid minGasPrice: it must not be negative, provided ${min}`);
  const max = chain.maxGasPrice();
  if (max !== null && max < min) {
    return errorAnswer(400, `the minimum gas price ${min} would be above the maximum ${max}`);
  }
  chain.setGasPrices({ min, max });
  notify({ type: "changed", setting: "minGasPrice", value: min });
  return textAnswer("");
}

/**
 * Signs text. What is no text is refused, because the same kind of signature over the 32 bytes of a ticket's hash is
 * money; go-livepeer signs anything.
 */
function signMessage(text: string, chain: ChainContext["chain"]): Answer {
  // A replacement character stands for bytes that are no UTF-8.
  if (/[\p{Cc}\uFFFD]/u.test(text.replaceAll(/[\t\n\r]/g, ""))) {
    return errorAnswer(400, 'could not sign message - err="the message is no text"');
  }
  return bytesAnswer(chain.signMessage(utf8(text)));
}

function signTypedData(json: string, chain: ChainContext["chain"]): Answer {
  const signed = chain.signTypedData(json);
  switch (signed.type) {
    case "signed":
      return bytesAnswer(signed.signature);
    case "malformed":
      return errorAnswer(400, `could not unmarshal typed data - err=${JSON.stringify(signed.text)}`);
    case "refused":
      return errorAnswer(500, `could not sign typed data - err=${JSON.stringify(signed.text)}`);
  }
}
