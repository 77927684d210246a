import { quantityOf } from "../chain/contractView.ts";
import { renderJson } from "../replay/render.ts";
import { BaseError } from "../shared/errors.ts";
import type { Hex } from "../shared/brand.ts";
import { unitText } from "./amounts.ts";
import type { Plan, Step } from "./actions/step.ts";
import { CliFailure, UsageError } from "./cliError.ts";
import type { Options } from "./commandLine.ts";
import type { CliPorts, CliRpc, Executor, Outcome } from "./ports.ts";
import { type Prepared, prepare, prepareStep } from "./prepare.ts";
import { type AccountState, accountText, type ChainState, readAccount, readAll } from "./readState.ts";
import type { CliSettings } from "./settings.ts";
import { feesFor, transactionsOf, unsignedDocument } from "./unsigned.ts";
import { costOf, gweiText, outcomeLine, planLines, revertLines, stepJson } from "./view.ts";

/** Everything that a command works with. */
export type Context = {
  readonly command: string;
  readonly ports: CliPorts;
  readonly settings: CliSettings;
  readonly options: Options;
  readonly rpc: CliRpc;
  readonly state: ChainState;
  /** How long a transaction is waited for. */
  readonly timeoutMs: number;
};

type Steps = Plan & { readonly type: "plan" };
type Result = "done" | "nothing" | "refused" | "declined" | "written" | "failed" | "waiting";

/**
 * Shows a plan, tries it, asks, has it mined and says what it changed.
 *
 * @returns the exit code: 0 done, 1 it was not
 */
export async function perform(context: Context, plan: Plan): Promise<number> {
  const { ports, options, state, rpc } = context;
  const { print, printError } = ports.output;
  const isJson = options.json === true;
  if (plan.type !== "plan") {
    if (isJson) print(renderJson(document(context, plan.type, { text: plan.text, advice: adviceOf(plan) })));
    else if (plan.type === "nothing") print(plan.text);
    else printError(`${plan.text}\n${plan.advice}`);
    return plan.type === "nothing" ? 0 : 1;
  }
  refuseQuietQuestion(context);
  const prepared = await prepare(rpc, state.own.account, plan.steps, context.settings.chain.gasLimit);
  if (!isJson) for (const line of planLines(plan, prepared, state)) print(line);
  const finish = (
    result: Result,
    outcomes: readonly Outcome[],
    text: string | null,
    after: AccountState | null,
  ) => {
    if (isJson) print(renderJson(document(context, result, { text, plan, prepared, outcomes, after })));
    return result === "done" || result === "written" ? 0 : 1;
  };
  const reverting = prepared.find(({ simulation }) => simulation.type === "reverts");
  if (reverting?.simulation.type === "reverts") {
    const { reason } = reverting.simulation;
    if (!isJson) for (const line of revertLines(reason)) printError(line);
    return finish("refused", [], reason, null);
  }
  const poor = fundsProblem(context, prepared);
  if (options.unsigned !== undefined) {
    if (poor !== null && !isJson) print(`  Note: ${poor}`);
    await writeUnsigned(context, options.unsigned, prepared);
    return finish("written", [], options.unsigned, null);
  }
  if (poor !== null) {
    if (!isJson) printError(poor);
    return finish("refused", [], poor, null);
  }
  if (options.yes !== true && !/^y(es)?$/i.test((await ports.ask("Do it? [y/N] ")).trim())) {
    if (!isJson) print("Nothing was sent.");
    return finish("declined", [], null, null);
  }
  const { outcomes, text } = await runSteps(context, plan, prepared);
  const last = outcomes.at(-1);
  const isDone = outcomes.length === plan.steps.length && last?.type === "mined" && last.isSuccess;
  if (text !== null && !isJson) for (const line of text.split("\n")) printError(line);
  const after = isDone ? await readAfter(context) : null;
  if (after !== null && !isJson) for (const line of changeLines(state.own, after)) print(line);
  return finish(isDone ? "done" : last?.type === "waiting" ? "waiting" : "failed", outcomes, text, after);
}

/** How often a step that needs an earlier one is tried, and how long between: endpoints lag behind one another. */
const dependentTries = 8;
const dependentPauseMs = 1_000;

