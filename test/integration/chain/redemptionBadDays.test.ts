import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { ChainDesk } from "../../../src/runtime/chainPorts.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import { oneEther, oneGwei, type OfficeWorld, openOfficeWorld } from "../../support/chain/officeWorld.ts";

/*
 * Goal: whatever happens to a redemption between its plan and its last confirmation, the ticket is paid, once, and the
 * log says so. Method: as in redemption.test.ts, with an unruly pool, chain, wallet or process.
 */

// Whoever comes first compiles the contracts, which takes seconds on a busy machine.
setDefaultTimeout(120_000);

const tenth = oneEther / 10n;

/** A ticket whose redemption waits in the pool. */
async function submitted(world: OfficeWorld): Promise<{ readonly ticket: Hex; readonly stream: string }> {
  const [ticket = "0x"] = await world.win(await world.gateway());
  await world.tick();
  await world.tick();
  expect(world.states([ticket])).toEqual(["submitted"]);
  expect(await world.pool()).toHaveLength(1);
  return { ticket, stream: world.planned()[0]?.stream ?? "" };
}

/** Attempts of a transaction, in order: their kinds. */
function attempts(world: OfficeWorld, stream: string): readonly unknown[] {
  return world
    .events(stream)
    .flatMap(({ type, ...fields }) => (type === "TransactionSigned" ? [fields["kind"]] : []));
}

/** Transactions that the chain has seen of us. */
async function sentByUs(world: OfficeWorld): Promise<number> {
  return Number(await world.chain.anvil.rpc("eth_getTransactionCount", world.us, "latest"));
}

describe("re-orgs", () => {
  test("a mined redemption that goes back to the pool: unpaid, owed again, then paid, once", async () => {
    await using world = await openOfficeWorld();
    const { ticket, stream } = await submitted(world);
    await world.chain.mine(1);
    await world.tick();
    expect(world.states([ticket])).toEqual(["paid"]);
    expect(world.life.solvency.totals().outstanding).toBe(0n);
    await world.chain.reorg(1, { unmine: "all" });
    await world.tick();
    expect(world.states([ticket])).toEqual(["submitted"]);
    expect(world.life.solvency.totals().outstanding).toBe(tenth);
    await world.until("redeemed", ticket);
    expect(world.history(`ticket:${ticket}`)).toEqual([
      ...["TicketWon", "RedemptionSubmitted", "TicketPaid", "TicketUnpaid", "TicketPaid", "TicketRedeemed"],
    ]);
    expect(attempts(world, stream)).toEqual(["first"]);
    expect(await sentByUs(world)).toBe(1);
    await world.audit();
  });

  test("one that is in no pool afterwards is broadcast again, also after a restart", async () => {
    await using world = await openOfficeWorld();
    const { ticket } = await submitted(world);
    await world.chain.mine(1);
    await world.tick();
    expect(world.states([ticket])).toEqual(["paid"]);
    await world.crash();
    await world.chain.reorg(1, { drop: "all" });
    expect(await world.pool()).toEqual([]);
    await world.open();
    // Open again from the beginning: what a block has paid does not count as owed.
    expect(world.life.solvency.totals().outstanding).toBe(0n);
    await world.tick();
    expect(world.states([ticket])).toEqual(["submitted"]);
    expect(world.life.solvency.totals().outstanding).toBe(tenth);
    await world.until("redeemed", ticket);
    expect(world.planned()).toHaveLength(1);
    await world.audit();
  });

  test("one that is in another block of the same height afterwards is paid by that one", async () => {
    await using world = await openOfficeWorld();
    const { ticket, stream } = await submitted(world);
    await world.chain.mine(1);
    await world.tick();
    await world.chain.reorg(1);
    await world.tick();
    expect(world.states([ticket])).toEqual(["paid"]);
    expect(world.history(stream).slice(2)).toEqual([
      ...["TransactionMined", "TransactionUndone", "TransactionMined"],
    ]);
    await world.until("redeemed", ticket);
    await world.audit();
  });

  test("after it somebody else redeems the ticket first: ours is reverted, the ticket is done, nothing is paid twice", async () => {
    await using world = await openOfficeWorld();
    const { hash, won, signed } = await world.ticketOf(await world.gateway());
    world.record(hash, won);
    await world.tick();
    await world.tick();
    await world.chain.mine(1);
    await world.tick();
    expect(world.states([hash])).toEqual(["paid"]);
    await world.chain.reorg(1, { unmine: "all" });
    await world.overtake(() => world.chain.redeem(signed.ticket, signed.signature, signed.recipientRand));
    await world.chain.mine(1);
    await world.until("redeemed", hash);
    expect(world.history(`ticket:${hash}`)).toEqual([
      ...["TicketWon", "RedemptionSubmitted", "TicketPaid", "TicketUnpaid", "RedemptionReturned"],
      ...["TicketPaid", "TicketRedeemed"],
    ]);
    expect(world.planned()).toHaveLength(1);
    await world.audit(tenth);
  });

  test("deeper than it was confirmed: the log does not lie, and what was confirmed is broadcast again", async () => {
    await using world = await openOfficeWorld();
    const { ticket } = await submitted(world);
    await world.until("redeemed", ticket);
    const { txHash } = world.ticket(ticket);
    await world.chain.reorg(3, { drop: [txHash as Hex] });
    expect(await world.broughtOnChain()).toBe(0n);
    // Old nonces are counted now and then, and not believed at once to be lost.
    for (let looks = 0; looks < 64 && (await world.pool()).length === 0; looks += 1) {
      await world.chain.mine(1);
      await world.tick();
    }
    expect(await world.pool()).toEqual([txHash as Hex]);
    await world.chain.mine(1);
    expect(await world.broughtOnChain()).toBe(tenth);
    await world.audit();
  });
});

