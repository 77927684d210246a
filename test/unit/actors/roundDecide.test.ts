import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type RoundCommand, roundKind } from "../../../src/actors/round/decide.ts";
import type { RoundContext } from "../../../src/actors/round/machine.ts";
import type { RoundEvent } from "../../../src/events/round.ts";
import {
  firstHash,
  forecast,
  initializationReturned,
  initializationSubmitted,
  missReward,
  noteReward,
  openRound,
  postponeReward,
  returnReward,
  rewardConfirmed,
  rewardMissed,
  rewardPostponed,
  rewardReturned,
  rewardUndone,
  roundIn,
  roundInitialized,
  roundOpened,
  submitReward,
  transactionId,
} from "./chainFacts.ts";
import { Given } from "./given.ts";

const given = (events: readonly RoundEvent[]): Given<RoundEvent, RoundCommand> =>
  new Given(roundKind, events);
const context = (outcome: { readonly snapshot: { readonly context: unknown } }): RoundContext =>
  outcome.snapshot.context as RoundContext;

const submitStart: RoundCommand = { type: "SubmitInitialization", transaction: transactionId };
const returnStart: RoundCommand = {
  type: "ReturnInitialization",
  ...{ transaction: transactionId, cause: "reverted" },
};
const noteStart: RoundCommand = { type: "NoteInitialized", l1Block: 1_003n };
const owe: RoundCommand = { type: "OweReward", forecast };
const undo: RoundCommand = { type: "UndoReward" };
const confirm: RoundCommand = { type: "ConfirmReward" };
const drop: RoundCommand = { type: "DropReward", cause: "inactive" };

/** Where each command about the reward leads from each state; "." is a refusal. */
const table: Readonly<Record<string, readonly string[]>> = {
  //                 owe   postpone submit       return note         undo  confirm    miss      drop
  "open.opened": [".", ".", ".", ".", ".", ".", ".", "missed", "notDue"],
  "open.initialized": ["open.due", ".", ".", ".", "open.mined", ".", ".", "missed", "notDue"],
  "open.due": [".", "open.due", "open.submitted", ".", "open.mined", ".", ".", "missed", "notDue"],
  "open.submitted": [".", ".", ".", "open.due", "open.mined", ".", ".", "missed", "."],
  "open.mined": [".", ".", ".", ".", ".", "open.due", "rewarded", ".", "."],
  rewarded: [".", ".", ".", ".", ".", ".", ".", ".", "."],
  missed: [".", ".", ".", ".", ".", ".", ".", ".", "."],
  notDue: [".", ".", ".", ".", ".", ".", ".", ".", "."],
};
const rewardCommands: readonly RoundCommand[] = [
  ...[owe, postponeReward, submitReward, returnReward, noteReward, undo, confirm, missReward, drop],
];

for (const [state, events] of Object.entries(roundIn)) {
  test(`${state}: each command about the reward leads where the table says, or is refused`, () => {
    expect(given(events).state).toBe(state);
    const reached = rewardCommands.map((command) => {
      const decision = roundKind.decide(given(events).snapshot, command, { nowMs: 0 });
      if (decision.type === "rejected") return decision.code === "ROUND_STATE" ? "." : decision.code;
      return given(events).accepts(command).state;
    });
    expect(reached).toEqual([...(table[state] ?? [])]);
  });

  test(`${state}: it is not opened a second time, and our clock does not end it`, () => {
    given(events).refuses(openRound, "ROUND_KNOWN");
    expect(given(events).deadline).toBeNull();
  });

  test(`${state}: its start goes on beside the reward until the round has ended`, () => {
    const isOpen = state.startsWith("open.");
    if (!isOpen) {
      for (const command of [submitStart, returnStart, noteStart]) {
        given(events).refuses(command, "ROUND_STATE");
      }
      return;
    }
    const begun = given(events).accepts(submitStart);
    expect(begun.state).toBe(state);
    expect(context(begun)).toMatchObject({ initialization: transactionId, initializationAttempts: 1 });
    const returned = given([...events, initializationSubmitted]).accepts(returnStart);
    expect(returned.state).toBe(state);
    expect(context(returned).initialization).toBeNull();
  });
}

describe("before it is open", () => {
  test("it opens as it is found: not started", () => {
    const outcome = given([]).accepts(openRound);
    expect(outcome.events).toEqual([roundOpened]);
    expect(outcome.state).toBe("open.opened");
    expect(context(outcome)).toMatchObject({ startBlock: 1_000n, length: 50n, isInitialized: false });
  });

  test("or started already", () => {
    const outcome = given([]).accepts({ ...openRound, initializedAt: 1_003n });
    expect(outcome.events).toEqual([roundOpened, roundInitialized]);
    expect(outcome.state).toBe("open.initialized");
    expect(context(outcome).isInitialized).toBe(true);
  });

  test("nothing else can happen to it", () => {
    for (const command of [...rewardCommands, submitStart, returnStart, noteStart]) {
      given([]).refuses(command, "ROUND_STATE");
    }
  });
});

