import { encodeFunctionData, parseEther } from "viem";
import type { Anvil } from "./anvil.ts";
import type { LivepeerContracts } from "./deployLivepeer.ts";
import { anybody, type Draft, type Hex, type Transactions } from "./transactions.ts";

/** Both in parts per million: its part of rewards, and the delegators' part of fees. */
export type Cuts = {
  /** Default 0. */
  readonly rewardCut?: bigint;
  /** Default 0. */
  readonly feeShare?: bigint;
  /** Default: none is stored. */
  readonly serviceUri?: string;
};

type Registration = { readonly account: Hex; readonly stake: bigint; readonly cuts: Cuts | null };

/** Registers orchestrators through the real functions, many in one block. */
export class Orchestrators {
  readonly #anvil: Anvil;
  readonly #transactions: Transactions;
  readonly #livepeer: LivepeerContracts;
  #made = 0;

  constructor(anvil: Anvil, transactions: Transactions, livepeer: LivepeerContracts) {
    this.#anvil = anvil;
    this.#transactions = transactions;
    this.#livepeer = livepeer;
  }

  async add(count: number, stakeOf = defaultStake): Promise<readonly Hex[]> {
    const registrations = Array.from({ length: count }, (_, index): Registration => {
      this.#made += 1;
      const account: Hex = `0x0c${this.#made.toString(16).padStart(38, "0")}`;
      return { account, stake: stakeOf(index), cuts: null };
    });
    await this.register(registrations);
    return registrations.map(({ account }) => account);
  }

  async register(registrations: readonly Registration[]): Promise<void> {
    const { bondingManager } = this.#livepeer;
    const balances = await this.#anvil.batch(
      registrations.map(({ account }) => ["eth_getBalance", [account, "latest"]] as const),
    );
    const enough = parseEther("10");
    await this.#anvil.batch(
      registrations.flatMap(({ account }, at) =>
        BigInt(String(balances[at])) < enough
          ? [["anvil_setBalance", [account, `0x${enough.toString(16)}`]] as const]
          : [],
      ),
    );
    await this.#transactions.together([
      this.#draft(anybody, "BondingManager", bondingManager, "forgetTranscoderPoolSize", []),
      ...registrations.map(({ account, stake }) =>
        this.#draft(anybody, "LivepeerToken", this.#livepeer.livepeerToken, "transfer", [account, stake]),
      ),
    ]);
    await this.#transactions.together(registrations.flatMap((each) => this.#steps(each)));
  }

  #steps({ account, stake, cuts }: Registration): readonly Draft[] {
    const { bondingManager, livepeerToken, serviceRegistry } = this.#livepeer;
    const steps = [
      this.#draft(account, "LivepeerToken", livepeerToken, "approve", [bondingManager, stake]),
      this.#draft(account, "BondingManager", bondingManager, "bond", [stake, account]),
    ];
    if (cuts?.serviceUri !== undefined) {
      const args = [cuts.serviceUri];
      steps.unshift(this.#draft(account, "ServiceRegistry", serviceRegistry, "setServiceURI", args));
    }
    if (cuts !== null) {
      const args = [cuts.rewardCut ?? 0n, cuts.feeShare ?? 0n];
      steps.push(this.#draft(account, "BondingManager", bondingManager, "transcoder", args));
    }
    return steps;
  }

  #draft(from: Hex, contract: string, to: Hex, functionName: string, args: readonly unknown[]): Draft {
    const data = encodeFunctionData({ abi: this.#transactions.abi(contract), functionName, args });
    // Room for a walk through a long pool.
    return { from, to, data, gas: "0x1e8480" };
  }
}

function defaultStake(index: number): bigint {
  return parseEther(`${1_000 + 10 * index}`);
}
