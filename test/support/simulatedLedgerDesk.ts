import type {
  Broadcast,
  ChainCall,
  ChainDesk,
  ChainLook,
  LogRange,
  Payable,
  PoolHint,
  ReceiptWord,
  RedeemableTicket,
  RewardPath,
  RoundWord,
  SignedTransaction,
  Simulation,
  TransactionSigner,
  UnsignedTransaction,
  Voices,
} from "../../src/runtime/chainPorts.ts";
import { assert } from "../../src/shared/assert.ts";
import type { Hex } from "../../src/shared/brand.ts";
import type { LedgerChain, LedgerTransaction } from "./simulatedLedgerChain.ts";
import { type ContractCall, contractAddresses, ledgerGas, noAccount } from "./simulatedLedgerContracts.ts";
import type { Chance, Owner, SimulatedTime } from "./simulatedTime.ts";

/*
 * What one process sees of the simulated chain, through endpoints that go away, answer late, answer with what was
 * true minutes ago, or swallow a transaction and say nothing.
 */

/** How the endpoints behave now. The world moves it; every desk of the world looks at it. */
export class LedgerWeather {
  /** Until this moment of virtual time nothing answers. */
  downUntilMs = 0;
  /** Until then answers are {@link lagMs} old. */
  lagUntilMs = 0;
  lagMs = 0;
  /** Until then an answer may take {@link slowMs}. */
  slowUntilMs = 0;
  slowMs = 0;
  /** Chance that a single call fails by itself. */
  fail = 0;
  /** The call with this number from now on fails: 0 = the next one; negative = none. */
  failIn = -1;
  /** Chance that nobody answers to a broadcast, and that it arrived all the same. */
  unknown = 0;
  arrives = 0.5;
  /** Chance that a gas limit leaves no room for what a new round costs. */
  tightGas = 0;
  /** Chance that an endpoint answers with garbage when it is asked for receipts. */
  garbage = 0;
  /** Receipts that cannot be read, until a moment; `isForTwo`: no two endpoints can read them either. */
  readonly unreadable = new Map<Hex, { readonly untilMs: number; readonly isForTwo: boolean }>();
  /** Blocks of logs that a provider gives at a time. */
  logBlocksMax = 10_000n;
  duplicateLogs = 0;
  /** What happened, by name. */
  readonly tally = new Map<string, number>();
  /** Looks of the past minutes, the newest last: what an endpoint that lags still believes. */
  readonly past: { readonly atMs: number; readonly look: ChainLook }[] = [];

  count(what: string): void {
    this.tally.set(what, (this.tally.get(what) ?? 0) + 1);
  }

  isDown(nowMs: number): boolean {
    return nowMs < this.downUntilMs;
  }

  isUnreadable(hash: Hex, voices: Voices, nowMs: number): boolean {
    const found = this.unreadable.get(hash);
    return found !== undefined && nowMs < found.untilMs && (voices === "one" || found.isForTwo);
  }

  isLagging(nowMs: number): boolean {
    return nowMs < this.lagUntilMs;
  }
}

export type LedgerDeskOptions = {
  readonly time: SimulatedTime;
  readonly chance: Chance;
  /** Decides what {@link chance} does not: so that it draws the same whether or not there is such a fault. */
  readonly faults: Chance;
  readonly process: Owner;
  readonly chain: LedgerChain;
  readonly weather: LedgerWeather;
  readonly chainId: bigint;
  /** Accounts that the node sends from. */
  readonly accounts: readonly Hex[];
  /** Null on a chain without EIP-1559. */
  readonly tip: bigint | null;
  /** Slowest ordinary answer, in milliseconds. */
  readonly latencyMs: number;
  /** Told before every call and when a call comes back: moments at which a crash is interesting. */
  readonly onMoment: () => void;
};

/** Selector and arguments: enough to know the call again when it is mined. */
const selectors = {
  initialize: "0xd4807fb2",
  reward: "0x81871056",
  delegatedReward: "0x8bd4e5a1",
  redeem: "0xec8b3cb6",
  batch: "0xd01b808e",
} as const;

