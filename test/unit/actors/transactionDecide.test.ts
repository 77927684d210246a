import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type TransactionCommand, transactionKind } from "../../../src/actors/transaction/decide.ts";
import type { TransactionEvent } from "../../../src/events/transaction.ts";
import {
  firstHash,
  mineTransaction,
  minedHash,
  noteRefusal,
  planTransaction,
  raiseHash,
  signTransaction,
  transactionIn,
  transactionMined,
  transactionPlanned,
  transactionRaised,
  transactionRefused,
  transactionSigned,
  transactionUndone,
} from "./chainFacts.ts";
import { Given } from "./given.ts";

const given = (events: readonly TransactionEvent[]): Given<TransactionEvent, TransactionCommand> =>
  new Given(transactionKind, events);
const undo: TransactionCommand = { type: "UndoTransaction" };
const confirm: TransactionCommand = { type: "ConfirmTransaction" };
const displace: TransactionCommand = { type: "DisplaceTransaction", mined: 18 };

describe("planning", () => {
  test("plan and first signature are one decision, and only then is it broadcast", () => {
    const outcome = given([]).accepts(planTransaction);
    expect(outcome.events).toEqual([transactionPlanned, transactionSigned]);
    expect(outcome.state).toBe("sent");
    expect(outcome.effects.map(({ type }) => type)).toEqual(["broadcastTransaction"]);
    const { attempts, mined, refusal } = outcome.snapshot.context as Record<string, unknown>;
    const { type: _, ...attempt } = transactionSigned;
    expect({ attempts, mined, refusal }).toEqual({ attempts: [attempt], mined: null, refusal: null });
  });

  for (const [state, events] of Object.entries(transactionIn)) {
    test(`a nonce that has a transaction gets no second one when that is ${state}`, () => {
      given(events).refuses(planTransaction, "TRANSACTION_KNOWN");
    });
  }

  test("nothing but a plan begins a transaction", () => {
    for (const command of [signTransaction, noteRefusal, mineTransaction, undo, confirm, displace]) {
      given([]).refuses(command, "TRANSACTION_UNKNOWN");
    }
  });
});

describe("on its way", () => {
  test("another attempt is kept beside those before it, broadcast, and forgets the refusal", () => {
    const outcome = given([...transactionIn.sent, transactionRefused]).accepts(signTransaction);
    expect(outcome.events).toEqual([transactionRaised]);
    expect(outcome.state).toBe("sent");
    expect(outcome.effects.map(({ type }) => type)).toEqual(["broadcastTransaction"]);
    const { attempts, refusal } = outcome.snapshot.context as {
      readonly attempts: readonly { readonly hash: string }[];
      readonly refusal: string | null;
    };
    expect(attempts.map(({ hash }) => hash)).toEqual([firstHash, raiseHash]);
    expect(refusal).toBeNull();
  });

  test("the same attempt twice is none", () => {
    given([...transactionIn.sent, transactionRaised]).refuses(signTransaction, "ATTEMPT_KNOWN");
  });

  test("attempts end somewhere", () => {
    const raises = Array.from({ length: 59 }, (_, index): TransactionEvent => {
      const hash = `0x${(index + 1).toString(16).padStart(64, "0")}` as const;
      return { ...transactionRaised, type: "TransactionSigned", hash } as TransactionEvent;
    });
    given([...transactionIn.sent, ...raises.slice(1)]).accepts(signTransaction);
    given([...transactionIn.sent, ...raises]).refuses(signTransaction, "ATTEMPTS_MAX");
  });

  test("a refusal is noted once for each cause, and broadcasts nothing", () => {
    const noted = given(transactionIn.sent).accepts(noteRefusal);
    expect(noted.events).toEqual([transactionRefused]);
    expect(noted.effects).toEqual([]);
    const refused = given([...transactionIn.sent, transactionRefused]);
    refused.refuses({ ...noteRefusal, text: "the same in other words" }, "REFUSAL_KNOWN");
    expect(refused.accepts({ ...noteRefusal, cause: "no-gas-money" }).state).toBe("sent");
  });

  test("check 30: any attempt may be the one that is mined, the original while its replacement waits too", () => {
    const raised = [...transactionIn.sent, transactionRaised];
    expect(given(raised).accepts(mineTransaction).events).toEqual([transactionMined]);
    const outcome = given(raised).accepts({ ...mineTransaction, hash: raiseHash });
    expect(outcome.state).toBe("mined");
    expect((outcome.snapshot.context as { readonly mined: unknown }).mined).toMatchObject({
      hash: raiseHash,
      blockHash: minedHash,
    });
    given(raised).refuses({ ...mineTransaction, hash: minedHash }, "ATTEMPT_UNKNOWN");
  });

  test("another transaction in its place ends it", () => {
    const outcome = given(transactionIn.sent).accepts(displace);
    expect(outcome.events).toEqual([{ type: "TransactionDisplaced", mined: 18 }]);
    expect(outcome.snapshot.status).toBe("done");
  });
});