describe("the pool", () => {
  test("dropped from the mempool: the same bytes are broadcast again", async () => {
    await using world = await openOfficeWorld();
    const { ticket, stream } = await submitted(world);
    const [hash = "0x"] = await world.pool();
    await world.chain.dropTransaction(hash);
    for (let looks = 0; looks < 5; looks += 1) await world.tick();
    expect(await world.pool()).toEqual([hash]);
    await world.chain.mine(1);
    await world.until("redeemed", ticket);
    expect(attempts(world, stream)).toEqual(["first"]);
    await world.audit();
  });

  test("payments check 44: not mined in time, it is raised under the same nonce; one of them is mined", async () => {
    await using world = await openOfficeWorld({ devChain: { baseFee: oneGwei } });
    const { ticket, stream } = await submitted(world);
    for (let passed = 0; passed <= 60_000; passed += 5_000) await world.tick();
    expect(attempts(world, stream)).toEqual(["first", "raise"]);
    expect(await world.pool()).toHaveLength(1);
    await world.chain.mine(1);
    await world.until("redeemed", ticket);
    const [, last] = world.events(stream).filter(({ type }) => type === "TransactionSigned");
    expect(world.ticket(ticket).txHash).toBe(last?.["hash"] as string);
    expect(await sentByUs(world)).toBe(1);
    await world.audit();
  });

  test("a fee below the base fee is raised after seconds, and exactly one attempt is mined", async () => {
    await using world = await openOfficeWorld({ devChain: { baseFee: oneGwei } });
    const { ticket, stream } = await submitted(world);
    for (let looks = 0; looks < 4; looks += 1) {
      await world.chain.mineAt(1, 40n * oneGwei);
      await world.tick();
    }
    expect(attempts(world, stream)).toEqual(["first", "raise"]);
    await world.chain.mineAt(1, 40n * oneGwei);
    await world.until("redeemed", ticket);
    expect(await sentByUs(world)).toBe(1);
    expect(await world.chain.logs("TicketBroker", "WinningTicketRedeemed")).toHaveLength(1);
    await world.audit();
  });

  test("a raise never offers more than the maximum; what waits goes when gas is cheap again", async () => {
    const options = { devChain: { baseFee: oneGwei }, config: { maxGasPrice: 3n * oneGwei } };
    await using world = await openOfficeWorld(options);
    const { ticket, stream } = await submitted(world);
    for (let looks = 0; looks < 16; looks += 1) {
      await world.chain.mineAt(1, 40n * oneGwei);
      await world.tick();
    }
    for (const event of world.events(stream).filter(({ type }) => type === "TransactionSigned")) {
      expect((event["feeCap"] as bigint) <= 3n * oneGwei).toBe(true);
    }
    expect(world.states([ticket])).toEqual(["submitted"]);
    await world.chain.mineAt(1, oneGwei);
    await world.until("redeemed", ticket);
    expect(await sentByUs(world)).toBe(1);
    await world.audit();
  });

  test("when its tickets end while it waits, it is replaced by one that does nothing", async () => {
    await using world = await openOfficeWorld({ devChain: { roundLength: 20n } });
    const { ticket, stream } = await submitted(world);
    const [hash = "0x"] = await world.pool();
    await world.chain.dropTransaction(hash);
    await world.chain.setRound(5n);
    await world.until("expired", ticket);
    expect(attempts(world, stream)).toEqual(["first", "cancel"]);
    expect(world.events(`ticket:${ticket}`).map(({ cause }) => cause)).toContain("cancelled");
    expect(await sentByUs(world)).toBe(1);
    await world.audit();
  });
});

