import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { ChainDesk } from "../../../src/runtime/chainPorts.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import { oneEther, type OfficeWorld, openOfficeWorld } from "../../support/chain/officeWorld.ts";

/*
 * Goal: many tickets go in one transaction, for less gas than each by itself, and no ticket in it can harm another.
 * Method: as in redemption.test.ts; what no honest simulation would let through is forced by a desk that lies once.
 */

// Whoever comes first compiles the contracts, which takes seconds on a busy machine.
setDefaultTimeout(120_000);

const tenth = oneEther / 10n;
const tiny = oneEther / 1_000n;

/** Gas that the transaction took in which these tickets are. */
function gasUsed(world: OfficeWorld, stream: string): bigint {
  const mined = world.events(stream).find(({ type }) => type === "TransactionMined");
  return mined?.["gasUsed"] as bigint;
}

/** What a ticket has gone through: types, and causes where there are any. */
function story(world: OfficeWorld, hash: Hex): readonly string[] {
  return world
    .events(`ticket:${hash}`)
    .map(({ type, ...fields }) => (fields["cause"] === undefined ? type : `${type} ${fields["cause"]}`));
}

describe("sizes", () => {
  test("gas of a ticket in a batch is at most 0.6 of a single one's at 5, and 0.45 at 20", async () => {
    await using world = await openOfficeWorld();
    const gateway = await world.gateway(10n * oneEther);
    // The first redemption of a round is dearer.
    await world.until("redeemed", ...(await world.win(gateway, 1, { faceValue: tiny })));
    const each: number[] = [];
    for (const count of [1, 2, 5, 20]) {
      await world.until("redeemed", ...(await world.win(gateway, count, { faceValue: tiny })));
      const last = world.planned().at(-1);
      expect(last?.tickets).toHaveLength(count);
      each.push(Number(gasUsed(world, last?.stream ?? "")) / count);
    }
    const [single = 0, ofTwo = 0, ofFive = 0, ofTwenty = 0] = each;
    expect(ofTwo).toBeLessThan(single);
    expect(ofFive).toBeLessThanOrEqual(0.6 * single);
    expect(ofTwenty).toBeLessThanOrEqual(0.45 * single);
    await world.audit();
  });

  test("more than 40 tickets go in several transactions at the same look", async () => {
    await using world = await openOfficeWorld();
    const tickets = await world.win(await world.gateway(), 45, { faceValue: tiny });
    await world.until("redeemed", ...tickets);
    expect(world.planned().map((each) => each.tickets.length)).toEqual([40, 5]);
    await world.audit();
  });

  test.each([
    // What an estimation says suffices for the transaction, and not for all that is in it.
    ["a ticket runs dry inside", null, "dropped"],
    ["the transaction itself runs dry", 300_000n, "reverted"],
  ] as const)(
    "when the gas limit is so small that %s, what comes back goes with the next one",
    async (_, fixed, cause) => {
      let isScarce = true;
      let opened: OfficeWorld | null = null;
      const alterDesk = (desk: ChainDesk): Partial<ChainDesk> => ({
        gasLimit: async (purpose, call, count) => {
          if (!isScarce || opened === null) return desk.gasLimit(purpose, call, count);
          isScarce = false;
          const { to, data } = call;
          return (
            fixed ??
            BigInt(String(await opened.chain.anvil.rpc("eth_estimateGas", { from: opened.us, to, data })))
          );
        },
      });
      await using world = await openOfficeWorld({ alterDesk });
      opened = world;
      const tickets = await world.win(await world.gateway(), 8, { faceValue: tiny });
      await world.until("redeemed", ...tickets);
      const planned = world.planned();
      const returned = tickets.filter((hash) => story(world, hash).includes(`RedemptionReturned ${cause}`));
      expect(returned.length).toBeGreaterThan(0);
      if (cause === "dropped") expect(returned.length).toBeLessThan(8);
      expect(planned.map((each) => each.tickets.length)).toEqual([8, returned.length]);
      expect([...(planned[1]?.tickets ?? [])].sort()).toEqual([...returned].sort());
      await world.audit();
    },
  );
});

