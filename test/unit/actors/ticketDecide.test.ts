import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type TicketCommand, ticketKind } from "../../../src/actors/ticket/decide.ts";
import type { TicketEvent } from "../../../src/events/ticket.ts";
import {
  payForeign,
  payTicket,
  postponeRedemption,
  entrustTicket,
  redemptionIn,
  ticketEntrusted,
  redemptionPostponed,
  redemptionReturned,
  redemptionSubmitted,
  refuseTicket,
  returnRedemption,
  submitRedemption,
  ticketHeld,
  ticketPaid,
  ticketPaidByOthers,
  ticketRefused,
  ticketUnpaid,
  transactionId,
} from "./chainFacts.ts";
import { Given } from "./given.ts";
import { expireTicket, redeemTicket, ticketIn, ticketWon, winTicket } from "./moneyFacts.ts";

const given = (events: readonly TicketEvent[]): Given<TicketEvent, TicketCommand> =>
  new Given(ticketKind, events);

const hold: TicketCommand = { type: "HoldTicket", isHeld: true };
const letGo: TicketCommand = { type: "HoldTicket", isHeld: false };
const unpay: TicketCommand = { type: "UnpayTicket" };

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
      isHeld: false,
      transaction: null,
      returned: 0,
      cause: null,
      paid: null,
      entrusted: null,
    });
    expect(outcome.effects).toEqual([]);
  });

  for (const [state, events] of Object.entries(redemptionIn)) {
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
    for (const events of Object.values(redemptionIn)) expect(given(events).deadline).toBeNull();
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
      fc.constantFrom<TicketCommand>(submitRedemption, returnRedemption, payTicket, payForeign, refuseTicket),
      fc.constantFrom<TicketCommand>({ type: "UnpayTicket" }, hold, letGo, postponeRedemption),
    );
    fc.assert(
      fc.property(fc.array(commands, { maxLength: 12 }), (tried) => {
        const events: TicketEvent[] = [];
        for (const command of tried) {
          const decision = ticketKind.decide(given(events).snapshot, command, { nowMs: 0 });
          if (decision.type === "decided") events.push(...(decision.events as readonly TicketEvent[]));
        }
        const isEnd = ({ type }: TicketEvent): boolean =>
          ["TicketRedeemed", "TicketExpired", "TicketRefused"].includes(type);
        expect(events.filter(({ type }) => type === "TicketWon").length).toBeLessThanOrEqual(1);
        if (events.length > 0) expect(events[0]?.type).toBe("TicketWon");
        expect(events.filter(isEnd).length).toBeLessThanOrEqual(1);
        if (events.some(isEnd)) expect(events.findIndex(isEnd)).toBe(events.length - 1);
      }),
    );
  });
});

