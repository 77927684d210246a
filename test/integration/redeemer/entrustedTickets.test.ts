import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { ZERO } from "../../../src/protocol/rational.ts";
import { auxData } from "../../../src/protocol/ticket.ts";
import type { QueuedTicket } from "../../../src/protocol/redeemer.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import { eventually } from "../../support/eventually.ts";
import { LoopClock } from "../../support/loopClock.ts";
import { temporaryDir } from "../../support/nodeFixture.ts";
import { recordedEvents } from "../../support/nodeLog.ts";
import { startCrashing } from "../../support/nodeProcess.ts";
import {
  auditMoney,
  everyTicketWins,
  giveKey,
  type MoneyWorld,
  nodeAccount,
  type OnchainNode,
  openMoneyWorld,
  openOnchainNode,
  wonTickets,
} from "../../support/onchainNode.ts";
import { ScriptedRedeemer } from "../../support/scriptedRedeemer.ts";
import { tickets } from "../../unit/ledger/moneyFolder.ts";

/*
 * Goal: an orchestrator with `-redeemerAddr` keeps every winner until the redeemer has it, whatever the redeemer does,
 * and believes only the chain. Method: a whole node on a chain, a gateway whose tickets all win, and a redeemer over
 * real sockets that does as it is told.
 */

setDefaultTimeout(120_000);