describe("rounds that pass while it waits", () => {
  test("mined after its ticket's last round: reverted, and the ticket ends with its loss, once", async () => {
    await using world = await openOfficeWorld({ devChain: { roundLength: 20n } });
    const { ticket, stream } = await submitted(world);
    await world.overtake(() => world.chain.setRound(5n));
    await world.chain.mine(1);
    await world.until("expired", ticket);
    expect(world.events(stream).find(({ type }) => type === "TransactionMined")).toMatchObject({
      isSuccess: false,
    });
    expect(world.events(`ticket:${ticket}`).at(-1)).toMatchObject({ round: 5n, loss: tenth });
    expect(world.planned()).toHaveLength(1);
    await world.audit();
  });

  test("mined in a round that nobody has started yet: reverted, and sent again in that round", async () => {
    await using world = await openOfficeWorld({ devChain: { roundLength: 20n } });
    const { ticket } = await submitted(world);
    await world.overtake(async () => world.chain.mine(80n - (await world.chain.blockNumber())));
    await world.chain.mine(1);
    await world.tick();
    expect(world.events(`ticket:${ticket}`).at(-1)).toMatchObject({ cause: "reverted" });
    await world.chain.initializeRound();
    await world.until("redeemed", ticket);
    expect(world.planned()).toHaveLength(2);
    await world.audit();
  });
});

describe("the wallet", () => {
  test("another wallet uses the nonce: the ticket comes back and goes with the next nonce", async () => {
    await using world = await openOfficeWorld();
    const { ticket, stream } = await submitted(world);
    await world.overtake(async () => {
      const to = "0x000000000000000000000000000000000000dead";
      const fees = { maxFeePerGas: "0xe8d4a51000", maxPriorityFeePerGas: "0x1" };
      await world.chain.anvil.rpc("eth_sendTransaction", { from: world.us, to, value: "0x1", ...fees });
      await world.chain.anvil.rpc("evm_mine");
    }, "forget");
    await world.until("redeemed", ticket);
    expect(world.history(stream).at(-1)).toBe("TransactionDisplaced");
    expect(world.events(`ticket:${ticket}`).map(({ cause }) => cause)).toContain("displaced");
    expect(world.planned().map((each) => each.stream.split("/")[1])).toEqual(["0", "1"]);
    await world.audit();
  });

  test("out of gas money: postponed, and redeemed after a top-up", async () => {
    await using world = await openOfficeWorld({ devChain: { baseFee: oneGwei }, gasMoney: 1_000n });
    const [ticket = "0x"] = await world.win(await world.gateway());
    for (let looks = 0; looks < 3; looks += 1) await world.tick();
    expect([world.states([ticket]), world.cause(ticket), world.planned()]).toEqual([
      ["won"],
      "gas-money",
      [],
    ]);
    await world.chain.giveEther(world.us, oneEther);
    await world.until("redeemed", ticket);
    await world.audit();
  });

  test("the gas money goes while it waits: it stays planned, and leaves after a top-up", async () => {
    await using world = await openOfficeWorld({ devChain: { baseFee: oneGwei } });
    world.isSending = false;
    const [ticket = "0x"] = await world.win(await world.gateway());
    await world.tick();
    await world.tick();
    const stream = world.planned()[0]?.stream ?? "";
    await world.chain.anvil.rpc("anvil_setBalance", world.us, "0x1");
    for (let looks = 0; looks < 5; looks += 1) await world.tick();
    expect(world.history(stream)).toContain("TransactionRefused");
    expect(await world.pool()).toEqual([]);
    await world.chain.giveEther(world.us, oneEther);
    await world.until("redeemed", ticket);
    expect(world.planned()).toHaveLength(1);
    await world.audit();
  });
});

