import { renderJson, renderTable } from "../replay/render.ts";
import { amountText, partsPerMillion, percentText, unitText } from "./amounts.ts";
import type { Context } from "./perform.ts";
import { type AccountState, accountText, readLocks, type UnbondingLock } from "./readState.ts";
import { gweiText, printable } from "./view.ts";

/** Gas of a node's day: a reward a round, by far the most of what it must pay. Source: chain sheet 4.1. */
const rewardGas = 576_000n;
const secondsPerBlock = 12n;
const secondsPerDay = 86_400n;

/** `status`: where the node's account stands, and what asks for attention. */
export async function status(context: Context): Promise<number> {
  const { state, ports, rpc, options, settings, command } = context;
  const { own, orchestrator, round } = state;
  const locks = await readLocks(rpc, state.contracts.BondingManager, own);
  const tickets = ports.openTickets(settings.dataDir);
  const drift = driftOf(settings.serviceAddr, orchestrator);
  const daysLeft = runwayDays(context);
  const advice = adviceFor(context, locks, drift, daysLeft);
  if (options.json === true) {
    ports.output.print(
      renderJson({
        command,
        chainId: state.chainId,
        network: settings.chain.network,
        isPaused: state.isPaused,
        l1Block: state.l1Block,
        gasPrice: state.gasPrice,
        round,
        account: own,
        orchestrator: { ...orchestrator, rewardCaller: orchestrator.rewardCaller ?? null },
        feeCut: partsPerMillion - orchestrator.feeShare,
        contracts: state.contracts,
        locks,
        tickets,
        drift,
        gasRunwayDays: daysLeft,
        advice,
      }),
    );
    return 0;
  }
  const rows = statusRows(context, locks, daysLeft);
  if (tickets !== null) {
    rows.push(["tickets open", `${tickets.count}, worth ${amountText(tickets.wei, "ETH")}`]);
  }
  ports.output.print(
    renderTable(
      ["what", "is"],
      rows.map(([name, text]) => [name, printable(text)]),
    ),
  );
  for (const line of advice) ports.output.print(`! ${line}`);
  return 0;
}

function statusRows({ state, settings }: Context, locks: readonly UnbondingLock[], daysLeft: number | null) {
  const { own, orchestrator, round } = state;
  const isOther = orchestrator.account !== own.account;
  const end = round.startBlock + round.length;
  const rows: [string, string][] = [
    ["network", `${settings.chain.network}, chain ${state.chainId}${state.isPaused ? ", PAUSED" : ""}`],
    ["account", accountText(own.account)],
    ...(isOther ? ([["orchestrator", accountText(orchestrator.account)]] as [string, string][]) : []),
    [
      "round",
      `${round.current}${round.isInitialized ? "" : ", not initialised"}${round.isLocked ? ", locked" : ""}; ` +
        `L1 block ${state.l1Block}, ends at ${end}`,
    ],
    ["orchestrator is", standing(orchestrator, round.current)],
    ["stake", `${amountText(orchestrator.totalStake, "LPT")} with delegators`],
    [
      "own stake",
      `${amountText(own.pendingStake, "LPT")} with what is pending${own.pendingStake === 0n ? "" : `, ${own.delegatorStatus}`}`,
    ],
    ["fees", amountText(own.pendingFees, "ETH")],
    ["reward cut", percentText(orchestrator.rewardCut)],
    [
      "fee cut",
      `${percentText(partsPerMillion - orchestrator.feeShare)} (delegators get ${percentText(orchestrator.feeShare)})`,
    ],
    ["last reward", orchestrator.lastRewardRound === 0n ? "never" : `round ${orchestrator.lastRewardRound}`],
    ["reward caller", rewardCallerText(orchestrator)],
    ["service URI", orchestrator.serviceUri === "" ? "none" : (orchestrator.serviceUri ?? "no registry")],
    [
      "AI service URI",
      orchestrator.aiServiceUri === "" ? "none" : (orchestrator.aiServiceUri ?? "no registry known"),
    ],
    ["LPT", amountText(own.lptBalance, "LPT")],
    ["ETH", amountText(own.ethBalance, "ETH")],
    ["gas price", gweiText(state.gasPrice)],
    [
      "gas lasts",
      daysLeft === null ? "for ever, at a price of 0" : `${daysLeft} days of rewards at this price`,
    ],
  ];
  for (const lock of locks) rows.push([`lock ${lock.id}`, lockText(lock, round.current)]);
  return rows;
}

