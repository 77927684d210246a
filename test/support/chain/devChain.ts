import { type Abi, decodeFunctionResult, encodeFunctionData, parseEther, parseEventLogs } from "viem";
import { toHex } from "../../../src/protocol/bytes.ts";
import { type Anvil, type AnvilOptions, startAnvil } from "./anvil.ts";
import { type CompiledContract, compileContracts } from "./compileContracts.ts";
import { deployLivepeer, type LivepeerContracts, type LivepeerParameters } from "./deployLivepeer.ts";
import { type Cuts, Orchestrators } from "./orchestrators.ts";
import { reorg, type ReorgOptions } from "./reorg.ts";
import { openRpcProxy, type RpcProxy } from "./rpcProxy.ts";
import { anybody, type Hex, type Mined, type Mining, Transactions } from "./transactions.ts";

export type { Hex, Mined } from "./transactions.ts";

/*
 * A chain with Livepeer's contracts as we wrote them for tests, in a process of its own. What a test owns is the block
 * number and when blocks come, the funds of gateways, who is an orchestrator, and the manners of the RPC endpoint.
 */

export type DevChainOptions = AnvilOptions &
  Partial<LivepeerParameters> & {
    /** Seconds between blocks; without it a block is mined for each transaction, and only then. */
    readonly blockTimeS?: number;
    /** What the pool claims to hold until somebody is registered through {@link DevChain.register}. Default 10. */
    readonly poolSize?: bigint;
  };

/** Twenty bytes, or their text. */
export type Account = Uint8Array | Hex;

/** The name of each contract, as in `test/contracts`, and where it is. */
export type ContractName =
  | "BondingManager"
  | "Controller"
  | "L2LPTDataCache"
  | "LivepeerGovernor"
  | "LivepeerToken"
  | "Minter"
  | "PollCreator"
  | "RoundsManager"
  | "ServiceRegistry"
  | "TicketBroker";

/** A log of one of the contracts, with its arguments by their names in the contract. */
export type DecodedLog = {
  readonly block: bigint;
  readonly hash: Hex;
  readonly args: Readonly<Record<string, unknown>>;
};