describe("the process", () => {
  test("payments check 44: after a restart, pending tickets are redeemed though nobody comes back", async () => {
    await using world = await openOfficeWorld();
    const tickets = await world.win(await world.gateway(), 3);
    await world.crash();
    await world.open();
    expect(world.life.solvency.totals()).toEqual({ count: 3, outstanding: 3n * tenth });
    await world.until("redeemed", ...tickets);
    expect(world.planned()).toHaveLength(1);
    await world.audit();
  });

  test("payments check 44: a receipt of failure does not end a ticket", async () => {
    await using world = await openOfficeWorld();
    const { ticket, stream } = await submitted(world);
    await world.overtake(() => world.chain.write("Controller", "pause", []));
    await world.chain.mine(1);
    await world.chain.write("Controller", "unpause", []);
    await world.until("redeemed", ticket);
    expect(world.events(stream).find(({ type }) => type === "TransactionMined")).toMatchObject({
      isSuccess: false,
    });
    expect(world.history(`ticket:${ticket}`)).toEqual([
      ...["TicketWon", "RedemptionSubmitted", "RedemptionReturned", "RedemptionSubmitted"],
      ...["TicketPaid", "TicketRedeemed"],
    ]);
    await world.audit();
  });

  test("killed between plan and broadcast: the plan is durable, and the next life broadcasts it", async () => {
    await using world = await openOfficeWorld();
    world.isSending = false;
    const tickets = await world.win(await world.gateway(), 2);
    await world.tick();
    await world.tick();
    expect(world.states(tickets)).toEqual(["submitted", "submitted"]);
    expect(await world.pool()).toEqual([]);
    await world.crash();
    world.isSending = true;
    await world.open();
    await world.tick();
    expect(await world.pool()).toHaveLength(1);
    await world.chain.mine(1);
    await world.until("redeemed", ...tickets);
    expect(world.planned()).toHaveLength(1);
    expect(await sentByUs(world)).toBe(1);
    await world.audit();
  });

  test("killed after the broadcast, mined meanwhile: the next life reads the receipt", async () => {
    await using world = await openOfficeWorld();
    const { ticket } = await submitted(world);
    await world.crash();
    await world.chain.mine(5);
    await world.open();
    await world.tick();
    await world.tick();
    expect(world.states([ticket])).toEqual(["redeemed"]);
    expect(world.planned()).toHaveLength(1);
    await world.audit();
  });
});

describe("the endpoint", () => {
  test("it takes no transaction for a while: nothing is lost or sent twice", async () => {
    await using world = await openOfficeWorld();
    const { rpc } = world.chain;
    rpc.failMethod("eth_sendRawTransaction", "cut");
    const tickets = await world.win(await world.gateway(), 2);
    for (let looks = 0; looks < 4; looks += 1) await world.tick();
    expect(world.states(tickets)).toEqual(["submitted", "submitted"]);
    rpc.behave();
    await world.until("redeemed", ...tickets);
    expect(world.planned()).toHaveLength(1);
    expect(await sentByUs(world)).toBe(1);
    await world.audit();
  });

  test("it cannot say once what the gateway has: the next look asks again", async () => {
    let questions = 0;
    const alterDesk = (desk: ChainDesk): Partial<ChainDesk> => ({
      payable: async (senders) => {
        questions += 1;
        return questions === 1 ? null : desk.payable(senders);
      },
    });
    await using world = await openOfficeWorld({ alterDesk });
    const [ticket = "0x"] = await world.win(await world.gateway());
    for (let looks = 0; looks < 3; looks += 1) await world.tick();
    expect([questions, world.states([ticket])]).toEqual([2, ["submitted"]]);
    await world.until("redeemed", ticket);
    await world.audit();
  });

  test("it leaves the logs out of receipts: the ticket is found used, and not paid for again", async () => {
    await using world = await openOfficeWorld();
    const { rpc } = world.chain;
    rpc.failMethod("eth_getTransactionReceipt", "missingLogs");
    const { ticket } = await submitted(world);
    await world.chain.mine(1);
    await world.until("redeemed", ticket);
    expect(world.planned()).toHaveLength(1);
    expect(world.history(`ticket:${ticket}`)).toEqual([
      ...["TicketWon", "RedemptionSubmitted", "RedemptionReturned", "TicketPaid", "TicketRedeemed"],
    ]);
    await world.audit(tenth);
  });

  test("with 100 ms for every answer, a ticket is in the pool within 10 s of the block that makes it due", async () => {
    await using world = await openOfficeWorld();
    world.chain.rpc.latencyMs = 100;
    const expirationBlock = (await world.chain.blockNumber()) + 2n;
    const [ticket = "0x"] = await world.win(await world.gateway(), 1, { expirationBlock });
    await world.tick(0);
    await world.chain.mine(1);
    await world.tick(12_000);
    // The block comes right after a look.
    await world.chain.mine(1);
    world.chain.rpc.resetCounts();
    let [passedMs, looks] = [0, 0];
    while (world.states([ticket])[0] === "won") {
      const wakeMs = world.wakeMs ?? 12_000;
      await world.tick(wakeMs);
      passedMs += wakeMs;
      looks += 1;
    }
    // As if each request waited for the one before.
    passedMs += 100 * world.chain.rpc.counts.requests;
    expect(await world.pool()).toHaveLength(1);
    expect(looks).toBeLessThanOrEqual(3);
    expect(passedMs).toBeLessThanOrEqual(10_000);
    world.chain.rpc.behave();
    await world.until("redeemed", ticket);
    await world.audit();
  });
});