let world: MoneyWorld;
const folders: string[] = [];
const redeemers: ScriptedRedeemer[] = [];
beforeAll(async () => {
  world = await openMoneyWorld({ roundLength: 600n });
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  for (const redeemer of redeemers) await redeemer[Symbol.asyncDispose]();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

type Setting = {
  readonly redeemer: ScriptedRedeemer;
  readonly dataDir: string;
  readonly flags: readonly string[];
};

/** A redeemer that listens, or is down, and the folder and flags of a node that uses it. */
async function setting(state: "up" | "down" = "up"): Promise<Setting> {
  const redeemer = await ScriptedRedeemer.start();
  redeemers.push(redeemer);
  if (state === "down") await redeemer.stop();
  const dataDir = temporaryDir();
  folders.push(dataDir);
  giveKey(dataDir);
  // The last word of a flag counts: money is redeemed, but not by this node.
  const flags = [...everyTicketWins, "-redeem=true", "-redeemerAddr", `127.0.0.1:${redeemer.port}`];
  return { redeemer, dataDir, flags };
}

const open = ({ dataDir, flags }: Setting): Promise<OnchainNode> =>
  openOnchainNode(world, { dataDir, flags });

/** A gateway pays with tickets that all win. Returns their hashes. */
async function pay(node: OnchainNode, count = 1): Promise<readonly string[]> {
  const gateway = await node.gateway();
  await gateway.open();
  const { answer } = await gateway.sendPayment("side-account", ZERO, { count });
  expect(answer.type).toBe("answer");
  return wonTickets(node.dataDir, gateway.account);
}

const recorded = (dataDir: string, type: string): readonly string[] =>
  recordedEvents(dataDir)
    .filter(({ event }) => event.type === type)
    .map(({ stream }) => stream.slice("ticket:".length));

async function entrusted(node: OnchainNode, hashes: readonly string[]): Promise<void> {
  await node.until("the redeemer has acknowledged them", () => {
    const known = recorded(node.dataDir, "TicketEntrusted");
    return hashes.every((hash) => known.includes(hash));
  });
}

describe("delivery", () => {
  test("a winner is with the redeemer at once; the node itself sends no transaction", async () => {
    const place = await setting();
    await using node = await open(place);
    const hashes = await pay(node, 3);
    await entrusted(node, hashes);
    expect(place.redeemer.hashes.toSorted()).toEqual(hashes.toSorted() as never);
    expect(place.redeemer.connections).toBe(1);
    await world.chain.mine(45);
    await node.knowsBlock(await world.chain.blockNumber());
    expect(recorded(place.dataDir, "TransactionPlanned")).toEqual([]);
    expect(node.running.money?.office.entrust?.desk.counts()).toEqual({ waiting: 0, entrusted: 3 });
    const listed = await tickets("list", "--dataDir", place.dataDir);
    expect(listed.lines.filter((line) => line.includes("open, entrusted"))).toHaveLength(3);
    await auditMoney(place.dataDir);
  });

  test("payments check 50: the redeemer is down when a winner arrives: it is kept, served on, and delivered later", async () => {
    const place = await setting("down");
    await using node = await open(place);
    const first = await pay(node);
    await node.until("it is said", () => node.logLines.some((line) => line.includes("cannot be reached")));
    // The gateway is served as if nothing was.
    const second = await pay(node);
    expect(recorded(place.dataDir, "TicketEntrusted")).toEqual([]);
    expect(node.running.money?.office.entrust?.desk.counts()).toEqual({ waiting: 2, entrusted: 0 });
    await place.redeemer.start();
    await entrusted(node, [...first, ...second]);
    expect(node.logLines.some((line) => line.includes("takes winning tickets again"))).toBe(true);
    expect(node.fatal).toEqual([]);
    await auditMoney(place.dataDir);
  });

  test("payments check 50: a restart between: what nobody took is delivered by the next process, nothing twice", async () => {
    const place = await setting();
    let taken: readonly string[];
    let kept: readonly string[];
    {
      await using node = await open(place);
      taken = await pay(node);
      await entrusted(node, taken);
      await place.redeemer.stop();
      kept = await pay(node, 2);
    }
    await place.redeemer.start();
    await using node = await open(place);
    await entrusted(node, kept);
    expect(place.redeemer.hashes.filter((hash) => taken.includes(hash))).toHaveLength(1);
    await auditMoney(place.dataDir);
  });

  // Method: the process ends itself with SIGKILL when the winner is durable, before anybody is told.
  test("payments check 50: kill -9 between the winner and its delivery loses nothing", async () => {
    const place = await setting();
    {
      const plan = {
        killAt: 0,
        killAtPoint: { point: "durable:TicketWon", nth: 1 },
        workersLost: 0,
        pollMs: 10,
      };
      const flags = [...world.flags, ...place.flags];
      await using node = await startCrashing(place.dataDir, plan, flags);
      const gateway = world.gateway(node.serviceUri, await world.fundedKey());
      await eventually("there is a session", () => gateway.open().catch(() => null));
      await gateway.sendPayment("side-account", ZERO, { count: 1 }).catch(() => null);
      expect(await node.ended).toBe("SIGKILL");
    }
    const hashes = wonTickets(place.dataDir);
    expect(recorded(place.dataDir, "TicketEntrusted")).toEqual([]);
    expect(hashes).toHaveLength(1);
    await using node = await open(place);
    await entrusted(node, hashes);
    await auditMoney(place.dataDir);
  });

  test("payments check 50: delivered twice is harmless: a redeemer that knows it already has it", async () => {
    const place = await setting();
    const text =
      "failed inserting winning ticket sender=0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC: " +
      "UNIQUE constraint failed: ticketQueue.sig";
    // It stores the ticket, but its answer is lost.
    place.redeemer.reply = ({ hash }) => {
      const times = place.redeemer.hashes.filter((other) => other === hash).length;
      return times === 1 ? { type: "cut" } : { type: "error", code: 13, text };
    };
    await using node = await open(place);
    const hashes = await pay(node);
    await entrusted(node, hashes);
    expect(place.redeemer.hashes).toHaveLength(2);
    await auditMoney(place.dataDir);
  });

  test("payments check 50: a refused one blocks no other, says why in `tickets`, and is taken when the redeemer will", async () => {
    const place = await setting();
    await using node = await open(place);
    place.redeemer.reply = () => ({ type: "error", code: 7, text: "invalid ticket recipient 0xab" });
    const bad = await pay(node);
    await node.until("it waits", () => recorded(place.dataDir, "RedemptionPostponed").length === 1);
    place.redeemer.reply = ({ hash }) =>
      hash !== null && bad.includes(hash)
        ? { type: "error", code: 7, text: "invalid ticket recipient 0xab" }
        : { type: "take" };
    await entrusted(node, await pay(node, 5));
    const listed = await tickets("list", "--dataDir", place.dataDir);
    expect(listed.lines.join("\n")).toContain(
      "waits (redeemer): The redeemer refuses it: invalid ticket recipient 0xab (code 7)",
    );
    place.redeemer.reply = () => ({ type: "take" });
    node.passTime(60_000);
    await entrusted(node, bad);
    await auditMoney(place.dataDir);
  });

  test("payments check 50: garbage and silence are no acknowledgement", async () => {
    const place = await setting();
    await using node = await open(place);
    const replies = [
      { type: "raw", status: 502, body: Buffer.from("Bad Gateway") },
      { type: "raw", body: new Uint8Array(1_000_000) },
      { type: "raw", trailers: { "grpc-status": "0" } },
      { type: "cut" },
    ] as const;
    place.redeemer.reply = () =>
      replies[(place.redeemer.calls.length - 1) % replies.length] ?? { type: "cut" };
    const hashes = await pay(node);
    for (let count = 2; count <= replies.length; count++) {
      await place.redeemer.received(count - 1);
      node.passTime(60_000);
      await place.redeemer.received(count);
    }
    expect(recorded(place.dataDir, "TicketEntrusted")).toEqual([]);
    place.redeemer.reply = () => ({ type: "hang" });
    node.passTime(60_000);
    await place.redeemer.received(replies.length + 1);
    expect(recorded(place.dataDir, "TicketEntrusted")).toEqual([]);
    // A hanging call ends after eight seconds; a node that ends waits for none.
    {
      using clock = new LoopClock();
      await node[Symbol.asyncDispose]();
      expect(clock.passedMs).toBeLessThan(6_000);
    }
    place.redeemer.reply = () => ({ type: "take" });
    await using next = await open(place);
    await entrusted(next, hashes);
  });

  test("a redeemer that is not there does not keep the node from starting, and says so in its metrics", async () => {
    const place = await setting("down");
    await using node = await open({ ...place, flags: [...place.flags, "-monitor"] });
    const hashes = await pay(node, 2);
    await node.until("it is known", () => node.running.money?.office.entrust?.desk.trouble !== null);
    const orders = node.running.money?.ticketsForOperator;
    expect(await orders?.redeemNow(hashes.slice(0, 1) as Hex[], false)).toEqual([
      {
        ...{ hash: hashes[0] as Hex, outcome: "refused" },
        text: expect.stringMatching(
          /^This node hands its tickets to the redeemer at \S+:\d+ \(-redeemerAddr\)/,
        ),
      },
    ]);
    const { host, port } = node.running.operator.address;
    const text = await (await fetch(`http://${host}:${port}/metrics`)).text();
    expect(text).toMatch(/^reprise_redeemer_tickets_waiting\b.* 2$/m);
    expect(text).toMatch(/^reprise_redeemer_usable\b.* 0$/m);
    expect(node.running.node.unhealthyReason()).toBeNull();
  });
});

describe("the chain's word", () => {
  test("paid and redeemed is what the chain says is used; the rest is delivered anew in the next round", async () => {
    const place = await setting();
    await using node = await open(place);
    const [first = "", second = ""] = await pay(node, 2);
    await entrusted(node, [first, second]);
    const ticket = place.redeemer.calls.find(({ hash }) => hash === first)?.ticket;
    if (ticket === null || ticket === undefined) throw new Error("The redeemer did not get it.");
    const fees = await world.chain.feesOf(nodeAccount);
    await redeem(ticket);
    expect((await world.chain.feesOf(nodeAccount)) - fees).toBe(ticket.terms.faceValue);
    await world.chain.mine(2);
    node.passTime(60_000);
    await node.until("the chain's word is heard", () =>
      recorded(place.dataDir, "TicketPaid").includes(first),
    );
    await world.chain.mine(2);
    await node.until("it is final", () => recorded(place.dataDir, "TicketRedeemed").includes(first));
    await node.knowsRound(await world.chain.nextRound());
    node.passTime(60_000);
    await node.until(
      "the other is delivered anew",
      () => recorded(place.dataDir, "TicketEntrusted").filter((hash) => hash === second).length === 2,
    );
    expect(place.redeemer.hashes.filter((hash) => hash === first)).toHaveLength(1);
    // Two rounds on nobody can have it any more.
    await world.chain.nextRound();
    await world.chain.nextRound();
    await world.chain.mine(3);
    await node.until("it has expired", () => recorded(place.dataDir, "TicketExpired").includes(second));
    const calls = place.redeemer.hashes.length;
    node.passTime(120_000);
    await world.chain.mine(1);
    await node.knowsBlock(await world.chain.blockNumber());
    expect(place.redeemer.hashes).toHaveLength(calls);
    await auditMoney(place.dataDir);
  });
});

/** Does what a redeemer does, from an account of its own. */
async function redeem({ terms, senderNonce, signature, recipientRand }: QueuedTicket): Promise<void> {
  const { expiration, ...plain } = terms;
  await world.chain.redeem(
    { ...plain, senderNonce: BigInt(senderNonce), auxData: auxData(expiration) },
    signature,
    recipientRand,
  );
}
