import { describeTransaction, unsignedBytes } from "../chain/transactionBytes.ts";
import { firstFees } from "../protocol/fees.ts";
import type { AttemptFees, UnsignedTransaction } from "../runtime/chainPorts.ts";
import type { Hex } from "../shared/brand.ts";
import { CliFailure } from "./cliError.ts";
import type { Prepared } from "./prepare.ts";
import type { ChainState } from "./readState.ts";

/**
 * Fees for a transaction that is signed now and sent some time later.
 *
 * @param max - wei per gas; null = no limit
 * @throws CliFailure when a block asks for more than the limit
 */
export function feesFor(
  { baseFee, gasPrice }: Pick<ChainState, "baseFee" | "gasPrice">,
  max: bigint | null,
): AttemptFees {
  // What the chain asks for on top of the base fee is in its gas price.
  const tip = baseFee === null || gasPrice < baseFee ? 0n : gasPrice - baseFee;
  const fees = firstFees({ baseFee, gasPrice, tip }, max);
  if (fees !== "above-max") return fees;
  throw new CliFailure(
    "The gas price is above the maximum.",
    "Raise -maxGasPrice, or wait until gas is cheaper.",
  );
}

/** The steps as transactions with nonces from `nonce` on. */
export function transactionsOf(
  prepared: readonly Prepared[],
  common: {
    readonly chainId: bigint;
    readonly from: Hex;
    readonly nonce: bigint;
    readonly fees: AttemptFees;
  },
): readonly UnsignedTransaction[] {
  return prepared.map(({ step, gasLimit }, index) => ({
    ...step.call,
    chainId: common.chainId,
    from: common.from,
    nonce: Number(common.nonce) + index,
    gasLimit,
    fees: common.fees,
  }));
}

/** The file of `--unsigned`: each transaction in the form of `eth_signTransaction`, and the bytes that are signed. */
export function unsignedDocument(
  command: string,
  prepared: readonly Prepared[],
  transactions: readonly UnsignedTransaction[],
): string {
  const document = {
    format: "reprise-unsigned",
    version: 1,
    command,
    transactions: transactions.map((transaction, index) => ({
      title: prepared[index]?.step.title ?? "",
      transaction: describeTransaction(transaction),
      // What a signer hashes: RLP, with the type in front when there is one.
      unsigned: unsignedBytes(transaction),
      // Put the signed bytes here, and hand the file to `bun run cli send`.
      raw: null,
    })),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
