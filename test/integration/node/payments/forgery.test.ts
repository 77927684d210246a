import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Payment } from "../../../../src/protocol/gen/lp_rpc_pb.ts";
import { bigintOfBytes, minimalBytes } from "../../../../src/protocol/integerBytes.ts";
import type { TicketExpiration } from "../../../../src/protocol/ticket.ts";
import {
  auditMoney,
  everyTicketWins,
  type MoneyWorld,
  type OnchainNode,
  openMoneyWorld,
  openOnchainNode,
} from "../../../support/onchainNode.ts";
import { paramsOf, tryPayment } from "../../../support/paymentTrials.ts";
import type { RequestTricks } from "../../../support/payingGateway.ts";

/*
 * Goal: whatever a gateway changes in what we offered, its tickets are worth nothing: no credit, no winner, no nonce,
 * no price. Method: each bound field is altered in turn, and bytes are moved over the border of every two
 * neighbours, which the reference node does not notice. The signatures always fit what was changed. As the last
 * step of each test the untouched params are used, to see that only the change was refused.
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

const texts = [
  "invalid recipientRand for ticket recipientRandHash",
  'invalid expected price sent with payment err="price per unit is negative"',
  'invalid expected price sent with payment err="pixels per unit is 0"',
  "invalid ticket recipient",
];

/** Every forgery of a kind with the params of one gateway; then the honest payment. */
async function refuseAll(
  forgeries: (offer: Offer) => readonly RequestTricks[],
  textsOf = texts,
): Promise<void> {
  const gateway = await node.gateway();
  const info = await gateway.open();
  const params = paramsOf(info);
  const said = params.expirationParams;
  if (said === undefined) throw new Error("The params name no round.");
  const tricks = forgeries({
    faceValue: params.faceValue,
    winProb: params.winProb,
    expirationBlock: params.expirationBlock,
    seed: params.seed,
    expiration: said,
  });
  expect(tricks.length).toBeGreaterThan(0);
  for (const trick of tricks) {
    const trial = await tryPayment(node, gateway, info, { nonces: [1, 2], ...trick });
    expect(textsOf).toContain(trial.text);
    const { status, creditedTickets, nonces, winners, account } = trial;
    expect({ status, creditedTickets, nonces, winners, account }).toEqual({
      ...{ status: 400, creditedTickets: "0", nonces: [], winners: 0, account: null },
    });
  }
  const honest = await tryPayment(node, gateway, info, { nonces: [1, 2] });
  expect(honest).toMatchObject({ status: 200, creditedTickets: "2", winners: 2 });
}

type Offer = {
  readonly faceValue: Uint8Array;
  readonly winProb: Uint8Array;
  readonly expirationBlock: Uint8Array;
  readonly seed: Uint8Array;
  readonly expiration: TicketExpiration;
};

type Integer = "faceValue" | "winProb" | "expirationBlock" | "seed";

const withInteger = (field: Integer, value: bigint): RequestTricks => ({
  alterParams: (params) => {
    params[field] = minimalBytes(value);
  },
});

const withBytes = (changes: Partial<Record<Integer, Uint8Array>>): RequestTricks => ({
  alterParams: (params) => {
    Object.assign(params, changes);
  },
});

const withHash = (hash: Uint8Array): RequestTricks => ({
  alterParams: (params) => {
    params.recipientRandHash = hash;
  },
});

const withPrice = (pricePerUnit: bigint, pixelsPerUnit: bigint): RequestTricks => ({
  price: { pricePerUnit, pixelsPerUnit },
});

