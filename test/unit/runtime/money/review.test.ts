import { create, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "bun:test";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { balanceOf } from "../../../../src/actors/account/decide.ts";
import { allKinds } from "../../../../src/actors/allKinds.ts";
import { TicketKeys, ticketSecretLifeMs } from "../../../../src/config/ticketKeyFile.ts";
import { allViews } from "../../../../src/events/log/openLog.ts";
import { segmentData } from "../../../../src/demo/gatewayClient.ts";
import { verifyTickets } from "../../../../src/native/ffi.ts";
import { encodeBase64 } from "../../../../src/protocol/base64.ts";
import { toHex } from "../../../../src/protocol/bytes.ts";
import { capabilitiesFromNet } from "../../../../src/protocol/capabilities.ts";
import {
  AuthTokenSchema,
  OrchestratorInfoSchema,
  type Payment,
  PaymentSchema,
  SegDataSchema,
} from "../../../../src/protocol/gen/lp_rpc_pb.ts";
import { paymentTexts } from "../../../../src/protocol/paymentTexts.ts";
import { rational, ZERO } from "../../../../src/protocol/rational.ts";
import type { EffectHandler, Host } from "../../../../src/runtime/host.ts";
import type { Sale } from "../../../../src/runtime/money/market.ts";
import { accountEffects, Money } from "../../../../src/runtime/money/money.ts";
import type { Till } from "../../../../src/runtime/money/till.ts";
import { PaymentDoor } from "../../../../src/runtime/node/paymentDoor.ts";
import type { ChainClock, SenderFunds, TicketVerifier } from "../../../../src/runtime/ports.ts";
import type { Peer } from "../../../../src/runtime/service.ts";
import { TicketSession } from "../../../support/gatewayTickets.ts";
import { type HostHarness, openHost } from "../../../support/hostHarness.ts";
import { logFolder } from "../../../support/logFolder.ts";
import { chainClock, richFunds } from "../../../support/paymentDeskFixture.ts";
import { accountOfPrivateKey } from "../../../support/signatures.ts";

/*
 * Goal: what an adversary, a slow disk or a wrong clock could do to the money between the parts, which the tests of
 * the single parts do not show. Method: everything about money as a node puts it together, on a real log and host;
 * only the chain is scripted. Gateways sign with keys of their own.
 */

const origin = { correlationId: "review", causationId: "test" };
const price = rational(1_200n);
const ticketEv = 8_000_000_000n;
const keyA = new Uint8Array(32).fill(0x31);
const keyB = new Uint8Array(32).fill(0x32);
const nothing: EffectHandler = { when: "volatile", run: () => {} };

type Script = {
  clock: ChainClock;
  funds: SenderFunds | null;
  /** What the next reading says. */
  fundsRead: SenderFunds | null;
  readings: number;
};

type House = AsyncDisposable & {
  readonly harness: HostHarness;
  readonly money: Money;
  readonly script: Script;
  offer(privateKey: Uint8Array): Promise<Sale>;
  /** Takes a payment for an account; the text of the refusal, or null. */
  pay(payment: Payment, manifestId: string): Promise<string | null>;
};

type HouseOptions = { readonly l1Block?: bigint; readonly verifier?: TicketVerifier };

/** One life of a node's money on this folder. */
async function openMoneyHouse(dataDir: string, options: HouseOptions = {}): Promise<House> {
  const books: { money: Money | null } = { money: null };
  const harness = await openHost({
    dataDir,
    kinds: allKinds,
    views: allViews.views,
    effects: { ...everyEffect, ...accountEffects(() => books.money?.accounts ?? null) },
  });
  const readAtMs = harness.clock.nowMs();
  const script: Script = {
    clock: chainClock({ readAtMs, ...(options.l1Block === undefined ? {} : { l1Block: options.l1Block }) }),
    funds: richFunds(readAtMs),
    fundsRead: richFunds(readAtMs),
    readings: 0,
  };
  const money = new Money({
    host: harness.host,
    reader: harness.reader,
    edge: { ...harness.clock, nowMs: () => harness.clock.nowMs(), randomBytes, keccak256: unused },
    hmac,
    chain: {
      recipient: new Uint8Array(20).fill(1),
      clock: () => script.clock,
      gasPrice: () => 0n,
      funds: () => script.funds,
      readFunds: () => {
        script.readings += 1;
        script.funds = script.fundsRead ?? script.funds;
        return Promise.resolve(script.fundsRead);
      },
      trouble: null,
      close: () => {},
    },
    secrets: { current: () => [new Uint8Array(32).fill(5)] },
    verifier: options.verifier ?? { verify: verifyTickets },
    redeemGas: 350_000n,
    isAdjusted: false,
    maxGatewayLoss: 0n,
    onRefused: () => {},
    onFault: (error) => void harness.faults.push(error),
  });
  books.money = money;
  return {
    ...{ harness, money, script },
    offer: async (privateKey) => {
      const offer = await money.till.offer(accountOfPrivateKey(privateKey), null);
      if (offer.type === "refused") throw new Error(offer.text);
      return offer.sale;
    },
    pay: async (payment, manifestId) => {
      const account = { sender: toHex(payment.sender), manifestId };
      const header = { type: "payment", payment, sender: payment.sender } as const;
      const taken = await money.till.take(header, { account, priceOf: account, isForWork: true }, origin);
      await harness.host.committed();
      return taken.type === "refused" ? taken.text : null;
    },
    [Symbol.asyncDispose]: async () => {
      await harness.close();
      expect(harness.faults).toEqual([]);
    },
  };
}

/** The effects of segments and sessions, which these tests do not wait for. */
const everyEffect: Readonly<Record<string, EffectHandler>> = {
  transcodeSegment: nothing,
  deliverResult: nothing,
  answerFailure: nothing,
  settleFee: nothing,
  reportToSession: nothing,
  releaseSession: nothing,
};

function payment(
  sale: Sale,
  privateKey: Uint8Array,
  nonces: readonly number[],
  bad: readonly number[] = [],
): Payment {
  const info = create(OrchestratorInfoSchema, { ticketParams: sale.ticketParams, priceInfo: sale.price });
  const clock = { lastSeenL1Block: 0n, lastRound: 1n, lastRoundHash: new Uint8Array(32).fill(1) };
  return new TicketSession(info).payment(
    nonces.length,
    { privateKey, clock },
    { nonces, badSignatures: bad },
  );
}

function range(length: number): readonly number[] {
  return Array.from({ length }, (_, index) => index + 1);
}

function setTerms(money: Money, own = price): void {
  money.board.startWith(new Map([["default", { price: own, wording: "a test's" }]]), {
    ticketEv,
    maxFaceValue: 0n,
  });
}

function hmac(key: Uint8Array, message: Uint8Array): Uint8Array {
  return new Uint8Array(new Bun.CryptoHasher("sha256", key).update(message).digest());
}

function randomBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}

