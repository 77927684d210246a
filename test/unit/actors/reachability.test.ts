import { describe, expect, test } from "bun:test";
import type { AnyMachineSnapshot } from "xstate";
import { getShortestPaths } from "xstate/graph";
import { accountKind } from "../../../src/actors/account/decide.ts";
import { allKinds } from "../../../src/actors/allKinds.ts";
import { chainKind } from "../../../src/actors/chain/decide.ts";
import { Fold, ImpossibleEventError } from "../../../src/actors/fold.ts";
import { gatewayKind } from "../../../src/actors/gateway/decide.ts";
import type { ActorKind } from "../../../src/actors/kind.ts";
import { pricingKind } from "../../../src/actors/pricing/decide.ts";
import { roundKind } from "../../../src/actors/round/decide.ts";
import { segmentKind } from "../../../src/actors/segment/decide.ts";
import { sessionKind } from "../../../src/actors/session/decide.ts";
import { stateName } from "../../../src/actors/snapshot.ts";
import { ticketKind } from "../../../src/actors/ticket/decide.ts";
import { transactionKind } from "../../../src/actors/transaction/decide.ts";
import { walletKind } from "../../../src/actors/wallet/decide.ts";
import { watchKind } from "../../../src/actors/watch/decide.ts";
import type { AnyEvent } from "../../../src/events/definition.ts";
import type { SegmentEvent } from "../../../src/events/segment.ts";
import type { SessionEvent } from "../../../src/events/session.ts";
import { renderJson, renderTable } from "../../../src/replay/render.ts";
import {
  initializationReturned,
  initializationSubmitted,
  nonceCorrected,
  nonceReserved,
  redemptionPostponed,
  redemptionReturned,
  redemptionSubmitted,
  rewardConfirmed,
  rewardDue,
  rewardMined,
  rewardMissed,
  rewardNotDue,
  rewardPostponed,
  rewardReturned,
  rewardSubmitted,
  rewardUndone,
  roundInitialized,
  roundOpened,
  ticketEntrusted,
  ticketHeld,
  ticketPaid,
  ticketPaidByOthers,
  ticketRefused,
  ticketUnpaid,
  transactionConfirmed,
  transactionDisplaced,
  transactionMined,
  transactionPlanned,
  transactionRaised,
  transactionRefused,
  transactionSigned,
  transactionUndone,
} from "./chainFacts.ts";
import {
  segmentAccepted,
  segmentDelivered,
  segmentDispatched,
  segmentEnded,
  segmentFailed,
  segmentReceived,
  segmentStarted,
  segmentTranscoded,
  segmentWorkerLost,
  sessionEnded,
  sessionOpened,
} from "./facts.ts";
import {
  accountExpired,
  gatewayFundsRead,
  jobDebited,
  jobReleased,
  jobReserved,
  paymentAccepted,
  priceChanged,
  priceFixed,
  priceRemoved,
  roundObserved,
  sender,
  ticketExpired,
  ticketRedeemed,
  ticketTermsChanged,
  ticketWon,
} from "./moneyFacts.ts";
import { blocksSeen, blocksUndone, watchStarted } from "./watchFacts.ts";

/*
 * Goal: no state of a machine is dead text, and no event meets a state that nobody thought about. Method: XState
 * walks the machine breadth-first; every state name must turn up. Then every event is offered to every state, and
 * the table of answers, "." for a refusal, is compared with the one below.
 */

const segmentFacts: readonly SegmentEvent[] = [
  segmentAccepted,
  segmentReceived,
  segmentDispatched,
  segmentWorkerLost,
  segmentTranscoded,
  segmentDelivered,
  segmentFailed,
];
const sessionFacts: readonly SessionEvent[] = [
  sessionOpened,
  segmentStarted("a"),
  segmentStarted("b"),
  segmentEnded("a"),
  segmentEnded("b"),
  sessionEnded,
];

const accountFacts: readonly AnyEvent[] = [
  paymentAccepted(1),
  priceFixed,
  jobReserved("a"),
  jobReserved("b"),
  jobDebited("a"),
  jobReleased("b"),
  accountExpired,
];
const ticketFacts: readonly AnyEvent[] = [
  ...[ticketWon, redemptionSubmitted, redemptionReturned, redemptionPostponed, ticketHeld(true)],
  ...[ticketPaid, ticketPaidByOthers, ticketUnpaid, ticketRedeemed, ticketExpired, ticketRefused],
  ticketEntrusted,
];
const transactionFacts: readonly AnyEvent[] = [
  ...[transactionPlanned, transactionSigned, transactionRaised, transactionRefused, transactionMined],
  ...[transactionUndone, transactionConfirmed, transactionDisplaced],
];
const walletFacts: readonly AnyEvent[] = [nonceReserved, nonceCorrected];
const roundFacts: readonly AnyEvent[] = [
  ...[roundOpened, initializationSubmitted, initializationReturned, roundInitialized, rewardDue],
  ...[rewardPostponed, rewardSubmitted, rewardReturned, rewardMined, rewardUndone, rewardConfirmed],
  ...[rewardMissed, rewardNotDue],
];
const watchFacts: readonly AnyEvent[] = [watchStarted, blocksSeen(101n, 110n), blocksUndone(105n)];
const gatewayFacts: readonly AnyEvent[] = [gatewayFundsRead];
const chainFacts: readonly AnyEvent[] = [roundObserved];
const pricingFacts: readonly AnyEvent[] = [
  priceChanged("default"),
  priceChanged(sender),
  priceRemoved(sender),
  ticketTermsChanged,
];

