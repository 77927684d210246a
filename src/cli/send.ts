import { quantityOf } from "../chain/contractView.ts";
import { readSigned, type SignedReading } from "../chain/transactionBytes.ts";
import { renderJson } from "../replay/render.ts";
import type { Hex } from "../shared/brand.ts";
import { BaseError } from "../shared/errors.ts";
import { amountText } from "./amounts.ts";
import { CliFailure, UsageError } from "./cliError.ts";
import { type Context, refuseQuietQuestion } from "./perform.ts";
import type { Outcome } from "./ports.ts";
import { trial } from "./prepare.ts";
import { accountText, type ChainState, readAll } from "./readState.ts";
import { waitForReceipt } from "./receipts.ts";
import { gweiText, outcomeLine, printable, revertLines } from "./view.ts";

/** More than any list of transactions that somebody signs by hand. */
const transactionsMax = 50;

type Signed = { readonly raw: Hex; readonly reading: SignedReading };

/**
 * `send FILE|RAW`: broadcasts what was signed elsewhere, one after the other. A transaction that is mined already is
 * only looked up, so that the same file can be sent again.
 *
 * @returns the exit code
 */
export async function send(context: Context, word: string): Promise<number> {
  const { ports, options, state, rpc, timeoutMs, command } = context;
  const { print, printError } = ports.output;
  const isJson = options.json === true;
  const signed = await readAllSigned(readWord(context, word));
  for (const { reading } of signed) checkChain(reading, state);
  refuseQuietQuestion(context);
  if (!isJson)
    for (const [index, { reading }] of signed.entries())
      print(signedLines(index + 1, reading, state).join("\n"));
  const outcomes: Outcome[] = [];
  const finish = (result: string, text: string | null, code: number): number => {
    if (isJson) {
      const transactions = signed.map(({ reading }, index) => ({
        ...reading,
        outcome: outcomes[index] ?? null,
      }));
      print(renderJson({ command, result, text, chainId: state.chainId, transactions }));
    }
    return code;
  };
  if (options.yes !== true && !/^y(es)?$/i.test((await ports.ask("Do it? [y/N] ")).trim())) {
    if (!isJson) print("Nothing was sent.");
    return finish("declined", null, 1);
  }
  for (const [index, { raw, reading }] of signed.entries()) {
    let problem: string | null;
    try {
      problem = (await problemOf(context, reading)) ?? (await broadcast(context, raw, reading.hash));
    } catch (error) {
      // What is mined already must be in the answer.
      if (!(error instanceof BaseError) || outcomes.length === 0) throw error;
      if (!isJson) printError(error.message);
      return finish("failed", error.message, 1);
    }
    if (problem !== null) {
      if (!isJson) printError(problem);
      return finish("refused", problem, 1);
    }
    if (!isJson) print(`  ${index + 1}. sent as ${reading.hash}`);
    const outcome = await waitForReceipt(rpc, reading.hash, ports, timeoutMs);
    outcomes.push(outcome);
    if (!isJson) print(outcomeLine(index + 1, outcome));
    if (outcome.type !== "mined" || !outcome.isSuccess) {
      return finish(outcome.type === "waiting" ? "waiting" : "failed", null, 1);
    }
  }
  return finish("done", null, 0);
}

/** The transactions that a word stands for: raw bytes, or a file with some. */
function readWord({ ports }: Context, word: string): readonly string[] {
  if (/^0x[0-9a-fA-F]*$/.test(word)) return [word];
  const content = ports.readFile(word);
  if (content.type !== "file")
    throw new UsageError(`\`${word}\` is neither a file that can be read nor 0x….`);
  const found = rawIn(content.text);
  if (found.length === 0) {
    throw new UsageError(
      `\`${word}\` holds no signed transaction.`,
      "Put the signed bytes, 0x…, into its `raw` fields, or one a line into a file.",
    );
  }
  if (found.length > transactionsMax)
    throw new UsageError(`\`${word}\` holds more than ${transactionsMax} transactions.`);
  return found;
}