describe("in a block", () => {
  test("a re-org brings it back on its way, and that is counted", () => {
    const outcome = given(transactionIn.mined).accepts(undo);
    expect(outcome.events).toEqual([transactionUndone]);
    expect(outcome.state).toBe("sent");
    expect(outcome.snapshot.context).toMatchObject({ mined: null, undone: 1 });
    const again = [...transactionIn.mined, transactionUndone, transactionMined];
    expect(given(again).accepts(undo).snapshot.context).toMatchObject({ undone: 2 });
  });

  test("confirmed: with what the gas cost", () => {
    const outcome = given(transactionIn.mined).accepts(confirm);
    expect(outcome.events).toEqual([
      { type: "TransactionConfirmed", hash: firstHash, block: 500n, fee: 400_000n * 10_000_000n },
    ]);
    expect(outcome.snapshot.status).toBe("done");
  });

  test("it is neither raised, refused, mined again nor displaced", () => {
    for (const command of [signTransaction, noteRefusal, mineTransaction, displace]) {
      given(transactionIn.mined).refuses(command, "TRANSACTION_NOT_SENT");
    }
  });
});

test("what is in no block is neither undone nor confirmed", () => {
  for (const command of [undo, confirm]) given(transactionIn.sent).refuses(command, "TRANSACTION_NOT_MINED");
});

test("an end is final", () => {
  for (const events of [transactionIn.confirmed, transactionIn.displaced]) {
    for (const command of [undo, confirm]) given(events).refuses(command, "TRANSACTION_NOT_MINED");
    for (const command of [signTransaction, noteRefusal, mineTransaction, displace]) {
      given(events).refuses(command, "TRANSACTION_NOT_SENT");
    }
  }
});

test("no clock of ours moves a transaction", () => {
  for (const events of Object.values(transactionIn)) expect(given(events).deadline).toBeNull();
});

test("whatever is tried in whatever order: one plan, one end, and never mined twice without a re-org between", () => {
  const commands: fc.Arbitrary<TransactionCommand> = fc.constantFrom(
    ...[planTransaction, signTransaction, noteRefusal, mineTransaction, undo, confirm, displace],
  );
  fc.assert(
    fc.property(fc.array(commands, { maxLength: 16 }), (tried) => {
      const events: TransactionEvent[] = [];
      for (const command of tried) {
        const decision = transactionKind.decide(given(events).snapshot, command, { nowMs: 0 });
        if (decision.type === "decided") events.push(...(decision.events as readonly TransactionEvent[]));
      }
      const types = events.map(({ type }) => type);
      const count = (...names: readonly TransactionEvent["type"][]): number =>
        types.filter((type) => names.includes(type)).length;
      expect(count("TransactionPlanned")).toBeLessThanOrEqual(1);
      expect(count("TransactionConfirmed", "TransactionDisplaced")).toBeLessThanOrEqual(1);
      const held = count("TransactionMined") - count("TransactionUndone");
      expect(held === 0 || held === 1).toBe(true);
      if (count("TransactionConfirmed") === 1) expect(held).toBe(1);
    }),
  );
});