/** One example or more of every event of every kind. */
const factsOf: readonly (readonly [kind: ActorKind, facts: readonly AnyEvent[]])[] = [
  [segmentKind, segmentFacts],
  [sessionKind, sessionFacts],
  [accountKind, accountFacts],
  [ticketKind, ticketFacts],
  [gatewayKind, gatewayFacts],
  [chainKind, chainFacts],
  [pricingKind, pricingFacts],
  [transactionKind, transactionFacts],
  [walletKind, walletFacts],
  [roundKind, roundFacts],
  [watchKind, watchFacts],
];
/** What lasts as long as the node. */
const endless: ReadonlySet<ActorKind> = new Set([
  ...[gatewayKind, chainKind, pricingKind, walletKind, watchKind],
]);

test("every kind of the node is walked here", () => {
  expect(factsOf.map(([{ kind }]) => kind).sort()).toEqual(allKinds.map(({ kind }) => kind).sort());
});

/** Names in lists of a context that a fact can open a second time: open segments, open jobs, prices. */
function openNames(snapshot: AnyMachineSnapshot): readonly string[] {
  const { openSegments, openJobs, prices } = snapshot.context as {
    openSegments?: readonly string[];
    openJobs?: readonly { readonly jobId: string }[];
    prices?: readonly { readonly scope: string }[];
  };
  return (
    openSegments ?? openJobs?.map(({ jobId }) => jobId) ?? prices?.map(({ scope }) => scope).sort() ?? []
  );
}

/** The parts of a context that decide where a machine can go: counters are left out, or the walk never ends. */
function essence(snapshot: AnyMachineSnapshot): string {
  // Whose transaction it is decides where a re-org leads.
  const { transaction } = snapshot.context as { readonly transaction?: string | null };
  return JSON.stringify([snapshot.value, openNames(snapshot), transaction ?? null]);
}

/** One snapshot of every state that the events can reach, with the steps there. */
function reach(kind: ActorKind, facts: readonly AnyEvent[]) {
  const isNew = (snapshot: AnyMachineSnapshot, event: AnyEvent): boolean => {
    const { segmentId, jobId } = event as { readonly segmentId?: string; readonly jobId?: string };
    const isOpening = event.type === "SessionSegmentStarted" || event.type === "JobReserved";
    return !isOpening || !openNames(snapshot).includes(segmentId ?? jobId ?? "");
  };
  return getShortestPaths(kind.machine, {
    input: { id: "test" },
    events: facts as never,
    filterEvents: (snapshot, event) =>
      (snapshot as AnyMachineSnapshot).can(event) && isNew(snapshot as AnyMachineSnapshot, event),
    serializeState: (snapshot) => essence(snapshot as AnyMachineSnapshot),
    serializeEvent: (event) => renderJson(event),
  }).map(({ state, steps }) => ({ snapshot: state as AnyMachineSnapshot, steps: steps.length }));
}

/** Names of all states as {@link stateName} gives them: `open.due` for one inside another. */
function stateNames(kind: ActorKind): readonly string[] {
  const names = (states: ActorKind["machine"]["states"]): readonly string[] =>
    Object.entries(states).flatMap(([name, node]) => {
      const inner = names(node.states as ActorKind["machine"]["states"]);
      return inner.length === 0 ? [name] : inner.map((below) => `${name}.${below}`);
    });
  return names(kind.machine.states);
}

/** What every event does in every reached state, state by state in the order of the machine. */
function answers(kind: ActorKind, facts: readonly AnyEvent[]): string {
  const fold = new Fold(kind);
  const names = stateNames(kind);
  const types = [...new Set(facts.map(({ type }) => type))];
  const reached = reach(kind, facts);
  const rows = names.map((name) => {
    const snapshots = reached.map(({ snapshot }) => snapshot).filter((found) => stateName(found) === name);
    return [
      name,
      ...types.map((type) => {
        const targets = snapshots.flatMap((snapshot) =>
          facts.filter((event) => event.type === type).map((event) => answer(fold, snapshot, event)),
        );
        const taken = [...new Set(targets.filter((target) => target !== null))].sort();
        return taken.length === 0 ? "." : taken.join("|");
      }),
    ];
  });
  return renderTable(["", ...types], rows);
}

