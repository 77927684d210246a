import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Payable } from "../../../../src/runtime/chainPorts.ts";
import {
  batchGas,
  type PlanInput,
  type PlanTicket,
  planRedemption,
} from "../../../../src/runtime/chain/redemptionPlan.ts";
import type { Hex } from "../../../../src/shared/brand.ts";

/*
 * The plan is pure: tables of tickets, funds and prices, and what it takes. Amounts are wei; with a redeemGas of 100
 * and a gas price of 1, a ticket alone costs 100 and one more in a batch 41.
 */

const rich = "0x01" as Hex;
const poor = "0x02" as Hex;
const round = 7n;

function payable(change: Partial<Payable>): Payable {
  return {
    ...{ deposit: 0n, reserve: 0n, claimedInRound: 0n, claimedByUs: 0n, withdrawRound: 0n, readAtMs: 0 },
    ...{ claimable: 0n, ...change },
  };
}

function ticket(name: number, change: Partial<PlanTicket> = {}): PlanTicket {
  return { hash: `0x${name}`, sender: rich, faceValue: 500n, lastValidRound: round + 1n, ...change };
}

function plan(
  tickets: readonly PlanTicket[],
  change: Partial<PlanInput> = {},
): ReturnType<typeof planRedemption> {
  return planRedemption({
    tickets,
    funds: new Map([
      [rich, { payable: payable({ deposit: 1_000_000n }), inFlight: 0n }],
      [poor, { payable: payable({ deposit: 500n, claimable: 300n }), inFlight: 0n }],
    ]),
    ...{ round, gasPrice: 1n, redeemGas: 100n, isLastChance: false, ...change },
  });
}

const names = (result: ReturnType<typeof planRedemption>): readonly string[] =>
  result.take.map(({ hash }) => hash);
const causes = (result: ReturnType<typeof planRedemption>): Record<string, string> =>
  Object.fromEntries(result.postpone.map(({ hash, cause }) => [hash, cause]));

describe("which tickets", () => {
  test("payments check 47: a sender with 500 and 300 claimable pays one of two tickets of 500, not one and a half", () => {
    const result = plan([ticket(1, { sender: poor }), ticket(2, { sender: poor })]);
    expect(names(result)).toEqual(["0x1"]);
    expect(causes(result)).toEqual({ "0x2": "sender-funds" });
  });

  test("what is on its way is not promised twice", () => {
    const funds = new Map([[poor, { payable: payable({ deposit: 500n, claimable: 300n }), inFlight: 500n }]]);
    expect(names(plan([ticket(1, { sender: poor })], { funds }))).toEqual([]);
  });

  test("in its last hours a ticket is taken for a part of its worth, if the part is worth its gas", () => {
    const last = { sender: poor, lastValidRound: round };
    const tickets = [ticket(1, last), ticket(2, last)];
    expect(names(plan(tickets))).toEqual(["0x1"]);
    expect(names(plan(tickets, { isLastChance: true }))).toEqual(["0x1", "0x2"]);
    // The 300 that are left would be eaten by the gas.
    expect(names(plan(tickets, { isLastChance: true, gasPrice: 7n, redeemGas: 100n }))).toEqual(
      ["0x1"].slice(1),
    );
  });

  test("one that another round still takes waits for the whole of it", () => {
    const result = plan([ticket(1, { sender: poor, faceValue: 900n })], { isLastChance: true });
    expect(causes(result)).toEqual({ "0x1": "sender-funds" });
  });

  test("payments check 42: a ticket below its gas waits and stands in nobody's way", () => {
    const result = plan([ticket(1, { faceValue: 45n }), ticket(2, { faceValue: 500n })]);
    expect(names(result)).toEqual(["0x2"]);
    expect(causes(result)).toEqual({ "0x1": "face-value" });
  });

  test("a ticket that pays alone less than a transaction costs waits for company", () => {
    expect(names(plan([ticket(1, { faceValue: 100n })]))).toEqual([]);
    expect(names(plan([1, 2, 3].map((name) => ticket(name, { faceValue: 100n }))))).toEqual([
      "0x1",
      "0x2",
      "0x3",
    ]);
  });

  test("a sender whose funds are unlocked is left alone; one round earlier it still pays", () => {
    const funds = (withdrawRound: bigint): PlanInput["funds"] =>
      new Map([[rich, { payable: payable({ deposit: 10_000n, withdrawRound }), inFlight: 0n }]]);
    expect(causes(plan([ticket(1)], { funds: funds(round) }))).toEqual({ "0x1": "sender-unlocked" });
    expect(names(plan([ticket(1)], { funds: funds(round + 1n) }))).toEqual(["0x1"]);
  });

  test("what ends first goes first, then what is worth most", () => {
    const result = plan([
      ticket(1, { faceValue: 500n }),
      ticket(2, { faceValue: 900n }),
      ticket(3, { faceValue: 200n, lastValidRound: round }),
    ]);
    expect(names(result)).toEqual(["0x3", "0x2", "0x1"]);
  });

  test("a sender that nobody could read is not judged", () => {
    const result = plan([ticket(1, { sender: "0x09" })]);
    expect(result).toEqual({ take: [], postpone: [] });
  });
});

test("never more than a sender has, never a ticket twice, and every ticket of a known sender has a verdict", () => {
  const arbitraryTicket = fc.record({
    sender: fc.constantFrom(rich, poor),
    faceValue: fc.bigInt({ min: 0n, max: 2_000n }),
    lastValidRound: fc.bigInt({ min: round, max: round + 1n }),
  });
  fc.assert(
    fc.property(
      fc.array(arbitraryTicket, { maxLength: 30 }),
      fc.bigInt({ min: 0n, max: 20n }),
      fc.bigInt({ min: 0n, max: 3_000n }),
      fc.boolean(),
      (drawn, gasPrice, deposit, isLastChance) => {
        const tickets = drawn.map((fields, index) => ({ ...fields, hash: `0x${index}` as Hex }));
        const funds = new Map([
          [rich, { payable: payable({ deposit }), inFlight: 0n }],
          [poor, { payable: payable({ deposit: 500n, claimable: 300n }), inFlight: 0n }],
        ]);
        const result = plan(tickets, { funds, gasPrice, isLastChance });
        const judged = [...result.take, ...result.postpone].map(({ hash }) => hash);
        expect([...judged].sort()).toEqual(tickets.map(({ hash }) => hash).sort());
        if (isLastChance) return;
        for (const [sender, { payable: has }] of funds) {
          const sum = result.take
            .filter((taken) => taken.sender === sender)
            .reduce((a, t) => a + t.faceValue, 0n);
          expect(sum <= has.deposit + has.claimable).toBe(true);
        }
      },
    ),
  );
});

test("a batch costs by the contract's own law, scaled: 134.6k + 80.55k a ticket against 198k", () => {
  expect(batchGas(1, 198_000n)).toBe(198_000n);
  const perTicket = (count: number): number => Number(batchGas(count, 198_000n)) / count / 198_000;
  expect(perTicket(5)).toBeLessThan(0.6);
  expect(perTicket(20)).toBeLessThan(0.45);
});
