import { type Abi, encodeDeployData, encodeFunctionData, keccak256, parseEther, stringToHex } from "viem";
import { toHex } from "../../../src/protocol/bytes.ts";
import { type Anvil, type AnvilOptions, startAnvil } from "./anvil.ts";
import { type CompiledContract, compileContracts } from "./compileContracts.ts";
import { openRpcProxy, type RpcProxy } from "./rpcProxy.ts";

/*
 * A chain with the contracts that payments need, in a process of its own. What a test owns is the block number,
 * the funds of gateways, the state of our recipient and the manners of the RPC endpoint.
 */

export type DevChainOptions = AnvilOptions & {
  /** L1 blocks a round. Default 50. */
  readonly roundLength?: bigint;
};

export type Hex = `0x${string}`;

export type DevChain = AsyncDisposable & {
  readonly anvil: Anvil;
  /** What a node should use: the endpoint with bad days. */
  readonly rpc: RpcProxy;
  readonly chainId: bigint;
  readonly controller: Hex;
  readonly ticketBroker: Hex;
  readonly roundsManager: Hex;
  readonly bondingManager: Hex;
  blockNumber(): Promise<bigint>;
  mine(blocks: number | bigint): Promise<void>;
  /** Mines into `round` and initialises it. One block of the round is used up. */
  setRound(round: bigint): Promise<void>;
  /** Calls `initializeRound` in the round that the block number says. */
  initializeRound(): Promise<void>;
  /** What `blockHashForRound` answers. */
  setRoundHash(round: bigint, hash: Hex): Promise<void>;
  setPoolSize(size: bigint): Promise<void>;
  setActive(recipient: Uint8Array, isActive: boolean): Promise<void>;
  /** Wei; the sender gets the ether that it needs. */
  fund(sender: Uint8Array, deposit: bigint, reserve: bigint): Promise<void>;
  unlock(sender: Uint8Array): Promise<void>;
  cancelUnlock(sender: Uint8Array): Promise<void>;
  withdraw(sender: Uint8Array): Promise<void>;
  /** What `eth_gasPrice` answers, wei, until a block is mined: an empty block lowers it by an eighth. */
  setGasPrice(wei: bigint): Promise<void>;
  /** Calls `redeemWinningTicket` from somebody else's account. @throws Error with the contract's words */
  redeem(ticket: RedeemableTicket, signature: Uint8Array, recipientRand: Uint8Array): Promise<void>;
  /** Fees that redeemed tickets brought to `recipient`, wei. */
  feesOf(recipient: Uint8Array): Promise<bigint>;
  /** Puts a price feed on the chain. */
  deployFeed(description: string, decimals: number): Promise<DevFeed>;
  /** Sends any transaction and mines it. @throws Error with the contract's words */
  send(
    from: Hex,
    to: Hex,
    abi: Abi,
    functionName: string,
    args: readonly unknown[],
    value?: bigint,
  ): Promise<void>;
  /** Any read, undecoded. */
  call(to: Hex, abi: Abi, functionName: string, args: readonly unknown[]): Promise<Hex>;
  readonly contracts: Readonly<Record<string, CompiledContract>>;
};

export type RedeemableTicket = {
  readonly recipient: Uint8Array;
  readonly sender: Uint8Array;
  readonly faceValue: bigint;
  readonly winProb: bigint;
  readonly senderNonce: bigint;
  readonly recipientRandHash: Uint8Array;
  readonly auxData: Uint8Array;
};

export type DevFeed = {
  readonly address: Hex;
  setAnswer(answer: bigint, updatedAtS: bigint): Promise<void>;
};