function answer(fold: Fold, snapshot: AnyMachineSnapshot, event: AnyEvent): string | null {
  try {
    return stateName(fold.apply(snapshot, event).snapshot);
  } catch (error) {
    if (error instanceof ImpossibleEventError) return null;
    throw error;
  }
}

describe("segment", () => {
  test("every state is reached", () => {
    const reached = new Set(reach(segmentKind, segmentFacts).map(({ snapshot }) => stateName(snapshot)));
    expect([...reached].sort()).toEqual(Object.keys(segmentKind.machine.states).sort());
  });

  test("every event is taken or refused in every state, as written here", () => {
    expect(`\n${answers(segmentKind, segmentFacts)}\n`).toMatchInlineSnapshot(`
      "
                 SegmentAccepted  SegmentReceived  SegmentDispatched  SegmentWorkerLost  SegmentTranscoded  SegmentDelivered  SegmentFailed
      announced  uploading        .                .                  .                  .                  .                 .
      uploading  .                queued           .                  .                  .                  .                 failed
      queued     .                .                running            queued             .                  .                 failed
      running    .                .                .                  queued             encoded            .                 failed
      encoded    .                .                .                  .                  .                  delivered         failed
      delivered  .                .                .                  .                  .                  .                 .
      failed     .                .                .                  .                  .                  .                 .
      "
    `);
  });
});

describe("session", () => {
  test("every state is reached", () => {
    const reached = new Set(reach(sessionKind, sessionFacts).map(({ snapshot }) => stateName(snapshot)));
    expect([...reached].sort()).toEqual(Object.keys(sessionKind.machine.states).sort());
  });

  test("every event is taken or refused in every state, as written here", () => {
    expect(`\n${answers(sessionKind, sessionFacts)}\n`).toMatchInlineSnapshot(`
      "
                  SessionOpened  SessionSegmentStarted  SessionSegmentEnded  SessionEnded
      negotiated  idle           .                      .                    .
      idle        .              active                 .                    ended
      active      .              active                 active|idle          ending
      ending      .              .                      ended|ending         .
      ended       .              .                      .                    .
      "
    `);
  });
});

