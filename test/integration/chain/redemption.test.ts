import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { oneEther, oneGwei, openOfficeWorld } from "../../support/chain/officeWorld.ts";

/*
 * Goal: winning tickets become money on a chain, each once, whatever stands in the way of the others. Method: everything
 * that spends gas, as a node has it, on a log in a file and a development chain with the contracts; the test decides
 * when the office looks at the chain and when a block comes.
 */

// Whoever comes first compiles the contracts, which takes seconds on a busy machine.
setDefaultTimeout(120_000);

const tenth = oneEther / 10n;

describe("when tickets are due", () => {
  test("payments check 39: a ticket waits while paramsExpirationBlock > L1 and goes at equality", async () => {
    await using world = await openOfficeWorld();
    const gateway = await world.gateway();
    const expirationBlock = (await world.chain.blockNumber()) + 3n;
    const [ticket = "0x"] = await world.win(gateway, 1, { expirationBlock });
    for (const left of [3n, 2n, 1n]) {
      // Twice: what is due would go at the second look.
      await world.tick();
      expect(expirationBlock - (await world.tick()).l1Block).toBe(left);
      expect(world.planned()).toEqual([]);
      await world.chain.mine(1);
    }
    // Due now: it waits a few seconds for company.
    expect((await world.tick()).l1Block).toBe(expirationBlock);
    await world.tick();
    expect(world.ticket(ticket)).toMatchObject({ state: "submitted" });
    expect(await world.pool()).toHaveLength(1);
    await world.chain.mine(1);
    await world.until("redeemed", ticket);
    expect(world.history(`ticket:${ticket}`)).toEqual([
      ...["TicketWon", "RedemptionSubmitted", "TicketPaid", "TicketRedeemed"],
    ]);
    expect(await world.chain.feesOf(Buffer.from(world.us.slice(2), "hex"))).toBe(tenth);
    await world.audit();
  });

  test("payments check 43, chain check 47: a ticket of round R - 2 is not sent, blocks nobody, and ends with its loss", async () => {
    await using world = await openOfficeWorld();
    const gateway = await world.gateway();
    const [old = "0x"] = await world.win(gateway);
    await world.chain.setRound(5n);
    const [fresh = "0x"] = await world.win(gateway);
    await world.until("redeemed", fresh);
    expect(world.planned().map(({ tickets }) => tickets)).toEqual([[fresh]]);
    await world.until("expired", old);
    expect(world.history(`ticket:${old}`)).toEqual(["TicketWon", "TicketExpired"]);
    expect(world.events(`ticket:${old}`).at(-1)).toMatchObject({ round: 5n, loss: tenth });
    expect(world.ticket(old)).toMatchObject({ state: "expired", loss: String(tenth) });
    await world.audit();
  });

  test("chain check 47: while the round is not initialised a ticket stays queued, and goes once it is", async () => {
    await using world = await openOfficeWorld({ devChain: { roundLength: 20n } });
    const gateway = await world.gateway();
    const [ticket = "0x"] = await world.win(gateway);
    await world.chain.mine(80n - (await world.chain.blockNumber()));
    for (let looks = 0; looks < 3; looks += 1) await world.tick();
    expect([world.history(`ticket:${ticket}`), world.planned()]).toEqual([["TicketWon"], []]);
    await world.chain.initializeRound();
    await world.until("redeemed", ticket);
    await world.audit();
  });

  test("a paused protocol costs nothing and loses nothing", async () => {
    await using world = await openOfficeWorld();
    const [ticket = "0x"] = await world.win(await world.gateway());
    await world.chain.write("Controller", "pause", []);
    for (let looks = 0; looks < 3; looks += 1) await world.tick();
    expect(world.planned()).toEqual([]);
    await world.chain.write("Controller", "unpause", []);
    await world.until("redeemed", ticket);
    await world.audit();
  });
});