/** Deploys, registers and unpauses everything; the chain stands in round 1, initialised, pool size 10. */
export async function startDevChain(options: DevChainOptions = {}): Promise<DevChain> {
  const contracts = await compileContracts();
  const anvil = await startAnvil(options);
  const rpc = await openRpcProxy(anvil.url);
  const sender = new Transactions(anvil, contracts);
  const roundLength = options.roundLength ?? 50n;

  const controller = await sender.deploy("Controller", []);
  const roundsManager = await sender.deploy("RoundsManager", [controller, roundLength, 100_000n]);
  const bondingManager = await sender.deploy("BondingManager", [controller]);
  const ticketBroker = await sender.deploy("TicketBroker", [controller, 2n, 2n]);
  const entries = {
    RoundsManager: roundsManager,
    BondingManager: bondingManager,
    TicketBroker: ticketBroker,
  };
  for (const [name, address] of Object.entries(entries)) {
    const id = keccak256(stringToHex(name));
    await sender.send("Controller", controller, "setContractInfo", [id, address, `0x${"00".repeat(20)}`]);
  }
  await sender.send("Controller", controller, "unpause", []);
  const addresses = { controller, roundsManager, bondingManager, ticketBroker };
  const chain = devChain({ anvil, rpc, sender, contracts, roundLength, ...addresses }, options);
  await chain.setRound(1n);
  await chain.setPoolSize(10n);
  return chain;
}

type Parts = {
  readonly anvil: Anvil;
  readonly rpc: RpcProxy;
  readonly sender: Transactions;
  readonly contracts: Readonly<Record<string, CompiledContract>>;
  readonly roundLength: bigint;
  readonly controller: Hex;
  readonly roundsManager: Hex;
  readonly bondingManager: Hex;
  readonly ticketBroker: Hex;
};

function devChain(parts: Parts, options: DevChainOptions): DevChain {
  const { anvil, rpc, sender, roundLength, controller, roundsManager, bondingManager, ticketBroker } = parts;
  const mine = async (blocks: number | bigint) => {
    await anvil.rpc("anvil_mine", `0x${blocks.toString(16)}`);
  };
  const blockNumber = async () => BigInt(String(await anvil.rpc("eth_blockNumber")));
  const asGateway = async (account: Uint8Array, name: string, args: readonly unknown[], value = 0n) => {
    const from = toHex(account);
    await anvil.rpc("anvil_setBalance", from, `0x${(value + parseEther("10")).toString(16)}`);
    await sender.send("TicketBroker", ticketBroker, name, args, { from, value });
  };
  return {
    ...{ anvil, rpc, controller, roundsManager, bondingManager, ticketBroker, blockNumber, mine },
    contracts: parts.contracts,
    chainId: BigInt(options.chainId ?? 54321),
    setRound: async (round) => {
      const missing = round * roundLength - (await blockNumber()) - 1n;
      if (missing > 0n) await mine(missing);
      await sender.send("RoundsManager", roundsManager, "initializeRound", []);
    },
    initializeRound: () => sender.send("RoundsManager", roundsManager, "initializeRound", []),
    setRoundHash: (round, hash) =>
      sender.send("RoundsManager", roundsManager, "setBlockHashForRound", [round, hash]),
    setPoolSize: (size) => sender.send("BondingManager", bondingManager, "setTranscoderPoolSize", [size]),
    setActive: (recipient, isActive) =>
      sender.send("BondingManager", bondingManager, "setActive", [toHex(recipient), isActive]),
    fund: (account, deposit, reserve) =>
      asGateway(account, "fundDepositAndReserve", [deposit, reserve], deposit + reserve),
    unlock: (account) => asGateway(account, "unlock", []),
    cancelUnlock: (account) => asGateway(account, "cancelUnlock", []),
    withdraw: (account) => asGateway(account, "withdraw", []),
    setGasPrice: async (wei) => {
      await anvil.rpc("anvil_setNextBlockBaseFeePerGas", `0x${wei.toString(16)}`);
    },
    redeem: (ticket, signature, recipientRand) =>
      sender.send("TicketBroker", ticketBroker, "redeemWinningTicket", [
        {
          ...ticket,
          recipient: toHex(ticket.recipient),
          sender: toHex(ticket.sender),
          recipientRandHash: toHex(ticket.recipientRandHash),
          auxData: toHex(ticket.auxData),
        },
        toHex(signature),
        BigInt(toHex(recipientRand)),
      ]),
    feesOf: async (recipient) =>
      BigInt(await sender.call("BondingManager", bondingManager, "feesOf", [toHex(recipient)])),
    deployFeed: async (description, decimals) => {
      const address = await sender.deploy("AggregatorV3", [description, decimals]);
      return {
        address,
        setAnswer: (answer, updatedAtS) =>
          sender.send("AggregatorV3", address, "setAnswer", [answer, updatedAtS]),
      };
    },
    send: (from, to, abi, name, args, value = 0n) =>
      sender.sendData(from, to, encodeFunctionData({ abi, functionName: name, args }), value),
    call: (to, abi, name, args) => sender.callData(to, encodeFunctionData({ abi, functionName: name, args })),
    [Symbol.asyncDispose]: async () => {
      await rpc[Symbol.asyncDispose]();
      await anvil[Symbol.asyncDispose]();
    },
  };
}

