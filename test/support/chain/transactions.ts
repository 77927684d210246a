import { type Abi, encodeDeployData, encodeFunctionData, getContractAddress } from "viem";
import type { Anvil } from "./anvil.ts";
import type { CompiledContract } from "./compileContracts.ts";

/** Lower case where we make it; as the node writes it elsewhere. */
export type Hex = `0x${string}`;

/** What became of a transaction of a test. */
export type Mined = {
  readonly hash: Hex;
  readonly block: bigint;
  readonly gasUsed: bigint;
  readonly contractAddress: Hex | null;
};

/** When blocks come. */
export type Mining =
  | { readonly type: "automine" }
  | { readonly type: "interval"; readonly seconds: number }
  /** Only when a test says so. */
  | { readonly type: "held" };

/** A transaction that has not been sent, in the words of `eth_sendTransaction`. */
export type Draft = Readonly<Record<string, string>> & { readonly from: Hex };

/** The first account of anvil's usual mnemonic: it deploys, holds all LPT, and does what anybody may do. */
export const anybody: Hex = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

/** Sends what tests do, from any account: the node asks for no key. */
export class Transactions {
  readonly #anvil: Anvil;
  readonly #contracts: Readonly<Record<string, CompiledContract>>;
  #mining: Mining = { type: "automine" };
  #nonce = 0n;

  constructor(anvil: Anvil, contracts: Readonly<Record<string, CompiledContract>>) {
    this.#anvil = anvil;
    this.#contracts = contracts;
  }

  get mining(): Mining {
    return this.#mining;
  }

  async setMining(mining: Mining): Promise<void> {
    await this.#anvil.rpc("evm_setAutomine", mining.type === "automine");
    await this.#anvil.rpc("evm_setIntervalMining", mining.type === "interval" ? mining.seconds : 0);
    // Turning the interval off turns automine off too.
    if (mining.type === "automine") await this.#anvil.rpc("evm_setAutomine", true);
    this.#mining = mining;
  }

