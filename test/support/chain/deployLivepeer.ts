import { keccak256, parseEther, stringToHex, zeroAddress } from "viem";
import { anybody, type Draft, type Hex, type Transactions } from "./transactions.ts";

/** The contracts of the protocol on a development chain. */
export type LivepeerContracts = {
  readonly controller: Hex;
  readonly livepeerToken: Hex;
  readonly serviceRegistry: Hex;
  /** Not known to the Controller, as on Arbitrum One. */
  readonly aiServiceRegistry: Hex;
  readonly bondingManager: Hex;
  readonly ticketBroker: Hex;
  readonly roundsManager: Hex;
  readonly minter: Hex;
  readonly livepeerGovernor: Hex;
  /** Not known to the Controller of the node either. */
  readonly pollCreator: Hex;
  readonly l2LptDataCache: Hex;
  /** Where the treasury's part of rewards goes. An account that nobody has. */
  readonly treasury: Hex;
};

/** The parameters that tests choose. */
export type LivepeerParameters = {
  /** L1 blocks. */
  readonly roundLength: bigint;
  /** Default 100. */
  readonly maxPoolSize?: bigint;
  /** Rounds. Default 7. */
  readonly unbondingPeriod?: bigint;
  /** Parts of 1,000,000,000 of the supply for each round. Default 560,500. */
  readonly inflation?: bigint;
  /** With 27 digits; from the first round on. Default 0, as read on Arbitrum One. */
  readonly treasuryRewardCutRate?: bigint;
  /** L1 blocks. Default 1,000. */
  readonly pollPeriod?: bigint;
};

/** All LPT that there is at the beginning; {@link anybody} has it. */
export const initialSupply: bigint = parseEther("50000000");

/** The account that the Controller knows as the treasury. */
const treasury: Hex = "0x00000000000000000000000000000000007ea5e2";

/** Deploys, registers and unpauses everything in one block. Contracts that have a proxy on Arbitrum have one here. */
export async function deployLivepeer(
  transactions: Transactions,
  parameters: LivepeerParameters,
): Promise<LivepeerContracts> {
  const deployment = new Deployment(transactions);
  const controller = deployment.deploy("Controller", []);
  const proxied = (name: string): Hex => {
    deployment.register(`${name}Target`, deployment.deploy(name, [controller]));
    const id = keccak256(stringToHex(`${name}Target`));
    return deployment.register(name, deployment.deploy("ManagerProxy", [controller, id]));
  };
  const roundsManager = proxied("RoundsManager");
  const bondingManager = proxied("BondingManager");
  const ticketBroker = proxied("TicketBroker");
  const serviceRegistry = proxied("ServiceRegistry");
  const livepeerGovernor = deployment.register(
    "LivepeerGovernor",
    deployment.deploy("LivepeerGovernor", [controller]),
  );
  const livepeerToken = deployment.register("LivepeerToken", deployment.deploy("LivepeerToken", []));
  const inflation = parameters.inflation ?? 560_500n;
  const minter = deployment.deploy("Minter", [controller, inflation, 500n, 500_000_000n]);
  const l2LptDataCache = deployment.deploy("L2LPTDataCache", []);
  const aiServiceRegistry = deployment.deploy("ServiceRegistry", [controller]);
  const pollCreator = deployment.deploy("PollCreator", [bondingManager, parameters.pollPeriod ?? 1_000n]);
  deployment.register("Minter", minter);
  deployment.register("L2LPTDataCache", l2LptDataCache);
  deployment.register("JobsManager", ticketBroker);
  deployment.register("Treasury", treasury);

  const { call } = deployment;
  call("RoundsManager", roundsManager, "setRoundLength", [parameters.roundLength]);
  call("RoundsManager", roundsManager, "setRoundLockAmount", [100_000n]);
  call("BondingManager", bondingManager, "setUnbondingPeriod", [parameters.unbondingPeriod ?? 7n]);
  call("BondingManager", bondingManager, "setNumActiveTranscoders", [parameters.maxPoolSize ?? 100n]);
  call("TicketBroker", ticketBroker, "setUnlockPeriod", [2n]);
  call("TicketBroker", ticketBroker, "setTicketValidityPeriod", [2n]);
  const cut = parameters.treasuryRewardCutRate ?? 0n;
  if (cut > 0n) call("BondingManager", bondingManager, "setTreasuryRewardCutRate", [cut]);
  call("LivepeerToken", livepeerToken, "mint", [anybody, initialSupply]);
  call("Controller", controller, "unpause", []);
  await transactions.together(deployment.drafts);
  return {
    ...{ controller, livepeerToken, serviceRegistry, aiServiceRegistry, bondingManager, ticketBroker },
    ...{ roundsManager, minter, livepeerGovernor, pollCreator, l2LptDataCache, treasury },
  };
}

class Deployment {
  readonly drafts: Draft[] = [];
  readonly #transactions: Transactions;
  #controller: Hex = zeroAddress;

  constructor(transactions: Transactions) {
    this.#transactions = transactions;
  }

  readonly call = (contract: string, to: Hex, functionName: string, args: readonly unknown[]): void => {
    this.drafts.push(this.#transactions.callDraft(contract, to, functionName, args));
  };

  deploy(name: string, args: readonly unknown[]): Hex {
    const { address, draft } = this.#transactions.deployDraft(name, args);
    this.drafts.push(draft);
    if (name === "Controller") this.#controller = address;
    return address;
  }

  register(name: string, address: Hex): Hex {
    const id = keccak256(stringToHex(name));
    this.call("Controller", this.#controller, "setContractInfo", [id, address, `0x${"00".repeat(20)}`]);
    return address;
  }
}
