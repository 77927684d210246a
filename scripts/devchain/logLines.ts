import { formatEther, parseEventLogs } from "viem";
import type { DevChain } from "../../test/support/chain/devChain.ts";
import { gateway, orchestrator } from "./folder.ts";

const told = ["RoundsManager", "BondingManager", "TicketBroker", "ServiceRegistry"] as const;

/** Events that say nothing to a person. */
const silent = new Set(["EarningsClaimed", "WinningTicketRedeemed", "ParameterUpdate"]);

/** Arguments that are amounts of 18 decimals. */
const amounts = new Set(["amount", "additionalAmount", "bondedAmount", "deposit", "reserve"]);

/** One line for each event of the contracts in a range of blocks. */
export async function logLines(chain: DevChain, from: bigint, to: bigint): Promise<readonly string[]> {
  const found = await chain.anvil.rpc("eth_getLogs", {
    address: [chain.roundsManager, chain.bondingManager, chain.ticketBroker, chain.serviceRegistry],
    fromBlock: `0x${from.toString(16)}`,
    toBlock: `0x${to.toString(16)}`,
  });
  const abi = told.flatMap((name) => chain.contracts[name]?.abi ?? []);
  // Proxies say nothing themselves, and the contracts have no two events of one name that differ.
  const logs = parseEventLogs({ abi, logs: found as never[] });
  return logs.flatMap((log) => {
    const { eventName, args } = log as unknown as {
      readonly eventName: string;
      readonly args: Readonly<Record<string, unknown>>;
    };
    if (silent.has(eventName)) return [];
    const isMoney = log.address.toLowerCase() === chain.ticketBroker.toLowerCase();
    const unit = isMoney || eventName === "WithdrawFees" ? "ETH" : "LPT";
    const words = Object.entries(args).map(([name, value]) => `${name} ${shown(name, value, unit)}`);
    return [`block ${log.blockNumber}  ${eventName}  ${words.join(", ")}`];
  });
}

function shown(name: string, value: unknown, unit: string): string {
  if (typeof value === "bigint") return amounts.has(name) ? `${formatEther(value)} ${unit}` : `${value}`;
  const text = String(value);
  const account = text.toLowerCase();
  if (account === orchestrator.account) return "orchestrator";
  if (account === gateway.account) return "gateway";
  return /^0x0{40}$/.test(text) ? "-" : text;
}