/** What a transaction of ours asks for. Anything that is none of our calls does nothing. */
export function decodeCall(to: Hex, data: Hex): ContractCall {
  const [selector, words] = [data.slice(0, 10), data.slice(10)];
  switch (selector) {
    case selectors.initialize:
      return { type: "initialize" };
    case selectors.reward:
      return { type: "reward", path: { type: "own" } };
    case selectors.delegatedReward:
      return { type: "reward", path: { type: "delegated", orchestrator: `0x${words.slice(0, 40)}` } };
    case selectors.redeem:
    case selectors.batch: {
      assert(to === contractAddresses.ticketBroker, "A redemption went to another contract.");
      const tickets = words.match(/.{64}/g) ?? [];
      return {
        type: "redeem",
        isBatch: selector === selectors.batch,
        tickets: tickets.map((hash): Hex => `0x${hash}`),
      };
    }
    default:
      return { type: "other", run: () => {} };
  }
}

/** Signs by writing down: the bytes are the transaction itself, and whoever has them can send them. */
export function ledgerSigner(accounts: readonly Hex[]): TransactionSigner {
  return {
    accounts,
    sign: (unsigned: UnsignedTransaction): SignedTransaction => {
      assert(accounts.includes(unsigned.from), `There is no key for ${unsigned.from}.`);
      const json = JSON.stringify(unsigned, (_, value: unknown) =>
        typeof value === "bigint" ? `${value}n` : value,
      );
      const raw: Hex = `0x${Buffer.from(json).toString("hex")}`;
      return { hash: `0x${new Bun.CryptoHasher("sha256").update(json).digest("hex")}`, raw };
    },
  };
}

type RawTransaction = {
  readonly to: Hex;
  readonly data: Hex;
  readonly from: Hex;
  readonly nonce: number;
  readonly gasLimit: string;
  readonly fees: { readonly cap: string; readonly tip: string | null };
};

/** Reads what {@link ledgerSigner} wrote. */
export function decodeRaw({ hash, raw }: SignedTransaction): LedgerTransaction {
  const json = Buffer.from(raw.slice(2), "hex").toString();
  const { to, data, from, nonce, gasLimit, fees } = JSON.parse(json) as RawTransaction;
  const amount = (text: string): bigint => BigInt(text.slice(0, -1));
  return {
    ...{ hash, from, nonce, gasLimit: amount(gasLimit), isOurs: true },
    cap: amount(fees.cap),
    tip: fees.tip === null ? null : amount(fees.tip),
    call: decodeCall(to, data),
  };
}

const none: PoolHint = { previous: noAccount, next: noAccount };

export class SimulatedLedgerDesk implements ChainDesk {
  readonly #options: LedgerDeskOptions;

  constructor(options: LedgerDeskOptions) {
    this.#options = options;
  }

  look(): Promise<ChainLook | null> {
    return this.#read("look", () => this.#lookAt());
  }

