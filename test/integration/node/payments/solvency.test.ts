import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { GrpcStatusError } from "../../../../src/demo/gatewayClient.ts";
import { checksumHex } from "../../../../src/protocol/account.ts";
import { bigintOfBytes } from "../../../../src/protocol/integerBytes.ts";
import { temporaryDir } from "../../../support/nodeFixture.ts";
import {
  auditMoney,
  everyTicketWins,
  type MoneyWorld,
  type OnchainNode,
  openMoneyWorld,
  openOnchainNode,
  ticketEv,
  wonTickets,
} from "../../../support/onchainNode.ts";
import { paramsOf, tryPayment } from "../../../support/paymentTrials.ts";
import type { PayingGateway } from "../../../support/payingGateway.ts";

/*
 * Goal: a gateway that cannot pay, or is about to take its money away, is refused in the network's words; a chain
 * that cannot be read stops nobody whom we know, up to the loss that the operator allows. Method: a chain whose pool
 * has ten orchestrators, gateways with exact deposits and reserves, and an endpoint that can be cut.
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

async function refusalOf(gateway: PayingGateway): Promise<{ status: number; text: string }> {
  const error = await gateway.discover().then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof GrpcStatusError)) throw new Error(`It was not refused: ${String(error)}`);
  return { status: error.grpcStatus, text: error.grpcMessage };
}

/** gRPC's code Unknown. */
const unknown = 2;
const reserveRefusal = { status: unknown, text: "insufficient sender reserve" };
const shareOfPool = 10n;
const faceValue = ticketEv + 1n;
/** Funds that were read so long ago are read again. */
const fundsStaleMs = 16_000;

/** Lets time pass until the node has read its gateways' funds again: an answer under way may be of before. */
async function fundsWhere(node: OnchainNode, what: string, isSo: () => boolean): Promise<void> {
  await node.until(what, () => {
    if (isSo()) return true;
    node.passTime(fundsStaleMs);
    return false;
  });
}

describe("reserves", () => {
  test("payments checks 8 and 38: the share of the reserve must carry a ticket, to the wei", async () => {
    await using node = await openOnchainNode(world);
    const gatewayWith = async (deposit: bigint, reserve: bigint) =>
      world.gateway(node.serviceUri, await world.fundedKey(deposit, reserve));
    const just = await gatewayWith(10n ** 18n, shareOfPool * (ticketEv + 1n));
    const info = await just.open();
    expect(bigintOfBytes(paramsOf(info).faceValue)).toBe(ticketEv + 1n);
    const below = await gatewayWith(10n ** 18n, shareOfPool * ticketEv - 1n);
    expect(await refusalOf(below)).toEqual(reserveRefusal);
    const nothing = await gatewayWith(10n ** 18n, 0n);
    expect(await refusalOf(nothing)).toEqual(reserveRefusal);
    const stranger = world.gateway(node.serviceUri, new Uint8Array(32).fill(0x77));
    expect(await refusalOf(stranger)).toEqual(reserveRefusal);
    // The refusal comes before the payment: its tickets are not looked at.
    const ask = (pricePerUnit: string) => {
      const form = { pricePerUnit, pixelsPerUnit: "1", broadcasterEthAddr: checksumHex(below.account) };
      return node.operator("/setPriceForBroadcaster", form);
    };
    // It has a token from a time at which it was served for nothing.
    expect(await ask("0")).toMatchObject({ status: 200 });
    const free = await below.discover();
    expect(await ask("1200")).toMatchObject({ status: 200 });
    const trial = await tryPayment(node, below, { ...free, ticketParams: paramsOf(info) }, { nonces: [1] });
    expect(trial).toMatchObject({ status: 500, text: "Internal Server Error", winners: 0, account: null });
  });

  test("payments check 6: at a price of 0 nobody's funds are asked for", async () => {
    await using node = await openOnchainNode(world, { flags: ["-pricePerUnit", "0"] });
    const stranger = world.gateway(node.serviceUri, new Uint8Array(32).fill(0x78));
    const before = world.chain.rpc.requests.flat().filter(({ method }) => method === "eth_call").length;
    const info = await stranger.discover();
    const params = paramsOf(info);
    expect(params.faceValue).toHaveLength(0);
    expect(params.winProb).toHaveLength(0);
    expect(info.priceInfo).toMatchObject({ pricePerUnit: 0n, pixelsPerUnit: 1n });
    const asked = world.chain.rpc.requests.flat().slice(before);
    const name = checksumHex(stranger.account).slice(2).toLowerCase();
    expect(asked.filter(({ params: words }) => JSON.stringify(words).toLowerCase().includes(name))).toEqual(
      [],
    );
    stranger.use(info);
    const trial = await tryPayment(node, stranger, info, { nonces: [1] });
    expect(trial).toMatchObject({ status: 200, creditedTickets: "0", winners: 0 });
  });

  test("payments check 7: a ticket is worth at least its price, whatever caps its face value", async () => {
    await using node = await openOnchainNode(world);
    for (const reserve of [ticketEv + 1n, 3n * ticketEv + 7n, 99n * ticketEv, 10n ** 15n]) {
      const key = await world.fundedKey(10n ** 18n, shareOfPool * reserve);
      const params = paramsOf(await world.gateway(node.serviceUri, key).discover());
      const value = bigintOfBytes(params.faceValue);
      const product = value * bigintOfBytes(params.winProb);
      expect(product).toBeGreaterThanOrEqual(ticketEv * (2n ** 256n - 1n));
      expect(value).toBe(reserve < 100n * ticketEv ? reserve : 100n * ticketEv);
    }
  });
});

