import { type Address, encodeAbiParameters, getAddress, zeroAddress } from "viem";
import { fromHex } from "../protocol/bytes.ts";
import type { Hex } from "../shared/brand.ts";
import { lensCode } from "./lensCode.ts";
import { BadAnswer, type Read, resultBytes } from "./reads.ts";

/*
 * Everything that is polled, in one `eth_call`: the constructor of `contracts/Lens.sol` runs on the latest state and
 * returns a row of words. Nothing is deployed. All of it belongs to one block, which single calls of a batch would
 * not promise.
 */

/** Contracts that the lens looks up, in the order of its words. */
export const lensContractNames = [
  ...(["RoundsManager", "BondingManager", "TicketBroker"] as const),
  ...(["ServiceRegistry", "Minter", "LivepeerToken", "LivepeerGovernor"] as const),
] as const;

export type LensContractName = (typeof lensContractNames)[number];

/** Names of the lens's words after its first, in order. The balances of accounts follow. */
export const lensWords = [
  ...(["chainId", "l1Block", "arbBlock", "timestamp", "baseFee", "paused"] as const),
  ...lensContractNames,
  ...(["coded", "currentRound", "lastInitializedRound", "startBlock", "roundLength", "isLocked"] as const),
  ...(["roundBlockHash", "previousRoundBlockHash", "poolSize", "ticketValidityPeriod"] as const),
  ...(["isActive", "status", "lastRewardRound", "activationRound", "deactivationRound", "stake"] as const),
  ...(["rewardCut", "feeShare", "rewardForecast", "rewardCaller"] as const),
] as const;

export type LensWord = (typeof lensWords)[number];

/** Which contract a word comes from, and from which of its functions. The other words come from the EVM itself. */
const origins: Partial<Record<LensWord, readonly ["Controller" | LensContractName, string]>> = {
  paused: ["Controller", "paused"],
  ...Object.fromEntries(lensContractNames.map((name) => [name, ["Controller", "getContract"]])),
  currentRound: ["RoundsManager", "currentRound"],
  lastInitializedRound: ["RoundsManager", "lastInitializedRound"],
  startBlock: ["RoundsManager", "currentRoundStartBlock"],
  roundLength: ["RoundsManager", "roundLength"],
  isLocked: ["RoundsManager", "currentRoundLocked"],
  roundBlockHash: ["RoundsManager", "blockHashForRound"],
  previousRoundBlockHash: ["RoundsManager", "blockHashForRound"],
  poolSize: ["BondingManager", "getTranscoderPoolSize"],
  ticketValidityPeriod: ["TicketBroker", "ticketValidityPeriod"],
  isActive: ["BondingManager", "isActiveTranscoder"],
  status: ["BondingManager", "transcoderStatus"],
  lastRewardRound: ["BondingManager", "getTranscoder"],
  activationRound: ["BondingManager", "getTranscoder"],
  deactivationRound: ["BondingManager", "getTranscoder"],
  stake: ["BondingManager", "transcoderTotalStake"],
  rewardCut: ["BondingManager", "getTranscoder"],
  feeShare: ["BondingManager", "getTranscoder"],
};

/** Rounds, block numbers and sizes travel as signed 64-bit integers: more than 62 bits are nobody's. */
const numberBits = 62;
/** More wei than this is nobody's: 10²⁰ times what there is. */
const amountBits = 160;

export type LensArguments = {
  readonly controller: Address;
  /** The registered account. */
  readonly recipient: Hex;
  /** Accounts whose balances are asked for; at most {@link lensAccountsMax}. */
  readonly accounts: readonly Hex[];
};

/** More accounts than this are nobody's, and make the call long. */
export const lensAccountsMax = 100;

/** What the lens saw. */
export class LensView {
  readonly #controller: Address;
  readonly #words: readonly bigint[];
  readonly #readable: bigint;
  /** In the order of the accounts that were asked for, wei. */
  readonly balances: readonly bigint[];
  /** Number of the block that transactions go to: on Arbitrum its own, elsewhere the only one. */
  readonly block: bigint;

