import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type PricingCommand,
  pricingKind,
  type PricingSnapshot,
} from "../../../src/actors/pricing/decide.ts";
import type { PricingEvent } from "../../../src/events/pricing.ts";
import { rational } from "../../../src/protocol/rational.ts";
import {
  price,
  priceChanged,
  pricingIn,
  removePrice,
  sender,
  setPrice,
  setTerms,
  ticketTermsChanged,
} from "./moneyFacts.ts";
import { Given } from "./given.ts";

const given = (events: readonly PricingEvent[]): Given<PricingEvent, PricingCommand> =>
  new Given(pricingKind, events);

describe("prices", () => {
  test("the first price is a fact, with its wording and who set it", () => {
    const command = { ...setPrice("default"), source: "operator" } as const;
    const outcome = given([]).accepts(command);
    expect(outcome.events).toEqual([{ ...command, type: "PriceChanged" }]);
    expect(outcome.snapshot.context).toEqual({
      prices: [{ scope: "default", price, wording: "1 / 5" }],
      terms: null,
    });
  });

  test("a price of 0 is a price", () => {
    expect(given([]).accepts(setPrice("default", rational(0n))).events).toHaveLength(1);
  });

  test("the same number in the same words is no news, whoever says it", () => {
    given(pricingIn.priced).refuses(setPrice("default"), "PRICE_UNCHANGED");
    given(pricingIn.priced).refuses({ ...setPrice("default"), source: "feed" }, "PRICE_UNCHANGED");
    given(pricingIn.priced).refuses(setPrice("default", rational(2n, 10n)), "PRICE_UNCHANGED");
  });

  test("another number, or other words for it, is news and keeps the entry's place", () => {
    const events = [priceChanged("default"), priceChanged(sender)];
    const outcome = given(events).accepts(setPrice("default", rational(7n), "1 / 5"));
    expect((outcome.snapshot as PricingSnapshot).context.prices).toEqual([
      { scope: "default", price: rational(7n), wording: "1 / 5" },
      { scope: sender, price, wording: "1 / 5" },
    ]);
    expect(given(events).accepts(setPrice("default", price, "0.2")).events).toHaveLength(1);
  });

  test("a gateway's price is an entry of its own; removed, it is gone, and once", () => {
    const both = [priceChanged("default"), priceChanged(sender)];
    const outcome = given(both).accepts(removePrice(sender));
    expect(outcome.events).toEqual([{ type: "PriceRemoved", scope: sender, source: "flag" }]);
    expect((outcome.snapshot as PricingSnapshot).context.prices.map(({ scope }) => scope)).toEqual([
      "default",
    ]);
    given(pricingIn.mixed).refuses(removePrice("default"), "PRICE_UNCHANGED");
    given([]).refuses(removePrice(sender), "PRICE_UNCHANGED");
    given(pricingIn.termed).refuses(removePrice(sender), "PRICE_UNCHANGED");
  });
});

describe("ticket terms", () => {
  test("the first ones are a fact, with and without prices", () => {
    expect(given([]).accepts(setTerms).events).toEqual([ticketTermsChanged]);
    const outcome = given(pricingIn.priced).accepts(setTerms);
    expect(outcome.snapshot.context).toMatchObject({ terms: { ticketEv: 1_000n, maxFaceValue: 0n } });
  });

  test("only another value of either is news", () => {
    given(pricingIn.termed).refuses({ ...setTerms, source: "operator" }, "PRICE_UNCHANGED");
    for (const change of [{ ticketEv: 1n }, { maxFaceValue: 1n }]) {
      expect(given(pricingIn.termed).accepts({ ...setTerms, ...change }).snapshot.context).toMatchObject({
        terms: { ticketEv: 1_000n, maxFaceValue: 0n, ...change },
      });
    }
  });
});

test("nothing ends it", () => {
  for (const events of Object.values(pricingIn)) expect(given(events).deadline).toBeNull();
});

// Goal: the log tells every price that was ever in force, and says nothing twice. Method: random commands against a
// map; an event must come if and only if the map changes.
test("only changes are events, and the fold over them is the last word on every scope", () => {
  const scope = fc.constantFrom("default", sender, `0x${"b2".repeat(20)}`);
  const command: fc.Arbitrary<PricingCommand> = fc.oneof(
    fc
      .tuple(scope, fc.bigInt({ min: 0n, max: 2n }), fc.constantFrom("a", "b"))
      .map(([at, wei, wording]) => setPrice(at, rational(wei), wording)),
    scope.map(removePrice),
    fc
      .tuple(fc.bigInt({ min: 1n, max: 2n }), fc.bigInt({ min: 0n, max: 1n }))
      .map(([ticketEv, maxFaceValue]) => ({ ...setTerms, ticketEv, maxFaceValue })),
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
      const events: PricingEvent[] = [];
      const book = new Map<string, string>();
      for (const one of commands) {
        const before = JSON.stringify([...book].sort());
        if (one.type === "SetPrice") book.set(one.scope, `${one.price.numerator} ${one.wording}`);
        else if (one.type === "RemovePrice") book.delete(one.scope);
        else book.set("terms", `${one.ticketEv} ${one.maxFaceValue}`);
        const isChange = JSON.stringify([...book].sort()) !== before;
        const decision = pricingKind.decide(given(events).snapshot, one, { nowMs: 0 });
        expect([one.type, decision.type]).toEqual([one.type, isChange ? "decided" : "rejected"]);
        if (decision.type === "decided") events.push(...(decision.events as readonly PricingEvent[]));
      }
      const context = (given(events).snapshot as PricingSnapshot | null)?.context;
      const folded = new Map(context?.prices.map((entry) => [entry.scope, entry]));
      for (const at of ["default", sender, `0x${"b2".repeat(20)}`]) {
        const entry = folded.get(at);
        expect(entry === undefined ? undefined : `${entry.price.numerator} ${entry.wording}`).toBe(
          book.get(at),
        );
      }
      expect(folded.size).toBe(context?.prices.length ?? 0);
    }),
    { numRuns: 200 },
  );
});