describe("payments check 13: each bound field altered in turn", () => {
  const most = 2n ** 256n - 1n;

  test.each(["faceValue", "winProb", "expirationBlock", "seed"] as const)("%s", async (field) => {
    await refuseAll((offer) => {
      const value = bigintOfBytes(offer[field]);
      const others = [value - 1n, value + 1n, value * 2n, value / 2n, 0n, 1n, most, value ^ (1n << 255n)];
      return others
        .filter((other) => other !== value && other >= 0n && other <= most)
        .map((other) => withInteger(field, other));
    });
  });

  test("round and hash", async () => {
    await refuseAll(({ expiration: { creationRound, creationRoundBlockHash } }) => {
      const flipped = Uint8Array.from(creationRoundBlockHash);
      flipped[31] = (flipped[31] ?? 0) ^ 1;
      return [
        { expiration: { creationRound: creationRound + 1n, creationRoundBlockHash } },
        { expiration: { creationRound: creationRound - 1n, creationRoundBlockHash } },
        { expiration: { creationRound: 2n ** 62n, creationRoundBlockHash } },
        { expiration: { creationRound, creationRoundBlockHash: flipped } },
        { expiration: { creationRound: 0n, creationRoundBlockHash: new Uint8Array(32) } },
      ];
    });
  });

  test("a negative round", async () => {
    const text = "invalid payment: creation round is negative";
    await refuseAll(
      ({ expiration: { creationRoundBlockHash } }) => [
        {
          alter: (payment: Payment) => {
            const round = payment.expirationParams;
            if (round !== undefined) Object.assign(round, { creationRound: -1n, creationRoundBlockHash });
          },
        },
      ],
      [text],
    );
  });

  test("price: numerator, denominator, sign, none", async () => {
    await refuseAll(() => [
      ...[withPrice(1_199n, 1n), withPrice(1_201n, 1n), withPrice(1_200n, 2n), withPrice(600n, 1n)],
      ...[withPrice(-1_200n, 1n), withPrice(1_200n, -1n), withPrice(0n, 1n), withPrice(1_200n, 0n)],
      ...[withPrice(2n ** 63n - 1n, 1n), withPrice(1n, 2n ** 63n - 1n), withPrice(-(2n ** 63n), -1n)],
    ]);
  });

  test("recipient, and the hash of its number", async () => {
    await refuseAll(() => [
      ...[withHash(new Uint8Array(32).fill(1)), withHash(new Uint8Array(0)), withHash(new Uint8Array(64))],
      {
        alterParams: (params) => {
          params.recipient = new Uint8Array(20).fill(1);
        },
      },
    ]);
  });
});

describe("bytes moved over the border of two fields", () => {
  /** All splits of two neighbours other than the one that we made. */
  function moved(
    left: Uint8Array,
    right: Uint8Array,
    make: (left: Uint8Array, right: Uint8Array) => RequestTricks,
  ): readonly RequestTricks[] {
    const both = new Uint8Array([...left, ...right]);
    return Array.from({ length: both.length + 1 }, (_, at) => at)
      .filter((at) => at !== left.length && at <= 32 && both.length - at <= 32)
      .map((at) => make(both.slice(0, at), both.slice(at)));
  }

  test("face value and win probability: what the reference node takes at a chance of 5e-66", async () => {
    await refuseAll(({ faceValue, winProb }) =>
      moved(faceValue, winProb, (left, right) => withBytes({ faceValue: left, winProb: right })),
    );
  });

  test("win probability and expiration block", async () => {
    await refuseAll(({ winProb, expirationBlock }) =>
      moved(winProb, expirationBlock, (left, right) => withBytes({ winProb: left, expirationBlock: right })),
    );
  });

  // 1200 is 04b0: the numerator's bytes go to its neighbours.
  test("expiration block and price: params that would never expire", async () => {
    await refuseAll(({ expirationBlock }) => [
      {
        ...withBytes({ expirationBlock: new Uint8Array([...expirationBlock, 0x04]) }),
        ...withPrice(0xb0n, 1n),
      },
      {
        ...withBytes({ expirationBlock: new Uint8Array([...expirationBlock, 0x04, 0xb0]) }),
        ...withPrice(0n, 1n),
      },
      {
        ...withBytes({ expirationBlock: expirationBlock.slice(0, -1) }),
        ...withPrice(BigInt(expirationBlock.at(-1) ?? 0) * 65_536n + 1_200n, 1n),
      },
    ]);
  });

  test("numerator and denominator of the price", async () => {
    await refuseAll(() => [withPrice(0x04n, 0xb001n), withPrice(0x04b001n, 1n), withPrice(0x04b0n, 0x0101n)]);
  });

  test("seed and sender, seed and nothing", async () => {
    await refuseAll(({ seed }) => [
      withBytes({ seed: seed.slice(1) }),
      withBytes({ seed: seed.slice(0, -1) }),
      withBytes({ seed: new Uint8Array(0) }),
    ]);
  });
});
