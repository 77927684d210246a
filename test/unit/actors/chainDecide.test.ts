import { describe, expect, test } from "bun:test";
import { type ChainCommand, chainKind } from "../../../src/actors/chain/decide.ts";
import { type GatewayCommand, gatewayKind } from "../../../src/actors/gateway/decide.ts";
import type { ChainEvent } from "../../../src/events/chain.ts";
import type { GatewayEvent } from "../../../src/events/gateway.ts";
import { chainIn, gatewayIn, observeRound, recordFunds } from "./moneyFacts.ts";
import { Given } from "./given.ts";

/*
 * Goal: what the chain shows is remembered when it changed, and only then: it is read every few seconds, and each
 * reading would be a row.
 */

describe("a gateway's funds", () => {
  const given = (events: readonly GatewayEvent[]): Given<GatewayEvent, GatewayCommand> =>
    new Given(gatewayKind, events);

  test("the first reading is a fact, even of a gateway that has nothing", () => {
    const { type: _, ...funds } = recordFunds;
    expect(given([]).accepts(recordFunds).snapshot.context).toEqual(funds);
    const nothing = { deposit: 0n, reserve: 0n, claimedInRound: 0n, claimedByUs: 0n, withdrawRound: 0n };
    expect(given([]).accepts({ ...recordFunds, ...nothing }).state).toBe("known");
  });

  test("the same amounts at a later time are no news", () => {
    given(gatewayIn.known).refuses({ ...recordFunds, readAtMs: 99_000 }, "FUNDS_UNCHANGED");
  });

  for (const field of ["deposit", "reserve", "claimedInRound", "claimedByUs", "withdrawRound"] as const) {
    test(`another ${field} is news, up or down`, () => {
      for (const value of [recordFunds[field] + 1n, 5n]) {
        const command = { ...recordFunds, [field]: value, readAtMs: 99_000 };
        const outcome = given(gatewayIn.known).accepts(command);
        expect(outcome.events).toEqual([{ ...command, type: "GatewayFundsRead" }]);
        expect(outcome.snapshot.context).toMatchObject({ [field]: value, readAtMs: 99_000 });
      }
    });
  }

  test("nothing ends it", () => {
    expect(given(gatewayIn.known).deadline).toBeNull();
  });
});

describe("the chain", () => {
  const given = (events: readonly ChainEvent[]): Given<ChainEvent, ChainCommand> =>
    new Given(chainKind, events);

  test("the first reading is a fact, even of round 0", () => {
    const { type: _, ...facts } = observeRound;
    expect(given([]).accepts(observeRound).snapshot.context).toEqual(facts);
    expect(given([]).accepts({ ...observeRound, round: 0n }).state).toBe("seen");
  });

  test("a later block of the same round is no news", () => {
    const later = { ...observeRound, l1Block: observeRound.l1Block + 500n, readAtMs: 99_000 };
    given(chainIn.seen).refuses(later, "ROUND_KNOWN");
  });

  for (const [what, change] of [
    ["the next round", { round: 3_001n }],
    ["the round's hash, which Arbitrum may give later", { blockHash: `0x${"99".repeat(32)}` }],
    ["the pool's size", { transcoderPoolSize: 101n }],
    ["how long tickets stay valid", { ticketValidityPeriod: 3n }],
    ["whether we are active", { isRecipientActive: false }],
    ["for whom it was read", { recipient: `0x${"0d".repeat(20)}` }],
  ] as const) {
    test(`news: ${what}`, () => {
      const command: ChainCommand = { ...observeRound, ...change };
      const outcome = given(chainIn.seen).accepts(command);
      expect(outcome.events).toEqual([{ ...command, type: "RoundObserved" }]);
      expect(outcome.snapshot.context).toMatchObject(change);
    });
  }

  test("payments check 51: round 11, then 10, leaves the round at 11", () => {
    const eleven = given(chainIn.seen).accepts({ ...observeRound, round: 3_011n });
    const known = given([...chainIn.seen, ...(eleven.events as unknown as readonly ChainEvent[])]);
    known.refuses({ ...observeRound, round: 3_010n }, "ROUND_OLD");
    expect(known.snapshot?.context).toMatchObject({ round: 3_011n });
  });

  test("nothing ends it", () => {
    expect(given(chainIn.seen).deadline).toBeNull();
  });
});