describe("its start", () => {
  test("one transaction at a time, and only that one comes back", () => {
    const begun = [roundOpened, initializationSubmitted];
    given(begun).refuses(submitStart, "ROUND_STATE");
    given(begun).refuses({ ...returnStart, transaction: "another" }, "ROUND_STATE");
    const again = given([...begun, initializationReturned]).accepts(submitStart);
    expect(context(again).initializationAttempts).toBe(2);
  });

  test("is seen once, whoever did it", () => {
    expect(given([roundOpened]).accepts(noteStart).state).toBe("open.initialized");
    given([roundOpened, roundInitialized]).refuses(noteStart, "ROUND_STATE");
    given(roundIn["open.due"]).refuses(noteStart, "ROUND_STATE");
  });
});

describe("its reward", () => {
  test("what is owed is remembered with its forecast, and a miss says how much it was", () => {
    expect(context(given(roundIn["open.initialized"]).accepts(owe)).forecast).toBe(forecast);
    expect(given(roundIn["open.due"]).accepts(missReward).events).toEqual([rewardMissed]);
    const unread = given([roundOpened]).accepts({ ...missReward, cause: "uninitialized" });
    expect(unread.events).toMatchObject([{ type: "RewardMissed", forecast: null }]);
    expect(context(unread).end).toBe("missed");
  });

  test("a cause that stands is noted once; another one is noted too", () => {
    const events = [...roundIn["open.due"], rewardPostponed];
    given(events).refuses({ ...postponeReward, text: "in other words" }, "ROUND_STATE");
    const other = given(events).accepts({ ...postponeReward, cause: "gas-money", text: "empty" });
    expect(context(other)).toMatchObject({ cause: "gas-money", causeText: "empty" });
  });

  test("a transaction that came to nothing makes it due again, and the attempts are counted", () => {
    given(roundIn["open.submitted"]).refuses({ ...returnReward, transaction: "another" }, "ROUND_STATE");
    const events = [...roundIn["open.submitted"], rewardReturned];
    expect(given(events).state).toBe("open.due");
    const again = given(events).accepts(submitReward);
    expect(context(again)).toMatchObject({ attempts: 2, transaction: transactionId });
  });

  test("mined: by us with its amount, or by somebody else without", () => {
    const ours = context(given(roundIn["open.submitted"]).accepts(noteReward));
    expect(ours).toMatchObject({ minedBlock: 500n, amount: 315n, txHash: firstHash });
    const foreign = given(roundIn["open.initialized"]).accepts({
      ...noteReward,
      ...{ transaction: null, txHash: null, amount: null, treasury: null },
    });
    expect(context(foreign)).toMatchObject({ transaction: null, amount: null });
    expect(foreign.state).toBe("open.mined");
  });

  test("a re-org leaves nothing of it behind, and what is undone or confirmed is the block that held it", () => {
    const undone = given(roundIn["open.mined"]).accepts(undo);
    expect(undone.events).toEqual([rewardUndone]);
    expect(context(undone)).toMatchObject({
      ...{ transaction: null, minedBlock: null, txHash: null, amount: null },
      attempts: 1,
    });
    const confirmed = given(roundIn["open.mined"]).accepts(confirm);
    expect(confirmed.events).toEqual([rewardConfirmed]);
    expect(context(confirmed).end).toBe("rewarded");
  });

  test("what is not due says why", () => {
    const outcome = given(roundIn["open.initialized"]).accepts({ type: "DropReward", cause: "disabled" });
    expect(outcome.events).toEqual([{ type: "RewardNotDue", cause: "disabled" }]);
    expect(context(outcome).end).toBe("not-due");
  });
});

test("whatever is tried in whatever order: one end, and nothing after it", () => {
  const commands = fc.constantFrom<RoundCommand>(
    ...rewardCommands,
    ...[openRound, submitStart, returnStart, noteStart],
  );
  fc.assert(
    fc.property(fc.array(commands, { maxLength: 25 }), (tried) => {
      const events: RoundEvent[] = [];
      for (const command of tried) {
        const decision = roundKind.decide(given(events).snapshot, command, { nowMs: 0 });
        if (decision.type === "decided") events.push(...(decision.events as readonly RoundEvent[]));
      }
      const isEnd = ({ type }: RoundEvent): boolean =>
        ["RewardConfirmed", "RewardMissed", "RewardNotDue"].includes(type);
      const ends = events.filter(isEnd).length;
      expect(ends).toBeLessThanOrEqual(1);
      if (ends === 1) expect(events.findIndex(isEnd)).toBe(events.length - 1);
      const count = (type: RoundEvent["type"]): number =>
        events.filter((event) => event.type === type).length;
      expect(count("RewardDue")).toBeLessThanOrEqual(1);
      expect(count("RewardMined") - count("RewardUndone")).toBeLessThanOrEqual(1);
    }),
  );
});
