import { isLoopbackUri } from "../serviceUri.ts";
import { bondingManagerAbi, serviceRegistryAbi } from "../../chain/abi.ts";
import { callData } from "../../chain/contractView.ts";
import type { Hex } from "../../shared/brand.ts";
import { partsPerMillion, percentText, unitText } from "../amounts.ts";
import { accountText, type ChainState, type UnbondingLock, zeroAccount } from "../readState.ts";
import { approveStep, bondStep, noSuchLock, rebondFromUnbondedStep, tooLittleLpt } from "./stake.ts";
import { type HintOf, type Plan, planOf, refusal, refusalOfRound, type Step } from "./step.ts";

/* Who an orchestrator is: its address, its cuts, its place in the pool. Source: chain sheet 3.2, 5. */

/** What the contract keeps: both in parts per million. */
export type Cuts = {
  /** Part of rewards that the orchestrator keeps. */
  readonly rewardCut: bigint;
  /** Part of fees that its delegators get: 100 % less the fee cut. */
  readonly feeShare: bigint;
};

/** The fee cut of operators as the contract keeps it. */
export function feeShareOf(feeCut: bigint): bigint {
  return partsPerMillion - feeCut;
}

/** Which registries an address goes to. */
export type RegistryChoice = "both" | "main" | "ai";

/** `register` wants all of this. */
export type Registration = {
  readonly serviceUri: string;
  /** LPT to bond, wei; ignored once the account is registered. */
  readonly amount: bigint;
  /** A lock to bond in place of LPT from the balance; undefined = none was named, null = the named one is not there. */
  readonly lock: UnbondingLock | null | undefined;
  readonly cuts: Cuts;
  readonly registry: RegistryChoice;
};

/**
 * `register`: the address first, because gateways read it only when the account enters the pool; then the stake, which
 * enters the pool; then the cuts. What the chain shows as done is left out, so that it can be taken up after any step.
 */
export function register(state: ChainState, wanted: Registration, hintOf: HintOf): Plan {
  const { own, round } = state;
  const areCutsSet = own.rewardCut !== 0n || own.feeShare !== 0n;
  const hasUri = own.serviceUri !== null && own.serviceUri !== "";
  const isFinished = areCutsSet || (wanted.cuts.rewardCut === 0n && wanted.cuts.feeShare === 0n);
  if (own.isRegistered && hasUri && isFinished) {
    return refusal(
      "orchestrator already registered",
      "Change it with `bun run cli set-service-uri`, `bun run cli set-cuts` or `bun run cli bond`.",
    );
  }
  const refused = refusalOfUri(state, wanted.serviceUri) ?? refusalOfRound(state, { unlocked: true });
  if (refused !== null) return refused;
  const steps: Step[] = [];
  const done: string[] = [];
  for (const step of uriSteps(state, wanted.serviceUri, wanted.registry, done)) steps.push(step);
  const stake = stakeSteps(state, wanted, hintOf, done);
  if ("type" in stake) return stake;
  steps.push(...stake);
  if (own.rewardCut === wanted.cuts.rewardCut && own.feeShare === wanted.cuts.feeShare) {
    done.push("The cuts are as wanted");
  } else {
    steps.push(cutsStep(state, wanted.cuts, !own.isRegistered));
  }
  if (steps.length === 0) return refusal("orchestrator already registered", "There is nothing left to do.");
  return planOf("register as orchestrator", steps, {
    done,
    notes: [
      `Active from the first block of round ${round.current + 1n} on, if the stake is enough for the pool.`,
      "A step that fails leaves those before it as they are: run the command again to go on from there.",
    ],
    change: { lpt: own.isRegistered || wanted.lock !== undefined ? 0n : -wanted.amount },
  });
}