function unused(): never {
  throw new Error("Nobody hashes here.");
}

describe("accounts", () => {
  test("one that is opened, ends and is paid again before the disk knows of any of it gets another number", async () => {
    using folder = logFolder();
    await using house = await openMoneyHouse(folder.path);
    const { harness, money } = house;
    const key = { sender: toHex(accountOfPrivateKey(keyA)), manifestId: "mid" };
    const fix = { type: "FixPrice", sender: key.sender, price } as const;
    // All in one turn of the event loop: nothing is written meanwhile.
    for (const number of [1, 2, 3]) {
      expect(money.accounts.execute(key, fix, origin).type).toBe("accepted");
      const id = money.accounts.idFor(key);
      expect(id).toEndWith(`.${number}`);
      const dueMs = money.accounts.find(key)?.context.idleDeadlineMs;
      expect(
        harness.host.execute("account", id, { type: "ExpireAccount", dueMs } as never, origin).type,
      ).toBe("accepted");
    }
    await harness.host.committed();
    expect(harness.recorded.map(({ stream }) => stream.at(-1))).toEqual(["1", "1", "2", "2", "3", "3"]);
  });

  test("jobs of the last life find their account before anything else was taken up", async () => {
    using folder = logFolder();
    const key = { sender: toHex(accountOfPrivateKey(keyA)), manifestId: "mid" };
    {
      await using house = await openMoneyHouse(folder.path);
      reserve(house.money, key, ["mid.1/1"]);
      await house.harness.host.committed();
    }
    await using house = await openMoneyHouse(folder.path);
    // A price feed may take seconds before `resume` is called; the segment fails with the first commit.
    house.money.accounts.release("mid.1/1", origin);
    expect(house.money.accounts.find(key)?.context.openJobs).toEqual([]);
  });

  test("jobs that ended while the node ran off-chain are let go of; those that run are not", async () => {
    using folder = logFolder();
    const key = { sender: toHex(accountOfPrivateKey(keyA)), manifestId: "mid" };
    const running = "mid.1/2";
    {
      await using house = await openMoneyHouse(folder.path);
      reserve(house.money, key, ["mid.1/1", running]);
      house.harness.host.execute("segment", running, acceptSegment(house.harness), origin);
      await house.harness.host.committed();
    }
    await using house = await openMoneyHouse(folder.path);
    house.money.resume();
    const jobs = house.money.accounts.find(key)?.context.openJobs.map(({ jobId }) => jobId);
    expect(jobs).toEqual([running]);
    await house.harness.host.committed();
  });

  function reserve(
    money: Money,
    key: { sender: `0x${string}`; manifestId: string },
    jobs: readonly string[],
  ): void {
    money.accounts.execute(key, { type: "FixPrice", sender: key.sender, price: ZERO }, origin);
    for (const jobId of jobs) {
      expect(money.accounts.reserve(key, { jobId, units: 5n, ticketEv: 0n }, origin).type).toBe("accepted");
    }
  }

  function acceptSegment({ clock }: HostHarness) {
    const uploadDeadlineMs = clock.nowMs() + 60_000;
    return {
      type: "AcceptSegment",
      ...{ sessionId: "mid.1", sender: toHex(accountOfPrivateKey(keyA)), manifestId: "0x01", seq: 1n },
      ...{ mediaHash: `0x${"00".repeat(32)}`, durationMs: 1_000, profiles: [], clip: null },
      ...{ calcPerceptualHash: false, uploadDeadlineMs, deadlineMs: uploadDeadlineMs + 8_000 },
    } as never;
  }
});

