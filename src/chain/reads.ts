import { type Address, decodeFunctionResult, encodeFunctionData, type Hex } from "viem";
import { aggregatorAbi, ticketBrokerAbi } from "./abi.ts";
import type { RpcAnswer, RpcCall } from "./jsonRpc.ts";

/** One question to the chain, and how its answer is checked. `decode` throws on anything but a good answer. */
export type Read<T> = { readonly call: RpcCall; readonly decode: (result: unknown) => T };

/** `isAnswered` tells a node that answers rubbish (or an error) from one that does not answer. */
export type ReadOutcome<T> =
  | { readonly type: "read"; readonly value: T }
  | { readonly type: "failed"; readonly text: string; readonly isAnswered: boolean };

/** Checks one answer. Never throws. */
export function outcomeOf<T>(read: Read<T>, answer: RpcAnswer | undefined): ReadOutcome<T> {
  const name = read.call.method;
  if (answer === undefined) return { type: "failed", text: `${name} was left out`, isAnswered: false };
  if (answer.type === "failed") {
    if (answer.kind === "transport") return { type: "failed", text: answer.text, isAnswered: false };
    return { type: "failed", text: `${name} failed: ${answer.text}`, isAnswered: true };
  }
  try {
    return { type: "read", value: read.decode(answer.result) };
  } catch (error) {
    const text = error instanceof BadAnswer ? error.message : `${name} has an answer that is not understood`;
    return { type: "failed", text, isAnswered: true };
  }
}

/** Far above any price that was ever paid (10⁶ gwei): beyond it somebody errs or lies. */
const gasPriceMax = 10n ** 15n;

/** Wei per gas. */
export function readGasPrice(): Read<bigint> {
  return {
    call: { method: "eth_gasPrice", params: [] },
    decode: (result) => believedPrice(quantity(result, 256)),
  };
}

/** Wei per gas, in bounds. @throws BadAnswer for a price that nobody ever paid */
export function believedPrice(price: bigint): bigint {
  if (price > gasPriceMax) throw new BadAnswer(`a gas price of ${price} wei is not believed`);
  return price;
}

/** What the latest block says of itself that a contract cannot see. */
export type Head = {
  readonly number: bigint;
  /** The field `l1BlockNumber`, which blocks of Arbitrum have. */
  readonly l1Block: bigint | null;
  /** Wei per gas; null on a chain without EIP-1559. */
  readonly baseFee: bigint | null;
};

/** Source: Arbitrum's `eth_getBlockByNumber`; chain sheet 1.4. */
export function readHead(): Read<Head> {
  return {
    call: { method: "eth_getBlockByNumber", params: ["latest", false] },
    decode: (result) => {
      if (typeof result !== "object" || result === null) throw new BadAnswer("there is no latest block");
      const l1Block = "l1BlockNumber" in result ? result.l1BlockNumber : undefined;
      const baseFee = "baseFeePerGas" in result ? result.baseFeePerGas : undefined;
      return {
        number: quantity("number" in result ? result.number : null, 62),
        // anvil writes a plain number where Arbitrum writes hexadecimal text.
        l1Block: isAbsent(l1Block)
          ? null
          : quantity(Number.isSafeInteger(l1Block) ? `0x${Number(l1Block).toString(16)}` : l1Block, 62),
        baseFee: isAbsent(baseFee) ? null : believedPrice(quantity(baseFee, 256)),
      };
    },
  };
}

/** A sender's four words, wei and a round. */
export type SenderInfo = {
  readonly deposit: bigint;
  readonly withdrawRound: bigint;
  readonly reserve: bigint;
  readonly claimedInRound: bigint;
};

