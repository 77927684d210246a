import { bondingManagerAbi, livepeerTokenAbi } from "../../chain/abi.ts";
import { callData } from "../../chain/contractView.ts";
import type { Hex } from "../../shared/brand.ts";
import { amountText, unitText } from "../amounts.ts";
import { accountText, type ChainState, type UnbondingLock, zeroAccount } from "../readState.ts";
import { type HintOf, hintText, type Plan, planOf, refusal, refusalOfRound, type Step } from "./step.ts";

/* Stake: in, out, back and home. Source: chain sheet 3.2 to 3.4. */

/**
 * The approval that a bond of `amount` needs; null when the BondingManager may take as much already. It is for exactly
 * the amount: an open approval is a risk that lasts.
 */
export function approveStep({ contracts, own }: ChainState, amount: bigint): Step | null {
  if (own.allowance >= amount) return null;
  const { BondingManager } = contracts;
  return {
    name: "approve",
    title: `Allow the BondingManager to take ${unitText(amount)} LPT`,
    contract: "LivepeerToken",
    functionName: "approve",
    arguments: [
      { name: "spender", text: `the BondingManager ${accountText(BondingManager)}` },
      { name: "amount", text: amountText(amount, "LPT") },
    ],
    call: {
      to: contracts.LivepeerToken,
      data: callData(livepeerTokenAbi, "approve", [BondingManager, amount]),
      value: 0n,
    },
    gasAmple: 120_000n,
    isDependent: false,
  };
}

/**
 * The bond itself, of the additional amount only.
 *
 * @param toStake - present stake of `to`, wei
 */
export function bondStep(
  { contracts, own }: ChainState,
  { amount, to, toStake }: { readonly amount: bigint; readonly to: Hex; readonly toStake: bigint },
  hintOf: HintOf,
  isDependent: boolean,
): Step {
  const isSwitch = own.bonded > 0n && own.delegate !== to;
  const none = { previous: zeroAccount, next: zeroAccount };
  // The old delegate loses all of it; its own stake is not known here, so that its place is left to the contract.
  const hint = hintOf(to, toStake + amount + (isSwitch ? own.pendingStake : 0n));
  return {
    name: "bond",
    title: `Bond ${unitText(amount)} LPT to ${to === own.account ? "yourself" : accountText(to)}`,
    contract: "BondingManager",
    functionName: "bondWithHint",
    arguments: [
      { name: "amount", text: `${amountText(amount, "LPT")} on top of what is bonded` },
      { name: "to", text: accountText(to) },
      { name: "old delegate's neighbours", text: hintText(none) },
      { name: "delegate's neighbours", text: hintText(hint) },
    ],
    call: {
      to: contracts.BondingManager,
      data: callData(bondingManagerAbi, "bondWithHint", [
        ...([amount, to, none.previous, none.next] as const),
        ...([hint.previous, hint.next] as const),
      ]),
      value: 0n,
    },
    gasAmple: 1_000_000n,
    isDependent,
  };
}

/** `bond`: more stake, for the present delegate or another one. */
export function bond(
  state: ChainState,
  wanted: { readonly amount: bigint; readonly to: Hex | null; readonly toStake: bigint },
  hintOf: HintOf,
): Plan {
  const { own } = state;
  const to = wanted.to ?? (own.delegate === zeroAccount ? null : own.delegate);
  if (to === null) {
    return refusal(
      "there is no delegate yet",
      "Name the orchestrator with `--to 0x…`, or become one with `bun run cli register`.",
    );
  }
  const refused = refusalOfRound(state) ?? refusalOfBond(state, wanted.amount, to);
  if (refused !== null) return refused;
  const approve = approveStep(state, wanted.amount);
  const { amount, toStake } = wanted;
  const step = bondStep(state, { amount, to, toStake }, hintOf, approve !== null);
  const isSwitch = own.bonded > 0n && own.delegate !== to;
  return planOf(`bond ${unitText(amount)} LPT`, approve === null ? [step] : [approve, step], {
    done: approve === null && amount > 0n ? ["The BondingManager may take as much already"] : [],
    notes: [
      ...(isSwitch
        ? [
            `All of your stake, ${unitText(own.pendingStake)} LPT, moves from ${accountText(own.delegate)} to the new delegate.`,
          ]
        : []),
      ...(toStake === 0n && to !== own.account
        ? [`Nobody has stake with ${accountText(to)}: it is no orchestrator now, and earns you nothing.`]
        : []),
      `It counts from round ${state.round.current + 1n} on.`,
    ],
    change: { lpt: -amount },
  });
}

