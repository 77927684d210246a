import { expect, test } from "bun:test";
import fc from "fast-check";
import { type WalletCommand, walletKind } from "../../../src/actors/wallet/decide.ts";
import type { WalletEvent } from "../../../src/events/wallet.ts";
import { nonceCorrected, nonceReserved } from "./chainFacts.ts";
import { Given } from "./given.ts";

const given = (...events: readonly WalletEvent[]): Given<WalletEvent, WalletCommand> =>
  new Given(walletKind, events);
const reserve = (nonce: number): WalletCommand => ({ type: "ReserveNonce", nonce });
const correct = (nonce: number): WalletCommand => ({ type: "CorrectNonce", nonce });

test("the first nonce of an account is 0, and each is given out once, one after the other", () => {
  const outcome = given().accepts(reserve(0));
  expect(outcome.events).toEqual([nonceReserved]);
  expect(outcome.snapshot.context).toEqual({ nextNonce: 1 });
  given().refuses(reserve(1), "NONCE_NOT_NEXT");
  given(nonceReserved).refuses(reserve(0), "NONCE_NOT_NEXT");
  given(nonceReserved).refuses(reserve(2), "NONCE_NOT_NEXT");
  expect(given(nonceReserved).accepts(reserve(1)).snapshot.context).toEqual({ nextNonce: 2 });
});

test("another wallet has sent from the account: ahead", () => {
  const outcome = given(nonceReserved).accepts(correct(19));
  expect(outcome.events).toEqual([nonceCorrected]);
  expect(outcome.snapshot.context).toEqual({ nextNonce: 19 });
  given(nonceReserved, nonceCorrected).refuses(reserve(1), "NONCE_NOT_NEXT");
  given(nonceReserved, nonceCorrected).accepts(reserve(19));
});

test("what was counted is gone from the chain: behind", () => {
  const outcome = given(nonceReserved, nonceCorrected).accepts(correct(10));
  expect(outcome.events).toEqual([{ type: "NonceCorrected", nonce: 10, cause: "behind" }]);
  expect(outcome.snapshot.context).toEqual({ nextNonce: 10 });
});

test("the right nonce is not corrected", () => {
  given().refuses(correct(0), "NONCE_RIGHT");
  given(nonceReserved).refuses(correct(1), "NONCE_RIGHT");
});

test("an account counts on for ever, and no clock moves it", () => {
  const { snapshot, deadline } = given(nonceReserved, nonceCorrected);
  expect(snapshot?.status).toBe("active");
  expect(deadline).toBeNull();
});

test("without a correction no nonce is given out twice", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(6), { maxLength: 30 }), (tried) => {
      const events: WalletEvent[] = [];
      for (const nonce of tried) {
        const decision = walletKind.decide(given(...events).snapshot, reserve(nonce), { nowMs: 0 });
        if (decision.type === "decided") events.push(...(decision.events as readonly WalletEvent[]));
      }
      expect(events.map(({ nonce }) => nonce)).toEqual(events.map((_, index) => index));
    }),
  );
});