export function readSenderInfo(ticketBroker: Address, sender: Hex): Read<SenderInfo> {
  const abi = ticketBrokerAbi;
  const functionName = "getSenderInfo";
  return contractRead(ticketBroker, encodeFunctionData({ abi, functionName, args: [sender] }), (data) => {
    const [info, reserve] = decodeFunctionResult({ abi, functionName, data });
    return {
      deposit: info.deposit,
      withdrawRound: info.withdrawRound,
      reserve: reserve.fundsRemaining,
      claimedInRound: reserve.claimedInCurrentRound,
    };
  });
}

/** Wei that `claimant` took from `holder`'s reserve in the current round. */
export function readClaimedReserve(ticketBroker: Address, holder: Hex, claimant: Hex): Read<bigint> {
  const abi = ticketBrokerAbi;
  const functionName = "claimedReserve";
  const data = encodeFunctionData({ abi, functionName, args: [holder, claimant] });
  return contractRead(ticketBroker, data, (answer) =>
    decodeFunctionResult({ abi, functionName, data: answer }),
  );
}

export function readIsTicketUsed(ticketBroker: Address, ticketHash: Hex): Read<boolean> {
  const abi = ticketBrokerAbi;
  const functionName = "usedTickets";
  return contractRead(ticketBroker, encodeFunctionData({ abi, functionName, args: [ticketHash] }), (data) =>
    decodeFunctionResult({ abi, functionName, data }),
  );
}

export function readFeedDescription(feed: Address): Read<string> {
  const abi = aggregatorAbi;
  const functionName = "description";
  return contractRead(feed, encodeFunctionData({ abi, functionName }), (data) =>
    decodeFunctionResult({ abi, functionName, data }),
  );
}

export function readFeedDecimals(feed: Address): Read<number> {
  const abi = aggregatorAbi;
  const functionName = "decimals";
  return contractRead(feed, encodeFunctionData({ abi, functionName }), (data) =>
    decodeFunctionResult({ abi, functionName, data }),
  );
}

/** The feed's answer, and when it was given. Unix seconds. */
export function readFeedAnswer(
  feed: Address,
): Read<{ readonly answer: bigint; readonly updatedAtS: bigint }> {
  const abi = aggregatorAbi;
  const functionName = "latestRoundData";
  return contractRead(feed, encodeFunctionData({ abi, functionName }), (data) => {
    const [, answer, , updatedAtS] = decodeFunctionResult({ abi, functionName, data });
    return { answer, updatedAtS };
  });
}

/** Longer than any answer that we ask for: a feed's description is three words. */
const callBytesMax = 4_096;

function contractRead<T>(to: Address, data: Hex, decode: (data: Hex) => T): Read<T> {
  return {
    call: { method: "eth_call", params: [{ to, data }, "latest"] },
    decode: (result) => {
      const bytes = resultBytes(result, callBytesMax);
      if (bytes === "0x") throw new BadAnswer(`no contract code at given address ${to}`);
      return decode(bytes);
    },
  };
}

/** What an `eth_call` answered, at most `bytesMax` bytes. @throws BadAnswer when it is something else */
export function resultBytes(result: unknown, bytesMax: number): Hex {
  if (typeof result !== "string" || !/^0x(?:[0-9a-fA-F]{2})*$/.test(result.slice(0, 2 + 2 * bytesMax))) {
    throw new BadAnswer("eth_call answered no bytes");
  }
  if (result.length > 2 + 2 * bytesMax) throw new BadAnswer("eth_call answered too many bytes");
  return result as Hex;
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

/** An answer that is none; its words are ours, and hold nothing that an endpoint said but numbers. */
export class BadAnswer extends Error {}

function quantity(value: unknown, bitsMax: number): bigint {
  if (typeof value !== "string" || !/^0x[0-9a-fA-F]{1,64}$/.test(value)) {
    throw new BadAnswer("the RPC answered no number where one was due");
  }
  return bounded(BigInt(value), bitsMax);
}

function bounded(value: bigint, bitsMax: number): bigint {
  if (value >> BigInt(bitsMax) !== 0n) throw new BadAnswer("the RPC answered a number out of all bounds");
  return value;
}
