import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { rmSync } from "node:fs";
import { ZERO } from "../../../src/protocol/rational.ts";
import { eventually } from "../../support/eventually.ts";
import { temporaryDir } from "../../support/nodeFixture.ts";
import { recordedEvents } from "../../support/nodeLog.ts";
import {
  auditMoney,
  everyTicketWins,
  giveKey,
  type MoneyWorld,
  nodeAccount,
  openMoneyWorld,
  openOnchainNode,
  ticketEv,
  wonTickets,
} from "../../support/onchainNode.ts";
import { openRedeemer } from "../../support/redeemerFixture.ts";

/*
 * Goal: an orchestrator of ours and a redeemer of ours together lose nothing and pay nothing twice. Method: both whole, on
 * one development chain; a gateway pays with tickets that all win, while the redeemer is away and while it is there.
 */

setDefaultTimeout(120_000);

let world: MoneyWorld;
beforeAll(async () => {
  world = await openMoneyWorld({ roundLength: 600n });
});
afterAll(() => world[Symbol.asyncDispose]());

const typed = (dataDir: string, type: string): readonly string[] =>
  recordedEvents(dataDir).flatMap(({ stream, event }) => (event.type === type ? [stream] : []));

test("what an orchestrator has won is redeemed by the other node, and both know it", async () => {
  const [orchestratorDir, redeemerDir] = [temporaryDir(), temporaryDir()];
  giveKey(orchestratorDir);
  const fees = await world.chain.feesOf(nodeAccount);
  const nonceOf = () =>
    world.chain.anvil.rpc(
      "eth_getTransactionCount",
      `0x${Buffer.from(nodeAccount).toString("hex")}`,
      "latest",
    );
  const nonce = await nonceOf();
  {
    await using redeemer = await openRedeemer(world, { dataDir: redeemerDir });
    await using node = await openOnchainNode(world, {
      dataDir: orchestratorDir,
      flags: [
        ...everyTicketWins,
        ...["-maxGatewayLoss", `${10n ** 18n}`, "-redeemerAddr", `127.0.0.1:${redeemer.port}`],
      ],
    });
    const gateway = await node.gateway();
    const info = await gateway.open();
    await gateway.sendPayment(info.authToken?.sessionId ?? "", ZERO, { count: 5 });
    expect(wonTickets(orchestratorDir)).toHaveLength(5);
    await eventually("all are handed over", () =>
      typed(orchestratorDir, "TicketEntrusted").length === 5 ? true : null,
    );
    expect([...wonTickets(redeemerDir)].sort()).toEqual([...wonTickets(orchestratorDir)].sort());
    await world.chain.mine(45);
    await eventually("the redeemer has redeemed them", async () => {
      await world.chain.mine(1);
      await Bun.sleep(50);
      return typed(redeemerDir, "TicketRedeemed").length === 5 ? true : null;
    });
    expect(await world.chain.feesOf(nodeAccount)).toBe(fees + 5n * (ticketEv + 1n));
    expect(await nonceOf()).toBe(nonce);
    // The chain is asked about once a minute.
    await eventually(
      "the orchestrator knows",
      async () => {
        node.passTime(1_000);
        await world.chain.mine(1);
        await Bun.sleep(100);
        return typed(orchestratorDir, "TicketRedeemed").length === 5 ? true : null;
      },
      60_000,
    );
    expect([...node.fatal, ...redeemer.fatal]).toEqual([]);
  }
  await auditMoney(orchestratorDir);
  for (const dir of [orchestratorDir, redeemerDir]) rmSync(dir, { recursive: true, force: true });
});