describe("a gateway that goes", () => {
  test("payments check 22: it unlocks: served while it may not withdraw for two rounds, then refused", async () => {
    await using own = await openMoneyWorld();
    await using node = await openOnchainNode(own);
    const key = await own.fundedKey();
    const gateway = own.gateway(node.serviceUri, key);
    let info = await gateway.open();
    await own.chain.unlock(gateway.account);
    const funds = () => node.running.money?.chain.funds(gateway.account);
    // The broker gives it back in round 3; we are in round 1.
    await fundsWhere(node, "the unlock is known", () => funds()?.withdrawRound === 3n);
    info = await gateway.open();
    expect(await tryPayment(node, gateway, info, { nonces: [1] })).toMatchObject({ status: 200 });
    await own.chain.setRound(2n);
    await node.knowsRound(2n);
    const text = `deposit and reserve for sender ${checksumHex(gateway.account)} is set to unlock soon`;
    expect(await tryPayment(node, gateway, info, { nonces: [2] })).toMatchObject({
      ...{ status: 400, text, creditedTickets: "0", winners: 0, nonces: [] },
    });
    expect((await refusalOf(gateway)).text).toBe(text);
    await own.chain.cancelUnlock(gateway.account);
    await fundsWhere(node, "it stays", () => funds()?.withdrawRound === 0n);
    info = await gateway.open();
    expect(await tryPayment(node, gateway, info, { nonces: [2] })).toMatchObject({ status: 200 });
    await auditMoney(node.dataDir);
  });

  test("it drains its deposit: served up to the loss that is allowed, then refused, and again after a restart", async () => {
    const dataDir = temporaryDir();
    folders.push(dataDir);
    const flags = [...everyTicketWins, "-maxGatewayLoss", "10000000000"];
    // Three winners are covered; the fourth is a loss of 8 of the 10 gwei, the fifth is beyond it.
    const privateKey = await world.fundedKey(2n * faceValue, shareOfPool * faceValue);
    {
      await using node = await openOnchainNode(world, { dataDir, flags });
      const gateway = world.gateway(node.serviceUri, privateKey);
      const info = await gateway.open();
      for (const nonce of [1, 2, 3, 4, 5]) {
        const trial = await tryPayment(node, gateway, info, { nonces: [nonce] });
        expect(trial).toMatchObject({ status: 200, winners: 1 });
      }
      const refused = await tryPayment(node, gateway, info, { nonces: [6] });
      expect(refused).toMatchObject({ status: 500, text: "Internal Server Error", winners: 0, nonces: [] });
      expect(await refusalOf(gateway)).toEqual(reserveRefusal);
      const exposure = node.running.money?.money.solvency.exposure(gateway.account);
      expect(exposure).toMatchObject({
        ...{ outstanding: 5n * faceValue, covered: 3n * faceValue, atRisk: 2n * faceValue },
      });
      expect(node.logLines.join("\n")).toContain("LOSS_CAP");
    }
    await using node = await openOnchainNode(world, { dataDir, flags });
    const gateway = world.gateway(node.serviceUri, privateKey);
    expect(await refusalOf(gateway)).toEqual(reserveRefusal);
    // A top-up brings it back.
    await world.chain.fund(gateway.account, 10n * faceValue, 0n);
    const deposit = () => node.running.money?.chain.funds(gateway.account)?.deposit ?? 0n;
    await fundsWhere(node, "the top-up is known", () => deposit() > 10n * faceValue);
    const info = await gateway.open();
    expect(await tryPayment(node, gateway, info, { nonces: [1] })).toMatchObject({ status: 200, winners: 1 });
    expect(wonTickets(dataDir)).toHaveLength(6);
    await auditMoney(dataDir);
  });
});

