import { explain } from "./reasons.ts";
import { amountText, scaledText, unitText } from "./amounts.ts";
import type { Plan } from "./actions/step.ts";
import type { Outcome } from "./ports.ts";
import type { Prepared } from "./prepare.ts";
import { accountText, type ChainState } from "./readState.ts";

/* A plan as people read it, and as machines do. */

type Steps = Plan & { readonly type: "plan" };

/** Wei that the gas of all steps may cost at most, at the price that the chain asks for now. */
export function costOf(prepared: readonly Prepared[], gasPrice: bigint): bigint {
  return prepared.reduce((sum, { gasLimit, step }) => sum + gasLimit * gasPrice + step.call.value, 0n);
}

/** What a plan will do, before anybody is asked. */
export function planLines(plan: Steps, prepared: readonly Prepared[], state: ChainState): readonly string[] {
  const { own, gasPrice } = state;
  const cost = costOf(prepared, gasPrice);
  const lines = [`From ${accountText(own.account)} on chain ${state.chainId}, round ${state.round.current}:`];
  for (const text of plan.done) lines.push(`  done already: ${text}.`);
  for (const [index, { step, gasLimit, simulation }] of prepared.entries()) {
    lines.push(
      `  ${index + 1}. ${step.title}.`,
      `       ${step.contract} ${accountText(step.call.to)}, ${step.functionName}`,
      ...step.arguments.map(({ name, text }) => `       ${name}: ${printable(text)}`),
      `       gas: at most ${gasLimit}, ${amountText(gasLimit * gasPrice, "ETH")} at ${gweiText(gasPrice)}`,
      ...(simulation.type === "later" ? ["       it is tried once the steps before it are mined"] : []),
    );
  }
  for (const note of plan.notes) lines.push(`  Note: ${printable(note)}`);
  lines.push(`  Cost: at most ${amountText(cost, "ETH")}, at this gas price.`);
  lines.push(
    `  Balance after: at least ${unitText(own.ethBalance + plan.change.eth - cost)} ETH, ` +
      `${unitText(own.lptBalance + plan.change.lpt)} LPT.`,
  );
  return lines;
}

/** What became of a step. */
export function outcomeLine(number: number, outcome: Outcome): string {
  switch (outcome.type) {
    case "mined": {
      const where = outcome.block === null ? "" : ` in block ${outcome.block}`;
      const fee = outcome.fee === null ? "" : `, for ${amountText(outcome.fee, "ETH")}`;
      return outcome.isSuccess
        ? `  ${number}. mined${where}${fee}: ${outcome.hash}`
        : `  ${number}. FAILED${where}: the contract refused it, and the gas is spent${fee}: ${outcome.hash}`;
    }
    case "refused":
      return `  ${number}. not sent: ${printable(outcome.text)}`;
    case "waiting":
      return `  ${number}. not mined yet${outcome.hash === null ? "" : ` (${outcome.hash})`}. ${outcome.text}`;
    case "displaced":
      return `  ${number}. lost: ${printable(outcome.text)}`;
  }
}

/** What the contract refuses, and what to do. */
export function revertLines(reason: string): readonly string[] {
  const explained = explain(reason);
  return [
    `The contract refuses: ${printable(reason)}`,
    ...(explained === null ? [] : [`${explained.meaning} ${explained.advice}`]),
  ];
}

/** A step for `--json`: amounts in wei as text. */
export function stepJson(
  { step, gasLimit, simulation }: Prepared,
  gasPrice: bigint,
  outcome: Outcome | null,
) {
  return {
    name: step.name,
    title: step.title,
    contract: step.contract,
    function: step.functionName,
    arguments: Object.fromEntries(step.arguments.map(({ name, text }) => [name, text])),
    to: step.call.to,
    data: step.call.data,
    value: step.call.value,
    gasLimit,
    cost: gasLimit * gasPrice,
    simulation: simulation.type,
    reason: simulation.type === "reverts" ? simulation.reason : null,
    outcome,
  };
}

/** Wei per gas for people. */
export function gweiText(wei: bigint): string {
  return `${scaledText(wei, 9)} gwei`;
}

/** Text that may come from elsewhere: no control characters reach the terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "·");
}
