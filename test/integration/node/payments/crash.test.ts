import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { toHex } from "../../../../src/protocol/bytes.ts";
import type { OrchestratorInfo, Payment } from "../../../../src/protocol/gen/lp_rpc_pb.ts";
import { ZERO } from "../../../../src/protocol/rational.ts";
import { eventually } from "../../../support/eventually.ts";
import { temporaryDir } from "../../../support/nodeFixture.ts";
import { recordedEvents } from "../../../support/nodeLog.ts";
import { type NodeProcess, startCrashing } from "../../../support/nodeProcess.ts";
import { dataOf, profileOf, tinySegment } from "../../../support/nodeSegments.ts";
import {
  auditMoney,
  everyTicketWins,
  giveKey,
  type MoneyWorld,
  openMoneyWorld,
  openOnchainNode,
  recordedPayments,
  wonTickets,
} from "../../../support/onchainNode.ts";
import { again } from "../../../support/paymentTrials.ts";
import type { PayingGateway } from "../../../support/payingGateway.ts";

/*
 * Goal: `kill -9` between every two steps from the payment header to the answer: no acknowledged winner is missing, no
 * credit is without its tickets, and a gateway that sends the same payment again is credited once.
 *
 * Method: a node in a process of its own ends itself at a named point of a walk of two payments and two segments, on
 * which every ticket wins. Its successor runs in the test process, on the folder that it left. The gateway there sends
 * everything again that it ever sent, and goes on with its session. The list of points is compared with the events
 * of a whole walk, so that a new step cannot go untested.
 */

setDefaultTimeout(120_000);