  /** The truth, or what was true for endpoints that lag. */
  #lookAt(): ChainLook {
    const { time, weather } = this.#options;
    if (!weather.isLagging(time.nowMs)) return lookNow(this.#options);
    const old = weather.past.findLast(({ atMs }) => atMs <= time.nowMs - weather.lagMs);
    weather.count("stale look");
    return { ...(old?.look ?? lookNow(this.#options)), atMs: time.wallMs };
  }

  nonces(account: Hex, block: bigint | null): Promise<{ mined: number; pending: number } | null> {
    return this.#read("nonces", () => {
      const { chain } = this.#options;
      const head = this.#head();
      if (block !== null && block > head) return null;
      const mined = chain.nonceAt(account, block ?? head);
      return { mined, pending: block === null ? Math.max(mined, chain.pendingNonce(account)) : mined };
    });
  }

  receipts(hashes: readonly Hex[], voices: Voices = "one"): Promise<readonly ReceiptWord[] | null> {
    return this.#read("receipts", () => {
      const { weather, time, faults } = this.#options;
      const head = this.#head();
      const isGarbage = weather.garbage > 0 && faults.isTrue(weather.garbage);
      if (isGarbage) weather.count("all receipts unreadable");
      return hashes.map((hash) => {
        if (isGarbage || weather.isUnreadable(hash, voices, time.nowMs)) {
          weather.count(`receipt unreadable for ${voices}`);
          return "unreadable";
        }
        const receipt = this.#options.chain.receipt(hash);
        return receipt === null || receipt.block > head ? null : receipt;
      });
    });
  }

  blockHash(block: bigint): Promise<Hex | null> {
    return this.#read("blockHash", () =>
      block > this.#head() ? null : this.#options.chain.blockHash(block),
    );
  }

  async broadcast(signed: SignedTransaction): Promise<Broadcast> {
    const { time, chance, weather, chain, process, onMoment } = this.#options;
    onMoment();
    const failed = { type: "unknown", text: "no endpoint answers" } as const;
    if (!(await this.#arrive("broadcast"))) return failed;
    if (chance.isTrue(weather.unknown)) {
      const isThere = chance.isTrue(weather.arrives);
      weather.count(isThere ? "broadcast unknown, arrived" : "broadcast unknown, lost");
      if (isThere) chain.submit(decodeRaw(signed));
      await this.#pause(chance.between(1_000, 10_000));
      return failed;
    }
    const outcome = chain.submit(decodeRaw(signed));
    weather.count(`broadcast ${outcome.type === "refused" ? outcome.cause : outcome.type}`);
    // The answer is another step: a crash can fall between.
    await new Promise<void>((resolve) => time.schedule(this.#latency(), process, resolve));
    onMoment();
    return outcome;
  }

  simulate(calls: readonly ChainCall[], from: Hex): Promise<readonly Simulation[] | null> {
    return this.#read("simulate", () => calls.map((call) => this.#simulate(call, from)));
  }

  rounds(): Promise<RoundWord | null> {
    return this.#read("rounds", () => {
      const { round, orchestrator } = this.#lookAt();
      const { current, lastInitialized } = round;
      return { current, lastInitialized, lastReward: orchestrator.lastRewardRound };
    });
  }

  payable(senders: readonly Hex[]): Promise<readonly Payable[] | null> {
    return this.#read("payable", () => {
      const { chain, time } = this.#options;
      return senders.map((sender) =>
        chain.contracts.payable(chain.store, chain.l1Block, sender, time.wallMs),
      );
    });
  }

  areTicketsUsed(hashes: readonly Hex[]): Promise<readonly boolean[] | null> {
    return this.#read("areTicketsUsed", () => {
      const head = this.#head();
      const { store } = this.#options.chain;
      return hashes.map((hash) => {
        const block = store.get(`used:${hash}`);
        return block !== 0n && block <= head;
      });
    });
  }

  async rewardHint(): Promise<PoolHint> {
    return (await this.#read("rewardHint", () => none)) ?? none;
  }

  logs(from: bigint, to: bigint): Promise<LogRange> {
    const failed: LogRange = { type: "failed", text: "no endpoint answers" };
    return this.#read("logs", () => {
      const { chain, weather, chance } = this.#options;
      if (to - from >= weather.logBlocksMax) {
        weather.count("too many logs");
        return { type: "too-many", text: "query returned more than 10000 results" } as const;
      }
      if (to > this.#head()) return failed;
      const logs = [...chain.logs(from, to)];
      if (logs.length > 0 && chance.isTrue(weather.duplicateLogs)) {
        weather.count("duplicate logs");
        logs.splice(0, logs.length, ...logs.flatMap((log) => [log, log]));
      }
      return { type: "logs", logs, toHash: chain.blockHash(to) } as const;
    }).then((range) => range ?? failed);
  }

  redeemCall(tickets: readonly RedeemableTicket[]): ChainCall {
    const selector = tickets.length === 1 ? selectors.redeem : selectors.batch;
    const data: Hex = `${selector}${tickets.map(({ hash }) => hash.slice(2)).join("")}`;
    return { to: contractAddresses.ticketBroker, data, value: 0n };
  }

  rewardCall(path: RewardPath): ChainCall {
    const data: Hex =
      path.type === "own" ? selectors.reward : `${selectors.delegatedReward}${path.orchestrator.slice(2)}`;
    return { to: contractAddresses.bondingManager, data, value: 0n };
  }

  initializeRoundCall(): ChainCall {
    return { to: contractAddresses.roundsManager, data: selectors.initialize, value: 0n };
  }

  gasLimit(purpose: "redeem" | "reward" | "initialize", _call: ChainCall, tickets: number): Promise<bigint> {
    const { chance, weather } = this.#options;
    const isTight = purpose === "redeem" && chance.isTrue(weather.tightGas);
    if (isTight) weather.count("tight gas");
    return Promise.resolve(isTight ? tightLimit(tickets) : ampleLimit(purpose, tickets));
  }

  #simulate(call: ChainCall, from: Hex): Simulation {
    const { chain } = this.#options;
    const block = chain.head;
    const mark = chain.store.mark;
    const result = chain.contracts.call(
      decodeCall(call.to, call.data),
      {
        ...{ store: chain.store, from, block, l1Block: chain.l1Block, log: () => {} },
        hashBefore: 1n,
      },
      30_000_000n,
    );
    chain.store.revert(mark);
    return result.isSuccess ? { type: "runs" } : { type: "reverts", reason: result.reason };
  }

  /** The newest block that the endpoints know. */
  #head(): bigint {
    const { chain, weather, time } = this.#options;
    return weather.isLagging(time.nowMs)
      ? chain.blockAt(Math.max(0, time.nowMs - weather.lagMs))
      : chain.head;
  }

  async #read<T>(what: string, read: () => T): Promise<T | null> {
    this.#options.onMoment();
    const isThere = await this.#arrive(what);
    return isThere ? read() : null;
  }

  /** The way to the endpoint. False when it does not answer. */
  async #arrive(what: string): Promise<boolean> {
    const { time, chance, weather } = this.#options;
    await this.#pause(this.#latency());
    if (weather.isDown(time.nowMs)) return false;
    if (weather.failIn >= 0) {
      weather.failIn -= 1;
      if (weather.failIn < 0) {
        weather.count(`single failure: ${what}`);
        return false;
      }
    }
    if (weather.fail > 0 && chance.isTrue(weather.fail)) {
      weather.count(`failure: ${what}`);
      return false;
    }
    return true;
  }

  #latency(): number {
    const { time, chance, weather, latencyMs } = this.#options;
    const slowest = time.nowMs < weather.slowUntilMs ? weather.slowMs : latencyMs;
    return chance.between(1, slowest);
  }

  #pause(ms: number): Promise<void> {
    const { time, process } = this.#options;
    return new Promise((resolve) => time.schedule(ms, process, resolve));
  }
}