function standing(
  { isActive, isRegistered, activationRound, deactivationRound }: AccountState,
  current: bigint,
) {
  if (!isRegistered)
    return isActive ? `active until the end of round ${current}, then out` : "not registered";
  if (isActive && deactivationRound === current + 1n)
    return `registered; active, but out from round ${current + 1n} on`;
  if (isActive) return "registered and active";
  if (activationRound > current) return `registered; active from round ${activationRound} on`;
  return "registered, but not in the active set: its stake is not enough";
}

function rewardCallerText({ rewardCaller }: AccountState): string {
  if (rewardCaller === undefined) return "not known to this BondingManager";
  return rewardCaller === null ? "none" : accountText(rewardCaller);
}

/** A lock in words. */
export function lockText({ amount, withdrawRound }: UnbondingLock, current: bigint): string {
  const when =
    withdrawRound <= current ? "can be withdrawn" : `can be withdrawn from round ${withdrawRound} on`;
  return `${unitText(amount)} LPT, ${when}`;
}

/** The registries in which another address stands than the node is given, or none. Empty without `-serviceAddr`. */
function driftOf(serviceAddr: string, { serviceUri, aiServiceUri }: AccountState) {
  if (serviceAddr === "" || serviceAddr === "none") return [];
  const wanted = (/^https?:\/\//.test(serviceAddr) ? serviceAddr : `https://${serviceAddr}`).replace(
    /\/$/,
    "",
  );
  const drift: { readonly registry: string; readonly stored: string; readonly wanted: string }[] = [];
  if (serviceUri !== null && serviceUri !== wanted) {
    drift.push({ registry: "ServiceRegistry", stored: serviceUri, wanted });
  }
  // Who is not part of the AI network has none there, which is fine.
  if (aiServiceUri !== null && aiServiceUri !== "" && aiServiceUri !== wanted) {
    drift.push({ registry: "AIServiceRegistry", stored: aiServiceUri, wanted });
  }
  return drift;
}

/** Whole days that the ETH pays a reward a round; null when gas costs nothing. */
function runwayDays({ state }: Context): number | null {
  const { gasPrice, own, round } = state;
  const costPerRound = rewardGas * gasPrice;
  if (costPerRound === 0n) return null;
  const days = ((own.ethBalance / costPerRound) * round.length * secondsPerBlock) / secondsPerDay;
  return Number(days > 99_999n ? 99_999n : days);
}

function adviceFor(
  { state }: Context,
  locks: readonly UnbondingLock[],
  drift: ReturnType<typeof driftOf>,
  daysLeft: number | null,
): readonly string[] {
  const { own, orchestrator, round } = state;
  const due = locks.filter(({ withdrawRound }) => withdrawRound <= round.current);
  return [
    ...(round.isInitialized
      ? []
      : [`Round ${round.current} is not initialised: \`bun run cli initialize-round\`.`]),
    ...(orchestrator.isActive && round.isInitialized && orchestrator.lastRewardRound < round.current
      ? [`The reward of round ${round.current} has not been called: \`bun run cli reward\`.`]
      : []),
    ...drift.map(
      ({ registry, stored, wanted }) =>
        `The ${registry} has ${stored === "" ? "no address" : printable(stored)}, but -serviceAddr is ${wanted}: \`bun run cli set-service-uri\`.`,
    ),
    ...(orchestrator.isRegistered && orchestrator.serviceUri === "" && drift.length === 0
      ? ["No service URI is stored: gateways cannot find you. `bun run cli set-service-uri`."]
      : []),
    ...(daysLeft !== null && daysLeft < 7 ? [`The ETH lasts ${daysLeft} more days at this gas price.`] : []),
    ...due.map(({ id }) => `Lock ${id} can be withdrawn: \`bun run cli withdraw-stake ${id}\`.`),
    ...(own.lptBalance > 0n && orchestrator.account === own.account && !own.isRegistered
      ? ["The account has LPT and is no orchestrator: `bun run cli register`."]
      : []),
  ];
}

/** `locks`: stake on its way out. */
export async function locks({ state, ports, rpc, options, command }: Context): Promise<number> {
  const { print } = ports.output;
  const { own, round } = state;
  const found = await readLocks(rpc, state.contracts.BondingManager, own);
  if (options.json === true) {
    print(
      renderJson({
        command,
        account: own.account,
        round: round.current,
        locks: found.map((lock) => ({ ...lock, isWithdrawable: lock.withdrawRound <= round.current })),
      }),
    );
  } else if (found.length === 0) print("No stake is on its way out.");
  else {
    const rows = found.map((lock) => [
      String(lock.id),
      `${unitText(lock.amount)} LPT`,
      String(lock.withdrawRound),
      lock.withdrawRound <= round.current ? "yes" : "no",
    ]);
    print(renderTable(["lock", "amount", "free in round", "free"], rows));
  }
  return 0;
}
