import type { FlagName, FlagValues } from "./flagTable.ts";
import { printGoDuration } from "./goValues.ts";
import type { Mistake } from "./mistake.ts";

/* The rules about transactions: their gas, how long they are waited for, and when they are final. */

/** Longest timer that the runtime keeps. Milliseconds. */
export const longestTimerMs: number = 2 ** 31 - 1;

/** Blocks deeper than anybody waits for. */
const confirmationsMax = 100_000;

/** go-livepeer takes every number here: one below 1 for gas stands for its own figures, below 0 replacements for none. */
export function readTransactions(values: FlagValues, mistakes: Mistake[]) {
  const refuse = (flag: FlagName, text: string, fix: string) => {
    mistakes.push({ flag, text, fix, exitCode: 1 });
  };
  const { transactionTimeout, initializeRoundMaxDelay, confirmations, gasLimit } = values;
  if (transactionTimeout < 1_000) {
    refuse(
      "transactionTimeout",
      `-transactionTimeout must be at least 1s, provided ${printGoDuration(transactionTimeout)}`,
      "Give a duration such as 5m: no transaction is mined sooner than at once.",
    );
  }
  if (initializeRoundMaxDelay < 0) {
    refuse(
      "initializeRoundMaxDelay",
      `-initializeRoundMaxDelay must not be negative, provided ${printGoDuration(initializeRoundMaxDelay)}`,
      "Give a duration such as 30s, or 0 for no delay.",
    );
  }
  if (confirmations < 0 || confirmations > confirmationsMax) {
    refuse(
      "confirmations",
      `-confirmations must be between 0 and ${confirmationsMax}, provided ${confirmations}`,
      "Give a number of blocks, such as -confirmations 32.",
    );
  }
  if (gasLimit > 0n && (gasLimit < gasLimitMin || gasLimit > gasLimitMax)) {
    refuse(
      "gasLimit",
      `-gasLimit ${gasLimit} fits no transaction`,
      "Take it out: Reprise knows what each of its transactions needs.",
    );
  }
  return {
    transactionTimeoutMs: Math.min(transactionTimeout, longestTimerMs),
    maxTransactionReplacements: Math.max(values.maxTransactionReplacements, 0),
    initializeRoundMaxDelayMs: Math.min(initializeRoundMaxDelay, longestTimerMs),
    confirmations,
    gasLimit: gasLimit > 0n ? gasLimit : 0n,
  };
}

/** The figure that face values and prices are made from. */
export function readRedeemGas(given: bigint, ofNetwork: bigint, mistakes: Mistake[]): bigint {
  if (given === 0n) return ofNetwork;
  if (given >= gasLimitMin && given <= redeemGasMax) return given;
  mistakes.push({
    flag: "redeemGas",
    text: `-redeemGas ${given} is not what a redemption can cost`,
    fix: "Take it out, or give gas such as -redeemGas 350000.",
    exitCode: 1,
  });
  return ofNetwork;
}

/** More than a block of Ethereum holds. */
const redeemGasMax = 100_000_000n;

/** A transaction without data takes this much; beyond the upper one there is no block. */
const gasLimitMin = 21_000n;
const gasLimitMax = 10n ** 10n;
