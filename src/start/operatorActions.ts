import type { RpcAnswer, RpcCall } from "../chain/jsonRpc.ts";
import { transfer, withdrawFees } from "../cli/actions/money.ts";
import { register, setCuts, setServiceUri } from "../cli/actions/registration.ts";
import { initializeRound, reward } from "../cli/actions/rounds.ts";
import { bond, claimEarnings, rebond, unbond, withdrawStake } from "../cli/actions/stake.ts";
import type { HintOf, Plan, Step } from "../cli/actions/step.ts";
import { reasonBytesMax, votePoll, voteProposal } from "../cli/actions/votes.ts";
import { parseAddress } from "../cli/amounts.ts";
import { readHints } from "../cli/hints.ts";
import { readPollEnd } from "../cli/lookups.ts";
import type { CliRpc } from "../cli/ports.ts";
import { type Prepared, prepareStep } from "../cli/prepare.ts";
import { explain } from "../cli/reasons.ts";
import { type ChainState, readAccount, readLocks, readState, type UnbondingLock } from "../cli/readState.ts";
import { parseRegistryUri } from "../cli/serviceUri.ts";
import type { ChainConfig } from "../config/config.ts";
import type {
  OperatorAction,
  OperatorActionResult,
  OperatorActions,
  OperatorTransactions,
} from "../operator/ports.ts";
import { toHex, utf8 } from "../protocol/bytes.ts";
import type { Hex } from "../shared/brand.ts";
import { BaseError } from "../shared/errors.ts";
import type { Account } from "./openAccount.ts";
import type { GasBounds } from "./operatorChain.ts";

export type OperatorActionsParts = {
  readonly config: ChainConfig;
  readonly account: Account;
  readonly rpc: { batch(calls: readonly RpcCall[]): Promise<readonly RpcAnswer[]> };
  readonly transactions: OperatorTransactions;
  readonly bounds: GasBounds;
  readonly monotonicMs: () => number;
  readonly sleep: (ms: number) => Promise<void>;
};

/** Between two looks at a transaction that is under way, in the log. */
const lookMs = 200;

/** Ends an action with words for people. */
class Refused extends Error {}
class Failed extends Error {}
class Malformed extends Error {}

/**
 * Actions of operators, with the same plans as `bun run cli`: what would revert is not sent, and steps that depend on
 * one another are mined one after the other. One action at a time, so that none is planned on a state that another
 * one is about to change.
 */
export function operatorActions(parts: OperatorActionsParts): OperatorActions {
  let last: Promise<unknown> = Promise.resolve();
  return {
    run: (action) => {
      const done = last.then(() => act(parts, action));
      // A bug in one must not keep the next from its turn.
      last = done.catch(() => undefined);
      return done;
    },
  };
}

async function act(parts: OperatorActionsParts, action: OperatorAction): Promise<OperatorActionResult> {
  try {
    const { config, account, bounds } = parts;
    const own = senderOf(account, action);
    const state = await readState(rpcOf(parts), {
      controller: config.controller,
      own,
      orchestrator: toHex(account.recipient),
      aiRegistry: config.aiServiceRegistry,
    });
    if (bounds.max !== null && state.gasPrice > bounds.max) {
      // go-livepeer's words, which scripts look for.
      throw new Refused(
        `current gas price exceeds maximum gas price max=${gweiText(bounds.max)} GWei current=${gweiText(state.gasPrice)} GWei`,
      );
    }
    let hash: Hex | null = null;
    for (const plan of await new Planner(parts, state).plansOf(action)) {
      // What the contract would say has the form in which a client passes it on.
      if (plan.type === "refused") {
        throw new Refused(explain(plan.text) === null ? plan.text : `execution reverted: ${plan.text}`);
      }
      if (plan.type === "plan") hash = await runSteps(parts, own, plan.subject, plan.steps);
    }
    return { type: "done", hash };
  } catch (error) {
    if (error instanceof Malformed) return { type: "malformed", text: error.message };
    if (error instanceof Failed) return { type: "failed", text: error.message };
    if (error instanceof Refused) return { type: "refused", text: error.message };
    // Errors of reading say what to do in further lines.
    if (error instanceof BaseError) return { type: "refused", text: error.shortMessage };
    throw error;
  }
}

/** Whoever opened the endpoints closes them. */
function rpcOf({ rpc }: OperatorActionsParts): CliRpc {
  return { batch: (calls) => rpc.batch(calls), close: () => undefined };
}

function senderOf({ identity, redeemer, rewardCaller }: Account, { type }: OperatorAction): Hex {
  if (type === "reward") return rewardCaller;
  return type === "initialize-round" ? redeemer : toHex(identity.account);
}

/** Makes plans from the state of the chain and what is wanted. */
class Planner {
  readonly #parts: OperatorActionsParts;
  readonly #state: ChainState;
  readonly #rpc: CliRpc;

  constructor(parts: OperatorActionsParts, state: ChainState) {
    this.#parts = parts;
    this.#state = state;
    this.#rpc = rpcOf(parts);
  }