function refusalOfBond({ own }: ChainState, amount: bigint, to: Hex): (Plan & { type: "refused" }) | null {
  if (own.isRegistered && to !== own.account) {
    return refusal(
      "registered transcoders can't delegate towards other addresses",
      "An orchestrator's own stake stays with itself. Unbond all of it first to delegate to somebody else.",
    );
  }
  if (!own.isRegistered && to === own.account && own.serviceUri === "") {
    return refusal(
      "bonding to yourself makes you an orchestrator, and no service URI is stored yet",
      "Use `bun run cli register`, which stores it first: gateways read it only when you enter the pool.",
    );
  }
  if (amount === 0n && own.delegate === to) {
    return refusal("the amount is 0", "Give the LPT to add, such as `bun run cli bond 100`.");
  }
  if (amount > own.lptBalance) return tooLittleLpt(own.lptBalance, amount);
  return null;
}

/** Nobody can spend what he does not have. */
export function tooLittleLpt(have: bigint, want: bigint): Plan & { readonly type: "refused" } {
  return refusal(
    "ERC20: transfer amount exceeds balance",
    `The account has ${amountText(have, "LPT")}, which is ${unitText(want - have)} LPT too little.`,
  );
}

/** `unbond`: takes stake out; it can be withdrawn some rounds later. `amount` null = all of it. */
export function unbond(state: ChainState, amount: bigint | null, hintOf: HintOf): Plan {
  const { own, contracts, round } = state;
  const refused = refusalOfRound(state);
  if (refused !== null) return refused;
  if (own.delegatorStatus !== "Bonded") {
    return refusal(
      "caller must be bonded",
      own.delegatorStatus === "Pending"
        ? `Your bond begins with round ${own.startRound}: wait until then.`
        : "This account has no stake.",
    );
  }
  // The contract claims what is pending before it looks at the amount.
  const stake = own.pendingStake;
  const wei = amount ?? stake;
  if (wei === 0n)
    return refusal("unbond amount must be greater than 0", "Give the LPT to take out, or `all`.");
  if (wei > stake) {
    return refusal(
      "amount is greater than bonded amount",
      `Your stake with what is pending is ${amountText(stake, "LPT")}: give at most that, or \`all\`.`,
    );
  }
  const isAll = wei === stake;
  const left = own.isRegistered ? own.totalStake - wei : 0n;
  const hint = own.isRegistered && !isAll ? hintOf(own.account, left) : hintOf(zeroAccount, 0n);
  const lockId = own.nextUnbondingLockId;
  const withdrawRound = round.current + state.unbondingPeriod;
  const step: Step = {
    name: "unbond",
    title: `Unbond ${unitText(wei)} LPT from ${own.delegate === own.account ? "yourself" : accountText(own.delegate)}`,
    contract: "BondingManager",
    functionName: "unbondWithHint",
    arguments: [
      { name: "amount", text: amountText(wei, "LPT") },
      { name: "delegate's neighbours", text: hintText(hint) },
    ],
    call: {
      to: contracts.BondingManager,
      data: callData(bondingManagerAbi, "unbondWithHint", [wei, hint.previous, hint.next]),
      value: 0n,
    },
    gasAmple: 1_000_000n,
    isDependent: false,
  };
  return planOf(`unbond ${unitText(wei)} LPT`, [step], {
    notes: [
      `It becomes lock ${lockId}: \`bun run cli withdraw-stake ${lockId}\` from round ${withdrawRound} on, ` +
        `\`bun run cli rebond ${lockId}\` until then.`,
      ...(isAll && own.isRegistered
        ? [
            "It is all of your own stake: you leave the pool at the end of this round, and earn nothing from then on.",
          ]
        : []),
    ],
  });
}

/** `rebond`: puts a lock back to work. `to` only from unbonded. */
export function rebond(
  state: ChainState,
  wanted: { readonly lock: UnbondingLock | null; readonly to: Hex | null; readonly toStake: bigint },
  hintOf: HintOf,
): Plan {
  const { own, contracts } = state;
  const refused = refusalOfRound(state);
  if (refused !== null) return refused;
  const { lock, to } = wanted;
  if (lock === null) return noSuchLock();
  if (own.delegatorStatus !== "Unbonded") {
    if (to !== null && to !== own.delegate) {
      return refusal(
        "caller must be unbonded",
        `Your stake is with ${accountText(own.delegate)}, and a lock can only go back there: leave \`--to\` out.`,
      );
    }
    const hint = hintOf(own.delegate, wanted.toStake + lock.amount);
    const step: Step = {
      ...rebondWords(lock, own.delegate, own.account),
      functionName: "rebondWithHint",
      arguments: [lockArgument(lock), { name: "delegate's neighbours", text: hintText(hint) }],
      call: {
        to: contracts.BondingManager,
        data: callData(bondingManagerAbi, "rebondWithHint", [lock.id, hint.previous, hint.next]),
        value: 0n,
      },
    };
    return planOf(`rebond lock ${lock.id}`, [step]);
  }
  if (to === null) {
    return refusal(
      "caller must be bonded",
      "All of your stake is unbonded: name whom it shall go to, `--to 0x…` (your own account to be an orchestrator).",
    );
  }
  const step = rebondFromUnbondedStep(state, { lock, to, toStake: wanted.toStake }, hintOf);
  return planOf(`rebond lock ${lock.id} to ${to}`, [step], {
    notes: [`It counts from round ${state.round.current + 1n} on.`],
  });
}

