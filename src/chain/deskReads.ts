import { decodeFunctionResult, encodeFunctionData } from "viem";
import type { Receipt } from "../runtime/chainPorts.ts";
import type { Hex } from "../shared/brand.ts";
import { bondingManagerAbi, nodeInterfaceAbi, roundsManagerAbi, ticketBrokerAbi } from "./abi.ts";
import { decodeLogs, fieldsOf, hexField, type LogContracts, quantityField } from "./decodeLogs.ts";
import { BadAnswer, type Read, resultBytes } from "./reads.ts";

/*
 * Questions of those who spend, beside the ones in reads.ts. Every answer is checked whole: half a receipt is none.
 */

/** Far above what anybody ever had: with it, sums stay far below 2²⁵⁶. */
const amountBits = 200;

/**
 * Transactions of an account that are mined.
 *
 * @param at - a block number, or the pool's view with `pending`
 */
export function readTransactionCount(account: Hex, at: bigint | "latest" | "pending"): Read<number> {
  const tag = typeof at === "bigint" ? quantityHex(at) : at;
  return {
    call: { method: "eth_getTransactionCount", params: [account, tag] },
    decode: (result) => Number(quantityField(result)),
  };
}

/** Hash of the block with a number. @throws BadAnswer when there is no such block */
export function readBlockHash(block: bigint): Read<Hex> {
  return {
    call: { method: "eth_getBlockByNumber", params: [quantityHex(block), false] },
    decode: (result) => {
      if (result === null) throw new BadAnswer(`the RPC does not know block ${block} yet`);
      const fields = fieldsOf(result);
      if (quantityField(fields["number"]) !== block) throw new BadAnswer("the RPC answered another block");
      return hexField(fields["hash"], 32);
    },
  };
}

/** Null: not mined, as far as the endpoint knows. Logs are those of `contracts` only. */
export function readReceipt(hash: Hex, contracts: LogContracts): Read<Receipt | null> {
  return {
    call: { method: "eth_getTransactionReceipt", params: [hash] },
    decode: (result) => (result === null ? null : receiptOf(fieldsOf(result), hash, contracts)),
  };
}

function receiptOf(
  fields: Readonly<Record<string, unknown>>,
  hash: Hex,
  contracts: LogContracts,
): Receipt | null {
  if (hexField(fields["transactionHash"], 32) !== hash.toLowerCase()) {
    throw new BadAnswer("the RPC answered the receipt of another transaction");
  }
  // Some nodes hand out receipts of transactions that are in no block yet.
  if (fields["blockHash"] === null || fields["blockNumber"] === null) return null;
  const block = quantityField(fields["blockNumber"]);
  const blockHash = hexField(fields["blockHash"], 32);
  const status = quantityField(fields["status"]);
  if (status > 1n) throw new BadAnswer("the RPC answered a receipt with an unknown status");
  const logs = decodeLogs(fields["logs"], contracts);
  for (const log of logs) {
    if (log.transaction !== hash.toLowerCase() || log.block !== block || log.blockHash !== blockHash) {
      throw new BadAnswer("the RPC answered a receipt with logs of something else");
    }
  }
  return {
    ...{ hash, block, blockHash, logs },
    isSuccess: status === 1n,
    gasUsed: quantityField(fields["gasUsed"]),
    gasPrice: quantityField(fields["effectiveGasPrice"], amountBits),
  };
}

/** What the reserve of `holder` would give to `claimant` now, wei. Reverts when the pool grew inside the round. */
export function readClaimableReserve(ticketBroker: Hex, holder: Hex, claimant: Hex): Read<bigint> {
  const abi = ticketBrokerAbi;
  const functionName = "claimableReserve";
  const data = encodeFunctionData({ abi, functionName, args: [holder, claimant] });
  return {
    call: { method: "eth_call", params: [{ to: ticketBroker, data }, "latest"] },
    decode: (result) => decodeFunctionResult({ abi, functionName, data: resultBytes(result, 32) }),
  };
}

/** Rounds beyond this are nobody's. */
const roundBits = 62;

/** The round by the block number, or the last one that was started. */
export function readRound(
  roundsManager: Hex,
  functionName: "currentRound" | "lastInitializedRound",
): Read<bigint> {
  return roundRead(roundsManager, encodeFunctionData({ abi: roundsManagerAbi, functionName }), 32);
}

/** The last round in which an orchestrator called its reward. */
export function readLastRewardRound(bondingManager: Hex, orchestrator: Hex): Read<bigint> {
  const data = encodeFunctionData({
    abi: bondingManagerAbi,
    functionName: "getTranscoder",
    args: [orchestrator],
  });
  return roundRead(bondingManager, data, 10 * 32);
}

/** The first word of an answer. */
function roundRead(to: Hex, data: Hex, bytes: number): Read<bigint> {
  return {
    call: { method: "eth_call", params: [{ to, data }, "latest"] },
    decode: (result) => {
      const answer = resultBytes(result, bytes);
      if (answer.length < 66) throw new BadAnswer(`no contract code at given address ${to}`);
      return quantityField(answer.slice(0, 66), roundBits);
    },
  };
}

/** Where Arbitrum's NodeInterface answers. No code is there: nodes answer in its place. */
const nodeInterface: Hex = "0x00000000000000000000000000000000000000c8";

/** Gas that Arbitrum takes for a transaction's bytes on L1, at the prices of now. */
export function readL1Gas(to: Hex, data: Hex): Read<bigint> {
  const abi = nodeInterfaceAbi;
  const functionName = "gasEstimateL1Component";
  const call = encodeFunctionData({ abi, functionName, args: [to, false, data] });
  return {
    call: { method: "eth_call", params: [{ to: nodeInterface, data: call }, "latest"] },
    decode: (result) => {
      const [gas] = decodeFunctionResult({ abi, functionName, data: resultBytes(result, 96) });
      return gas;
    },
  };
}

/** A number as JSON-RPC wants it: hexadecimal without leading zeros. */
export function quantityHex(value: bigint): Hex {
  return `0x${value.toString(16)}`;
}
