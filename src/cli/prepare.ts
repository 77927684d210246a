import { quantityOf, readAnswer } from "../chain/contractView.ts";
import { revertReason } from "../chain/revertReasons.ts";
import type { ChainCall } from "../runtime/chainPorts.ts";
import type { Hex } from "../shared/brand.ts";
import type { Step } from "./actions/step.ts";
import { CliFailure } from "./cliError.ts";
import type { CliRpc } from "./ports.ts";
import { explain, type Explained } from "./reasons.ts";

/** A step with what the chain says about it now. */
export type Prepared = {
  readonly step: Step;
  readonly gasLimit: bigint;
  /** `later`: it can be tried only once the steps before it are mined. */
  readonly simulation:
    | { readonly type: "runs" }
    | { readonly type: "later" }
    | { readonly type: "reverts"; readonly reason: string; readonly explained: Explained | null };
};

/**
 * Tries steps on the present state, and sets their gas.
 *
 * @param gasFixed - `-gasLimit`: gas of every transaction; 0 = what is estimated, with a margin
 * @throws CliFailure when the chain does not answer
 */
export async function prepare(
  rpc: CliRpc,
  from: Hex,
  steps: readonly Step[],
  gasFixed: bigint,
): Promise<readonly Prepared[]> {
  const prepared = await Promise.all(
    steps.map((step) => (step.isDependent ? later(step) : prepareStep(rpc, from, step))),
  );
  return prepared.map((one) => (gasFixed > 0n ? { ...one, gasLimit: gasFixed } : one));
}

function later(step: Step): Prepared {
  return { step, gasLimit: step.gasAmple, simulation: { type: "later" } };
}

/** Tries one step on the present state, whatever it depends on. */
export async function prepareStep(rpc: CliRpc, from: Hex, step: Step): Promise<Prepared> {
  const { revert, gas } = await trial(rpc, from, step.call);
  if (revert !== null) {
    return {
      step,
      gasLimit: step.gasAmple,
      simulation: { type: "reverts", reason: revert, explained: explain(revert) },
    };
  }
  return { step, gasLimit: gas === null ? step.gasAmple : withMargin(gas), simulation: { type: "runs" } };
}

/** What the node estimates is just enough now; the same call may cost more when its block comes. */
function withMargin(gas: bigint): bigint {
  return (gas * 13n) / 10n + 30_000n;
}

/** Runs a call without sending it: the contract's words when it reverts, and the gas that the node estimates. */
export async function trial(
  rpc: CliRpc,
  from: Hex,
  { to, data, value }: ChainCall,
): Promise<{ readonly revert: string | null; readonly gas: bigint | null }> {
  const call = { from, to, data, value: `0x${value.toString(16)}` };
  const [ran, estimated] = await rpc.batch([
    { method: "eth_call", params: [call, "latest"] },
    { method: "eth_estimateGas", params: [call] },
  ]);
  const reason = ran === undefined ? null : revertReason(ran);
  if (reason !== null)
    return { revert: reason === "" ? "the contract refuses without words" : reason, gas: null };
  if (ran?.type !== "result") {
    throw new CliFailure(
      `The chain cannot be read: ${ran?.text ?? "no answer"}.`,
      "Check -ethUrl, and try again.",
    );
  }
  const gas = readAnswer(quantityOf("eth_estimateGas"), estimated);
  return { revert: null, gas: gas.type === "read" ? gas.value : null };
}
