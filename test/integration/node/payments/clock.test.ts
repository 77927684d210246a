import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { toHex } from "../../../../src/protocol/bytes.ts";
import { rational, ZERO } from "../../../../src/protocol/rational.ts";
import { recordedEvents } from "../../../support/nodeLog.ts";
import {
  auditMoney,
  everyTicketWins,
  type MoneyWorld,
  type OnchainNode,
  openMoneyWorld,
  openOnchainNode,
} from "../../../support/onchainNode.ts";
import { again, tryPayment } from "../../../support/paymentTrials.ts";

/*
 * Goal: wall clocks that jump cost nobody money, and idle accounts end when they should. Method: the node's clock is
 * the test's; the chain's blocks, which decide about tickets, do not follow it.
 */

setDefaultTimeout(120_000);

const minuteMs = 60_000;
let world: MoneyWorld;
beforeAll(async () => {
  world = await openMoneyWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

const flags = [...everyTicketWins, "-maxGatewayLoss", `${10n ** 18n}`];

/** A node of its own for each test: its clock is moved. */
const open = (): Promise<OnchainNode> => openOnchainNode(world, { flags });

describe("payments check 28: idle accounts", () => {
  test("9 minutes are kept, also twice; more than 20 are not: credit and price go together", async () => {
    await using node = await open();
    const gateway = await node.gateway();
    const info = await gateway.open();
    await tryPayment(node, gateway, info, { nonces: [1, 2] });
    for (const nonce of [3, 4]) {
      node.advance(9 * minuteMs);
      // The host looks at its clock once a second.
      await Bun.sleep(1_100);
      const kept = await tryPayment(node, gateway, info, { nonces: [nonce] });
      expect(kept).toMatchObject({ status: 200 });
      expect(kept.account).toMatchObject({ tickets: nonce, price: "1200" });
    }
    const held = node.account(gateway, "trial")?.balance;
    node.advance(20 * minuteMs + 1);
    const ends = () => recordedEvents(node.dataDir).filter(({ event }) => event.type === "AccountExpired");
    await node.until("the end of the account is in the log", () => ends().length === 1);
    expect(node.account(gateway, "trial")).toBeNull();
    expect(ends()[0]?.event).toMatchObject({ balance: held });
    // The token has ended too: a new session, and an account that begins with nothing.
    const fresh = await gateway.open();
    const next = await tryPayment(node, gateway, fresh, { nonces: [1] });
    expect(next).toMatchObject({ status: 200, creditedTickets: "1" });
    expect(next.account).toMatchObject({ tickets: 1, winners: 1 });
    const accounts = recordedEvents(node.dataDir).filter(({ event }) => event.type === "PriceFixed");
    expect(accounts.map(({ stream }) => stream.at(-1))).toEqual(["1", "2"]);
    await auditMoney(node.dataDir);
  });

  test("a payment in the very turn in which its account ends opens the next one", async () => {
    // Between the decision and the commit nobody may write behind the end of the stream.
    let hasPaid: (() => void) | null = null;
    await using node = await openOnchainNode(world, {
      flags,
      probe: (point) => {
        if (point === "decided:AccountExpired") queueMicrotask(() => hasPaid?.());
      },
    });
    const gateway = await node.gateway();
    const info = await gateway.open();
    await tryPayment(node, gateway, info, { nonces: [1] });
    const accounts = node.running.money?.money.accounts;
    if (accounts === undefined) throw new Error("off-chain");
    const sender = toHex(gateway.account);
    const key = { sender, manifestId: "trial" };
    const outcome = new Promise<string>((resolve) => {
      hasPaid = () => {
        const command = { type: "FixPrice", sender, price: rational(1n) } as const;
        resolve(accounts.execute(key, command, { correlationId: "test", causationId: "test" }).type);
      };
    });
    node.advance(21 * minuteMs);
    expect(await outcome).toBe("accepted");
    await node.until("the new account is open", () => node.account(gateway, "trial")?.price === "1");
    expect(accounts.idFor(key)).toEndWith(".2");
    expect(node.fatal).toEqual([]);
  });
});

describe("jumps", () => {
  test("an hour ahead and back between payments: nothing counts twice, nothing is lost", async () => {
    await using node = await open();
    const gateway = await node.gateway();
    let info = await gateway.open();
    const first = await tryPayment(node, gateway, info, { nonces: [1, 2] });
    expect(first).toMatchObject({ status: 200 });
    node.advance(60 * minuteMs);
    // Tokens live half an hour; gateways fetch a new one.
    const { authToken } = info;
    if (authToken === undefined) throw new Error("no token");
    const old = await tryPayment(node, gateway, info, { nonces: [3], authToken });
    expect(old).toMatchObject({ status: 403, text: "expired auth token", winners: 0, nonces: [] });
    info = await gateway.open();
    const ahead = await tryPayment(node, gateway, info, { nonces: [1, 2, 3] }, "ahead");
    expect(ahead).toMatchObject({ status: 200, creditedTickets: "3" });
    node.advance(-60 * minuteMs);
    const replay = await tryPayment(node, gateway, info, again(ahead.payment), "ahead");
    expect(replay).toMatchObject({ status: 400, creditedTickets: "0", winners: 0 });
    const back = await tryPayment(node, gateway, info, { nonces: [4] }, "ahead");
    expect(back).toMatchObject({ status: 200, creditedTickets: "1" });
    expect(back.account).toMatchObject({ tickets: 4 });
    // Params of before the jumps are as good as before: blocks decide, not the wall clock.
    expect(node.fatal).toEqual([]);
    await auditMoney(node.dataDir);
  });

  test("jumps while payments are on their way", async () => {
    await using node = await open();
    const gateway = await node.gateway();
    const info = await gateway.open();
    const requests = Array.from({ length: 40 }, (_, index) => {
      gateway.use(info);
      if (index % 4 === 1) node.advance(5 * minuteMs);
      if (index % 4 === 3) node.advance(-5 * minuteMs);
      return gateway.sendPayment("jumping", ZERO, { nonces: [index] });
    });
    for (const { answer } of await Promise.all(requests)) expect(answer.type).toBe("answer");
    expect(node.account(gateway, "jumping")).toMatchObject({ tickets: 40, winners: 40 });
    await auditMoney(node.dataDir);
  });
});