let world: MoneyWorld;
const folders: string[] = [];
beforeAll(async () => {
  world = await openMoneyWorld();
  await tinySegment();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const flags = [...everyTicketWins, "-maxGatewayLoss", `${10n ** 18n}`, "-blockPollingInterval", "1"];
const side = "side-account";

/** What a gateway sent, and what it was told. */
type Sent = { readonly payment: Payment; readonly manifestId: string; isAcknowledged: boolean };

/** Two payments beside, two segments. Ends early when the node does. */
async function walk(gateway: PayingGateway, sent: Sent[]): Promise<void> {
  const media = await tinySegment();
  const session = gateway.info.authToken?.sessionId ?? "";
  const begin = (manifestId: string, payment: Payment): Sent => {
    const entry = { payment, manifestId, isAcknowledged: false };
    sent.push(entry);
    return entry;
  };
  const pay = async (count: number) => {
    let entry: Sent | null = null;
    const alter = (payment: Payment): void => {
      entry = begin(side, payment);
    };
    const { answer } = await gateway.sendPayment(side, ZERO, { count, alter });
    if (answer.type === "answer" && entry !== null) (entry as Sent).isAcknowledged = true;
  };
  const segment = async (seq: number) => {
    let entry: Sent | null = null;
    const alter = (payment: Payment): void => {
      entry = begin(session, payment);
    };
    const submission = { manifestId: "movie", seq, media, durationMs: 200, profiles: [profileOf()] };
    const { answer } = await gateway.sendSegment(submission, { count: 1, alter });
    if (answer.type === "answer" && entry !== null) (entry as Sent).isAcknowledged = true;
  };
  await pay(3);
  await segment(0);
  await pay(1);
  await segment(1);
}

/** Opens a session as soon as the node has read its chain; null when it dies before. */
async function openSession(gateway: PayingGateway, node: NodeProcess): Promise<OrchestratorInfo | null> {
  while (node.process.exitCode === null && node.process.signalCode === null) {
    try {
      return await gateway.open();
    } catch {
      await Bun.sleep(10);
    }
  }
  return null;
}

type Left = {
  readonly dataDir: string;
  readonly privateKey: Uint8Array;
  readonly info: OrchestratorInfo | null;
  readonly sent: readonly Sent[];
};

/** Runs the walk on a node that dies at the point, or never. */
async function runWalk(killAtPoint?: { point: string; nth: number }): Promise<Left> {
  const dataDir = temporaryDir();
  folders.push(dataDir);
  giveKey(dataDir);
  const privateKey = await world.fundedKey();
  const plan = { killAt: 0, workersLost: 0, ...(killAtPoint === undefined ? {} : { killAtPoint }) };
  await using node: NodeProcess = await startCrashing(dataDir, plan, [...world.flags, ...flags]);
  const gateway = world.gateway(node.serviceUri, privateKey);
  const sent: Sent[] = [];
  const info = await openSession(gateway, node);
  if (info !== null) {
    const done = walk(gateway, sent);
    await (killAtPoint === undefined ? done : done.catch(() => {}));
  }
  if (killAtPoint !== undefined) expect(await Promise.race([node.ended, Bun.sleep(50_000)])).toBe("SIGKILL");
  return { dataDir, privateKey, info, sent };
}

/** Everything that must hold on what a dead node left. */
async function goOn({ dataDir, privateKey, info, sent }: Left): Promise<void> {
  // Before anybody acts: what was acknowledged is there, whole.
  const hashes = new Set(wonTickets(dataDir));
  const recorded = recordedPayments(dataDir);
  for (const { payment, isAcknowledged } of sent) {
    if (!isAcknowledged || payment.ticketSenderParams.length === 0) continue;
    const found = recorded.find(({ nonces, recipientRandHash }) => {
      const isSame =
        recipientRandHash === toHex(payment.ticketParams?.recipientRandHash ?? new Uint8Array(0));
      return isSame && payment.ticketSenderParams.every(({ senderNonce }) => nonces.includes(senderNonce));
    });
    expect(found?.creditedTickets).toBe(payment.ticketSenderParams.length);
    expect(found?.winners.every((hash) => hashes.has(hash))).toBe(true);
  }
  {
    await using node = await openOnchainNode(world, { dataDir, flags });
    // An upload that was cut off has until its deadline.
    node.advance(10_000);
    const gateway = world.gateway(node.serviceUri, privateKey);
    const session = info ?? (await gateway.open());
    gateway.use(session);
    for (const { payment, manifestId } of sent) {
      if (payment.ticketParams === undefined) continue;
      gateway.use(session);
      const { answer } = await gateway.sendPayment(manifestId, ZERO, again(payment));
      if (answer.type === "refused") expect(answer.text).toContain("already seen");
    }
    // Each ticket that was ever sent was credited once: not more, not less.
    for (const manifestId of new Set(sent.map((entry) => entry.manifestId))) {
      const tickets = sent
        .filter((entry) => entry.manifestId === manifestId)
        .reduce((sum, { payment }) => sum + payment.ticketSenderParams.length, 0);
      expect(node.account(gateway, manifestId)).toMatchObject({ tickets, winners: tickets });
    }
    // The session goes on.
    gateway.use(session);
    const media = await tinySegment();
    const submission = { manifestId: "movie", seq: 9, media, durationMs: 200, profiles: [profileOf()] };
    const { answer } = await gateway.sendSegment(submission, { nonces: [500] });
    expect(dataOf(answer).segments).toHaveLength(1);
    await node.until("no job is open any more", () => node.account(gateway)?.reserved === 0);
    expect(node.fatal).toEqual([]);
    await auditMoney(dataDir);
  }
  await auditMoney(dataDir);
}

/** Each type of the walk and how often it comes before the second segment; both sides of each are tried. */
const steps = [
  ...[
    ["PriceChanged", 1],
    ["TicketTermsChanged", 1],
    ["RoundObserved", 1],
    ["GatewayFundsRead", 1],
  ],
  ...[
    ["TicketWon", 1],
    ["TicketWon", 3],
    ["TicketWon", 4],
    ["PaymentAccepted", 1],
    ["PaymentAccepted", 2],
  ],
  ...[
    ["PaymentAccepted", 4],
    ["PriceFixed", 1],
    ["PriceFixed", 2],
    ["JobReserved", 1],
    ["JobReserved", 2],
  ],
  ...[
    ["SessionOpened", 1],
    ["SessionSegmentStarted", 1],
    ["SegmentAccepted", 1],
    ["SegmentReceived", 1],
  ],
  ...[
    ["SegmentDispatched", 1],
    ["SegmentTranscoded", 1],
    ["JobDebited", 1],
    ["JobDebited", 2],
  ],
  ...[
    ["SegmentDelivered", 1],
    ["SessionSegmentEnded", 1],
  ],
] as const;

describe("kill -9 from the header to the answer", () => {
  test("the walk has no step that is not tried", async () => {
    const left = await runWalk();
    // What follows the chain goes on beside the walk: its own crash tests try it.
    const isBeside = /^(WatchStarted|Blocks.*|RoundOpened|RoundInitialized|Reward.*)$/;
    const recorded = recordedEvents(left.dataDir).map(({ event }) => event.type);
    const types = new Set(recorded.filter((type) => !isBeside.test(type)));
    const tried = new Set<string>(steps.map(([type]) => type as string));
    expect([...types].filter((type) => !tried.has(type))).toEqual([]);
    expect([...tried].filter((type) => !types.has(type))).toEqual([]);
    expect(left.sent.every(({ isAcknowledged }) => isAcknowledged)).toBe(true);
    await goOn(left);
  });

  /** What moves no money is tried on one side here; `../crash.test.ts` tries both of all that a segment records. */
  const onOneSide =
    /^(PriceChanged|TicketTermsChanged|RoundObserved|SegmentReceived|SegmentDispatched|SegmentDelivered|Session.*)$/;
  const points = steps.flatMap(([type, nth]) => [
    [`decided:${type}`, nth as number] as const,
    ...(onOneSide.test(type) ? [] : [[`durable:${type}`, nth as number] as const]),
  ]);

  test.each(points)("at %s, number %d", async (point, nth) => {
    await goOn(await runWalk({ point, nth }));
  });

  // The reference node loses a winner that came within the last milliseconds before a kill.
  test.each([1, 2, 3, 4, 5])("at any moment under a stream of payments, round %d", async () => {
    const dataDir = temporaryDir();
    folders.push(dataDir);
    giveKey(dataDir);
    const privateKey = await world.fundedKey();
    const sent: Sent[] = [];
    let info: OrchestratorInfo | null = null;
    const waitMs = Math.random() * 100;
    {
      await using node = await startCrashing(dataDir, { killAt: 0, workersLost: 0 }, [
        ...world.flags,
        ...flags,
      ]);
      const gateway = world.gateway(node.serviceUri, privateKey);
      info = await openSession(gateway, node);
      const stream = async (lane: number): Promise<void> => {
        // Four lanes: at most 600 nonces belong to one set of params.
        for (let index = 0; index < 145; index += 1) {
          const entry: Sent = { payment: null as never, manifestId: `lane-${lane}`, isAcknowledged: false };
          gateway.use(info as OrchestratorInfo);
          const nonces = [lane * 100_000 + index];
          const alter = (payment: Payment): void => {
            Object.assign(entry, { payment });
            sent.push(entry);
          };
          const { answer } = await gateway.sendPayment(entry.manifestId, ZERO, { nonces, alter });
          if (answer.type !== "answer") return;
          entry.isAcknowledged = true;
        }
      };
      const lanes = [1, 2, 3, 4].map((lane) => stream(lane).catch(() => {}));
      await eventually("payments are acknowledged", () =>
        sent.some((entry) => entry.isAcknowledged) ? true : null,
      );
      await Bun.sleep(waitMs);
      node.process.kill("SIGKILL");
      await Promise.all(lanes);
    }
    expect(sent.length).toBeLessThanOrEqual(580);
    await goOn({ dataDir, privateKey, info, sent });
  });
});
