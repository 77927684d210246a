import type { Address } from "viem";
import type { ChainLook } from "../runtime/chainPorts.ts";
import type { ChainClock, ChainView, SenderFunds } from "../runtime/ports.ts";
import { assert } from "../shared/assert.ts";
import type { Hex, UnixMs } from "../shared/brand.ts";
import { ChainPoller, type Contracts } from "./chainPoller.ts";
import type { ChainRpc } from "./chainRpc.ts";
import { EndpointPool } from "./endpointPool.ts";
import { FundsCache } from "./fundsCache.ts";
import { FundsReader } from "./fundsReader.ts";
import { L1Clock } from "./l1Clock.ts";
import { lensAccountsMax } from "./lens.ts";

export type OpenChainOptions = {
  /** The JSON-RPC endpoints, `http:` or `https:`. They may hold keys: they are never printed. */
  readonly urls?: readonly { reveal(): string }[];
  /** Endpoints that others use too, instead of `urls`. Whoever made it closes it. */
  readonly rpc?: ChainRpc;
  readonly controller: Address;
  /** The registered account that tickets are made out to, 20 bytes. */
  readonly recipient: Uint8Array;
  /** Accounts whose balances are read along, lower case; at most 100. */
  readonly accounts?: readonly Hex[];
  /** `-network`: a known name must go with the chain id of the endpoint. */
  readonly network: string;
  /** Milliseconds between two polls. Default 12,000, an L1 block. */
  readonly pollMs?: number;
  /** Milliseconds that the endpoint has for one answer. Default 5,000. */
  readonly timeoutMs?: number;
  /** Wei. A lower price of the chain is reported as this one. Looked at each time: a getter may change it. */
  readonly minGasPrice: bigint;
  /** Wei; 0 for none. A higher price is reported as this one, because more is never paid. Looked at each time. */
  readonly maxGasPrice: bigint;
  readonly nowMs: () => UnixMs;
  /** Milliseconds that never go back and do not follow the wall clock. Default `performance.now()`. */
  readonly monotonicMs?: () => number;
  /** What an earlier life of this node knew: served until the chain was read. */
  readonly seed: { readonly clock: ChainClock | null; readonly funds: ReadonlyMap<Hex, SenderFunds> };
  /** The chain that the data folder belongs to; null for a new folder. Nothing is taken from another one. */
  readonly expectedChainId: bigint | null;
  /**
   * The chain was read, and something but `readAtMs` differs from what was last given here. `l1Block` alone differs
   * about every 12 seconds: who stores clocks may want to store fewer.
   */
  readonly onClock: (clock: ChainClock) => void;
  /** Funds of a gateway were read that are new or differ. Accounts that never had funds are not reported. */
  readonly onFunds: (sender: Uint8Array, funds: SenderFunds) => void;
  /** Called after every good poll, once what it has read is told of in the other ways. */
  readonly onLook?: (look: ChainLook) => void;
  /** The reason why the chain cannot be read changed; null = it can. Never holds a secret. */
  readonly onTrouble: (reason: string | null) => void;
  /**
   * The endpoint serves another chain than the data folder or `-network` means, and never served the right one.
   * Nothing was taken from it. Called at each poll that sees it.
   */
  readonly onWrongChain?: (text: string) => void;
};

/** {@link ChainView} over a real chain, and what those who send transactions need beside. */
export type OpenedChain = ChainView & {
  /** The endpoints, for whoever asks more. */
  readonly rpc: ChainRpc;
  /** As the endpoint said; null before it answered. Of a chain that is not the expected one: null too. */
  chainId(): bigint | null;
  /** The last look at the chain, by the last good poll; null before the first. Its own time says how old it is. */
  look(): ChainLook | null;
  /** A look of a poll that begins after this call; null when there is none now. Those who ask at once share one. */
  freshLook(): Promise<ChainLook | null>;
  /** Why the last poll gave no look, which is more than payments need; null when it did. */
  readonly lookTrouble: string | null;
  /** The next poll is no later than in so many milliseconds; the soonest of several wishes counts. */
  pollSoon(inMs: number): void;
  /** Where the contracts are; the zero address for one that this chain lacks. Null when it cannot be known now. */
  contracts(): Promise<Contracts | null>;
};

