import {
  type Address,
  decodeFunctionResult,
  encodeFunctionData,
  type Hex,
  keccak256,
  stringToHex,
} from "viem";
import { fromHex } from "../protocol/bytes.ts";
import {
  aggregatorAbi,
  bondingManagerAbi,
  type ContractName,
  controllerAbi,
  roundsManagerAbi,
  ticketBrokerAbi,
} from "./abi.ts";
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

export function readChainId(): Read<bigint> {
  return { call: { method: "eth_chainId", params: [] }, decode: (result) => quantity(result, 64) };
}

/** Far above any price that was ever paid (10⁶ gwei): beyond it somebody errs or lies. */
const gasPriceMax = 10n ** 15n;

/** Wei per gas. */
export function readGasPrice(): Read<bigint> {
  return {
    call: { method: "eth_gasPrice", params: [] },
    decode: (result) => {
      const price = quantity(result, 256);
      if (price > gasPriceMax) throw new BadAnswer(`a gas price of ${price} wei is not believed`);
      return price;
    },
  };
}

/**
 * The L1 block number of the latest block: its field `l1BlockNumber`, or its own number on a chain that is an L1.
 *
 * @param isFieldDue - whether the chain must have that field: an Arbitrum block's own number is far from L1's
 * Source: Arbitrum's `eth_getBlockByNumber`; chain sheet 1.4.
 */
export function readL1Block(isFieldDue: () => boolean): Read<bigint> {
  return {
    call: { method: "eth_getBlockByNumber", params: ["latest", false] },
    decode: (result) => {
      if (typeof result !== "object" || result === null) throw new BadAnswer("there is no latest block");
      if ("l1BlockNumber" in result) {
        const { l1BlockNumber: block } = result;
        // anvil writes a plain number where Arbitrum writes hexadecimal text.
        return quantity(Number.isSafeInteger(block) ? `0x${Number(block).toString(16)}` : block, 62);
      }
      if (isFieldDue()) {
        throw new BadAnswer("the RPC leaves out l1BlockNumber, without which this chain cannot be followed");
      }
      return quantity("number" in result ? result.number : null, 62);
    },
  };
}

/** The address under a name; zero when the Controller has none. */
export function readContractAddress(controller: Address, name: ContractName): Read<Address> {
  const abi = controllerAbi;
  const functionName = "getContract";
  const data = encodeFunctionData({ abi, functionName, args: [keccak256(stringToHex(name))] });
  return contractRead(controller, data, (answer) =>
    decodeFunctionResult({ abi, functionName, data: answer }),
  );
}

export function readLastInitializedRound(roundsManager: Address): Read<bigint> {
  const abi = roundsManagerAbi;
  const functionName = "lastInitializedRound";
  return contractRead(roundsManager, encodeFunctionData({ abi, functionName }), (data) =>
    bounded(decodeFunctionResult({ abi, functionName, data }), 62),
  );
}

/** 32 bytes; all zero for a round without a hash. */
export function readRoundBlockHash(roundsManager: Address, round: bigint): Read<Uint8Array> {
  const abi = roundsManagerAbi;
  const functionName = "blockHashForRound";
  return contractRead(roundsManager, encodeFunctionData({ abi, functionName, args: [round] }), (data) =>
    bytesOf(decodeFunctionResult({ abi, functionName, data }), 32),
  );
}

export function readPoolSize(bondingManager: Address): Read<bigint> {
  const abi = bondingManagerAbi;
  const functionName = "getTranscoderPoolSize";
  return contractRead(bondingManager, encodeFunctionData({ abi, functionName }), (data) =>
    bounded(decodeFunctionResult({ abi, functionName, data }), 62),
  );
}

export function readIsActive(bondingManager: Address, recipient: Hex): Read<boolean> {
  const abi = bondingManagerAbi;
  const functionName = "isActiveTranscoder";
  return contractRead(bondingManager, encodeFunctionData({ abi, functionName, args: [recipient] }), (data) =>
    decodeFunctionResult({ abi, functionName, data }),
  );
}

/** Rounds. */
export function readTicketValidityPeriod(ticketBroker: Address): Read<bigint> {
  const abi = ticketBrokerAbi;
  const functionName = "ticketValidityPeriod";
  return contractRead(ticketBroker, encodeFunctionData({ abi, functionName }), (data) =>
    bounded(decodeFunctionResult({ abi, functionName, data }), 62),
  );
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
      if (typeof result !== "string" || !/^0x(?:[0-9a-fA-F]{2})*$/.test(result.slice(0, 2 * callBytesMax))) {
        throw new BadAnswer("eth_call answered no bytes");
      }
      if (result.length > 2 * callBytesMax) throw new BadAnswer("eth_call answered too many bytes");
      if (result === "0x") throw new BadAnswer(`no contract code at given address ${to}`);
      return decode(result as Hex);
    },
  };
}

class BadAnswer extends Error {}

function quantity(value: unknown, bitsMax: number): bigint {
  if (typeof value !== "string" || !/^0x[0-9a-fA-F]{1,64}$/.test(value)) {
    throw new BadAnswer("the RPC answered no number where one was due");
  }
  return bounded(BigInt(value), bitsMax);
}

/** Rounds and block numbers travel as signed 64-bit integers: more than 62 bits are nobody's. */
function bounded(value: bigint, bitsMax: number): bigint {
  if (value >> BigInt(bitsMax) !== 0n) throw new BadAnswer("the RPC answered a number out of all bounds");
  return value;
}

function bytesOf(hex: Hex, length: number): Uint8Array {
  const bytes = fromHex(hex);
  if (bytes === null || bytes.length !== length) throw new BadAnswer("the RPC answered no hash");
  return bytes;
}