describe("what is not worth it, or not payable, waits", () => {
  test("payments check 41: gas above the maximum makes no transaction; lower later, it goes", async () => {
    const options = { devChain: { baseFee: oneGwei }, config: { maxGasPrice: 2n * oneGwei } };
    await using world = await openOfficeWorld(options);
    const [ticket = "0x"] = await world.win(await world.gateway());
    await world.chain.mineAt(1, 3n * oneGwei);
    for (let looks = 0; looks < 3; looks += 1) await world.tick();
    expect([world.states([ticket]), world.cause(ticket), world.planned()]).toEqual([
      ["won"],
      "gas-price",
      [],
    ]);
    await world.chain.mineAt(1, oneGwei / 2n);
    await world.tick();
    await world.tick();
    expect(world.states([ticket])).toEqual(["submitted"]);
    const [signed] = world.events(world.planned()[0]?.stream ?? "").slice(1);
    expect(signed).toMatchObject({ type: "TransactionSigned" });
    expect((signed?.["feeCap"] as bigint) <= 2n * oneGwei).toBe(true);
    await world.chain.mine(1);
    await world.until("redeemed", ticket);
    await world.audit();
  });

  test("payments check 42: a ticket not worth its gas, or beyond the funds, waits and blocks no later one", async () => {
    await using world = await openOfficeWorld({ devChain: { baseFee: oneGwei } });
    const gateway = await world.gateway(tenth, 0n);
    // One ticket more in a batch costs about 81,000 gas.
    const [tiny = "0x"] = await world.win(gateway, 1, { faceValue: 50_000n * oneGwei });
    const [huge = "0x"] = await world.win(gateway, 1, { faceValue: 2n * tenth });
    const [later = "0x"] = await world.win(gateway, 1, { faceValue: tenth / 2n });
    await world.chain.mineAt(1, oneGwei);
    await world.tick();
    await world.tick();
    expect(world.states([tiny, huge, later])).toEqual(["won", "won", "submitted"]);
    expect([world.cause(tiny), world.cause(huge)]).toEqual(["face-value", "sender-funds"]);
    await world.chain.mineAt(1, oneGwei);
    await world.until("redeemed", later);
    // What was empty blocks has made gas nearly free, and the gateway fills its deposit up.
    await world.chain.fund(gateway.account, 2n * tenth, 0n);
    await world.chain.mineAt(1, oneGwei / 100n);
    await world.until("redeemed", tiny, huge);
    expect(world.planned()).toHaveLength(2);
    await world.audit();
  });

  test("what is on its way counts as spent: a second ticket that only then would fit waits", async () => {
    await using world = await openOfficeWorld();
    const gateway = await world.gateway(tenth + tenth / 2n, 0n);
    const [first = "0x"] = await world.win(gateway);
    await world.tick();
    await world.tick();
    expect(await world.pool()).toHaveLength(1);
    const [second = "0x"] = await world.win(gateway);
    for (let looks = 0; looks < 3; looks += 1) await world.tick();
    expect(world.states([first, second])).toEqual(["submitted", "won"]);
    await world.chain.mine(1);
    await world.until("redeemed", first);
    expect([world.states([second]), world.cause(second)]).toEqual([["won"], "sender-funds"]);
    await world.chain.fund(gateway.account, tenth / 2n, 0n);
    await world.until("redeemed", second);
    await world.audit();
  });

  test("in a spike of gas prices tickets wait for less, but for the one that is wanted", async () => {
    await using world = await openOfficeWorld({ devChain: { baseFee: oneGwei } });
    const gateway = await world.gateway();
    for (let looks = 0; looks < 3; looks += 1) {
      await world.chain.mineAt(1, oneGwei);
      await world.tick();
    }
    // Its gas is a third of it: worth it, and worth less waiting.
    const faceValue = 6_000_000n * oneGwei;
    const [waiting = "0x", wanted = "0x"] = await world.win(gateway, 2, { faceValue });
    await world.chain.mineAt(1, 10n * oneGwei);
    await world.tick();
    expect(world.life.redemption.want(wanted)).toBe(true);
    await world.tick();
    expect(world.states([waiting, wanted])).toEqual(["won", "submitted"]);
    expect(world.cause(waiting)).toBe("gas-price");
    await world.chain.mineAt(1, oneGwei);
    await world.until("redeemed", waiting, wanted);
    await world.audit();
  });

  test("payments check 47: deposit 500 and claimable 300 pay one ticket of 500 now, and never a part of the second", async () => {
    await using world = await openOfficeWorld();
    const milli = oneEther / 1_000n;
    // The pool counts ten: a tenth of the reserve is ours.
    const gateway = await world.gateway(500n * milli, 3_000n * milli);
    const tickets = await world.win(gateway, 2, { faceValue: 500n * milli });
    await world.tickUntil("one is redeemed", () => world.states(tickets).includes("redeemed"));
    expect([...world.states(tickets)].sort()).toEqual(["redeemed", "won"]);
    const [second = "0x"] = tickets.filter((hash) => world.ticket(hash).state === "won");
    expect(world.cause(second)).toBe("sender-funds");
    expect(world.planned().map((each) => each.tickets.length)).toEqual([1]);
    await world.chain.fund(gateway.account, 200n * milli, 0n);
    await world.until("redeemed", ...tickets);
    expect(tickets.map((hash) => world.ticket(hash).paidAmount)).toEqual([
      String(500n * milli),
      String(500n * milli),
    ]);
    // The second came from both: 200 of the deposit, 300 of the reserve.
    const claims = await world.chain.logs("TicketBroker", "ReserveClaimed");
    expect(claims.map(({ args }) => args["amount"])).toEqual([300n * milli]);
    await world.audit();
  });

  test("a ticket that cannot be paid whole goes late in its last round, and the part that came is what counts", async () => {
    await using world = await openOfficeWorld({ devChain: { roundLength: 40n } });
    const milli = oneEther / 1_000n;
    const gateway = await world.gateway(100n * milli, 0n);
    const [ticket = "0x"] = await world.win(gateway, 1, { faceValue: 500n * milli });
    await world.chain.setRound(4n);
    for (let looks = 0; looks < 3; looks += 1) await world.tick();
    expect([world.states([ticket]), world.planned()]).toEqual([["won"], []]);
    await world.chain.mine(31);
    await world.until("redeemed", ticket);
    expect(world.ticket(ticket).paidAmount).toBe(String(100n * milli));
    expect(world.life.solvency.totals()).toEqual({ count: 0, outstanding: 0n });
    await world.audit();
  });

  test("a part that is less than its gas is not fetched: the ticket ends with its loss", async () => {
    const options = { devChain: { roundLength: 40n, baseFee: oneGwei } };
    await using world = await openOfficeWorld(options);
    // By itself it costs 198,000 gas, and in a batch it would cost 81,000 more.
    const gateway = await world.gateway(120_000n * oneGwei, 0n);
    const [ticket = "0x"] = await world.win(gateway, 1, { faceValue: oneEther });
    await world.chain.setRound(4n);
    await world.chain.mine(31);
    for (let looks = 0; looks < 3; looks += 1) {
      await world.chain.mineAt(1, oneGwei);
      await world.tick();
    }
    expect([world.states([ticket]), world.cause(ticket), world.planned()]).toEqual([
      ["won"],
      "face-value",
      [],
    ]);
    await world.audit();
  });

  test("chain check 48: an inactive recipient's ticket on a reserve is not burnt for nothing", async () => {
    await using world = await openOfficeWorld();
    const gateway = await world.gateway(0n, 10n * oneEther);
    const [ticket = "0x"] = await world.win(gateway);
    const us = Buffer.from(world.us.slice(2), "hex");
    await world.chain.setActive(us, false);
    for (let looks = 0; looks < 4; looks += 1) await world.tick();
    expect([world.states([ticket]), world.planned()]).toEqual([["won"], []]);
    await world.chain.setActive(us, true);
    await world.until("redeemed", ticket);
    expect(world.ticket(ticket).paidAmount).toBe(String(tenth));
    await world.audit();
  });

  test("the tickets of a gateway that has unlocked its funds wait for it, and others are paid", async () => {
    await using world = await openOfficeWorld({ devChain: { roundLength: 20n } });
    const [gone, good] = [await world.gateway(), await world.gateway()];
    await world.chain.unlock(gone.account);
    const withdrawRound = 3n + ((await world.chain.read("TicketBroker", "unlockPeriod", [])) as bigint);
    await world.chain.setRound(withdrawRound);
    const [unlocked = "0x"] = await world.win(gone);
    const [paid = "0x"] = await world.win(good);
    await world.until("redeemed", paid);
    expect([world.states([unlocked]), world.cause(unlocked)]).toEqual([["won"], "sender-unlocked"]);
    await world.chain.fund(gone.account, oneEther, 0n);
    await world.until("redeemed", unlocked);
    await world.audit();
  });
});