describe("money", () => {
  for (const [kind, facts] of factsOf.slice(2)) {
    test(`${kind.kind}: every state is reached`, () => {
      const reached = new Set(reach(kind, facts).map(({ snapshot }) => stateName(snapshot)));
      expect([...reached].sort()).toEqual([...stateNames(kind)].sort());
    });
  }

  test("account: every event is taken or refused in every state, as written here", () => {
    expect(`\n${answers(accountKind, accountFacts)}\n`).toMatchInlineSnapshot(`
      "
               PaymentAccepted  PriceFixed  JobReserved  JobDebited  JobReleased  AccountExpired
      unused   open             open        .            .           .            .
      open     open             open        open         open        open         expired
      expired  .                .           .            .           .            .
      "
    `);
  });

  test("ticket: every event is taken or refused in every state, as written here", () => {
    expect(`\n${answers(ticketKind, ticketFacts)}\n`).toMatchInlineSnapshot(`
      "
                 TicketWon  RedemptionSubmitted  RedemptionReturned  RedemptionPostponed  TicketHeld  TicketPaid  TicketUnpaid   TicketRedeemed  TicketExpired  TicketRefused  TicketEntrusted
      drawn      won        .                    .                   .                    .           .           .              .               .              .              .
      won        .          submitted            .                   won                  won         paid        .              redeemed        expired        refused        won
      submitted  .          .                    won                 .                    submitted   paid        .              .               .              .              .
      paid       .          .                    .                   .                    .           .           submitted|won  redeemed        .              .              .
      redeemed   .          .                    .                   .                    .           .           .              .               .              .              .
      expired    .          .                    .                   .                    .           .           .              .               .              .              .
      refused    .          .                    .                   .                    .           .           .              .               .              .              .
      "
    `);
  });

  test("transaction: every event is taken or refused in every state, as written here", () => {
    expect(`\n${answers(transactionKind, transactionFacts)}\n`).toMatchInlineSnapshot(`
      "
                 TransactionPlanned  TransactionSigned  TransactionRefused  TransactionMined  TransactionUndone  TransactionConfirmed  TransactionDisplaced
      drafted    planned             .                  .                   .                 .                  .                     .
      planned    .                   sent               .                   .                 .                  .                     .
      sent       .                   sent               sent                mined             .                  .                     displaced
      mined      .                   .                  .                   .                 sent               confirmed             .
      confirmed  .                   .                  .                   .                 .                  .                     .
      displaced  .                   .                  .                   .                 .                  .                     .
      "
    `);
  });

  test("wallet: every event is taken or refused in every state, as written here", () => {
    expect(`\n${answers(walletKind, walletFacts)}\n`).toMatchInlineSnapshot(`
      "
                NonceReserved  NonceCorrected
      counting  counting       counting
      "
    `);
  });

  test("round: every event is taken or refused in every state, as written here", () => {
    expect(`\n${answers(roundKind, roundFacts)}\n`).toMatchInlineSnapshot(`
      "
                        RoundOpened  InitializationSubmitted  InitializationReturned  RoundInitialized  RewardDue  RewardPostponed  RewardSubmitted  RewardReturned  RewardMined  RewardUndone  RewardConfirmed  RewardMissed  RewardNotDue
      announced         open.opened  .                        .                       .                 .          .                .                .               .            .             .                .             .
      open.opened       .            open.opened              open.opened             open.initialized  .          .                .                .               .            .             .                missed        notDue
      open.initialized  .            open.initialized         open.initialized        open.initialized  open.due   .                .                .               open.mined   .             .                missed        notDue
      open.due          .            open.due                 open.due                open.due          .          open.due         open.submitted   .               open.mined   .             .                missed        notDue
      open.submitted    .            open.submitted           open.submitted          open.submitted    .          .                .                open.due        open.mined   .             .                missed        .
      open.mined        .            open.mined               open.mined              open.mined        .          .                .                .               .            open.due      rewarded         .             .
      rewarded          .            .                        .                       .                 .          .                .                .               .            .             .                .             .
      missed            .            .                        .                       .                 .          .                .                .               .            .             .                .             .
      notDue            .            .                        .                       .                 .          .                .                .               .            .             .                .             .
      "
    `);
  });

  test("watch: every event is taken or refused in every state, as written here", () => {
    expect(`\n${answers(watchKind, watchFacts)}\n`).toMatchInlineSnapshot(`
      "
                WatchStarted  BlocksSeen  BlocksUndone
      idle      watching      .           .
      watching  watching      watching    watching
      "
    `);
  });

  test("gateway: every event is taken or refused in every state, as written here", () => {
    expect(`\n${answers(gatewayKind, gatewayFacts)}\n`).toMatchInlineSnapshot(`
      "
               GatewayFundsRead
      unknown  known
      known    known
      "
    `);
  });

  test("chain: every event is taken or refused in every state, as written here", () => {
    expect(`\n${answers(chainKind, chainFacts)}\n`).toMatchInlineSnapshot(`
      "
              RoundObserved
      unseen  seen
      seen    seen
      "
    `);
  });

  test("pricing: every event is taken or refused in every state, as written here", () => {
    expect(`\n${answers(pricingKind, pricingFacts)}\n`).toMatchInlineSnapshot(`
      "
             PriceChanged  PriceRemoved  TicketTermsChanged
      unset  set           .             set
      set    set           set           set
      "
    `);
  });
});

for (const [kind, facts] of factsOf) {
  test(`${kind.kind}: the facts above are one of each event of the catalogue`, () => {
    const types = new Set<string>(facts.map(({ type }) => type));
    expect([...types].sort()).toEqual([...kind.events.keys()].sort());
  });

  test(`${kind.kind}: only final states take nothing, and they have no deadline`, () => {
    for (const { snapshot } of reach(kind, facts)) {
      const takes = facts.filter((event) => snapshot.can(event));
      expect([stateName(snapshot), takes.length === 0]).toEqual([
        stateName(snapshot),
        snapshot.status === "done",
      ]);
      if (snapshot.status === "done") expect(kind.deadline(snapshot)).toBeNull();
    }
  });

  if (endless.has(kind)) {
    test(`${kind.kind}: nothing ends it`, () => {
      expect(reach(kind, facts).filter(({ snapshot }) => snapshot.status !== "active")).toEqual([]);
    });
    continue;
  }

  test(`${kind.kind}: from every state an end is in reach`, () => {
    // Method: walk on from each reached snapshot until a final state turns up.
    const fold = new Fold(kind);
    for (const { snapshot } of reach(kind, facts)) {
      const seen = new Set([essence(snapshot)]);
      let front = [snapshot];
      while (front.length > 0 && front.every(({ status }) => status !== "done")) {
        front = front
          .flatMap((from) => facts.filter((event) => from.can(event)).map((event) => [from, event] as const))
          .map(([from, event]) => fold.apply(from, event).snapshot)
          .filter((next) => next.status === "done" || !seen.has(essence(next)));
        for (const next of front) seen.add(essence(next));
        if (seen.size > 500) break;
      }
      expect([stateName(snapshot), front.some(({ status }) => status === "done")]).toEqual([
        stateName(snapshot),
        true,
      ]);
    }
  });
}
