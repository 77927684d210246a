import { assign, setup, type SnapshotFrom } from "xstate";
import {
  type ActorKind,
  type AnyCommand,
  type Deadline,
  type Decided,
  decided,
  effect,
  rejected,
} from "../../src/actors/kind.ts";
import { integer, nullable, object, text } from "../../src/events/codec.ts";
import { catalogueOf, defineEvent, type EventOf } from "../../src/events/definition.ts";

/*
 * The smallest entity that uses everything a host offers: a job that is opened, poked any number of times, and
 * ends; with one deadline, one effect for a poke and one for the end. What the effects mean is the test's choice.
 */

const jobOpened = defineEvent("JobOpened", { dueMs: nullable(integer) });
const jobPoked = defineEvent("JobPoked", { note: text });
const jobMoved = defineEvent("JobMoved", { dueMs: nullable(integer) });
const jobEnded = defineEvent("JobEnded", { cause: text });
/** Its transition throws: a bug in a machine. */
const jobBroken = defineEvent("JobBroken", {});
/** In the catalogue, but no state takes it: a bug in `decide`. */
const jobMisfit = defineEvent("JobMisfit", {});

type JobEvent =
  | EventOf<typeof jobOpened>
  | EventOf<typeof jobPoked>
  | EventOf<typeof jobMoved>
  | EventOf<typeof jobEnded>
  | EventOf<typeof jobBroken>
  | EventOf<typeof jobMisfit>;

export type JobCommand =
  | { readonly type: "Open"; readonly dueMs?: number }
  | { readonly type: "Poke"; readonly note: string }
  | { readonly type: "PokeAndEnd"; readonly note: string }
  | { readonly type: "Move"; readonly dueMs: number | null }
  | { readonly type: "End" }
  | { readonly type: "Expire"; readonly dueMs: number }
  | { readonly type: "Break" }
  | { readonly type: "Misfit" };

type JobContext = { readonly dueMs: number | null; readonly pokes: number; readonly last: string };

const machine = setup({
  types: { context: {} as JobContext, events: {} as JobEvent, input: {} as { readonly id: string } },
  actions: {
    remember: assign((_, params: Partial<JobContext>) => params),
    count: assign(({ context }, params: { note: string }) => ({
      pokes: context.pokes + 1,
      last: params.note,
    })),
    explode: assign((): Partial<JobContext> => {
      throw new Error("the machine has a bug");
    }),
    work: effect<{ note: string }>(),
    bury: effect<{ cause: string }>(),
  },
}).createMachine({
  id: "job",
  context: { dueMs: null, pokes: 0, last: "" },
  initial: "planned",
  states: {
    planned: {
      on: {
        JobOpened: {
          target: "open",
          actions: { type: "remember", params: ({ event }) => ({ dueMs: event.dueMs }) },
        },
      },
    },
    open: {
      on: {
        JobPoked: {
          actions: [
            { type: "count", params: ({ event }) => ({ note: event.note }) },
            { type: "work", params: ({ event }) => ({ note: event.note }) },
          ],
        },
        JobMoved: { actions: { type: "remember", params: ({ event }) => ({ dueMs: event.dueMs }) } },
        JobBroken: { actions: "explode" },
        JobEnded: {
          target: "ended",
          actions: { type: "bury", params: ({ event }) => ({ cause: event.cause }) },
        },
      },
    },
    ended: { type: "final" },
  },
});

function decide(snapshot: SnapshotFrom<typeof machine> | null, anyCommand: AnyCommand): Decided<JobEvent> {
  const command = anyCommand as JobCommand;
  if (command.type === "Open") {
    if (snapshot !== null) return rejected("JOB_OPEN", "The job is open.");
    return decided({ type: "JobOpened", dueMs: command.dueMs ?? null });
  }
  if (snapshot === null) return rejected("JOB_NOT_OPEN", "There is no such job.");
  switch (command.type) {
    case "Poke":
      return decided({ type: "JobPoked", note: command.note });
    case "PokeAndEnd":
      return decided<JobEvent>(
        { type: "JobPoked", note: command.note },
        { type: "JobEnded", cause: "poked" },
      );
    case "Move":
      return decided({ type: "JobMoved", dueMs: command.dueMs });
    case "End":
      return decided({ type: "JobEnded", cause: "asked" });
    case "Expire":
      return command.dueMs === snapshot.context.dueMs
        ? decided({ type: "JobEnded", cause: "expired" })
        : rejected("STALE", "The deadline has moved.");
    case "Break":
      return decided<JobEvent>({ type: "JobPoked", note: "before the bug" }, { type: "JobBroken" });
    case "Misfit":
      return decided<JobEvent>({ type: "JobPoked", note: "before the bug" }, { type: "JobMisfit" });
  }
}

function deadline(snapshot: SnapshotFrom<typeof machine>): Deadline | null {
  const { dueMs } = snapshot.context;
  if (dueMs === null || !snapshot.matches("open")) return null;
  return { atMs: dueMs, command: { type: "Expire", dueMs } };
}

/** The kind `job`. */
export const jobKind: ActorKind = {
  kind: "job",
  machine,
  events: catalogueOf([jobOpened, jobPoked, jobMoved, jobEnded, jobBroken, jobMisfit]),
  context: object({ dueMs: nullable(integer), pokes: integer, last: text }) as ActorKind["context"],
  decide: decide as ActorKind["decide"],
  deadline: deadline as ActorKind["deadline"],
};