describe("the chain cannot be read", () => {
  test("known gateways are served up to the cap, over a restart too; others are not", async () => {
    await using own = await openMoneyWorld();
    const dataDir = temporaryDir();
    folders.push(dataDir);
    // Two winners, not three, may be lost.
    const flags = [...everyTicketWins, "-maxGatewayLoss", `${2n * faceValue}`];
    const privateKey = await own.fundedKey();
    const { rpc } = own.chain;
    const chainOf = (node: Awaited<ReturnType<typeof openOnchainNode>>) => {
      const chain = node.running.money?.chain;
      if (chain === undefined) throw new Error("off-chain");
      return chain;
    };
    let block = 0n;
    {
      await using node = await openOnchainNode(own, { dataDir, flags });
      const gateway = own.gateway(node.serviceUri, privateKey);
      const info = await gateway.open();
      expect(await tryPayment(node, gateway, info, { nonces: [1] })).toMatchObject({
        status: 200,
        winners: 1,
      });
      rpc.fault = { type: "cut" };
      await node.until("the outage is known", () => chainOf(node).trouble !== null);
      const served = await tryPayment(node, gateway, info, { nonces: [2] });
      expect(served).toMatchObject({ status: 200, winners: 1 });
      const stranger = own.gateway(node.serviceUri, new Uint8Array(32).fill(0x79));
      const text = `could not get sender info for ${checksumHex(stranger.account)}: the chain cannot be read`;
      expect(await refusalOf(stranger)).toEqual({ status: unknown, text });
      // The chain stays away: blocks are counted on, so that fresh params do not expire at once.
      block = chainOf(node).clock()?.l1Block ?? 0n;
      node.passTime(120_000);
      const later = bigintOfBytes(paramsOf(await gateway.discover()).expirationBlock);
      expect(later).toBe(block + 40n + 10n);
    }
    // Twelve minutes after the chain was last read, still without it: sixty blocks must have passed there.
    await using node = await openOnchainNode(own, { dataDir, flags, aheadMs: 12 * 60_000 });
    const gateway = own.gateway(node.serviceUri, privateKey);
    const info = await gateway.open();
    const expirationBlock = bigintOfBytes(paramsOf(info).expirationBlock);
    expect(expirationBlock).toBeGreaterThanOrEqual(block + 40n + 55n);
    expect(expirationBlock).toBeLessThanOrEqual(block + 40n + 65n);
    // Two of the winners came since the chain was last asked about this gateway: one more is over the cap.
    const third = await tryPayment(node, gateway, info, { nonces: [1] });
    expect(third).toMatchObject({ status: 200, winners: 1 });
    const over = await tryPayment(node, gateway, info, { nonces: [2] });
    expect(over).toMatchObject({ status: 500, winners: 0, nonces: [] });
    expect(await refusalOf(gateway)).toEqual(reserveRefusal);
    // The chain is back: what it has covers what it won.
    rpc.fault = { type: "none" };
    await fundsWhere(node, "the chain is back", () => {
      const { trouble } = chainOf(node);
      const exposure = node.running.money?.money.solvency.exposure(gateway.account);
      return trouble === null && exposure?.isChainFresh === true;
    });
    const session = await gateway.open();
    const back = await tryPayment(node, gateway, session, { nonces: [1] });
    expect(back).toMatchObject({ status: 200, winners: 1 });
    await auditMoney(dataDir);
  });
});

test("payments check 11, chain check 39: no hash for the running round: params carry the one before", async () => {
  await using own = await openMoneyWorld();
  await own.chain.setRound(2n);
  await own.chain.setRoundHash(2n, `0x${"00".repeat(32)}`);
  await using node = await openOnchainNode(own);
  const key = await own.fundedKey();
  const gateway = own.gateway(node.serviceUri, key);
  const info = await gateway.open();
  const said = paramsOf(info).expirationParams;
  expect(said?.creationRound).toBe(1n);
  expect(said?.creationRoundBlockHash.some((byte) => byte !== 0)).toBe(true);
  expect(await tryPayment(node, gateway, info, { nonces: [1] })).toMatchObject({ status: 200 });
});