/** One a line, or JSON: a text, a list, or objects with `raw` or `rawTransaction` as signers write them. */
function rawIn(text: string): readonly string[] {
  const trimmed = text.trim();
  if (trimmed.startsWith("0x")) return trimmed.split(/\s+/);
  try {
    return rawOf(JSON.parse(trimmed), 0);
  } catch {
    return [];
  }
}

function rawOf(value: unknown, depth: number): readonly string[] {
  if (typeof value === "string") return value.startsWith("0x") ? [value] : [];
  if (Array.isArray(value)) return depth > 3 ? [] : value.flatMap((item) => rawOf(item, depth + 1));
  if (typeof value !== "object" || value === null || depth > 3) return [];
  const { raw, rawTransaction, transactions } = value as Readonly<Record<string, unknown>>;
  return [raw ?? rawTransaction, transactions].flatMap((item) => rawOf(item ?? null, depth + 1));
}

async function readAllSigned(raws: readonly string[]): Promise<readonly Signed[]> {
  return Promise.all(
    raws.map(async (raw, index) => {
      const reading = await readSigned(raw);
      if (reading !== null) return { raw: raw.toLowerCase() as Hex, reading };
      throw new UsageError(
        `Transaction ${index + 1} is none that was signed: ${raw.slice(0, 20)}…`,
        "It must be of type 2 or legacy with a chain id, with its signature.",
      );
    }),
  );
}

function checkChain(reading: SignedReading, { chainId }: ChainState): void {
  if (reading.chainId === chainId) return;
  throw new UsageError(
    `The transaction ${reading.hash} was signed for chain ${reading.chainId}; this is chain ${chainId}.`,
    "Correct -network and -ethUrl, or sign it anew.",
  );
}

/** Why it would do no good to send it; null for nothing. */
async function problemOf({ rpc, options }: Context, reading: SignedReading): Promise<string | null> {
  const { from, nonce, hash } = reading;
  const { mined } = await readAll(rpc, { mined: quantityOf("eth_getTransactionCount", [from, "latest"]) });
  if (BigInt(nonce) < mined) {
    const [answer] = await rpc.batch([{ method: "eth_getTransactionReceipt", params: [hash] }]);
    if (answer?.type === "result" && answer.result !== null) return null;
    return `nonce too low: ${accountText(from)} has used nonce ${nonce} for another transaction. Sign it anew with nonce ${mined}.`;
  }
  if (BigInt(nonce) > mined) {
    return `nonce ${nonce} cannot be mined yet: ${accountText(from)} is at ${mined}. Send what comes before it first.`;
  }
  const { revert } = await trial(rpc, from, reading);
  if (revert === null) return null;
  return [...revertLines(revert), ...(options.json === true ? [] : ["Nothing was sent."])].join("\n");
}

/** Null when an endpoint has it, else why not. */
async function broadcast({ rpc }: Context, raw: Hex, hash: Hex): Promise<string | null> {
  const [answer] = await rpc.batch([{ method: "eth_sendRawTransaction", params: [raw] }]);
  if (answer?.type === "result") return null;
  const text = answer?.text ?? "no answer";
  // It is there already, in the pool or in a block.
  if (/already known|known transaction|already imported|nonce too low|already in/i.test(text)) return null;
  if (answer?.kind === "transport") {
    throw new CliFailure(
      `Nobody knows whether ${hash} was taken: ${text}.`,
      "Send it again: the same transaction cannot be mined twice.",
    );
  }
  return revertLines(text).join("\n");
}

function signedLines(number: number, reading: SignedReading, { contracts }: ChainState): readonly string[] {
  const { from, to, nonce, value, gasLimit, fees, data } = reading;
  const name = Object.entries(contracts).find(([, address]) => address === to)?.[0];
  return [
    `  ${number}. ${reading.hash}`,
    `       from ${accountText(from)}, nonce ${nonce}`,
    `       to ${name === undefined ? "" : `${name} `}${accountText(to)}, ${printable(data.slice(0, 10))}, ${amountText(value, "ETH")}`,
    `       gas: at most ${gasLimit}, ${amountText(gasLimit * fees.cap, "ETH")} at ${gweiText(fees.cap)}`,
  ];
}
