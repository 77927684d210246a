import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { toHex } from "../../../../src/protocol/bytes.ts";
import { ZERO } from "../../../../src/protocol/rational.ts";
import { eventually } from "../../../support/eventually.ts";
import { temporaryDir } from "../../../support/nodeFixture.ts";
import { recordedEvents } from "../../../support/nodeLog.ts";
import { startCrashing } from "../../../support/nodeProcess.ts";
import {
  auditMoney,
  giveKey,
  type MoneyWorld,
  nodeAccount,
  openMoneyWorld,
  openOnchainNode,
  wonTickets,
} from "../../../support/onchainNode.ts";
import { tickets } from "../../../unit/ledger/moneyFolder.ts";

/*
 * Goal: what a gateway pays a whole node arrives on the chain, once, also when the node is killed in the middle. Method:
 * the node in this process or in one that ends itself with SIGKILL at a named point; a gateway pays it with 40 tickets
 * that all win, which is a batch that waits for no company; then their parameters run out.
 */

setDefaultTimeout(120_000);

const ev = 10n ** 15n;
const faceValue = ev + 1n;
const flags = [
  ...["-ticketEV", `${ev}`, "-maxFaceValue", `${faceValue}`, "-maxGatewayLoss", `${10n ** 18n}`],
  ...["-blockPollingInterval", "1", "-pricePerUnit", "1200", "-redeem=true"],
];
const count = 40;

let world: MoneyWorld;
const folders: string[] = [];
beforeAll(async () => {
  // All in one round.
  world = await openMoneyWorld({ roundLength: 600n });
  await world.chain.giveEther(nodeAccount, 10n ** 18n);
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function folder(): string {
  const dir = temporaryDir();
  folders.push(dir);
  giveKey(dir);
  return dir;
}

/** Pays with tickets that all win, and lets their parameters run out. Returns who paid. */
async function pay(serviceUri: string): Promise<Uint8Array> {
  const gateway = world.gateway(serviceUri, await world.fundedKey(), {
    limits: { maxTicketEv: 2n * ev, maxTotalEv: 100n * ev },
  });
  // A process of its own may not have read the chain yet.
  await eventually("there is a session", () => gateway.open().catch(() => null));
  const { answer } = await gateway.sendPayment("side-account", ZERO, { count });
  expect(answer.type).toBe("answer");
  return gateway.account;
}

/** How often each ticket of a gateway was paid by the broker. */
async function paidBy(gateway: Uint8Array): Promise<readonly unknown[]> {
  const logs = await world.chain.logs("TicketBroker", "WinningTicketTransfer");
  return logs
    .filter(({ args }) => String(args["sender"]).toLowerCase() === toHex(gateway))
    .map(({ args }) => args["amount"]);
}

/** Lets a node redeem everything, and its redemptions become final. */
async function finish(dataDir: string): Promise<void> {
  await using node = await openOnchainNode(world, { dataDir, flags });
  await eventually(
    "every ticket is redeemed",
    async () => {
      await world.chain.mine(1);
      const open = [...(node.running.money?.money.tickets.open() ?? [])];
      return open.length === 0 ? true : null;
    },
    50_000,
  );
}

const countOf = (dataDir: string, type: string): number =>
  recordedEvents(dataDir).filter(({ event }) => event.type === type).length;

describe("the whole way", () => {
  test("a gateway pays, the tickets are redeemed in one batch, and the broker's logs say the same as ours", async () => {
    const dataDir = folder();
    let gateway: Uint8Array;
    {
      await using node = await openOnchainNode(world, { dataDir, flags });
      gateway = await pay(node.serviceUri);
      expect(countOf(dataDir, "TransactionPlanned")).toBe(0);
      await world.chain.mine(42);
      await node.until("they are paid", () => countOf(dataDir, "TicketPaid") === count);
    }
    await finish(dataDir);
    expect(await paidBy(gateway)).toEqual(Array.from({ length: count }, () => faceValue));
    expect(wonTickets(dataDir)).toHaveLength(count);
    expect(countOf(dataDir, "TicketRedeemed")).toBe(count);
    expect(countOf(dataDir, "TransactionPlanned")).toBe(1);
    await auditMoney(dataDir);
  });

  // Method: a pause of the protocol keeps what is due from being redeemed; meanwhile no event tells the log of blocks.
  test("`tickets redeem --all` goes by the block that the node knows, not by the log's last one", async () => {
    const dataDir = folder();
    await using node = await openOnchainNode(world, { dataDir, flags });
    const gateway = await pay(node.serviceUri);
    const { host, port } = node.running.operator.address;
    const order = () => tickets("redeem", "--all", "--dataDir", dataDir, "--operator", `${host}:${port}`);
    expect(await order()).toMatchObject({ code: 0, lines: ["No ticket is due."] });
    await world.chain.write("Controller", "pause", []);
    try {
      await world.chain.mine(42);
      await node.knowsBlock(await world.chain.blockNumber());
      const { code, lines } = await order();
      expect([code, lines.filter((line) => line.endsWith("  done")).length]).toEqual([0, count]);
      expect(countOf(dataDir, "TransactionPlanned")).toBe(0);
    } finally {
      await world.chain.write("Controller", "unpause", []);
    }
    await node.until("they are paid", () => countOf(dataDir, "TicketPaid") === count);
    expect(await paidBy(gateway)).toHaveLength(count);
  });

  test.each([
    ...["decided:RedemptionSubmitted", "durable:TransactionPlanned", "durable:TransactionSigned"],
    ...["decided:TicketPaid", "durable:TransactionMined", "durable:TicketRedeemed"],
  ])("killed at %s: every ticket is redeemed, and none is paid for twice", async (point) => {
    const dataDir = folder();
    const nonceBefore = Number(
      await world.chain.anvil.rpc("eth_getTransactionCount", toHex(nodeAccount), "latest"),
    );
    let gateway: Uint8Array;
    {
      const plan = { killAt: 0, killAtPoint: { point, nth: 1 }, workersLost: 0 };
      await using node = await startCrashing(dataDir, plan, [...world.flags, ...flags]);
      gateway = await pay(node.serviceUri);
      await world.chain.mine(42);
      let hasEnded = false;
      void node.ended.then(() => {
        hasEnded = true;
      });
      await eventually(
        "it has killed itself",
        async () => {
          if (hasEnded) return true;
          await world.chain.mine(1);
          await Bun.sleep(200);
          return null;
        },
        50_000,
      );
      expect(await node.ended).toBe("SIGKILL");
    }
    await finish(dataDir);
    expect(await paidBy(gateway)).toEqual(Array.from({ length: count }, () => faceValue));
    expect(countOf(dataDir, "TicketRedeemed")).toBe(count);
    expect(countOf(dataDir, "TransactionPlanned")).toBe(1);
    const nonce = Number(
      await world.chain.anvil.rpc("eth_getTransactionCount", toHex(nodeAccount), "latest"),
    );
    expect(nonce - nonceBefore).toBe(1);
    await auditMoney(dataDir);
  });
});
