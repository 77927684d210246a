import { decodeErrorResult, parseAbi } from "viem";
import type { Hex } from "../shared/brand.ts";
import { livepeerGovernorAbi } from "./abi.ts";
import type { RpcAnswer } from "./jsonRpc.ts";

/*
 * Why a call reverted, in the contract's words. Nodes say it in two places: in `data`, exactly, and in the text,
 * each in its own way. An error that is no revert (a limit of the provider, a head that is not there yet) is told from
 * one, because nothing may be concluded from it.
 */

/** What the compiler itself gives back, and the custom errors of contracts that we call. */
const errorsAbi = [
  ...parseAbi(["error Error(string reason)", "error Panic(uint256 code)"]),
  ...livepeerGovernorAbi.filter((item) => item.type === "error"),
];

/** Source: Solidity's documentation, "Panic via assert and Error via require". */
const panics: ReadonlyMap<bigint, string> = new Map([
  [0x01n, "assertion failed"],
  [0x11n, "arithmetic overflow or underflow"],
  [0x12n, "division by zero"],
  [0x21n, "no such enumeration value"],
  [0x22n, "broken storage array"],
  [0x31n, "pop of an empty array"],
  [0x32n, "index out of bounds"],
  [0x41n, "out of memory"],
  [0x51n, "call of an uninitialised function"],
]);

const reasonMax = 200;

/** Error codes that stand for nothing but a revert. Source: go-ethereum (3); OpenEthereum and Nethermind (−32015). */
const revertCodes: readonly number[] = [3, -32015];

/** What the EVM can end with. Source: go-ethereum core/vm/errors.go; the words of other nodes for the same. */
const evmFailures =
  /revert|vm (?:execution error|exception)|out of gas|outofgas|gas uint64 overflow|invalid (?:opcode|jump|instruction)|bad instruction|stack (?:underflow|overflow|limit)|stackunderflow|write protection|return data out of bounds|insufficient balance for transfer/i;

/**
 * Why a call reverted: the contract's words, bounded; "" when it gives none. Null when the answer says nothing about
 * the call.
 */
export function revertReason(answer: RpcAnswer): string | null {
  if (answer.type !== "failed" || answer.kind !== "remote") return null;
  const { data, text, code } = answer;
  const hasData = data !== null && data.length > 2;
  if (!hasData && !evmFailures.test(text) && (code === null || !revertCodes.includes(code))) return null;
  const exact = hasData ? reasonOfData(data as Hex) : null;
  return (exact ?? reasonOfText(text)).slice(0, reasonMax);
}

/** The reason that revert data holds; null when it is not understood. */
export function reasonOfData(data: Hex): string | null {
  try {
    const error = decodeErrorResult({ abi: errorsAbi, data });
    switch (error.errorName) {
      case "Error":
        return printable(error.args[0]);
      case "Panic":
        return `panic: ${panics.get(error.args[0]) ?? `code ${error.args[0]}`}`;
      case "VoteAlreadyCast":
        return "VoteAlreadyCast()";
      case "InvalidVoteType":
        return `InvalidVoteType(${error.args[0]})`;
      default:
        return null;
    }
  } catch {
    // Data of the compiler's own errors that is cut: the text may say more.
    if (!/^0x(?!08c379a0|4e487b71)[0-9a-fA-F]{8}/.test(data)) return null;
    return `custom error ${data.slice(0, 10).toLowerCase()}`;
  }
}

/** Source: the error texts of go-ethereum and Arbitrum, anvil, Hardhat and Ganache. */
function reasonOfText(text: string): string {
  const quoted = text.match(/reverted with reason string '(.*)'/)?.[1];
  if (quoted !== undefined) return printable(quoted);
  const words = text.match(
    /(?:execution reverted|vm exception while processing transaction: revert(?:ed)?)(.*)$/i,
  );
  if (words === null) return printable(text);
  return printable((words[1] ?? "").replace(/^[:\s]+/, ""));
}

function printable(text: string): string {
  return text
    .slice(0, 4 * reasonMax)
    .replace(/[^\x20-\x7e]+/g, " ")
    .trim();
}
