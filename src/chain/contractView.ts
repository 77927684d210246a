import {
  type Abi,
  type ContractFunctionArgs,
  type ContractFunctionName,
  type ContractFunctionReturnType,
  decodeFunctionResult,
  encodeFunctionData,
  keccak256,
  stringToHex,
} from "viem";
import type { Hex } from "../shared/brand.ts";
import type { RpcAnswer, RpcCall } from "./jsonRpc.ts";
import { revertReason } from "./revertReasons.ts";

/** A question to the chain with the decoder of its answer. `decode` throws on anything but a good answer. */
export type View<T> = { readonly call: RpcCall; readonly decode: (result: unknown) => T };

/** Longest answer that a view is given: service URIs are the only long ones. Bytes. */
const answerBytesMax = 16_384;

/** A read of a contract at the latest block, typed by the ABI fragment. */
export function viewOf<
  const abi extends Abi,
  name extends ContractFunctionName<abi, "view">,
  const args extends ContractFunctionArgs<abi, "view", name>,
>(abi: abi, to: Hex, name: name, args: args): View<ContractFunctionReturnType<abi, "view", name, args>> {
  const data = encodeFunctionData({
    abi: abi as Abi,
    functionName: name as string,
    args: args as readonly unknown[],
  });
  return {
    call: { method: "eth_call", params: [{ to, data }, "latest"] },
    decode: (result) => {
      if (
        typeof result !== "string" ||
        result.length > 2 * answerBytesMax ||
        !/^0x[0-9a-fA-F]*$/.test(result)
      ) {
        throw new ViewError(`${name} of ${to} has no usable answer`);
      }
      if (result === "0x") throw new ViewError(`no contract code at given address ${to}`);
      // The fragment says what the bytes are; viem refuses bytes that are something else.
      return decodeFunctionResult({
        abi: abi as Abi,
        functionName: name as string,
        data: result as Hex,
      }) as ContractFunctionReturnType<abi, "view", name, args>;
    },
  };
}

/** The data of a call that costs gas. */
export function callData<
  const abi extends Abi,
  name extends ContractFunctionName<abi, "nonpayable">,
  const args extends ContractFunctionArgs<abi, "nonpayable", name>,
>(abi: abi, name: name, args: args): Hex {
  return encodeFunctionData({
    abi: abi as Abi,
    functionName: name as string,
    args: args as readonly unknown[],
  });
}

/** A quantity that a method answers, such as `eth_chainId`. */
export function quantityOf(method: string, params: readonly unknown[] = []): View<bigint> {
  return {
    call: { method, params },
    decode: (result) => {
      if (typeof result !== "string" || !/^0x[0-9a-fA-F]{1,64}$/.test(result)) {
        throw new ViewError(`${method} has no usable answer`);
      }
      return BigInt(result);
    },
  };
}

/** The Controller's id of a contract. Source: chain sheet 1.2. */
export function contractIdOf(name: string): Hex {
  return keccak256(stringToHex(name));
}

/** Reads an answer. A failure is a text for people, bounded. Never throws. */
export function readAnswer<T>(
  view: View<T>,
  answer: RpcAnswer | undefined,
):
  | { readonly type: "read"; readonly value: T }
  /** `isRevert`: the node ran the call, and the contract does not know it or refuses it. */
  | { readonly type: "failed"; readonly text: string; readonly isRevert: boolean } {
  if (answer === undefined)
    return { type: "failed", text: "the RPC left a call unanswered", isRevert: false };
  if (answer.type === "failed") {
    return { type: "failed", text: answer.text, isRevert: revertReason(answer) !== null };
  }
  try {
    return { type: "read", value: view.decode(answer.result) };
  } catch (error) {
    const text = error instanceof ViewError ? error.message : "the RPC has an answer that is not understood";
    return { type: "failed", text, isRevert: false };
  }
}

class ViewError extends Error {}