describe("what others do", () => {
  test("payments check 40: a ticket that is used already is done without a transaction", async () => {
    await using world = await openOfficeWorld();
    const gateway = await world.gateway();
    const { hash, won, signed } = await world.ticketOf(gateway);
    world.record(hash, won);
    await world.chain.redeem(signed.ticket, signed.signature, signed.recipientRand);
    await world.until("redeemed", hash);
    expect(world.planned()).toEqual([]);
    expect(world.history(`ticket:${hash}`)).toEqual(["TicketWon", "TicketPaid", "TicketRedeemed"]);
    expect(world.ticket(hash)).toMatchObject({ txHash: null, paidAmount: null });
    await world.audit(tenth);
  });

  test("a foreign redemption that a re-org takes back is redeemed by us", async () => {
    await using world = await openOfficeWorld();
    const { hash, won, signed } = await world.ticketOf(await world.gateway());
    world.record(hash, won);
    await world.chain.redeem(signed.ticket, signed.signature, signed.recipientRand);
    await world.tick();
    await world.tick();
    expect(world.states([hash])).toEqual(["paid"]);
    expect(world.life.solvency.totals().outstanding).toBe(0n);
    await world.chain.reorg(1, { drop: "all" });
    await world.tickUntil("it is open again", () => world.states([hash])[0] !== "paid");
    expect(world.life.solvency.totals().outstanding).toBe(tenth);
    await world.until("redeemed", hash);
    expect(world.planned()).toHaveLength(1);
    await world.audit();
  });

  test("payments check 46: one of a batch of three was used meanwhile: two are done, one is found used", async () => {
    await using world = await openOfficeWorld();
    const gateway = await world.gateway();
    const three = await Promise.all([1, 2, 3].map(() => world.ticketOf(gateway)));
    for (const { hash, won } of three) world.record(hash, won);
    const hashes = three.map(({ hash }) => hash);
    await world.tick();
    await world.tick();
    expect(world.states(hashes)).toEqual(["submitted", "submitted", "submitted"]);
    const [, used] = three;
    if (used === undefined) throw new Error("There are three.");
    const { signed } = used;
    await world.overtake(() => world.chain.redeem(signed.ticket, signed.signature, signed.recipientRand));
    await world.chain.mine(1);
    await world.until("redeemed", ...hashes);
    expect(world.planned()).toHaveLength(1);
    expect(world.events(`ticket:${used.hash}`).map((event) => [event.type, event["cause"]])).toEqual([
      ["TicketWon", undefined],
      ["RedemptionSubmitted", undefined],
      ["RedemptionReturned", "dropped"],
      ["TicketPaid", undefined],
      ["TicketRedeemed", undefined],
    ]);
    expect(hashes.map((hash) => world.ticket(hash).txHash === null)).toEqual([false, true, false]);
    await world.audit(tenth);
  });
});