function stakeSteps(
  state: ChainState,
  { amount, lock }: Registration,
  hintOf: HintOf,
  done: string[],
): readonly Step[] | (Plan & { type: "refused" }) {
  const { own } = state;
  if (own.isRegistered) {
    done.push(`${unitText(own.bonded)} LPT are bonded to yourself`);
    return [];
  }
  const toStake = own.totalStake;
  if (lock !== undefined) {
    if (lock === null) return noSuchLock();
    if (own.delegatorStatus !== "Unbonded") {
      return refusal(
        "caller must be unbonded",
        "A lock can only be bonded anew while nothing else is bonded.",
      );
    }
    return [rebondFromUnbondedStep(state, { lock, to: own.account, toStake }, hintOf)];
  }
  if (amount === 0n && own.bonded === 0n) {
    return refusal("the amount is 0", "Give the LPT to bond, such as `bun run cli register 100`.");
  }
  if (amount > own.lptBalance) return tooLittleLpt(own.lptBalance, amount);
  const approve = approveStep(state, amount);
  if (approve === null) done.push("The BondingManager may take as much already");
  const bond = bondStep(state, { amount, to: own.account, toStake }, hintOf, approve !== null);
  return approve === null ? [bond] : [approve, bond];
}

/** `set-cuts`. What is null stays as it is. */
export function setCuts(
  state: ChainState,
  wanted: { readonly rewardCut: bigint | null; readonly feeShare: bigint | null },
): Plan {
  const { own, round } = state;
  const cuts = { rewardCut: wanted.rewardCut ?? own.rewardCut, feeShare: wanted.feeShare ?? own.feeShare };
  if (!own.isRegistered) {
    return refusal(
      "transcoder must be registered",
      `${accountText(own.account)} is no orchestrator: use \`bun run cli register\`.`,
    );
  }
  if (cuts.rewardCut === own.rewardCut && cuts.feeShare === own.feeShare) {
    return { type: "nothing", text: "The cuts are so already." };
  }
  const refused = refusalOfRound(state, { unlocked: true });
  if (refused !== null) return refused;
  if (own.isActive && own.lastRewardRound < round.current) {
    return refusal(
      "caller can't be active or must have already called reward for the current round",
      `Call the reward of round ${round.current} first: \`bun run cli reward\`.`,
    );
  }
  return planOf("set cuts", [cutsStep(state, cuts, false)], {
    notes: [
      `Before: reward cut ${percentText(own.rewardCut)}, fee cut ${percentText(partsPerMillion - own.feeShare)}.`,
    ],
  });
}

function cutsStep({ contracts }: ChainState, { rewardCut, feeShare }: Cuts, isDependent: boolean): Step {
  const feeCut = partsPerMillion - feeShare;
  return {
    name: "transcoder",
    title: `Keep ${percentText(rewardCut)} of rewards and ${percentText(feeCut)} of fees`,
    contract: "BondingManager",
    functionName: "transcoder",
    arguments: [
      { name: "reward cut", text: `${percentText(rewardCut)} (${rewardCut} parts per million)` },
      {
        name: "fee share",
        text: `${percentText(feeShare)} to delegators (${feeShare} parts per million), a fee cut of ${percentText(feeCut)}`,
      },
    ],
    call: {
      to: contracts.BondingManager,
      data: callData(bondingManagerAbi, "transcoder", [rewardCut, feeShare]),
      value: 0n,
    },
    gasAmple: 700_000n,
    isDependent,
  };
}

/** `set-service-uri`. */
export function setServiceUri(state: ChainState, uri: string, registry: RegistryChoice): Plan {
  const { contracts } = state;
  if (registry === "ai" && contracts.AIServiceRegistry === null) {
    return refusal("this chain has no AI service registry that is known", "Name it with `--aiRegistry 0x…`.");
  }
  if (registry !== "ai" && contracts.ServiceRegistry === null) {
    return refusal("the controller knows no ServiceRegistry", "Correct -ethController.");
  }
  const refused = refusalOfUri(state, uri);
  if (refused !== null) return refused;
  const done: string[] = [];
  const steps = uriSteps(state, uri, registry, done);
  if (steps.length === 0) return { type: "nothing", text: `The address is ${uri} already.` };
  return planOf(`set service URI ${uri}`, steps, {
    done,
    notes: [
      ...(registry === "both" && contracts.AIServiceRegistry === null
        ? ["This chain has no AI service registry that is known: `--aiRegistry 0x…` names one."]
        : []),
      "Gateways that run keep the address that they know until they start again or you enter the pool again.",
    ],
  });
}