describe("bad tickets", () => {
  test("a poisoned ticket at the head of the queue blocks none, and ends once the broker's no is sure", async () => {
    await using world = await openOfficeWorld();
    const gateway = await world.gateway();
    // Most valuable: planned before all others.
    const { hash: poison, won } = await world.ticketOf(gateway, { faceValue: 5n * tenth });
    world.record(poison, { ...won, sig: `0x${"11".repeat(64)}1b` });
    const good = await world.win(gateway, 3);
    await world.until("redeemed", ...good);
    expect(world.planned().map(({ tickets }) => [...tickets].sort())).toEqual([[...good].sort()]);
    expect(world.states([poison])).toEqual(["won"]);
    await world.until("refused", poison);
    expect(world.ticket(poison)).toMatchObject({ loss: String(5n * tenth) });
    await world.audit();
  });

  test("expired, used, of a wrong hash, underfunded, unlocked: each is what it is, and the rest is paid", async () => {
    await using world = await openOfficeWorld({ devChain: { roundLength: 20n } });
    const [good, poor, gone] = [await world.gateway(), await world.gateway(tiny, 0n), await world.gateway()];
    const [expired = "0x"] = await world.win(good);
    await world.chain.unlock(gone.account);
    const unlockPeriod = (await world.chain.read("TicketBroker", "unlockPeriod", [])) as bigint;
    await world.chain.setRound(3n + unlockPeriod);
    const used = await world.ticketOf(good);
    world.record(used.hash, used.won);
    const { signed } = used;
    await world.chain.redeem(signed.ticket, signed.signature, signed.recipientRand);
    const foreign = await world.ticketOf(good, { creationRoundBlockHash: `0x${"77".repeat(32)}` });
    world.record(foreign.hash, foreign.won);
    const [underfunded = "0x"] = await world.win(poor);
    const [unlocked = "0x"] = await world.win(gone);
    const paid = await world.win(good, 3);
    await world.until("redeemed", ...paid, used.hash);
    await world.until("expired", expired);
    await world.until("refused", foreign.hash);
    expect(world.planned().map(({ tickets }) => [...tickets].sort())).toEqual([[...paid].sort()]);
    expect(world.ticket(foreign.hash).text).toContain("creationRoundBlockHash invalid");
    expect([world.cause(underfunded), world.cause(unlocked)]).toEqual(["sender-funds", "sender-unlocked"]);
    await world.audit(tenth);
  });

  test("inside a batch they are dropped one by one and classified at the next look", async () => {
    let lies = 1;
    const alterDesk = (desk: ChainDesk): Partial<ChainDesk> => ({
      simulate: async (calls, from) => {
        if (lies === 0) return desk.simulate(calls, from);
        lies -= 1;
        return calls.map(() => ({ type: "runs" }));
      },
    });
    await using world = await openOfficeWorld({ alterDesk });
    const gateway = await world.gateway();
    const used = await world.ticketOf(gateway);
    world.record(used.hash, used.won);
    await world.chain.redeem(used.signed.ticket, used.signed.signature, used.signed.recipientRand);
    const foreign = await world.ticketOf(gateway, { creationRoundBlockHash: `0x${"77".repeat(32)}` });
    world.record(foreign.hash, foreign.won);
    const forged = await world.ticketOf(gateway);
    world.record(forged.hash, { ...forged.won, recipientRand: `0x${"12".repeat(32)}` });
    const paid = await world.win(gateway, 2);
    await world.until("redeemed", ...paid, used.hash);
    await world.until("refused", foreign.hash, forged.hash);
    expect(world.planned().map(({ tickets }) => tickets.length)).toEqual([5]);
    for (const { hash } of [used, foreign, forged]) {
      expect(story(world, hash)).toContain("RedemptionReturned dropped");
    }
    expect(world.ticket(forged.hash).text).toContain("recipientRand does not match recipientRandHash");
    expect(world.life.solvency.totals()).toEqual({ count: 0, outstanding: 0n });
    await world.audit(tenth);
  });
});

describe("funds that go while a transaction is on its way", () => {
  /** Another orchestrator's ticket of the same gateway is redeemed before ours. */
  async function race(world: OfficeWorld, deposit: bigint, theirs: bigint): Promise<Hex> {
    const other = new Uint8Array(20).fill(0xcc);
    await world.chain.setActive(other, true);
    const gateway = await world.gateway(deposit, 0n);
    const { signed } = await world.ticketOf(gateway, { recipient: other, faceValue: theirs });
    const [ticket = "0x"] = await world.win(gateway);
    await world.tick();
    await world.tick();
    expect(world.states([ticket])).toEqual(["submitted"]);
    await world.overtake(() => world.chain.redeem(signed.ticket, signed.signature, signed.recipientRand));
    await world.chain.mine(1);
    await world.tick();
    return ticket;
  }

  test("nothing is left: the transaction is reverted, the ticket waits, and is paid after a top-up, once", async () => {
    await using world = await openOfficeWorld();
    const ticket = await race(world, tenth, tenth);
    expect(story(world, ticket)).toContain("RedemptionReturned reverted");
    await world.tickUntil("it is known why it waits", () => world.cause(ticket));
    expect([world.states([ticket]), world.cause(ticket)]).toEqual([["won"], "sender-funds"]);
    expect(world.planned()).toHaveLength(1);
    const { sender } = world.ticket(ticket);
    await world.chain.fund(Buffer.from(sender.slice(2), "hex"), tenth, 0n);
    await world.until("redeemed", ticket);
    expect(world.planned()).toHaveLength(2);
    await world.audit();
  });

  test("a part is left: the ticket is used, and what came is what the log says", async () => {
    await using world = await openOfficeWorld();
    const ticket = await race(world, tenth + tiny, tenth);
    await world.until("redeemed", ticket);
    expect(world.ticket(ticket)).toMatchObject({ paidAmount: String(tiny) });
    await world.audit();
  });

  test("our share of the reserve is gone: the ticket is used for nothing, and that is what the log says", async () => {
    await using world = await openOfficeWorld();
    // A tenth of the reserve is our share of this round.
    const gateway = await world.gateway(0n, oneEther);
    const { signed } = await world.ticketOf(gateway);
    const [ticket = "0x"] = await world.win(gateway);
    await world.tick();
    await world.tick();
    expect(world.states([ticket])).toEqual(["submitted"]);
    await world.overtake(() => world.chain.redeem(signed.ticket, signed.signature, signed.recipientRand));
    await world.chain.mine(1);
    await world.until("redeemed", ticket);
    expect(world.ticket(ticket)).toMatchObject({ paidAmount: "0" });
    expect(await world.chain.logs("TicketBroker", "WinningTicketTransfer")).toHaveLength(1);
    await world.audit(tenth);
  });
});
