import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { estimatedUnits } from "../../../../src/protocol/price.ts";
import {
  compare,
  multiply,
  type Rational,
  rational,
  subtract,
  ZERO,
} from "../../../../src/protocol/rational.ts";
import { recordedEvents } from "../../../support/nodeLog.ts";
import { dataOf, profileOf, tinySegment } from "../../../support/nodeSegments.ts";
import {
  auditMoney,
  everyTicketWins,
  type MoneyWorld,
  type OnchainNode,
  openMoneyWorld,
  openOnchainNode,
  recordedPayments,
  ticketEv,
} from "../../../support/onchainNode.ts";
import { tryPayment } from "../../../support/paymentTrials.ts";

/*
 * Goal: whoever sends two requests at once gets no more than whoever sends them one after the other. Method: real
 * parallel requests on one connection; what ran is compared with what the balance carries.
 */

setDefaultTimeout(120_000);

let world: MoneyWorld;
let node: OnchainNode;
beforeAll(async () => {
  world = await openMoneyWorld();
  node = await openOnchainNode(world, { flags: [...everyTicketWins, "-maxGatewayLoss", `${10n ** 18n}`] });
});
afterAll(async () => {
  try {
    await auditMoney(node.dataDir);
  } finally {
    await world[Symbol.asyncDispose]();
  }
});

const segmentDurationMs = 200;
const price = rational(1_200n);

test.each([1, 2])(
  "parallel segments on a balance of %d tickets: what it carries runs, and it never goes below 0",
  async (tickets) => {
    const gateway = await node.gateway();
    const info = await gateway.open();
    const session = info.authToken?.sessionId ?? "";
    const paid = await tryPayment(node, gateway, info, { count: tickets }, session);
    expect(paid.status).toBe(200);
    const media = await tinySegment();
    const requests = Array.from({ length: 8 }, (_, seq) => {
      const profiles = [profileOf()];
      const submission = { manifestId: "movie", seq, media, durationMs: segmentDurationMs, profiles };
      gateway.use(info);
      return gateway.sendSegment(submission, { count: 0 });
    });
    const answers = (await Promise.all(requests)).map(({ answer }) => answer);
    const served = answers.filter(({ type }) => type === "answer");
    const refused = answers.filter(({ type }) => type === "refused");
    for (const answer of refused) {
      expect(answer).toMatchObject({ status: 400, text: "Insufficient balance\n" });
    }
    // Each job that runs speaks for its fee, and at least for a ticket; one more may start while that is left.
    const estimate = multiply(price, rational(estimatedUnits([profileOf()], segmentDurationMs)));
    const fee = compare(estimate, rational(ticketEv)) < 0 ? rational(ticketEv) : estimate;
    let left: Rational = multiply(gateway.ev, rational(BigInt(tickets)));
    let carried = 0;
    for (; compare(left, fee) >= 0; carried += 1) left = subtract(left, fee);
    expect({ carried: served.length }).toEqual({ carried });
    for (const answer of served) expect(dataOf(answer).segments).toHaveLength(1);
    const account = node.account(gateway);
    expect(account?.reserved).toBe(0);
    expect(compare(account?.balance ?? rational(-1n), ZERO)).toBe(1);
    let lowest: Rational = rational(0n);
    let balance: Rational = ZERO;
    for (const { stream, event } of recordedEvents(node.dataDir)) {
      if (!stream.includes(session)) continue;
      const { credit, fee: taken } = event as { readonly credit?: Rational; readonly fee?: Rational };
      if (event.type === "PaymentAccepted" && credit !== undefined)
        balance = subtract(balance, multiply(credit, rational(-1n)));
      if (event.type === "JobDebited" && taken !== undefined) balance = subtract(balance, taken);
      if (compare(balance, lowest) < 0) lowest = balance;
    }
    expect(lowest).toEqual(ZERO);
    expect(balance).toEqual(account?.balance ?? ZERO);
  },
);

test("segments with a ticket each, all at once: each is credited once, each is served", async () => {
  const gateway = await node.gateway();
  const info = await gateway.open();
  const media = await tinySegment();
  const requests = [1, 2, 3, 4].map((nonce) => {
    gateway.use(info);
    const submission = { manifestId: "movie", seq: nonce, media, durationMs: 200, profiles: [profileOf()] };
    return gateway.sendSegment(submission, { nonces: [nonce] });
  });
  for (const { answer } of await Promise.all(requests)) expect(dataOf(answer).segments).toHaveLength(1);
  expect(node.account(gateway)).toMatchObject({ tickets: 4, winners: 4, reserved: 0 });
});

test("payments of one gateway are judged in the order in which they came, the long before the short", async () => {
  const gateway = await node.gateway();
  const info = await gateway.open();
  const sizes = [400, 1, 150, 1, 1];
  let nonce = 0;
  const requests = sizes.map((size) => {
    gateway.use(info);
    const nonces = Array.from({ length: size }, () => ++nonce);
    return gateway.sendPayment("ordered", ZERO, { nonces });
  });
  for (const { answer } of await Promise.all(requests)) expect(answer.type).toBe("answer");
  const taken = recordedPayments(node.dataDir, gateway.account).map(({ nonces }) => nonces.length);
  expect(taken).toEqual(sizes);
});

test("one nonce in ten payments at once: one counts, nine are told that it was seen", async () => {
  const gateway = await node.gateway();
  const info = await gateway.open();
  const requests = Array.from({ length: 10 }, () => {
    gateway.use(info);
    return gateway.sendPayment("same", ZERO, { nonces: [7] });
  });
  const answers = (await Promise.all(requests)).map(({ answer }) => answer);
  expect(answers.filter(({ type }) => type === "answer")).toHaveLength(1);
  for (const answer of answers) {
    if (answer.type === "refused") expect(answer.text).toContain("already seen");
  }
  expect(node.account(gateway, "same")).toMatchObject({ tickets: 1, winners: 1 });
});
