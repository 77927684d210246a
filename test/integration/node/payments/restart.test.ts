import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { OrchestratorInfo, Payment } from "../../../../src/protocol/gen/lp_rpc_pb.ts";
import { multiply, rational, subtract } from "../../../../src/protocol/rational.ts";
import { temporaryDir } from "../../../support/nodeFixture.ts";
import { recordedEvents } from "../../../support/nodeLog.ts";
import { dataOf, profileOf, tinySegment } from "../../../support/nodeSegments.ts";
import {
  auditMoney,
  everyTicketWins,
  type MoneyWorld,
  type OnchainNode,
  openMoneyWorld,
  openOnchainNode,
  wonTickets,
} from "../../../support/onchainNode.ts";
import { again, tryPayment } from "../../../support/paymentTrials.ts";
import type { PaidSubmission, PayingGateway } from "../../../support/payingGateway.ts";

/*
 * Goal: a restart forgets nothing that is worth money, and brings nothing back that was used up. Method: a node on a
 * folder, drained and opened again; the same gateway goes on with what it had in its hands.
 */

setDefaultTimeout(120_000);

let world: MoneyWorld;
const folders: string[] = [];
beforeAll(async () => {
  world = await openMoneyWorld();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function folder(): string {
  const dir = temporaryDir();
  folders.push(dir);
  return dir;
}

/** The same gateway, at the node's new address. */
function moved(node: OnchainNode, privateKey: Uint8Array, info: OrchestratorInfo): PayingGateway {
  const gateway = world.gateway(node.serviceUri, privateKey, { nowMs: node.nowMs });
  gateway.use(info);
  return gateway;
}

const flags = [...everyTicketWins, "-maxGatewayLoss", `${10n ** 18n}`];

describe("replays", () => {
  test("payments checks 19 and 13: a restart remembers nonces, secret, balance and price", async () => {
    const dataDir = folder();
    const privateKey = await world.fundedKey();
    let info: OrchestratorInfo;
    let payment: Payment;
    {
      await using node = await openOnchainNode(world, { dataDir, flags });
      const gateway = world.gateway(node.serviceUri, privateKey);
      info = await gateway.open();
      const first = await tryPayment(node, gateway, info, { nonces: [1, 2, 3] });
      expect(first).toMatchObject({ status: 200, creditedTickets: "3", winners: 3 });
      ({ payment } = first);
      const replay = await tryPayment(node, gateway, info, again(payment));
      expect(replay).toMatchObject({ status: 400, creditedTickets: "0", winners: 0, nonces: [] });
      expect(replay.text).toContain("already seen");
    }
    for (const restart of [1, 2]) {
      await using node = await openOnchainNode(world, { dataDir, flags });
      const gateway = moved(node, privateKey, info);
      const before = node.account(gateway, "trial");
      expect(before).toMatchObject({
        tickets: 2 + restart,
        winners: 2 + restart,
        price: "1200",
        reserved: 0,
      });
      const replay = await tryPayment(node, gateway, info, again(payment));
      expect(replay).toMatchObject({ status: 400, creditedTickets: "0", winners: 0, nonces: [] });
      expect(replay.text).toContain("already seen");
      expect(node.account(gateway, "trial")).toEqual(before);
      // A secret that went with the process would refuse these params.
      const fresh = await tryPayment(node, gateway, info, { nonces: [100 + restart] });
      expect(fresh).toMatchObject({ status: 200, creditedTickets: "1", nonces: [100 + restart] });
    }
    expect(wonTickets(dataDir)).toHaveLength(5);
    await auditMoney(dataDir);
  });

  test("a winner is one ticket for ever: also behind its params, its last round, and restarts", async () => {
    // A chain of its own: rounds pass.
    await using own = await openMoneyWorld();
    const dataDir = folder();
    const privateKey = await own.fundedKey();
    let info: OrchestratorInfo;
    let payment: Payment;
    {
      await using node = await openOnchainNode(own, { dataDir, flags });
      const gateway = own.gateway(node.serviceUri, privateKey);
      info = await gateway.open();
      ({ payment } = await tryPayment(node, gateway, info, { nonces: [1, 2] }));
      await own.chain.mine(41);
      await node.knowsBlock(await own.chain.blockNumber());
      const late = await tryPayment(node, gateway, info, again(payment));
      expect(late).toMatchObject({ status: 400, creditedTickets: "0", winners: 0 });
      await own.chain.setRound(2n);
      await own.chain.setRound(3n);
      await node.knowsRound(3n);
      // A round must be deep before what ended with the one before it is given up.
      await own.chain.mine(2);
      const expired = () =>
        recordedEvents(dataDir).filter(({ event }) => event.type === "TicketExpired").length;
      await node.until("both tickets have ended", () => expired() === 2);
      const closed = await tryPayment(node, gateway, info, again(payment));
      expect(closed).toMatchObject({ status: 400, creditedTickets: "0", winners: 0 });
    }
    await using node = await openOnchainNode(own, { dataDir, flags });
    const gateway = own.gateway(node.serviceUri, privateKey);
    gateway.use(info);
    const replay = await tryPayment(node, gateway, info, again(payment));
    expect(replay).toMatchObject({ status: 400, creditedTickets: "0", winners: 0 });
    expect(wonTickets(dataDir)).toHaveLength(2);
    await auditMoney(dataDir);
  });

  test("twenty times the same payment at once: one is credited", async () => {
    const dataDir = folder();
    await using node = await openOnchainNode(world, { dataDir, flags });
    const privateKey = await world.fundedKey();
    const gateway = world.gateway(node.serviceUri, privateKey);
    const info = await gateway.open();
    const twins = Array.from({ length: 20 }, () => moved(node, privateKey, info));
    const made = await gateway.makePayment(gateway.ev, { nonces: [1, 2, 3] });
    const answers = await Promise.all(
      twins.map((twin) => twin.sendPayment("trial", rational(0n), again(made.payment))),
    );
    expect(answers.filter(({ answer }) => answer.type === "answer")).toHaveLength(1);
    expect(node.account(gateway, "trial")).toMatchObject({ tickets: 3, winners: 3 });
    expect(wonTickets(dataDir)).toHaveLength(3);
    await auditMoney(dataDir);
  });
});

describe("a running session", () => {
  async function submission(seq: number): Promise<PaidSubmission> {
    return { manifestId: "movie", seq, media: await tinySegment(), durationMs: 200, profiles: [profileOf()] };
  }

  test("between two segments the node restarts: the gateway notices nothing", async () => {
    const dataDir = folder();
    const privateKey = await world.fundedKey();
    let info: OrchestratorInfo;
    let pixels = 0n;
    const count = (answer: Parameters<typeof dataOf>[0]) => {
      for (const segment of dataOf(answer).segments) pixels += segment.pixels;
    };
    {
      await using node = await openOnchainNode(world, { dataDir, flags });
      // An honest one: it counts its own balance and sends tickets by it.
      const gateway = world.gateway(node.serviceUri, privateKey);
      await gateway.open();
      const first = await gateway.sendSegment(await submission(0));
      expect(first.sent.ticketsSent).toBe(1);
      count(first.answer);
      expect(node.account(gateway)?.balance).toEqual(gateway.balance);
      ({ info } = gateway);
    }
    {
      await using node = await openOnchainNode(world, { dataDir, flags });
      const gateway = moved(node, privateKey, info);
      expect(node.running.resumed.sessions).toBe(1);
      expect(node.account(gateway)).toMatchObject({ tickets: 1, price: "1200", reserved: 0 });
      // By its own account it has almost a ticket left and sends one more; the same token, params and price.
      const second = await gateway.sendSegment(await submission(1), { count: 1 });
      count(second.answer);
      expect(second.answer).toMatchObject({ type: "answer" });
      const third = await gateway.sendSegment(await submission(2), { count: 0 });
      count(third.answer);
      expect(node.running.node.sessionCount).toBe(1);
      const paid = multiply(gateway.ev, rational(2n));
      expect(node.account(gateway)?.balance).toEqual(
        subtract(paid, multiply(rational(1_200n), rational(pixels))),
      );
      await auditMoney(dataDir);
    }
    const opened = recordedEvents(dataDir).filter(({ event }) => event.type === "SessionOpened");
    expect(opened).toHaveLength(1);
    await auditMoney(dataDir);
  });
});