export type DevChain = AsyncDisposable &
  LivepeerContracts & {
    readonly anvil: Anvil;
    /** What a node should use: the endpoint with bad days. */
    readonly rpc: RpcProxy;
    readonly chainId: bigint;
    readonly contracts: Readonly<Record<string, CompiledContract>>;
    blockNumber(): Promise<bigint>;
    mine(blocks: number | bigint): Promise<void>;
    /** Mines block by block, each with this base fee in wei per gas. */
    mineAt(blocks: number, baseFee: bigint): Promise<void>;
    /** A block for each transaction; the beginning, unless `blockTimeS` was given. */
    automine(): Promise<void>;
    /** A block every so many seconds. What a test itself does is still mined at once. */
    interval(seconds: number): Promise<void>;
    /** No block unless a test mines, or does something itself. */
    holdMining(): Promise<void>;
    /** Mines into `round` and initialises it. One block of the round is used up. */
    setRound(round: bigint): Promise<void>;
    /** Mines into the next round and initialises it. Returns its number. */
    nextRound(): Promise<bigint>;
    /** Calls `initializeRound` in the round that the block number says. */
    initializeRound(): Promise<Mined>;
    /** What `blockHashForRound` answers. */
    setRoundHash(round: bigint, hash: Hex): Promise<Mined>;
    /** What the pool claims to hold, whatever it holds. */
    setPoolSize(size: bigint): Promise<Mined>;
    /** The pool's own size counts again. */
    forgetPoolSize(): Promise<Mined>;
    /** An orchestrator out of nothing, outside the pool, at once, with a stake of 1 LPT wei; or an inactive one. */
    setActive(recipient: Account, isActive: boolean): Promise<Mined>;
    /**
     * Becomes an orchestrator as everybody does: gets the LPT and ether that it needs, stores its URI, bonds to itself
     * and sets its cuts. Active from the next round on. Two blocks. `stake` in LPT wei.
     */
    register(account: Account, stake: bigint, cuts?: Cuts): Promise<void>;
    /**
     * So many more orchestrators, in two blocks; returns their accounts. Stakes are 1,000 LPT and 10 more for each,
     * unless given. Active from the next round on.
     */
    addOrchestrators(count: number, stakeOf?: (index: number) => bigint): Promise<readonly Hex[]>;
    /** LPT wei, from the account that has all of it. */
    giveTokens(account: Account, amount: bigint): Promise<Mined>;
    /** Wei, on top of what the account has. */
    giveEther(account: Account, wei: bigint): Promise<void>;
    /** Wei; the sender gets the ether that it needs. */
    fund(sender: Uint8Array, deposit: bigint, reserve: bigint): Promise<void>;
    unlock(sender: Uint8Array): Promise<void>;
    cancelUnlock(sender: Uint8Array): Promise<void>;
    withdraw(sender: Uint8Array): Promise<void>;
    /** What `eth_gasPrice` answers, wei, until a block is mined: an empty block lowers it by an eighth. */
    setGasPrice(wei: bigint): Promise<void>;
    /** The same: base fee of the next block, wei per gas. */
    setBaseFee(wei: bigint): Promise<void>;
    /** Calls `redeemWinningTicket` from somebody else's account. @throws Error with the contract's words */
    redeem(ticket: RedeemableTicket, signature: Uint8Array, recipientRand: Uint8Array): Promise<Mined>;
    /** Calls `batchRedeemWinningTickets` from somebody else's account. */
    batchRedeem(tickets: readonly SignedTicket[]): Promise<Mined>;
    /** Fees that redeemed tickets brought to `recipient` and that it has not withdrawn, wei. */
    feesOf(recipient: Uint8Array): Promise<bigint>;
    /** Puts a price feed on the chain. */
    deployFeed(description: string, decimals: number): Promise<DevFeed>;
    /**
     * Replaces the last `depth` blocks by others with the same transactions at the same heights, but for those that
     * are dropped. All hashes change.
     */
    reorg(depth: number, options?: ReorgOptions): Promise<void>;
    /** Takes a transaction out of the pool: it was never heard of. False when it is not there. */
    dropTransaction(hash: Hex): Promise<boolean>;
    /** Logs of a contract by the event's name, in order. */
    logs(contract: ContractName, event: string, fromBlock?: bigint): Promise<readonly DecodedLog[]>;
    /** What each `Reward` log says that the account got, LPT wei, in order. */
    rewardsOf(account: Account): Promise<readonly bigint[]>;
    /** Calls a function of a contract as anybody, or as `from`, and mines it. @throws Error with the contract's words */
    write(
      contract: ContractName,
      functionName: string,
      args: readonly unknown[],
      options?: { readonly from?: Account; readonly value?: bigint },
    ): Promise<Mined>;
    /** What a function answers: a value, or a list when there are several. */
    read(contract: ContractName, functionName: string, args: readonly unknown[]): Promise<unknown>;
    /** Sends any transaction and mines it. @throws Error with the contract's words */
    send(
      from: Hex,
      to: Hex,
      abi: Abi,
      functionName: string,
      args: readonly unknown[],
      value?: bigint,
    ): Promise<Mined>;
    /** Any read, undecoded. */
    call(to: Hex, abi: Abi, functionName: string, args: readonly unknown[]): Promise<Hex>;
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

/** A ticket with what redeeming it takes. */
export type SignedTicket = {
  readonly ticket: RedeemableTicket;
  readonly signature: Uint8Array;
  readonly recipientRand: Uint8Array;
};

export type DevFeed = {
  readonly address: Hex;
  setAnswer(answer: bigint, updatedAtS: bigint): Promise<Mined>;
};

/** Deploys, registers and unpauses everything; the chain stands in round 1, initialised, pool size 10. */
export async function startDevChain(options: DevChainOptions = {}): Promise<DevChain> {
  const contracts = await compileContracts();
  const anvil = await startAnvil(options);
  const rpc = await openRpcProxy(anvil.url);
  const sender = new Transactions(anvil, contracts);
  const roundLength = options.roundLength ?? 50n;
  const livepeer = await deployLivepeer(sender, { ...options, roundLength });
  const chain = devChain({ anvil, rpc, sender, contracts, roundLength, livepeer }, options);
  await chain.setRound(1n);
  await chain.setPoolSize(options.poolSize ?? 10n);
  if (options.blockTimeS !== undefined) await chain.interval(options.blockTimeS);
  return chain;
}

type Parts = {
  readonly anvil: Anvil;
  readonly rpc: RpcProxy;
  readonly sender: Transactions;
  readonly contracts: Readonly<Record<string, CompiledContract>>;
  readonly roundLength: bigint;
  readonly livepeer: LivepeerContracts;
};

function devChain(parts: Parts, options: DevChainOptions): DevChain {
  const { anvil, rpc, sender, livepeer } = parts;
  return {
    ...{ anvil, rpc, contracts: parts.contracts, ...livepeer },
    chainId: BigInt(options.chainId ?? 54321),
    ...blocksOf(parts),
    ...stakesOf(parts),
    ...gatewaysOf(parts),
    ...callsOf(parts),
    deployFeed: async (description, decimals) => {
      const address = await sender.deploy("AggregatorV3", [description, decimals]);
      return {
        address,
        setAnswer: (answer, updatedAtS) =>
          sender.send("AggregatorV3", address, "setAnswer", [answer, updatedAtS]),
      };
    },
    [Symbol.asyncDispose]: async () => {
      await rpc[Symbol.asyncDispose]();
      await anvil[Symbol.asyncDispose]();
    },
  };
}

type BlockHelpers = Pick<
  DevChain,
  | ("blockNumber" | "mine" | "mineAt" | "automine" | "interval" | "holdMining" | "setRound" | "nextRound")
  | ("initializeRound" | "setRoundHash" | "setGasPrice" | "setBaseFee" | "reorg" | "dropTransaction")
>;

function blocksOf({ anvil, sender, roundLength, livepeer }: Parts): BlockHelpers {
  const { roundsManager } = livepeer;
  const blockNumber = async () => BigInt(String(await anvil.rpc("eth_blockNumber")));
  const mine = async (blocks: number | bigint) => {
    await anvil.rpc("anvil_mine", `0x${blocks.toString(16)}`);
  };
  const setBaseFee = async (wei: bigint) => {
    await anvil.rpc("anvil_setNextBlockBaseFeePerGas", `0x${wei.toString(16)}`);
  };
  const initializeRound = () => sender.send("RoundsManager", roundsManager, "initializeRound", []);
  const setRound = async (round: bigint) => {
    const missing = round * roundLength - (await blockNumber()) - 1n;
    if (missing > 0n) await mine(missing);
    await initializeRound();
  };
  return {
    ...{ blockNumber, mine, setRound, initializeRound, setBaseFee, setGasPrice: setBaseFee },
    mineAt: async (blocks, baseFee) => {
      for (let mined = 0; mined < blocks; mined += 1) {
        await setBaseFee(baseFee);
        await mine(1);
      }
    },
    automine: () => sender.setMining({ type: "automine" } satisfies Mining),
    interval: (seconds) => sender.setMining({ type: "interval", seconds }),
    holdMining: () => sender.setMining({ type: "held" }),
    nextRound: async () => {
      const round = (await blockNumber()) / roundLength + 1n;
      await setRound(round);
      return round;
    },
    setRoundHash: (round, hash) =>
      sender.send("RoundsManager", roundsManager, "setBlockHashForRound", [round, hash]),
    reorg: (depth, options = {}) => reorg(anvil, depth, options),
    dropTransaction: async (hash) => (await anvil.rpc("anvil_dropTransaction", hash)) !== null,
  };
}

type StakeHelpers = Pick<
  DevChain,
  | ("setPoolSize" | "forgetPoolSize" | "setActive" | "register" | "addOrchestrators" | "giveTokens")
  | ("giveEther" | "feesOf")
>;

function stakesOf({ anvil, sender, livepeer }: Parts): StakeHelpers {
  const { bondingManager } = livepeer;
  const orchestrators = new Orchestrators(anvil, sender, livepeer);
  const bonding = (name: string, args: readonly unknown[]) =>
    sender.send("BondingManager", bondingManager, name, args);
  return {
    setPoolSize: (size) => bonding("setTranscoderPoolSize", [size]),
    forgetPoolSize: () => bonding("forgetTranscoderPoolSize", []),
    setActive: (recipient, isActive) => bonding("setActive", [textOf(recipient), isActive]),
    register: (account, stake, cuts = {}) =>
      orchestrators.register([{ account: textOf(account), stake, cuts }]),
    addOrchestrators: (count, stakeOf) => orchestrators.add(count, stakeOf),
    giveTokens: (account, amount) =>
      sender.send("LivepeerToken", livepeer.livepeerToken, "transfer", [textOf(account), amount]),
    giveEther: (account, wei) => giveEther(anvil, textOf(account), wei),
    feesOf: async (recipient) =>
      BigInt(await sender.call("BondingManager", bondingManager, "pendingFees", [toHex(recipient), 0n])),
  };
}

type GatewayHelpers = Pick<
  DevChain,
  "fund" | "unlock" | "cancelUnlock" | "withdraw" | "redeem" | "batchRedeem"
>;

function gatewaysOf({ anvil, sender, livepeer }: Parts): GatewayHelpers {
  const { ticketBroker } = livepeer;
  const asGateway = async (account: Uint8Array, name: string, args: readonly unknown[], value = 0n) => {
    const from = toHex(account);
    await anvil.rpc("anvil_setBalance", from, `0x${(value + parseEther("10")).toString(16)}`);
    await sender.send("TicketBroker", ticketBroker, name, args, { from, value });
  };
  return {
    fund: (account, deposit, reserve) =>
      asGateway(account, "fundDepositAndReserve", [deposit, reserve], deposit + reserve),
    unlock: (account) => asGateway(account, "unlock", []),
    cancelUnlock: (account) => asGateway(account, "cancelUnlock", []),
    withdraw: (account) => asGateway(account, "withdraw", []),
    redeem: (ticket, signature, recipientRand) =>
      sender.send("TicketBroker", ticketBroker, "redeemWinningTicket", [
        tupleOf(ticket),
        toHex(signature),
        BigInt(toHex(recipientRand)),
      ]),
    batchRedeem: (tickets) =>
      sender.send("TicketBroker", ticketBroker, "batchRedeemWinningTickets", [
        tickets.map(({ ticket }) => tupleOf(ticket)),
        tickets.map(({ signature }) => toHex(signature)),
        tickets.map(({ recipientRand }) => BigInt(toHex(recipientRand))),
      ]),
  };
}

type CallHelpers = Pick<DevChain, "logs" | "rewardsOf" | "write" | "read" | "send" | "call">;

function callsOf({ anvil, sender, livepeer }: Parts): CallHelpers {
  const addresses: Readonly<Record<ContractName, Hex>> = {
    BondingManager: livepeer.bondingManager,
    Controller: livepeer.controller,
    L2LPTDataCache: livepeer.l2LptDataCache,
    LivepeerGovernor: livepeer.livepeerGovernor,
    LivepeerToken: livepeer.livepeerToken,
    Minter: livepeer.minter,
    PollCreator: livepeer.pollCreator,
    RoundsManager: livepeer.roundsManager,
    ServiceRegistry: livepeer.serviceRegistry,
    TicketBroker: livepeer.ticketBroker,
  };
  const logs = async (contract: ContractName, event: string, fromBlock = 0n) => {
    const filter = { address: addresses[contract], fromBlock: `0x${fromBlock.toString(16)}` };
    const found = await anvil.rpc("eth_getLogs", { ...filter, toBlock: "latest" });
    const decoded = parseEventLogs({ abi: sender.abi(contract), eventName: event, logs: found as never[] });
    return decoded.map((log) => ({
      block: BigInt(log.blockNumber ?? 0n),
      hash: log.transactionHash ?? "0x",
      args: (log as unknown as { args: Readonly<Record<string, unknown>> }).args,
    }));
  };
  return {
    logs,
    rewardsOf: async (account) => {
      const found = await logs("BondingManager", "Reward");
      const wanted = textOf(account).toLowerCase();
      return found.flatMap(({ args }) =>
        String(args["transcoder"]).toLowerCase() === wanted ? [args["amount"] as bigint] : [],
      );
    },
    write: (contract, name, args, { from, value = 0n } = {}) =>
      sender.send(contract, addresses[contract], name, args, {
        from: from === undefined ? anybody : textOf(from),
        value,
      }),
    read: async (contract, functionName, args) => {
      const data = await sender.call(contract, addresses[contract], functionName, args);
      return decodeFunctionResult({ abi: sender.abi(contract), functionName, data });
    },
    send: (from, to, abi, name, args, value = 0n) =>
      sender.sendData(from, to, encodeFunctionData({ abi, functionName: name, args }), value),
    call: (to, abi, name, args) => sender.callData(to, encodeFunctionData({ abi, functionName: name, args })),
  };
}

async function giveEther(anvil: Anvil, account: Hex, wei: bigint): Promise<void> {
  const has = BigInt(String(await anvil.rpc("eth_getBalance", account, "latest")));
  await anvil.rpc("anvil_setBalance", account, `0x${(has + wei).toString(16)}`);
}

function textOf(account: Account): Hex {
  return typeof account === "string" ? account : toHex(account);
}

function tupleOf(ticket: RedeemableTicket): Readonly<Record<string, unknown>> {
  return {
    ...ticket,
    recipient: toHex(ticket.recipient),
    sender: toHex(ticket.sender),
    recipientRandHash: toHex(ticket.recipientRandHash),
    auxData: toHex(ticket.auxData),
  };
}