/** Nobody is there who could answer: that must not look like a no. */
export function refuseQuietQuestion({ ports, options }: Pick<Context, "ports" | "options">): void {
  if (options.yes === true || options.unsigned !== undefined) return;
  if (options.json === true) throw new UsageError("`--json` asks no questions: add `--yes` to send.", "");
  if (!ports.isTerminal) {
    throw new UsageError(
      "There is no terminal to ask on: add `--yes` to send, or `--unsigned FILE` to sign elsewhere.",
      "",
    );
  }
}

async function runSteps(
  { ports, settings, options, rpc, state, timeoutMs }: Context,
  plan: Steps,
  prepared: readonly Prepared[],
): Promise<{ readonly outcomes: readonly Outcome[]; readonly text: string | null }> {
  const { print } = ports.output;
  const isJson = options.json === true;
  const outcomes: Outcome[] = [];
  const from = state.own.account;
  let executor: Executor | null = null;
  try {
    executor = await ports.openExecutor(settings, from);
    if (!isJson) print(`Sending ${executor.words}.`);
    for (const [index, first] of prepared.entries()) {
      // The steps before are mined now, so that it can be tried.
      const { step, simulation, ...tried } =
        index === 0 ? first : await tryAfterOthers(rpc, from, first.step, ports);
      if (simulation.type === "reverts") return { outcomes, text: revertLines(simulation.reason).join("\n") };
      const gasLimit = settings.chain.gasLimit > 0n ? settings.chain.gasLimit : tried.gasLimit;
      const subject = plan.steps.length === 1 ? plan.subject : `${plan.subject}: ${step.name}`;
      const outcome = await executor.run(
        { from, call: step.call, gasLimit, subject },
        timeoutMs,
        (id, hash) => {
          if (!isJson) print(`  ${index + 1}. sent${hash === null ? "" : ` as ${hash}`} (${id})`);
        },
      );
      outcomes.push(outcome);
      if (!isJson) print(outcomeLine(index + 1, outcome));
      if (outcome.type !== "mined" || !outcome.isSuccess) {
        const rest = plan.steps.length - index - 1;
        return {
          outcomes,
          text: rest === 0 ? null : `${rest} more to do: run the same command again to go on from here.`,
        };
      }
    }
    return { outcomes, text: null };
  } catch (error) {
    // What is mined already must be in the answer.
    if (!(error instanceof BaseError) || outcomes.length === 0) throw error;
    return { outcomes, text: `${error.message}\nRun the same command again to go on from here.` };
  } finally {
    await executor?.close();
  }
}

/** Tries a step whose earlier ones are mined. The endpoint that answers may not have seen their blocks yet. */
async function tryAfterOthers(
  rpc: CliRpc,
  from: Hex,
  step: Step,
  { sleep }: Pick<CliPorts, "sleep">,
): Promise<Prepared> {
  for (let tries = 1; ; tries += 1) {
    const prepared = await prepareStep(rpc, from, step);
    if (prepared.simulation.type !== "reverts" || !step.isDependent || tries === dependentTries)
      return prepared;
    await sleep(dependentPauseMs);
  }
}

/** Why the account cannot pay, or must not; null when it can. */
function fundsProblem({ state, settings }: Context, prepared: readonly Prepared[]): string | null {
  const { gasPrice, own } = state;
  const max = settings.chain.maxGasPrice;
  if (max !== null && gasPrice > max) {
    const [limit, current] = [gweiText(max), gweiText(gasPrice)].map((text) =>
      text.replace(" gwei", " GWei"),
    );
    return `current gas price exceeds maximum gas price max=${limit} current=${current}`;
  }
  const cost = costOf(prepared, gasPrice);
  if (own.ethBalance >= cost) return null;
  return (
    `insufficient funds for gas * price + value: ${unitText(cost)} ETH may be needed, and the account has ` +
    `${unitText(own.ethBalance)} ETH. Send it some.`
  );
}

