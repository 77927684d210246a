import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { rmSync } from "node:fs";
import { eventually } from "../../support/eventually.ts";
import { temporaryDir } from "../../support/nodeFixture.ts";
import { recordedEvents } from "../../support/nodeLog.ts";
import { startCrashing } from "../../support/nodeProcess.ts";
import { type MoneyWorld, nodeAccount, openMoneyWorld, wonTickets } from "../../support/onchainNode.ts";
import { openRedeemer, queueTicket, redeemerFlags, winnerOf } from "../../support/redeemerFixture.ts";
import { Http2Client, type RpcResult } from "../../support/serverClients.ts";

/*
 * Goal: an acknowledged ticket outlives its redeemer, and brings its money once. Method: a redeemer in a process of its
 * own that ends itself with SIGKILL at a named point between the call and the last confirmation; a successor on the same
 * folder finishes. The test is the orchestrator, and blocks come while it waits.
 */

setDefaultTimeout(120_000);

let world: MoneyWorld;
beforeAll(async () => {
  // All in one round, however many blocks the tests mine.
  world = await openMoneyWorld({ roundLength: 1_000n });
});
afterAll(() => world[Symbol.asyncDispose]());

test.each([
  ["decided:TicketWon", false],
  ["durable:TicketWon", true],
  ["decided:TransactionSigned", true],
  ["durable:TransactionSigned", true],
  ["durable:TicketPaid", true],
] as const)("kill -9 at %s loses no ticket that was acknowledged", async (point, isKept) => {
  const { chain } = world;
  const dataDir = temporaryDir();
  const flags = await redeemerFlags(world, dataDir);
  const { bytes, hash, ticket } = await winnerOf(chain, await world.fundedKey());
  const fees = await chain.feesOf(nodeAccount);
  const plan = { killAt: 0, workersLost: 0, killAtPoint: { point, nth: 1 }, pollMs: 10 };
  let answer: RpcResult | null = null;
  {
    await using node = await startCrashing(dataDir, plan, flags);
    await using client = new Http2Client(node.port);
    void queueTicket(client, bytes).then(
      (result) => {
        answer = result;
      },
      () => {},
    );
    let isOver = false;
    void node.ended.then(() => {
      isOver = true;
    });
    await eventually("it is dead", async () => {
      await chain.mine(1);
      // A block now and then: the round must outlast the test.
      await Bun.sleep(50);
      return isOver ? true : null;
    });
    expect(await node.ended).toBe("SIGKILL");
  }
  const status = (answer as RpcResult | null)?.status ?? null;
  const isAcknowledged = status === 0;
  expect(wonTickets(dataDir)).toEqual(isKept ? [hash] : []);
  if (!isKept) expect(isAcknowledged).toBe(false);
  {
    await using redeemer = await openRedeemer(world, { dataDir });
    // Whoever has no acknowledgement brings it again.
    if (!isAcknowledged) expect((await queueTicket(redeemer.connect(), bytes)).status).toBe(0);
    await eventually("redeemed", async () => {
      await chain.mine(1);
      // A block now and then: the round must outlast the test.
      await Bun.sleep(50);
      return recordedEvents(dataDir).some(({ event }) => event.type === "TicketRedeemed") ? true : null;
    });
    expect(redeemer.fatal).toEqual([]);
  }
  expect(await chain.feesOf(nodeAccount)).toBe(fees + ticket.terms.faceValue);
  rmSync(dataDir, { recursive: true, force: true });
});