  /** @throws BadAnswer when it is no answer of the lens */
  constructor(asked: LensArguments, answer: Hex) {
    const length = 1 + lensWords.length + asked.accounts.length;
    // A node without such calls, or an answer to somebody else.
    if (answer.length !== 2 + 64 * length)
      throw new BadAnswer("the lens has an answer that is not understood");
    const words = Array.from({ length }, (_, at) => BigInt(`0x${answer.slice(2 + 64 * at, 66 + 64 * at)}`));
    this.#controller = asked.controller;
    this.#readable = words[0] ?? 0n;
    this.#words = words.slice(1, 1 + lensWords.length);
    this.balances = words.slice(1 + lensWords.length);
    if (this.balances.some((wei) => wei >> BigInt(amountBits) !== 0n)) throw outOfBounds();
    // Nothing of an answer without these can be believed.
    for (const name of ["chainId", "l1Block", "timestamp"] as const) this.number(name);
    this.block = this.number(this.has("arbBlock") ? "arbBlock" : "l1Block");
  }

  /** Whether a word could be read. */
  has(name: LensWord): boolean {
    return ((this.#readable >> BigInt(lensWords.indexOf(name))) & 1n) === 1n;
  }

  /** A round, a block number, a size. @throws BadAnswer when it could not be read or is out of all bounds */
  number(name: LensWord): bigint {
    return this.#bounded(name, numberBits);
  }

  /** Wei. @throws BadAnswer as {@link number} does */
  amount(name: LensWord): bigint {
    return this.#bounded(name, amountBits);
  }

  /** A number of any size up to 256 bits. @throws BadAnswer when it could not be read */
  word(name: LensWord): bigint {
    if (!this.has(name)) throw new BadAnswer(this.#whyNot(name));
    return this.#words[lensWords.indexOf(name)] ?? 0n;
  }

  /** @throws BadAnswer as {@link number} does */
  flag(name: LensWord): boolean {
    return this.#bounded(name, 1) === 1n;
  }

  /** 32 bytes. @throws BadAnswer when it could not be read */
  hash(name: LensWord): Uint8Array {
    return fromHex(this.word(name).toString(16).padStart(64, "0")) ?? new Uint8Array(32);
  }

  /** The zero account counts as none. @throws BadAnswer as {@link number} does */
  account(name: LensWord): Address | null {
    const account = this.#bounded(name, 160);
    return account === 0n ? null : getAddress(`0x${account.toString(16).padStart(40, "0")}`);
  }

  #bounded(name: LensWord, bitsMax: number): bigint {
    const value = this.word(name);
    if (value >> BigInt(bitsMax) !== 0n) throw outOfBounds();
    return value;
  }

  #whyNot(name: LensWord): string {
    const origin = origins[name];
    if (origin === undefined) return `the chain has no ${name}`;
    const [contract, functionName] = origin;
    const coded = this.#words[lensWords.indexOf("coded")] ?? 0n;
    const bit = contract === "Controller" ? 0 : 1 + lensContractNames.indexOf(contract);
    const isCoded = ((coded >> BigInt(bit)) & 1n) === 1n;
    if (isCoded) return `${functionName} of the ${contract} has an answer that is not understood`;
    const address = contract === "Controller" ? this.#controller : (this.account(contract) ?? zeroAddress);
    return `no contract code at given address ${address}`;
  }
}

/** Asks for everything at once. */
export function readLens(asked: LensArguments): Read<LensView> {
  const { controller, recipient, accounts } = asked;
  const types = [{ type: "address" }, { type: "address" }, { type: "address[]" }] as const;
  const words = encodeAbiParameters(types, [controller, recipient, accounts]);
  const bytesMax = 32 * (1 + lensWords.length + accounts.length);
  return {
    // No `to`: the data is the code that runs.
    call: { method: "eth_call", params: [{ data: `${lensCode}${words.slice(2)}` }, "latest"] },
    decode: (result) => new LensView(asked, resultBytes(result, bytesMax)),
  };
}

function outOfBounds(): BadAnswer {
  return new BadAnswer("the RPC answered a number out of all bounds");
}
