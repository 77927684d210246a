import { rmSync } from "node:fs";
import { join } from "node:path";
import { balanceOf } from "../../src/actors/account/decide.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import type { Rational } from "../../src/protocol/rational.ts";
import { type DevChain, startDevChain } from "./chain/devChain.ts";
import { writeKeystore } from "./keystores.ts";
import { eventually } from "./eventually.ts";
import { openNode, type TestNode, type TestNodeOptions, temporaryDir } from "./nodeFixture.ts";
import { PayingGateway, type PayingGatewayOptions } from "./payingGateway.ts";
import { accountOfPrivateKey } from "./signatures.ts";

/** A whole node on a chain of its own, and gateways that pay it. */
export type PaidNode = AsyncDisposable & {
  readonly node: TestNode;
  readonly chain: DevChain;
  /** A funded gateway; the same account each time. */
  gateway(options?: Partial<PayingGatewayOptions>): PayingGateway;
  /** What the node says that a gateway has under a session or manifest id, wei; null = no account. */
  balance(gateway: PayingGateway, manifestId: string): Rational | null;
};

const ether = 10n ** 18n;
const funds = { deposit: 10n * ether, reserve: 10n * ether, withdrawRound: 0n };
const nodeKey = new Uint8Array(32).fill(0x21);
const gatewayKey = new Uint8Array(32).fill(0x42);

/** Price 1212 wei a pixel and tickets worth 8e9 wei, as in the recordings. */
const priceFlags = ["-pricePerUnit", "1212", "-pixelsPerUnit", "1", "-autoAdjustPrice=false"];

/** Starts chain and node, and waits until the node has read the chain. */
export async function openPaidNode(options: TestNodeOptions = {}): Promise<PaidNode> {
  const chain = await startDevChain();
  await chain.setRound(3n);
  await chain.setActive(accountOfPrivateKey(nodeKey), true);
  await chain.fund(accountOfPrivateKey(gatewayKey), funds.deposit, funds.reserve);
  const dataDir = options.dataDir ?? temporaryDir();
  writeKeystore(join(dataDir, "keystore"), nodeKey, "password");
  const node = await openNode({
    ...options,
    dataDir,
    flags: [
      ...["-network", "devnet", "-ethUrl", chain.rpc.url, "-ethController", chain.controller],
      ...["-ethAcctAddr", toHex(accountOfPrivateKey(nodeKey)), "-ethPassword", "password"],
      ...["-blockPollingInterval", "1", "-ticketEV", "8000000000"],
      ...priceFlags,
      ...(options.flags ?? []),
    ],
  });
  const gateways: PayingGateway[] = [];
  const gateway = (changes: Partial<PayingGatewayOptions> = {}): PayingGateway => {
    const made = new PayingGateway({
      serviceUri: node.serviceUri,
      privateKey: gatewayKey,
      funds: () => funds,
      clock: async () => ({
        lastSeenL1Block: await chain.blockNumber(),
        lastRound: 3n,
        lastRoundHash: new Uint8Array(32).fill(1),
      }),
      nowMs: () => node.nowMs(),
      ...changes,
    });
    gateways.push(made);
    return made;
  };
  const first = gateway();
  await eventually("the node offers tickets", () => first.open().catch(() => null));
  return {
    ...{ node, chain, gateway },
    balance: (of, manifestId) => {
      const key = { sender: toHex(of.account), manifestId };
      const account = node.running.money?.money.accounts.find(key) ?? null;
      return account === null ? null : balanceOf(account);
    },
    [Symbol.asyncDispose]: async () => {
      for (const each of gateways) await each[Symbol.asyncDispose]();
      await node[Symbol.asyncDispose]();
      await chain[Symbol.asyncDispose]();
      if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
