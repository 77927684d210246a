import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type TicketCommand, ticketKind } from "../../../src/actors/ticket/decide.ts";
import type { TicketEvent } from "../../../src/events/ticket.ts";
import { expireTicket, redeemTicket, ticketIn, ticketWon, winTicket } from "./moneyFacts.ts";
import { Given } from "./given.ts";

const given = (events: readonly TicketEvent[]): Given<TicketEvent, TicketCommand> =>
  new Given(ticketKind, events);

describe("winning", () => {
  test("a winner is kept with everything that the broker wants to see", () => {
    const outcome = given([]).accepts(winTicket);
    expect(outcome.events).toEqual([ticketWon]);
    expect(outcome.state).toBe("won");
    expect(outcome.snapshot.context).toEqual({
      sender: winTicket.sender,
      faceValue: winTicket.faceValue,
      expirationBlock: winTicket.expirationBlock,
      lastValidRound: winTicket.lastValidRound,
    });
    expect(outcome.effects).toEqual([]);
  });

  for (const [state, events] of Object.entries(ticketIn)) {
    test(`a winner that comes again when ${state} is worth nothing new`, () => {
      given(events).refuses(winTicket, "TICKET_KNOWN");
      given(events).refuses({ ...winTicket, faceValue: 1n, source: "import" }, "TICKET_KNOWN");
    });
  }
});

describe("the end", () => {
  test("redeemed: with the transaction, or without when only its use was seen", () => {
    const ours = given(ticketIn.won).accepts(redeemTicket);
    expect(ours.events).toEqual([{ ...redeemTicket, type: "TicketRedeemed" }]);
    expect(ours.state).toBe("redeemed");
    const seen = given(ticketIn.won).accepts({ type: "RedeemTicket", txHash: null, round: null });
    expect(seen.events).toEqual([{ type: "TicketRedeemed", txHash: null, round: null }]);
  });

  test("its last valid round is still good, the next one is its end", () => {
    given(ticketIn.won).refuses({ type: "ExpireTicket", round: ticketWon.lastValidRound }, "TICKET_VALID");
    given(ticketIn.won).refuses({ type: "ExpireTicket", round: 0n }, "TICKET_VALID");
    const outcome = given(ticketIn.won).accepts(expireTicket);
    expect(outcome.events).toEqual([
      { type: "TicketExpired", round: ticketWon.lastValidRound + 1n, loss: ticketWon.faceValue },
    ]);
    expect(outcome.state).toBe("expired");
  });

  test("our own clock ends no ticket", () => {
    for (const events of Object.values(ticketIn)) expect(given(events).deadline).toBeNull();
  });

  test("what never won does not end", () => {
    given([]).refuses(redeemTicket, "TICKET_NOT_OPEN");
    given([]).refuses(expireTicket, "TICKET_NOT_OPEN");
  });

  test("a ticket ends at most once, whatever is tried in whatever order", () => {
    const commands: fc.Arbitrary<TicketCommand> = fc.oneof(
      fc.constant(winTicket),
      fc.constant(redeemTicket),
      fc.bigInt({ min: 2_999n, max: 3_004n }).map((round) => ({ type: "ExpireTicket", round }) as const),
    );
    fc.assert(
      fc.property(fc.array(commands, { maxLength: 12 }), (tried) => {
        const events: TicketEvent[] = [];
        for (const command of tried) {
          const decision = ticketKind.decide(given(events).snapshot, command, { nowMs: 0 });
          if (decision.type === "decided") events.push(...(decision.events as readonly TicketEvent[]));
        }
        const ends = events.filter(({ type }) => type !== "TicketWon");
        expect(events.length - ends.length).toBeLessThanOrEqual(1);
        expect(ends.length).toBeLessThanOrEqual(1);
        if (ends.length > 0) expect(events[0]?.type).toBe("TicketWon");
      }),
    );
  });
});