describe("what the operator says", () => {
  test("a held ticket is not redeemed; let go, it is; a wanted one waits for no company", async () => {
    await using world = await openOfficeWorld();
    const gateway = await world.gateway();
    const [held = "0x", wanted = "0x"] = await world.win(gateway, 2);
    expect(world.life.redemption.hold(held, true)).toBe(true);
    expect(world.life.redemption.want(wanted)).toBe(true);
    await world.tick();
    expect(world.states([held, wanted])).toEqual(["won", "submitted"]);
    await world.chain.mine(1);
    await world.until("redeemed", wanted);
    await world.restart();
    for (let looks = 0; looks < 3; looks += 1) await world.tick();
    expect(world.states([held])).toEqual(["won"]);
    expect(world.life.redemption.hold(held, false)).toBe(true);
    await world.until("redeemed", held);
    await world.audit();
  });

  test("with redemption off, tickets are kept", async () => {
    await using world = await openOfficeWorld({ config: { redeem: false } });
    const [ticket = "0x"] = await world.win(await world.gateway());
    for (let looks = 0; looks < 3; looks += 1) await world.tick();
    expect([world.states([ticket]), world.planned()]).toEqual([["won"], []]);
    world.config = {};
    await world.restart();
    await world.until("redeemed", ticket);
    await world.audit();
  });

  test("another account pays the gas: the tickets bring their fees to the orchestrator, not to it", async () => {
    const orchestrator = `0x${"0c".repeat(20)}` as const;
    await using world = await openOfficeWorld({
      orchestrator,
      prepare: async (chain) => {
        await chain.setActive(orchestrator, true);
        await chain.setRound(3n);
      },
    });
    const tickets = await world.win(await world.gateway(), 2);
    await world.until("redeemed", ...tickets);
    expect(world.planned().map(({ stream }) => stream)).toEqual([`transaction:${world.us}/0`]);
    expect(await world.chain.feesOf(Buffer.from(orchestrator.slice(2), "hex"))).toBe(2n * tenth);
    await world.audit();
  });

  test("-gasLimit is the limit of a single redemption", async () => {
    await using world = await openOfficeWorld({ config: { gasLimit: 777_777n } });
    const [ticket = "0x"] = await world.win(await world.gateway());
    await world.until("redeemed", ticket);
    expect(world.planned().map(({ gasLimit }) => gasLimit)).toEqual([777_777n]);
    await world.audit();
  });
});