function uriSteps(state: ChainState, uri: string, registry: RegistryChoice, done: string[]): readonly Step[] {
  const { own, contracts } = state;
  const places = [
    {
      name: "setServiceUri",
      contract: "ServiceRegistry",
      stored: own.serviceUri,
      isWanted: registry !== "ai",
    },
    {
      name: "setAiServiceUri",
      contract: "AIServiceRegistry",
      stored: own.aiServiceUri,
      isWanted: registry !== "main",
    },
  ] as const;
  const steps: Step[] = [];
  for (const { name, contract, stored, isWanted } of places) {
    const to = contracts[contract];
    if (!isWanted || to === null) continue;
    if (stored === uri) {
      done.push(`The ${contract} has ${uri}`);
      continue;
    }
    steps.push({
      name,
      title: `Store ${uri} in the ${contract}`,
      contract,
      functionName: "setServiceURI",
      arguments: [
        {
          name: "service URI",
          text: `${uri} (before: ${stored === "" || stored === null ? "none" : stored})`,
        },
      ],
      call: { to, data: callData(serviceRegistryAbi, "setServiceURI", [uri]), value: 0n },
      gasAmple: 400_000n,
      isDependent: false,
    });
  }
  return steps;
}

/** `reward-caller`: names who may call the reward besides the orchestrator itself; null takes the name back. */
export function setRewardCaller({ own, contracts }: ChainState, caller: Hex | null): Plan {
  if (own.rewardCaller === undefined) {
    return refusal(
      "this chain's BondingManager knows no reward callers",
      "They came with LIP-118: only the orchestrator's own account can call the reward here.",
    );
  }
  if (own.rewardCaller === caller) {
    const text =
      caller === null ? "No reward caller is set." : `The reward caller is ${accountText(caller)} already.`;
    return { type: "nothing", text };
  }
  if (caller === own.account) {
    return refusal("that is your own account", "It may call the reward anyway: nothing is to be set.");
  }
  const before = own.rewardCaller === null ? "none" : accountText(own.rewardCaller);
  return planOf(
    caller === null ? "unset reward caller" : `set reward caller ${caller}`,
    [
      {
        name: "setRewardCaller",
        title: caller === null ? "Take the reward caller back" : `Let ${accountText(caller)} call the reward`,
        contract: "BondingManager",
        functionName: "setRewardCaller",
        arguments: [
          { name: "caller", text: `${caller === null ? "none" : accountText(caller)} (before: ${before})` },
        ],
        call: {
          to: contracts.BondingManager,
          data: callData(bondingManagerAbi, "setRewardCaller", [caller ?? zeroAccount]),
          value: 0n,
        },
        gasAmple: 120_000n,
        isDependent: false,
      },
    ],
    {
      notes:
        caller === null
          ? []
          : [
              "It can call the reward and nothing else: stake, fees and cuts stay with your key. It needs ETH for gas.",
            ],
    },
  );
}

/** Chains whose gateways are other people's: Ethereum and Arbitrum One. */
const publicChains: readonly bigint[] = [1n, 42161n];

/** Nobody reaches an orchestrator by the name that every machine has for itself. */
function refusalOfUri({ chainId }: ChainState, uri: string): ReturnType<typeof refusal> | null {
  if (!isLoopbackUri(uri) || !publicChains.includes(chainId)) return null;
  return refusal(
    "service address must be a public IP address or hostname",
    "Give the name or address at which gateways reach this node.",
  );
}