describe("replay protection", () => {
  test("an L1 clock that starts behind the newest payment brings no params back to life", async () => {
    using folder = logFolder();
    let first: Payment;
    const account = { sender: toHex(accountOfPrivateKey(keyA)), manifestId: "mid" };
    const start = 21_000_000n;
    {
      await using house = await openMoneyHouse(folder.path, { l1Block: start });
      setTerms(house.money);
      first = payment(await house.offer(keyA), keyA, range(3));
      expect(await house.pay(first, "mid")).toBeNull();
      // So much later that nobody keeps the nonces of the first payment any more.
      house.script.clock = { ...house.script.clock, l1Block: start + 2_000n };
      expect(await house.pay(payment(await house.offer(keyA), keyA, [1]), "mid")).toBeNull();
    }
    // The machine's clock was set back, and the chain cannot be read.
    await using house = await openMoneyHouse(folder.path, { l1Block: start + 10n });
    setTerms(house.money);
    house.money.resume();
    const before = house.money.accounts.find(account);
    expect(await house.pay(first, "mid")).toBe(paymentTexts.expired);
    const after = house.money.accounts.find(account);
    expect(after === null ? null : balanceOf(after)).toEqual(before === null ? null : balanceOf(before));
    // Honest gateways are served on.
    expect(await house.pay(payment(await house.offer(keyA), keyA, [1]), "mid")).toBeNull();
  });
});