async function writeUnsigned(context: Context, path: string, prepared: readonly Prepared[]): Promise<void> {
  const { ports, options, rpc, state, settings, command } = context;
  const from = state.own.account;
  const { pending, mined } = await readAll(rpc, {
    pending: quantityOf("eth_getTransactionCount", [from, "pending"]),
    mined: quantityOf("eth_getTransactionCount", [from, "latest"]),
  });
  const nonce = options.nonce === undefined ? pending : nonceOf(options.nonce);
  if (nonce < mined) {
    throw new CliFailure(
      `nonce too low: ${accountText(from)} has used nonce ${nonce}.`,
      `Leave \`--nonce\` out, or give ${mined} or more.`,
    );
  }
  const fees = feesFor(state, settings.chain.maxGasPrice);
  const transactions = transactionsOf(prepared, { chainId: state.chainId, from, nonce, fees });
  try {
    ports.writeNewFile(path, unsignedDocument(command, prepared, transactions));
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "it cannot be written";
    throw new CliFailure(`\`${path}\` was not written: ${code}.`, "Name a file that does not exist yet.");
  }
  if (options.json !== true) {
    ports.output.print(
      `Wrote ${transactions.length} unsigned to ${path}, with nonces from ${nonce} on. Nothing was sent. ` +
        `Sign them elsewhere, then: bun run cli send FILE`,
    );
  }
}

/** The nonce of a transaction that is signed elsewhere. @throws UsageError */
export function nonceOf(text: string): bigint {
  if (/^\d{1,15}$/.test(text)) return BigInt(text);
  throw new UsageError("`--nonce` takes a whole number.");
}

async function readAfter({ rpc, state }: Context): Promise<AccountState | null> {
  try {
    return await readAccount(rpc, state.contracts, state.own.account, state.round.current);
  } catch {
    // It is done; that it cannot be looked at changes nothing.
    return null;
  }
}

/** What is different now, in words. */
export function changeLines(before: AccountState, after: AccountState): readonly string[] {
  const rows: readonly (readonly [string, string, string])[] = [
    ["LPT", unitText(before.lptBalance), unitText(after.lptBalance)],
    ["ETH", unitText(before.ethBalance), unitText(after.ethBalance)],
    ["stake", `${unitText(before.pendingStake)} LPT`, `${unitText(after.pendingStake)} LPT`],
    ["fees", `${unitText(before.pendingFees)} ETH`, `${unitText(after.pendingFees)} ETH`],
    ["registered", yesNo(before.isRegistered), yesNo(after.isRegistered)],
    ["service URI", before.serviceUri ?? "none", after.serviceUri ?? "none"],
    ["last reward", `round ${before.lastRewardRound}`, `round ${after.lastRewardRound}`],
  ];
  const changed = rows.filter(([, left, right]) => left !== right);
  return changed.map(([name, left, right]) => `  ${name}: ${left === "" ? "none" : left} -> ${right}`);
}

function yesNo(value: boolean): string {
  return value ? "yes" : "no";
}

function adviceOf(plan: Plan): string | null {
  return plan.type === "refused" ? plan.advice : null;
}

/** The one document of `--json`. Amounts are wei as text. */
function document(
  { command, state }: Context,
  result: Result,
  details: {
    readonly text: string | null;
    readonly advice?: string | null;
    readonly plan?: Steps;
    readonly prepared?: readonly Prepared[];
    readonly outcomes?: readonly Outcome[];
    readonly after?: AccountState | null;
  },
): Readonly<Record<string, unknown>> {
  const { own, gasPrice } = state;
  const { prepared = [], outcomes = [], after = null } = details;
  return {
    ...{ command, result, text: details.text, advice: details.advice ?? null },
    chainId: state.chainId,
    round: state.round.current,
    account: own.account as Hex,
    ...{ gasPrice, cost: costOf(prepared, gasPrice) },
    done: details.plan?.done ?? [],
    notes: details.plan?.notes ?? [],
    steps: prepared.map((step, index) => stepJson(step, gasPrice, outcomes[index] ?? null)),
    before: balancesOf(own),
    after: after === null ? null : balancesOf(after),
  };
}

function balancesOf({ ethBalance, lptBalance, pendingStake, pendingFees }: AccountState) {
  return { ethBalance, lptBalance, pendingStake, pendingFees };
}
