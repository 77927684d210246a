import { allKinds } from "../../../src/actors/allKinds.ts";
import { openChainDesk } from "../../../src/chain/chainDesk.ts";
import { chainFault } from "../../../src/chain/chainFault.ts";
import { EndpointPool } from "../../../src/chain/endpointPool.ts";
import { localIdentity } from "../../../src/chain/localIdentity.ts";
import { openChain } from "../../../src/chain/openChain.ts";
import { openSigner } from "../../../src/chain/signer.ts";
import type { ChainConfig } from "../../../src/config/config.ts";
import { Secret } from "../../../src/config/secret.ts";
import { type OpenLog, openLog } from "../../../src/events/log/openLog.ts";
import { keccak256 } from "../../../src/native/ffi.ts";
import { fromHex, toHex } from "../../../src/protocol/bytes.ts";
import { transactionEffects } from "../../../src/runtime/chain/transactionDesk.ts";
import type { ChainDesk, ChainLook } from "../../../src/runtime/chainPorts.ts";
import { Host } from "../../../src/runtime/host.ts";
import { accountEffects } from "../../../src/runtime/money/money.ts";
import { Solvency } from "../../../src/runtime/money/solvency.ts";
import { TicketBook } from "../../../src/runtime/money/ticketBook.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import { type OpenOffice, openOffice } from "../../../src/start/openOffice.ts";
import { createLogger, createVerbosity } from "../../../src/telemetry/logger.ts";
import type { DevChain, DevChainOptions } from "./devChain.ts";
import { SteadyClock } from "./steadyClock.ts";

/*
 * One life of everything that spends gas, put together as in a node, but for clocks and polls, which are the test's.
 */

export type OfficeWorldOptions = {
  readonly devChain?: DevChainOptions;
  readonly config?: Partial<ChainConfig>;
  /** Changes what the desks see of the chain; lasts over restarts. */
  readonly alterDesk?: (desk: ChainDesk) => Partial<ChainDesk>;
  /** Wei of gas money. Default 10 ETH. */
  readonly gasMoney?: bigint;
  /** 32 bytes: who we are and who pays. Default: the same in every world. */
  readonly key?: Uint8Array;
  /** The registered account, lower case. Default: that of the key. */
  readonly orchestrator?: Hex;
  /** What happens on the chain before the office opens. Default: we are an orchestrator, in the first block of round 3. */
  readonly prepare?: (chain: DevChain, us: Hex) => Promise<void>;
  /** Random bytes that everything gets. Default: real ones. */
  readonly randomBytes?: (length: number) => Uint8Array;
  /** Milliseconds that an endpoint has for an answer. Default 30,000: who is only slow is not given up. */
  readonly timeoutMs?: number;
  /** Endpoints after the first one. */
  readonly urls?: readonly string[];
  /** A chain of somebody else's, who ends it; `devChain` and `prepare` do not count then. */
  readonly chain?: DevChain;
};

/** One life of the office on the folder. */
export type OfficeLife = OpenOffice & {
  readonly host: Host;
  readonly log: OpenLog;
  readonly book: TicketBook;
  readonly solvency: Solvency;
  readonly desk: ChainDesk;
};

/** A life with the handles that only its world uses. */
export type OwnedLife = OfficeLife & {
  /** A look at the chain that begins now. */
  readonly look: () => Promise<ChainLook>;
  close(isOrderly: boolean): Promise<void>;
};

/** Our key: operator, orchestrator, and who pays gas. */
export const ourKey: Uint8Array = new Uint8Array(32).fill(0x0d);

/** What a life takes from its world, now and while it lasts. */
export type LivingWorld = {
  readonly chain: DevChain;
  readonly dataDir: string;
  readonly us: Hex;
  readonly faults: unknown[];
  readonly isSending: boolean;
  readonly config: Partial<ChainConfig>;
  readonly feeMax: bigint | null;
  readonly broadcasts: Promise<unknown>[];
  sent(): Promise<void>;
};

export type LifeParts = {
  readonly options: OfficeWorldOptions;
  readonly monotonicMs: () => number;
  readonly viewMs: () => number;
  readonly nextView: () => void;
};