  /**
   * The address that the next contract of {@link anybody} gets, and its transaction. All drafts must be sent, in
   * order, before anything else is.
   */
  deployDraft(name: string, args: readonly unknown[]): { readonly address: Hex; readonly draft: Draft } {
    const { abi, bytecode } = this.contract(name);
    const data = encodeDeployData({ abi, bytecode, args });
    const address = getContractAddress({ from: anybody, nonce: this.#nonce });
    // Generous, and still so little that everything fits into one block.
    const gas = 400_000 + 130 * data.length;
    return { address, draft: this.#numbered({ from: anybody, data, gas: `0x${gas.toString(16)}` }) };
  }

  /** A transaction of {@link anybody} that follows {@link deployDraft}s. */
  callDraft(contract: string, to: Hex, functionName: string, args: readonly unknown[]): Draft {
    const data = encodeFunctionData({ abi: this.contract(contract).abi, functionName, args });
    return this.#numbered({ from: anybody, to, data, gas: "0x30d40" });
  }

  /** Sends all at once and mines them into one block. @throws Error when one of them fails */
  async together(drafts: readonly Draft[]): Promise<readonly Mined[]> {
    const before = this.#mining;
    const head = (await this.#anvil.rpc("eth_getBlockByNumber", "latest", false)) as { gasLimit: Hex };
    if (before.type !== "held") await this.setMining({ type: "held" });
    await this.#anvil.rpc("evm_setBlockGasLimit", "0x3b9aca000");
    const numbered = await this.#inOrder(drafts);
    const requests = numbered.map((draft) => ["eth_sendTransaction", [withFees(draft)]] as const);
    const hashes = await this.#anvil.batch(requests);
    await this.#anvil.rpc("evm_mine");
    await this.#anvil.rpc("evm_setBlockGasLimit", head.gasLimit);
    const receipts = await this.#anvil.batch(
      hashes.map((hash) => ["eth_getTransactionReceipt", [hash]] as const),
    );
    if (before.type !== "held") await this.setMining(before);
    return receipts.map((receipt, at) => {
      const mined = minedOf(receipt);
      if (mined === null) throw new Error(`Transaction ${at + 1} of ${drafts.length} failed.`);
      return mined;
    });
  }

  async deploy(name: string, args: readonly unknown[]): Promise<Hex> {
    const { abi, bytecode } = this.contract(name);
    const data = encodeDeployData({ abi, bytecode, args });
    const { contractAddress } = await this.mined({ from: anybody, data });
    if (contractAddress === null) throw new Error(`${name} was not deployed.`);
    return contractAddress;
  }

  async send(
    contract: string,
    to: Hex,
    functionName: string,
    args: readonly unknown[],
    options: { readonly from?: Hex; readonly value?: bigint } = {},
  ): Promise<Mined> {
    const data = encodeFunctionData({ abi: this.contract(contract).abi, functionName, args });
    return this.sendData(options.from ?? anybody, to, data, options.value ?? 0n);
  }

  async sendData(from: Hex, to: Hex, data: Hex, value: bigint): Promise<Mined> {
    return this.mined({ from, to, data, value: `0x${value.toString(16)}` });
  }

  async call(contract: string, to: Hex, functionName: string, args: readonly unknown[]): Promise<Hex> {
    return this.callData(to, encodeFunctionData({ abi: this.contract(contract).abi, functionName, args }));
  }

  async callData(to: Hex, data: Hex): Promise<Hex> {
    return (await this.#anvil.rpc("eth_call", { to, data }, "latest")) as Hex;
  }

  contract(name: string): CompiledContract {
    const contract = this.#contracts[name];
    if (contract === undefined) throw new Error(`There is no contract ${name} in test/contracts.`);
    return contract;
  }

  abi(name: string): Abi {
    return this.contract(name).abi;
  }

  /**
   * Sends it and, whatever the mining is, sees it mined: what else waits in the pool may go into the same block.
   *
   * @throws Error with the contract's words
   */
  async mined(draft: Draft): Promise<Mined> {
    // A fixed gas limit saves the estimation. A failing transaction is mined and then asked for its words.
    const request = withFees({ gas: "0x7a1200", ...draft });
    const mined = minedOf(await this.#receipt(request));
    if (mined !== null) return mined;
    await this.#anvil.rpc("eth_call", request, "latest");
    throw new Error("The transaction failed, and does not fail again.");
  }

  async #receipt(request: Draft): Promise<unknown> {
    if (this.#mining.type === "automine") return this.#anvil.rpc("eth_sendTransactionSync", request);
    const hash = await this.#anvil.rpc("eth_sendTransaction", request);
    await this.#anvil.rpc("evm_mine");
    return this.#anvil.rpc("eth_getTransactionReceipt", hash);
  }

  /** The node takes the calls of a batch in any order. */
  async #inOrder(drafts: readonly Draft[]): Promise<readonly Draft[]> {
    const senders = [...new Set(drafts.flatMap((draft) => ("nonce" in draft ? [] : [draft.from])))];
    const counts = await this.#anvil.batch(
      senders.map((sender) => ["eth_getTransactionCount", [sender, "latest"]] as const),
    );
    const next = new Map(senders.map((sender, at) => [sender, BigInt(String(counts[at]))]));
    return drafts.map((draft) => {
      const nonce = next.get(draft.from);
      if (nonce === undefined) return draft;
      next.set(draft.from, nonce + 1n);
      return { ...draft, nonce: `0x${nonce.toString(16)}` };
    });
  }

  #numbered(draft: Draft): Draft {
    const nonce = this.#nonce;
    this.#nonce += 1n;
    return { ...draft, nonce: `0x${nonce.toString(16)}` };
  }
}

function withFees(draft: Draft): Draft {
  return { maxFeePerGas: "0xe8d4a51000", maxPriorityFeePerGas: "0x0", ...draft };
}

/** Null when it failed. @throws Error when it was not mined */
function minedOf(receipt: unknown): Mined | null {
  if (typeof receipt !== "object" || receipt === null) throw new Error("The transaction was not mined.");
  const read = receipt as Readonly<Record<string, Hex>> & { readonly contractAddress: Hex | null };
  if (read["status"] !== "0x1") return null;
  return {
    hash: read["transactionHash"] ?? "0x",
    block: BigInt(read["blockNumber"] ?? "0x0"),
    gasUsed: BigInt(read["gasUsed"] ?? "0x0"),
    contractAddress: read.contractAddress,
  };
}
