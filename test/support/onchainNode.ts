import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type AccountSnapshot, balanceOf } from "../../src/actors/account/decide.ts";
import type { Config } from "../../src/config/config.ts";
import { runLedger } from "../../src/ledger/ledgerCommand.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import { formatRational, type Rational } from "../../src/protocol/rational.ts";
import type { Hex } from "../../src/shared/brand.ts";
import { type DevChain, type DevChainOptions, startDevChain } from "./chain/devChain.ts";
import type { GatewayFunds } from "./gatewayTickets.ts";
import { writeKeystore } from "./keystores.ts";
import { eventually } from "./eventually.ts";
import { openNode, temporaryDir, type TestNode, type TestNodeOptions } from "./nodeFixture.ts";
import { recordedEvents, verifyLog } from "./nodeLog.ts";
import { PayingGateway, type PayingGatewayOptions } from "./payingGateway.ts";
import { accountOfPrivateKey } from "./signatures.ts";

/*
 * A whole node on a chain: anvil with contracts of ours, the node in the test process, and gateways that pay. A chain
 * is shared by the tests of a file; each test has gateways of its own, so that no two tests share money.
 */

/** The node's own account: recipient of all tickets. */
export const nodeKey: Uint8Array = new Uint8Array(32).fill(0x0d);
export const nodeAccount: Uint8Array = accountOfPrivateKey(nodeKey);

/** What a ticket is worth in these tests, wei: the node's default. */
export const ticketEv = 8_000_000_000n;
/** Makes (as good as) every ticket win: a face value of one wei more than the ticket is worth. */
export const everyTicketWins: readonly string[] = ["-maxFaceValue", `${ticketEv + 1n}`];
/** Wei per pixel: a tiny segment costs about the tenth part of a ticket. */
export const defaultPrice = "1200";

/** The chain of a test file, and the keys in it. */
export type MoneyWorld = AsyncDisposable & {
  /** What else is closed with the chain, before it: its nodes. */
  readonly opened: AsyncDisposable[];
  readonly chain: DevChain;
  /** The flags of a node on this chain, whose folder holds the key. */
  readonly flags: readonly string[];
  /** A key of its own with this deposit and reserve, wei; one ETH each unless given. */
  fundedKey(deposit?: bigint, reserve?: bigint): Promise<Uint8Array>;
  gateway(serviceUri: string, privateKey: Uint8Array, options?: Partial<PayingGatewayOptions>): PayingGateway;
};

const oneEth = 10n ** 18n;
let keysMade = 0;

/** Starts a chain on which the node's account is an active orchestrator. About half a second. */
export async function openMoneyWorld(devChain: DevChainOptions = {}): Promise<MoneyWorld> {
  const chain = await startDevChain(devChain);
  await chain.setActive(nodeAccount, true);
  const gateways: PayingGateway[] = [];
  const opened: AsyncDisposable[] = [];
  return {
    ...{ chain, opened },
    flags: [
      ...["-network", "devnet", "-ethUrl", chain.rpc.url, "-ethController", chain.controller],
      ...["-ethPassword", "secret", "-pricePerUnit", defaultPrice],
      // What is tested with this world is money in; nothing is spent beside it unless a test says so.
      ...["-redeem=false", "-reward=false", "-confirmations", "1"],
    ],
    fundedKey: async (deposit = oneEth, reserve = oneEth) => {
      const key = freshKey();
      await chain.fund(accountOfPrivateKey(key), deposit, reserve);
      return key;
    },
    gateway: (serviceUri, privateKey, options = {}) => {
      const gateway = new PayingGateway({
        serviceUri,
        privateKey,
        // Most tests are not about what the gateway believes of itself.
        funds: (): GatewayFunds => ({ deposit: oneEth, reserve: oneEth, withdrawRound: 0n }),
        // At block 0 no params ever seem to have run out: the gateway uses those that the test wants.
        clock: () => ({ lastSeenL1Block: 0n, lastRound: 1n, lastRoundHash: new Uint8Array(32).fill(1) }),
        isStubborn: true,
        ...options,
      });
      gateways.push(gateway);
      return gateway;
    },
    [Symbol.asyncDispose]: async () => {
      for (const gateway of gateways) await gateway[Symbol.asyncDispose]();
      for (const node of opened) await node[Symbol.asyncDispose]();
      await chain[Symbol.asyncDispose]();
    },
  };
}