describe("redemption", () => {
  /** Where each command leads from each state; "." is a refusal. */
  const table: Readonly<Record<keyof typeof redemptionIn, readonly string[]>> = {
    //        submit     return postpone pay  payForeign unpay  redeem  expire     refuse     hold
    won: ["submitted", ".", "won", "paid", "paid", ".", "redeemed", "expired", "refused", "won"],
    submitted: [".", "won", ".", "paid", "paid", ".", ".", ".", ".", "submitted"],
    paid: [".", ".", ".", ".", ".", "submitted", "redeemed", ".", ".", "."],
    redeemed: [".", ".", ".", ".", ".", ".", ".", ".", ".", "."],
    expired: [".", ".", ".", ".", ".", ".", ".", ".", ".", "."],
    refused: [".", ".", ".", ".", ".", ".", ".", ".", ".", "."],
  };
  const commands: readonly TicketCommand[] = [
    ...[submitRedemption, returnRedemption, postponeRedemption, payTicket, payForeign, unpay],
    ...[redeemTicket, expireTicket, refuseTicket, hold],
  ];

  for (const [state, events] of Object.entries(redemptionIn)) {
    test(`${state}: each command leads where the table says, or is refused`, () => {
      expect(given(events).state).toBe(state);
      const reached = commands.map((command) => {
        const decision = ticketKind.decide(given(events).snapshot, command, { nowMs: 0 });
        if (decision.type === "rejected") return decision.code === "TICKET_NOT_OPEN" ? "." : decision.code;
        return given(events).accepts(command).state;
      });
      expect(reached).toEqual([...(table[state as keyof typeof table] ?? [])]);
    });
  }

  test("nothing of it happens to what never won", () => {
    for (const command of commands) given([]).refuses(command, "TICKET_NOT_OPEN");
  });

  test("submitted: with its transaction, and why it waited before is forgotten", () => {
    const outcome = given([ticketWon, redemptionPostponed]).accepts(submitRedemption);
    expect(outcome.events).toEqual([redemptionSubmitted]);
    expect(outcome.snapshot.context).toMatchObject({ transaction: transactionId, cause: null });
  });

  test("returned: only by its own transaction, and counted", () => {
    given(redemptionIn.submitted).refuses({ ...returnRedemption, transaction: "other" }, "TICKET_NOT_OPEN");
    const outcome = given(redemptionIn.submitted).accepts(returnRedemption);
    expect(outcome.events).toEqual([redemptionReturned]);
    expect(outcome.snapshot.context).toMatchObject({ transaction: null, returned: 1 });
  });

  test("a cause that stands is noted once", () => {
    const waiting = given([ticketWon, redemptionPostponed]);
    waiting.refuses({ ...postponeRedemption, text: "other words" }, "TICKET_NOT_OPEN");
    waiting.accepts({ ...postponeRedemption, cause: "sender-funds" });
  });

  test("paid by us: a re-org leaves it with its transaction", () => {
    const outcome = given(redemptionIn.paid).accepts(unpay);
    expect(outcome.events).toEqual([ticketUnpaid]);
    expect(outcome.snapshot.context).toMatchObject({ transaction: transactionId, paid: null });
    expect(outcome.state).toBe("submitted");
    expect(given([...redemptionIn.paid, ticketUnpaid]).accepts(payTicket).events).toEqual([ticketPaid]);
  });

  test("paid by somebody else: a re-org makes it open again, even when we had one under way", () => {
    for (const before of [redemptionIn.won, redemptionIn.submitted]) {
      const outcome = given([...before, ticketPaidByOthers]).accepts(unpay);
      expect(outcome.state).toBe("won");
      expect(outcome.snapshot.context).toMatchObject({ transaction: null, paid: null });
    }
  });

  test("refused for ever: with what it would have paid", () => {
    expect(given(redemptionIn.won).accepts(refuseTicket).events).toEqual([ticketRefused]);
  });

  test("held: not sent until it is let go, but still paid when somebody else does it", () => {
    const held = [ticketWon, ticketHeld(true)];
    expect(given(held).snapshot?.context).toMatchObject({ isHeld: true });
    given(held).refuses(submitRedemption, "TICKET_NOT_OPEN");
    given(held).refuses(hold, "TICKET_NOT_OPEN");
    given(redemptionIn.won).refuses(letGo, "TICKET_NOT_OPEN");
    expect(given(held).accepts(payForeign).state).toBe("paid");
    expect(given(held).accepts(letGo).events).toEqual([ticketHeld(false)]);
    given([...held, ticketHeld(false)]).accepts(submitRedemption);
  });
});

describe("in a redeemer's hands", () => {
  const nextRound: TicketCommand = {
    type: "EntrustTicket",
    ...{ redeemer: "redeemer.example:8935", round: 3_702n },
  };

  test("what a redeemer has acknowledged stays won, waits for nothing, and may be acknowledged again", () => {
    const outcome = given([ticketWon, redemptionPostponed]).accepts(entrustTicket);
    expect(outcome.events).toEqual([ticketEntrusted]);
    expect(outcome.state).toBe("won");
    expect(outcome.snapshot.context).toMatchObject({
      ...{ cause: null, entrusted: { redeemer: "redeemer.example:8935", round: 3_701n } },
    });
    const again = given([ticketWon, ticketEntrusted]).accepts(nextRound);
    expect(again.snapshot.context.entrusted?.round).toBe(3_702n);
  });

  test("the chain's word still ends it, and this node may still redeem it", () => {
    const entrusted = [ticketWon, ticketEntrusted];
    expect(given(entrusted).accepts(payForeign).state).toBe("paid");
    expect(given(entrusted).accepts(expireTicket).state).toBe("expired");
    expect(given(entrusted).accepts(submitRedemption).state).toBe("submitted");
    expect(given([...entrusted, ticketPaidByOthers]).accepts(unpay).state).toBe("won");
  });

  for (const [state, events] of Object.entries(redemptionIn)) {
    if (state === "won") continue;
    test(`an acknowledgement that comes when it is ${state} changes nothing`, () => {
      given(events).refuses(entrustTicket, "TICKET_NOT_OPEN");
    });
  }
});