  async plansOf(action: OperatorAction): Promise<readonly Plan[]> {
    const state = this.#state;
    switch (action.type) {
      case "reward":
        return [reward(state, 0n, await this.#hints())];
      case "initialize-round":
        return [initializeRound(state)];
      case "claim-earnings":
        return [claimEarnings(state)];
      case "bond": {
        const to = checked(action.to);
        const wanted = { amount: action.amount, to, toStake: await this.#stakeOf(to) };
        return [bond(state, wanted, await this.#hints())];
      }
      case "unbond":
        return [unbond(state, action.amount, await this.#hints())];
      case "rebond": {
        const to = action.to === null ? null : checked(action.to);
        const toStake = await this.#stakeOf(to ?? state.own.delegate);
        return [rebond(state, { lock: await this.#lockOf(action.lock), to, toStake }, await this.#hints())];
      }
      case "withdraw-stake":
        return [withdrawStake(state, await this.#lockOf(action.lock))];
      case "withdraw-fees":
        return [withdrawFees(state, action.amount, null)];
      case "transfer":
        return [transfer(state, checked(action.to), action.amount)];
      case "vote":
        return [
          votePoll(state, checked(action.poll), action.choice, await this.#pollEnd(checked(action.poll))),
        ];
      case "vote-proposal":
        if (utf8(action.reason).length > reasonBytesMax) {
          throw new Malformed(`the reason has more than ${reasonBytesMax} bytes`);
        }
        return [voteProposal(state, action.proposal, action.support, action.reason)];
      case "set-config": {
        const uri = action.serviceUri === null ? null : registryUri(action.serviceUri);
        return [
          ...(action.cuts === null ? [] : [setCuts(state, action.cuts)]),
          ...(uri === null ? [] : [setServiceUri(state, uri, this.#registry)]),
        ];
      }
      case "activate": {
        const { cuts, amount } = action;
        const serviceUri = registryUri(action.serviceUri);
        const lock = action.lock === null ? undefined : await this.#lockOf(action.lock);
        return [
          register(state, { cuts, amount, serviceUri, lock, registry: this.#registry }, await this.#hints()),
        ];
      }
    }
  }

  get #registry(): "main" | "ai" {
    return this.#parts.config.aiServiceRegistry === null ? "main" : "ai";
  }

  async #stakeOf(account: Hex): Promise<bigint> {
    const { own, contracts, round } = this.#state;
    if (account === own.account) return own.totalStake;
    return (await readAccount(this.#rpc, contracts, account, round.current)).totalStake;
  }

  #hints(): Promise<HintOf> {
    return readHints(this.#rpc, this.#state.contracts.BondingManager);
  }

  async #lockOf(id: bigint): Promise<UnbondingLock | null> {
    const locks = await readLocks(this.#rpc, this.#state.contracts.BondingManager, this.#state.own);
    return locks.find((lock) => lock.id === id) ?? null;
  }

  async #pollEnd(poll: Hex): Promise<bigint> {
    const end = await readPollEnd(this.#rpc, poll);
    if (end === null) throw new Refused("no contract code at given address");
    return end;
  }
}

/** Mines the steps one after the other; the hash of the last one. */
async function runSteps(
  parts: OperatorActionsParts,
  from: Hex,
  subject: string,
  steps: readonly Step[],
): Promise<Hex | null> {
  const rpc = rpcOf(parts);
  const trials: Prepared[] = [];
  // All that can be tried is tried before the first is sent: half of an action is worse than none.
  for (const step of steps) {
    if (!step.isDependent) trials.push(await prepareStep(rpc, from, step));
  }
  const refusal = trials.find(({ simulation }) => simulation.type === "reverts");
  if (refusal !== undefined) throw new Refused(revertText(refusal));
  let hash: Hex | null = null;
  for (const [index, step] of steps.entries()) {
    const prepared = await prepareStep(rpc, from, step);
    const before =
      index === 0
        ? ""
        : ` (done before: ${steps
            .slice(0, index)
            .map(({ name }) => name)
            .join(", ")})`;
    if (prepared.simulation.type === "reverts") throw new Refused(`${revertText(prepared)}${before}`);
    hash = await sendStep(parts, from, prepared, steps.length === 1 ? subject : `${subject}: ${step.name}`);
  }
  return hash;
}

function revertText({ simulation }: Prepared): string {
  return `execution reverted: ${simulation.type === "reverts" ? simulation.reason : ""}`;
}

/** Sends one step and waits for its receipt. */
async function sendStep(
  { transactions, config, monotonicMs, sleep }: OperatorActionsParts,
  from: Hex,
  { step, gasLimit }: Prepared,
  subject: string,
): Promise<Hex> {
  const limit = config.gasLimit === 0n ? gasLimit : config.gasLimit;
  const submitted = await transactions.submit({ from, ...step.call, gasLimit: limit, subject });
  if (submitted.type === "refused") throw new Refused(submitted.text);
  const untilMs = monotonicMs() + config.transactionTimeoutMs * (config.maxTransactionReplacements + 1);
  for (;;) {
    const found = transactions.state(submitted.id);
    if (found?.state === "displaced") throw new Failed(`transaction displaced id=${submitted.id}`);
    if (found !== null && found.isSuccess !== null) {
      if (found.isSuccess) return found.hash;
      throw new Failed(`transaction failed txHash=${found.hash}`);
    }
    if (monotonicMs() >= untilMs) {
      throw new Failed(`timed out waiting for transaction receipt txHash=${found?.hash ?? submitted.id}`);
    }
    await sleep(lookMs);
  }
}

function checked(address: Hex): Hex {
  const parsed = parseAddress(address);
  if (parsed.type === "bad") throw new Malformed(parsed.text);
  return parsed.value;
}

function registryUri(text: string): string {
  const parsed = parseRegistryUri(text);
  if (parsed.type === "bad") throw new Malformed(parsed.text);
  return parsed.value;
}

/** All digits that count. */
function gweiText(wei: bigint): string {
  const fraction = String(wei % 1_000_000_000n)
    .padStart(9, "0")
    .replace(/0+$/, "");
  return `${wei / 1_000_000_000n}${fraction === "" ? "" : `.${fraction}`}`;
}