/** A valid private key that no other call has given. */
export function freshKey(): Uint8Array {
  keysMade += 1;
  const key = new Uint8Array(32).fill(0x21);
  new DataView(key.buffer).setUint32(28, keysMade);
  return key;
}

export type OnchainNode = TestNode & {
  readonly world: MoneyWorld;
  /** A gateway with one ETH of deposit and reserve that has opened no session yet. */
  gateway(options?: Partial<PayingGatewayOptions>): Promise<PayingGateway>;
  /** What the node has for an account; null when there is none. */
  account(gateway: PayingGateway, manifestId?: string): AccountState | null;
  /** Resolves when the node knows this L1 block, or a later one. */
  knowsBlock(block: bigint): Promise<void>;
  /** Resolves when the node knows this round. */
  knowsRound(round: bigint): Promise<void>;
  /** Resolves when `isSo`; asked every few milliseconds. */
  until(what: string, isSo: () => boolean): Promise<void>;
  /** Calls a route of the operator port with a form. */
  operator(path: string, form: Readonly<Record<string, string>>): Promise<{ status: number; text: string }>;
};

export type AccountState = {
  readonly balance: Rational;
  readonly reserved: number;
  /** Credited ones. */
  readonly tickets: number;
  readonly winners: number;
  readonly price: string | null;
};

/** Starts a node on the chain of `world`. Disposing drains it and leaves the chain. */
export async function openOnchainNode(
  world: MoneyWorld,
  options: TestNodeOptions = {},
): Promise<OnchainNode> {
  const dataDir = options.dataDir ?? temporaryDir();
  giveKey(dataDir);
  const node = await openNode({
    ...options,
    dataDir,
    flags: [...world.flags, ...(options.flags ?? [])],
    alterConfig: (parsed) => withFastPolls(options.alterConfig?.(parsed) ?? parsed),
  });
  const chainView = node.running.money?.chain;
  if (chainView === undefined) throw new Error("The node runs off-chain.");
  const clockWhere = async (what: string, isSo: () => boolean): Promise<void> => {
    await eventually(what, () => (isSo() ? true : null));
  };
  if (world.chain.rpc.fault.type === "none") {
    await clockWhere("the chain was read", () => chainView.trouble === null);
  }
  let isOpen = true;
  const opened: OnchainNode = {
    ...node,
    world,
    gateway: async (gatewayOptions) =>
      world.gateway(node.serviceUri, await world.fundedKey(), { nowMs: node.nowMs, ...gatewayOptions }),
    account: (gateway, manifestId) => accountState(node, gateway, manifestId),
    knowsBlock: (block) =>
      clockWhere(`the node knows block ${block}`, () => (chainView.clock()?.l1Block ?? -1n) >= block),
    knowsRound: (round) =>
      clockWhere(
        `the node knows round ${round}`,
        () => (chainView.clock()?.lastInitializedRound ?? -1n) >= round,
      ),
    until: clockWhere,
    operator: async (path, form) => {
      const { host, port } = node.running.operator.address;
      const response = await fetch(`http://${host}:${port}${path}`, {
        method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams(form).toString(),
      });
      return { status: response.status, text: await response.text() };
    },
    [Symbol.asyncDispose]: async () => {
      if (!isOpen) return;
      isOpen = false;
      await node[Symbol.asyncDispose]();
      if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
    },
  };
  world.opened.push(opened);
  return opened;
}