const defaultPollMs = 12_000;
const defaultTimeoutMs = 5_000;

/**
 * Opens the view of a chain. Returns at once, whatever the endpoint does; reading starts with it.
 *
 * @throws ChainUrlError when there is no URL, or one that is no http or https URL
 */
export function openChain(options: OpenChainOptions): OpenedChain {
  const { recipient, seed, nowMs, accounts = [] } = options;
  assert(recipient.length === 20, "The recipient of tickets is an account of 20 bytes.");
  assert(accounts.length <= lensAccountsMax, "Few accounts are read along.");
  const monotonicMs = options.monotonicMs ?? (() => performance.now());
  const rpc = options.rpc ?? openRpc(options, monotonicMs, (id) => poller.faultOf(id));
  const l1Clock = new L1Clock({
    monotonicMs,
    seed: seed.clock === null ? null : { block: seed.clock.l1Block, ageMs: nowMs() - seed.clock.readAtMs },
  });
  const clock = (): ChainClock | null => {
    const l1Block = l1Clock.now();
    const { rounds } = poller;
    return l1Block === null || rounds === null ? null : { ...rounds, l1Block };
  };
  const poller = new ChainPoller({
    ...{ rpc, recipient, accounts, nowMs, monotonicMs, l1Clock },
    controller: options.controller,
    network: options.network,
    expectedChainId: options.expectedChainId,
    pollMs: options.pollMs ?? defaultPollMs,
    seed: seed.clock,
    onNews: () => {
      const news = clock();
      if (news !== null) options.onClock(news);
    },
    onLook: (look) => options.onLook?.(look),
    onTrouble: options.onTrouble,
    onWrongChain: (text) => options.onWrongChain?.(text),
  });
  const reader = new FundsReader({
    ...{ rpc, recipient, monotonicMs },
    broker: async () => (await poller.contracts())?.TicketBroker ?? null,
  });
  const cache = new FundsCache({
    ...{ nowMs, monotonicMs, seed: seed.funds, onFunds: options.onFunds },
    read: (sender, isKnown) => reader.read(sender, isKnown),
    round: () => poller.rounds?.lastInitializedRound ?? null,
  });
  poller.start();
  return {
    ...{ rpc, recipient, clock },
    gasPrice: () => clampGasPrice(poller.gasPrice, options.minGasPrice, options.maxGasPrice),
    funds: (sender) => cache.peek(sender),
    readFunds: (sender) => cache.read(sender),
    get trouble() {
      return poller.trouble;
    },
    chainId: () => poller.chainId,
    look: () => poller.look,
    freshLook: () => poller.freshLook(),
    get lookTrouble() {
      return poller.lookTrouble;
    },
    pollSoon: (inMs) => poller.pollSoon(inMs),
    contracts: () => poller.contracts(),
    close: () => {
      poller.close();
      reader.close();
      if (options.rpc === undefined) rpc.close();
    },
  };
}

function openRpc(
  options: OpenChainOptions,
  monotonicMs: () => number,
  chainFault: (chainId: bigint) => string | null,
): ChainRpc {
  return new EndpointPool({
    ...{ monotonicMs, chainFault, urls: (options.urls ?? []).map((url) => url.reveal()) },
    timeoutMs: options.timeoutMs ?? defaultTimeoutMs,
    onWrongChain: (text) => options.onWrongChain?.(text),
  });
}

/** 0 = unknown. A price outside the bounds counts as the bound, so that no old price is kept in its place. */
function clampGasPrice(price: bigint | null, min: bigint, max: bigint): bigint {
  if (price === null) return 0n;
  const raised = price < min ? min : price;
  return max > 0n && raised > max ? max : raised;
}