describe("strangers", () => {
  test("worthless tickets at a price of 0 leave no gateway that is remembered for ever", async () => {
    using folder = logFolder();
    await using house = await openMoneyHouse(folder.path);
    setTerms(house.money, ZERO);
    expect(await house.pay(payment(await house.offer(keyA), keyA, [1]), "mid")).toBeNull();
    expect([...house.harness.host.idsOf("gateway")]).toEqual([]);
    setTerms(house.money);
    expect(await house.pay(payment(await house.offer(keyB), keyB, [1]), "mid")).toBeNull();
    expect([...house.harness.host.idsOf("gateway")]).toEqual([toHex(accountOfPrivateKey(keyB))]);
  });

  test("many large payments of one gateway: one at a time before the verifier; another gateway's is not held up", async () => {
    using folder = logFolder();
    const inHand: { sender: string; answer: () => void }[] = [];
    await using house = await openMoneyHouse(folder.path, {
      verifier: {
        verify: (batch) =>
          new Promise((resolve) => {
            inHand.push({ sender: toHex(batch.sender), answer: () => resolve(verifyTickets(batch)) });
          }),
      },
    });
    setTerms(house.money);
    const [a, b] = [toHex(accountOfPrivateKey(keyA)), toHex(accountOfPrivateKey(keyB))];
    const saleA = await house.offer(keyA);
    const all = [0, 1, 2].map((batch) =>
      house.pay(
        payment(
          saleA,
          keyA,
          range(5).map((nonce) => nonce + 10 * batch),
        ),
        "mid",
      ),
    );
    all.push(house.pay(payment(await house.offer(keyB), keyB, range(5)), "mid"));
    const seen: string[] = [];
    for (let answered = 0; answered < 4; answered += 1) {
      await settled();
      const ofA = inHand.filter(({ sender }) => sender === a);
      expect(ofA.length).toBeLessThanOrEqual(1);
      const next = inHand.shift();
      if (next === undefined) throw new Error("Nothing waits for the verifier.");
      seen.push(next.sender);
      next.answer();
    }
    expect(await Promise.all(all)).toEqual([null, null, null, null]);
    expect(seen.slice(0, 2).toSorted()).toEqual([a, b].toSorted());
  });

  /** All promises that can go on have gone on. */
  async function settled(): Promise<void> {
    for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
});

describe("funds that were read long ago", () => {
  test("a gateway whose winners came since is not refused before the chain was asked again", async () => {
    using folder = logFolder();
    await using house = await openMoneyHouse(folder.path);
    const { money, script, harness } = house;
    setTerms(money);
    const sender = toHex(accountOfPrivateKey(keyA));
    // As after a restart: its funds were recorded an hour ago, and it has won from itself since.
    const nowMs = harness.clock.nowMs();
    script.funds = richFunds(nowMs - 3_600_000);
    script.fundsRead = richFunds(nowMs);
    money.solvency.opened(sender, 10n ** 15n, nowMs - 1_000);
    const sale = await house.offer(keyA);
    expect(script.readings).toBe(1);
    script.funds = richFunds(nowMs - 3_600_000);
    expect(await house.pay(payment(sale, keyA, [1]), "mid")).toBeNull();
    // A chain that cannot be read changes nothing: what came since may be lost.
    script.funds = richFunds(nowMs - 3_600_000);
    script.fundsRead = null;
    await expect(house.offer(keyA)).rejects.toThrow(paymentTexts.insufficientReserve);
  });

  test("a clock that was set back does not make a reading fresh", async () => {
    using folder = logFolder();
    await using house = await openMoneyHouse(folder.path);
    house.script.funds = richFunds(house.harness.clock.nowMs() + 3_600_000);
    expect(house.money.solvency.exposure(accountOfPrivateKey(keyA))?.isChainFresh).toBe(false);
  });
});

describe("ticket secrets", () => {
  test("a disk that takes no new secret: the old one goes on, and the next hour tries again", () => {
    using folder = logFolder();
    const dataDir = join(folder.path, "data");
    mkdirSync(dataDir);
    const keys = TicketKeys.open(dataDir, randomBytes, 1_000);
    const before = keys.current();
    rmSync(dataDir, { recursive: true });
    expect(keys.rotate(1_000 + ticketSecretLifeMs)?.code).toBe("TICKET_KEYS_UNUSABLE");
    expect(keys.current()).toEqual(before);
    mkdirSync(dataDir);
    expect(keys.rotate(2_000 + ticketSecretLifeMs)).toBeNull();
    expect(keys.current().slice(1)).toEqual([...before]);
  });
});

describe("a log that takes nothing", () => {
  test("money without work is refused before it is looked at: it would only wait in memory", async () => {
    const account = accountOfPrivateKey(keyA);
    const empty = { manifestId: "mid", seq: 0, media: new Uint8Array(0), durationMs: 0, profiles: [] };
    const segData = segmentData({ ...empty, authToken: create(AuthTokenSchema, { sessionId: "session" }) });
    const header = (schema: DescMessage, message: MessageShape<DescMessage>) =>
      encodeBase64(toBinary(schema, message));
    let taken = 0;
    let refusal: string | null = "The event log cannot be written.";
    const till: Pick<Till, "take"> = {
      take: () => {
        taken += 1;
        return Promise.resolve({ type: "refused", status: 400, text: "taken" });
      },
    };
    const door = new PaymentDoor({
      identity: { account, sign: () => new Uint8Array(65), isSignedBy: () => true },
      capabilities: capabilitiesFromNet(undefined, "0.9.1"),
      version: "0.9.1",
      host: { committed: () => Promise.resolve() } as Host,
      till: till as Till,
      logRefusal: () => refusal,
      mayName: () => true,
      checkToken: () => "valid",
      tokenFor: unused,
      infoFor: unused,
    });
    const headers = {
      segment: header(SegDataSchema, segData),
      payment: header(PaymentSchema, create(PaymentSchema, { sender: account })),
    };
    const peer = { remoteAddress: "192.0.2.1" } as Peer;
    expect(await door.pay(headers, peer)).toMatchObject({ status: 500, text: "Internal Server Error" });
    expect(taken).toBe(0);
    refusal = null;
    expect(await door.pay(headers, peer)).toMatchObject({ status: 400, text: "taken" });
  });
});