/** Opens the office on the world's folder and chain. */
export async function openLife(world: LivingWorld, parts: LifeParts): Promise<OwnedLife> {
  const { chain, dataDir, faults } = world;
  const onFault = (error: unknown): void => void faults.push(error);
  const log = await openLog(dataDir, { onHalted: onFault, onStalled: () => {} });
  const { monotonicMs } = parts;
  const edge = {
    ...{ nowMs: () => Date.now(), keccak256, monotonicMs },
    randomBytes:
      parts.options.randomBytes ?? ((length: number) => crypto.getRandomValues(new Uint8Array(length))),
  };
  let office: OpenOffice | null = null;
  const host = new Host({
    ...{ kinds: allKinds, journal: log.journal, reader: log.reader, views: log.views, edge, onFault },
    effects: {
      ...accountEffects(() => null),
      ...transactionEffects(() => (world.isSending ? (office?.transactions ?? null) : null)),
    },
    onRecorded: () => {},
  });
  host.start();
  const account = accountOf(parts.options);
  const clock = new SteadyClock();
  const rpc = new EndpointPool({
    ...{ urls: [chain.rpc.url, ...(parts.options.urls ?? [])] },
    timeoutMs: parts.options.timeoutMs ?? 30_000,
    // Endpoints that want to be left alone for seconds have been, at the next look.
    monotonicMs: () => clock.now() + parts.monotonicMs() + parts.viewMs(),
    // As in a node whose log knows its chain.
    chainFault: (id) => chainFault(id, chain.chainId, "devnet"),
  });
  const view = openChain({
    ...{ rpc, controller: chain.controller, recipient: account.recipient, accounts: [world.us] },
    ...{ network: "devnet", pollMs: 1_000_000_000, minGasPrice: 0n, maxGasPrice: 0n },
    ...{ nowMs: edge.nowMs, monotonicMs: parts.viewMs, expectedChainId: chain.chainId },
    seed: { clock: null, funds: new Map() },
    onClock: () => {},
    onFunds: () => {},
    onTrouble: () => {},
  });
  const { redemption, book, solvency, desk, ...opened } = openDesks(world, parts, {
    ...{ log, host, edge, account, rpc, view, onFault },
  });
  office = { redemption, ...opened };
  book.resume();
  return {
    ...office,
    ...{ host, log, book, solvency, desk },
    look: async () => {
      for (let tries = 0; tries < 8; tries += 1) {
        parts.nextView();
        const look = await view.freshLook();
        if (look !== null) return look;
      }
      throw new Error(`There is no look at the chain: ${view.trouble ?? view.lookTrouble}.`);
    },
    close: async (isOrderly) => {
      await office?.office.idle();
      await world.sent();
      view.close();
      rpc.close();
      clock[Symbol.dispose]();
      host.stop();
      if (isOrderly) {
        await host.committed();
        host.saveSnapshots();
      }
      await log.close();
    },
  };
}

function accountOf({ key = ourKey, orchestrator }: OfficeWorldOptions) {
  const identity = localIdentity(key);
  const us = toHex(identity.account);
  return {
    ...{ identity, redeemer: us, rewardCaller: us },
    recipient: (orchestrator === undefined ? null : fromHex(orchestrator)) ?? identity.account,
    signerKeys: [{ account: us, privateKey: key }],
    erase: () => {},
  };
}

type DeskParts = {
  readonly log: OpenLog;
  readonly host: Host;
  readonly edge: { nowMs(): number; randomBytes(length: number): Uint8Array } & Parameters<
    typeof openOffice
  >[0]["edge"];
  readonly account: ReturnType<typeof accountOf>;
  readonly rpc: EndpointPool;
  readonly view: ReturnType<typeof openChain>;
  readonly onFault: (error: unknown) => void;
};

function openDesks(world: LivingWorld, { options }: LifeParts, parts: DeskParts) {
  const { log, host, edge, account, rpc, view, onFault } = parts;
  const { reader } = log;
  let office: OpenOffice | null = null;
  const solvency = new Solvency({
    ...{ chain: view, nowMs: edge.nowMs, maxGatewayLoss: 0n },
    pendingRedemptions: (sender) => office?.redemption.inFlight(sender) ?? 0n,
  });
  const book = new TicketBook({ ...{ host, reader, chain: view, solvency, edge, onFault } });
  const real = openChainDesk({
    ...{ rpc, recipient: toHex(account.recipient), nowMs: edge.nowMs },
    contracts: () => view.contracts(),
    look: () => view.freshLook(),
    chainId: () => view.chainId(),
  });
  const altered = options.alterDesk?.(real) ?? {};
  const desk = withChanges(real, {
    ...altered,
    broadcast: (transaction) => {
      const answer = altered.broadcast?.(transaction) ?? real.broadcast(transaction);
      // Whoever waits for it must not be failed by it.
      world.broadcasts.push(answer.then(() => Bun.sleep(0)));
      return answer;
    },
  });
  office = openOffice({
    ...{
      chain: configOf(world),
      account,
      desk,
      signer: openSigner(account.signerKeys.map(({ privateKey }) => privateKey)),
      host,
      reader,
      edge,
      onFault,
    },
    logger: createLogger({
      ...{ verbosity: createVerbosity(0), format: "text", write: () => {}, nowMs: edge.nowMs },
    }),
    feeMax: () => world.feeMax,
    onOpened: (sender, faceValue) => solvency.opened(sender, faceValue, edge.nowMs()),
    onEnded: (sender, faceValue) => solvency.ended(sender, faceValue),
  });
  return { ...office, book, solvency, desk };
}

/** Methods of a class instance, some of them replaced. */
function withChanges(desk: ChainDesk, changes: Partial<ChainDesk>): ChainDesk {
  return new Proxy(desk, {
    get: (target, name) => {
      const changed = changes[name as keyof ChainDesk];
      if (changed !== undefined) return changed;
      const own: unknown = Reflect.get(target, name, target);
      return typeof own === "function" ? (own.bind(target) as unknown) : own;
    },
  });
}

function configOf({ chain, config }: LivingWorld): ChainConfig {
  const url = new Secret(chain.rpc.url);
  return {
    ...{ network: "devnet", urls: [url], url, controller: chain.controller, accountText: "", password: null },
    ...{ keystorePath: "", recipient: null, rewardKey: null, redeemerKey: null, pollMs: 12_000 },
    ...{ minGasPrice: 0n, maxGasPrice: null, redeemGas: 198_000n, priceFeed: chain.controller },
    ...{ reward: "off", initializeRound: false, initializeRoundMaxDelayMs: 0, redeem: true, gasLimit: 0n },
    remoteRedeemer: null,
    ...{ transactionTimeoutMs: 60_000, maxTransactionReplacements: 1, confirmations: 2 },
    aiServiceRegistry: null,
    ...config,
  };
}