/** Puts the node's key where the node looks for it. */
export function giveKey(dataDir: string): void {
  const folder = join(dataDir, "keystore");
  if (!existsSync(folder)) writeKeystore(folder, nodeKey, "secret");
}

/** Whole seconds are the finest that a flag can say; a test does not wait that long for a block. */
export function withFastPolls(config: Config): Config {
  return config.chain === null ? config : { ...config, chain: { ...config.chain, pollMs: 10 } };
}

function accountState(node: TestNode, gateway: PayingGateway, manifestId?: string): AccountState | null {
  const key = {
    sender: toHex(gateway.account),
    manifestId: manifestId ?? gateway.info.authToken?.sessionId ?? "",
  };
  const snapshot: AccountSnapshot | null = node.running.money?.money.accounts.find(key) ?? null;
  if (snapshot === null) return null;
  const { price, tickets, winners, openJobs } = snapshot.context;
  return {
    balance: balanceOf(snapshot),
    reserved: openJobs.length,
    ...{ tickets, winners, price: price === null ? null : formatRational(price) },
  };
}

/** A payment that was recorded. */
export type RecordedPayment = {
  readonly account: string;
  readonly nonces: readonly number[];
  readonly creditedTickets: number;
  readonly credit: Rational;
  readonly winners: readonly Hex[];
  readonly recipientRandHash: Hex;
  readonly refusal: string | null;
};

/** All payments of a folder's log in order. */
export function recordedPayments(dataDir: string, sender?: Uint8Array): readonly RecordedPayment[] {
  return recordedEvents(dataDir).flatMap(({ stream, event }) => {
    if (event.type !== "PaymentAccepted") return [];
    const payment = event as unknown as RecordedPayment & { readonly sender: Hex };
    if (sender !== undefined && payment.sender !== toHex(sender)) return [];
    return [{ ...payment, account: stream }];
  });
}

/** Hashes of all tickets that ever won, in order; of one gateway when named. */
export function wonTickets(dataDir: string, sender?: Uint8Array): readonly string[] {
  return recordedEvents(dataDir).flatMap(({ stream, event }) => {
    if (event.type !== "TicketWon") return [];
    const ticket = event as unknown as { readonly sender: Hex };
    return sender === undefined || ticket.sender === toHex(sender) ? [stream.slice("ticket:".length)] : [];
  });
}

/**
 * What must hold for the log of every node at any time: `replay verify` and `ledger --check` find nothing, no nonce
 * was used twice, every winner of a payment has its ticket and every ticket its payment.
 *
 * @throws Error with what is wrong
 */
export async function auditMoney(dataDir: string): Promise<void> {
  await verifyLog(dataDir);
  const lines: string[] = [];
  const print = (line: string): void => {
    lines.push(line);
  };
  const code = await runLedger(["--dataDir", dataDir, "--check"], { print, printError: print });
  if (code !== 0) throw new Error(`ledger --check ended with ${code}:\n${lines.join("\n")}`);
  const nonces = new Set<string>();
  const paid = new Set<string>();
  for (const payment of recordedPayments(dataDir)) {
    for (const nonce of payment.nonces) {
      const name = `${payment.recipientRandHash}/${nonce}`;
      if (nonces.has(name)) throw new Error(`The nonce ${name} was taken twice.`);
      nonces.add(name);
    }
    if (payment.creditedTickets > payment.nonces.length) {
      throw new Error(`${payment.account} was credited more than its tickets.`);
    }
    for (const winner of payment.winners) paid.add(winner);
  }
  const won = wonTickets(dataDir);
  if (new Set(won).size !== won.length) throw new Error("A ticket won twice.");
  const missing = [...paid].filter((hash) => !won.includes(hash));
  const orphans = won.filter((hash) => !paid.has(hash as Hex));
  if (missing.length > 0) throw new Error(`Winners without a ticket: ${missing.join(", ")}`);
  if (orphans.length > 0) throw new Error(`Tickets without a payment: ${orphans.join(", ")}`);
}