/** Bonds a lock anew, for an account without stake. */
export function rebondFromUnbondedStep(
  { own, contracts }: ChainState,
  { lock, to, toStake }: { readonly lock: UnbondingLock; readonly to: Hex; readonly toStake: bigint },
  hintOf: HintOf,
): Step {
  const hint = hintOf(to, toStake + lock.amount);
  return {
    ...rebondWords(lock, to, own.account),
    functionName: "rebondFromUnbondedWithHint",
    arguments: [
      { name: "to", text: accountText(to) },
      lockArgument(lock),
      { name: "delegate's neighbours", text: hintText(hint) },
    ],
    call: {
      to: contracts.BondingManager,
      data: callData(bondingManagerAbi, "rebondFromUnbondedWithHint", [
        to,
        lock.id,
        hint.previous,
        hint.next,
      ]),
      value: 0n,
    },
  };
}

function rebondWords(lock: UnbondingLock, to: Hex, own: Hex) {
  return {
    name: "rebond",
    title: `Rebond ${unitText(lock.amount)} LPT to ${to === own ? "yourself" : accountText(to)}`,
    contract: "BondingManager",
    gasAmple: 1_000_000n,
    isDependent: false,
  } as const;
}

function lockArgument(lock: UnbondingLock) {
  return { name: "lock", text: `${lock.id}, of ${amountText(lock.amount, "LPT")}` };
}

/** The lock was never there, or is used up. */
export function noSuchLock(): Plan & { readonly type: "refused" } {
  return refusal("invalid unbonding lock ID", "`bun run cli locks` lists the open ones.");
}

/** `withdraw-stake`: LPT of a lock that has come due, back to the account. */
export function withdrawStake(state: ChainState, lock: UnbondingLock | null): Plan {
  const refused = refusalOfRound(state);
  if (refused !== null) return refused;
  if (lock === null) return noSuchLock();
  const { current } = state.round;
  if (lock.withdrawRound > current) {
    return refusal(
      "withdraw round must be before or equal to the current round",
      `Lock ${lock.id} can be withdrawn from round ${lock.withdrawRound} on; this is round ${current}.`,
    );
  }
  const step: Step = {
    name: "withdrawStake",
    title: `Withdraw ${unitText(lock.amount)} LPT of lock ${lock.id} to your account`,
    contract: "BondingManager",
    functionName: "withdrawStake",
    arguments: [lockArgument(lock)],
    call: {
      to: state.contracts.BondingManager,
      data: callData(bondingManagerAbi, "withdrawStake", [lock.id]),
      value: 0n,
    },
    gasAmple: 400_000n,
    isDependent: false,
  };
  return planOf(`withdraw stake of lock ${lock.id}`, [step], { change: { lpt: lock.amount } });
}

/** `claim-earnings`: books what is pending. Every other action on stake does so too. */
export function claimEarnings(state: ChainState): Plan {
  const refused = refusalOfRound(state);
  if (refused !== null) return refused;
  const { own, round, contracts } = state;
  if (own.delegatorStatus === "Unbonded") {
    return { type: "nothing", text: "This account has no stake, and so no earnings to claim." };
  }
  const step: Step = {
    name: "claimEarnings",
    title: "Book pending stake and fees",
    contract: "BondingManager",
    functionName: "claimEarnings",
    arguments: [{ name: "end round", text: String(round.current) }],
    call: {
      to: contracts.BondingManager,
      data: callData(bondingManagerAbi, "claimEarnings", [round.current]),
      value: 0n,
    },
    gasAmple: 500_000n,
    isDependent: false,
  };
  return planOf("claim earnings", [step], {
    notes: [
      `Stake becomes ${amountText(own.pendingStake, "LPT")}, fees ${amountText(own.pendingFees, "ETH")}.`,
      "bond, unbond, rebond and withdraw-fees do this on their way: it is rarely needed by itself.",
    ],
  });
}