/** The first account of anvil's usual mnemonic: it deploys, and does what anybody may do. */
const anybody: Hex = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

class Transactions {
  readonly #anvil: Anvil;
  readonly #contracts: Readonly<Record<string, CompiledContract>>;

  constructor(anvil: Anvil, contracts: Readonly<Record<string, CompiledContract>>) {
    this.#anvil = anvil;
    this.#contracts = contracts;
  }

  async deploy(name: string, args: readonly unknown[]): Promise<Hex> {
    const { abi, bytecode } = this.#contract(name);
    const data = encodeDeployData({ abi, bytecode, args });
    const { contractAddress } = await this.#mined({ from: anybody, data });
    if (contractAddress === null) throw new Error(`${name} was not deployed.`);
    return contractAddress;
  }

  async send(
    contract: string,
    to: Hex,
    functionName: string,
    args: readonly unknown[],
    options: { readonly from?: Hex; readonly value?: bigint } = {},
  ): Promise<void> {
    const data = encodeFunctionData({ abi: this.#contract(contract).abi, functionName, args });
    await this.sendData(options.from ?? anybody, to, data, options.value ?? 0n);
  }

  async sendData(from: Hex, to: Hex, data: Hex, value: bigint): Promise<void> {
    await this.#mined({ from, to, data, value: `0x${value.toString(16)}` });
  }

  async call(contract: string, to: Hex, functionName: string, args: readonly unknown[]): Promise<Hex> {
    return this.callData(to, encodeFunctionData({ abi: this.#contract(contract).abi, functionName, args }));
  }

  async callData(to: Hex, data: Hex): Promise<Hex> {
    return (await this.#anvil.rpc("eth_call", { to, data }, "latest")) as Hex;
  }

  #contract(name: string): CompiledContract {
    const contract = this.#contracts[name];
    if (contract === undefined) throw new Error(`There is no contract ${name} in test/contracts.`);
    return contract;
  }

  async #mined(transaction: Readonly<Record<string, string>>): Promise<{ contractAddress: Hex | null }> {
    // A fixed gas limit saves the estimation. A failing transaction is mined and then asked for its words.
    const request = {
      gas: "0x7a1200",
      maxFeePerGas: "0xe8d4a51000",
      maxPriorityFeePerGas: "0x0",
      ...transaction,
    };
    const receipt = await this.#anvil.rpc("eth_sendTransactionSync", request);
    if (typeof receipt !== "object" || receipt === null) throw new Error("The transaction was not mined.");
    const { status, contractAddress } = receipt as { status: string; contractAddress: Hex | null };
    if (status === "0x1") return { contractAddress };
    await this.#anvil.rpc("eth_call", request, "latest");
    throw new Error("The transaction failed, and does not fail again.");
  }
}
