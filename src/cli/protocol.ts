import { bondingManagerAbi, minterAbi, ticketBrokerAbi } from "../chain/abi.ts";
import { viewOf } from "../chain/contractView.ts";
import { renderJson, renderTable } from "../replay/render.ts";
import { amountText, scaledText } from "./amounts.ts";
import type { Context } from "./perform.ts";
import { accountText, readAll } from "./readState.ts";

/**
 * `protocol`: the protocol's parameters. Two scales: parts per million at the BondingManager and the RoundsManager,
 * parts per thousand million at the Minter. Source: chain sheet 1.5.
 */
export async function protocol({ state, rpc, ports, options, command }: Context): Promise<number> {
  const { contracts, round } = state;
  const { BondingManager: bonding, Minter, TicketBroker } = contracts;
  const pool = await readAll(rpc, {
    totalBonded: viewOf(bondingManagerAbi, bonding, "getTotalBonded", []),
    poolSize: viewOf(bondingManagerAbi, bonding, "getTranscoderPoolSize", []),
    poolSizeMax: viewOf(bondingManagerAbi, bonding, "getTranscoderPoolMaxSize", []),
  });
  const minter =
    Minter === null
      ? null
      : await readAll(rpc, {
          inflation: viewOf(minterAbi, Minter, "inflation", []),
          inflationChange: viewOf(minterAbi, Minter, "inflationChange", []),
          targetBondingRate: viewOf(minterAbi, Minter, "targetBondingRate", []),
          mintable: viewOf(minterAbi, Minter, "currentMintableTokens", []),
          supply: viewOf(minterAbi, Minter, "getGlobalTotalSupply", []),
        });
  const broker =
    TicketBroker === null
      ? null
      : await readAll(rpc, {
          unlockPeriod: viewOf(ticketBrokerAbi, TicketBroker, "unlockPeriod", []),
          ticketValidityPeriod: viewOf(ticketBrokerAbi, TicketBroker, "ticketValidityPeriod", []),
        });
  const { unbondingPeriod, isPaused, chainId, controller } = state;
  if (options.json === true) {
    const json = {
      command,
      chainId,
      controller,
      isPaused,
      round,
      unbondingPeriod,
      pool,
      minter,
      broker,
      contracts,
    };
    ports.output.print(renderJson(json));
    return 0;
  }
  const billionths = (parts: bigint) => `${scaledText(parts, 7)} %`;
  const rows: string[][] = [
    ["paused", isPaused ? "yes" : "no"],
    ["round", `${round.current}, ${round.length} L1 blocks, from block ${round.startBlock} on`],
    ["locked at the end", `${scaledText(round.lockAmount, 4)} % of a round`],
    ["unbonding", `${unbondingPeriod} rounds`],
    ["pool", `${pool.poolSize} of at most ${pool.poolSizeMax}`],
    ["bonded", amountText(pool.totalBonded, "LPT")],
    ...(minter === null
      ? []
      : [
          ["supply", amountText(minter.supply, "LPT")],
          [
            "inflation",
            `${billionths(minter.inflation)} a round, by ${billionths(minter.inflationChange)} up or down`,
          ],
          ["target bonding rate", billionths(minter.targetBondingRate)],
          ["minted this round", `at most ${amountText(minter.mintable, "LPT")}`],
        ]),
    ...(broker === null
      ? []
      : [
          ["tickets are valid", `${broker.ticketValidityPeriod} rounds`],
          ["gateways unlock in", `${broker.unlockPeriod} rounds`],
        ]),
    ["Controller", accountText(controller)],
    ...Object.entries(contracts).map(([name, address]) => [
      name,
      address === null ? "none" : accountText(address),
    ]),
  ];
  ports.output.print(renderTable(["what", "is"], rows));
  return 0;
}