/** The truth as a look. */
export function lookNow({
  chain,
  time,
  chainId,
  accounts,
  tip,
}: Pick<LedgerDeskOptions, "chain" | "time" | "chainId" | "accounts" | "tip">): ChainLook {
  const { store, contracts } = chain;
  const l1Block = chain.l1Block;
  return {
    ...{ atMs: time.wallMs, chainId, block: chain.head, l1Block },
    baseFee: tip === null ? null : chain.baseFee,
    gasPrice: chain.baseFee + (tip ?? 0n),
    tip: tip ?? 0n,
    isPaused: store.get("paused") !== 0n,
    round: contracts.round(store, l1Block),
    orchestrator: contracts.orchestrator(store, l1Block),
    balances: new Map(accounts.map((account) => [account, chain.balance(account)])),
  };
}

function ampleLimit(purpose: "redeem" | "reward" | "initialize", tickets: number): bigint {
  switch (purpose) {
    case "reward":
      return 700_000n;
    case "initialize":
      return 320_000n;
    case "redeem":
      if (tickets === 1) return 360_000n;
      return (
        ((ledgerGas.batchBase + ledgerGas.batchFirst + ledgerGas.batchEach * BigInt(tickets)) * 115n) / 100n
      );
  }
}

/** What an estimate late in the round before would say. */
function tightLimit(tickets: number): bigint {
  if (tickets === 1) return ledgerGas.single + 3_000n;
  return ledgerGas.batchBase + ledgerGas.batchEach * BigInt(tickets) + 5_000n;
}
