import type { AnyMachineSnapshot, AnyStateMachine } from "xstate";
import type { Codec } from "../events/codec.ts";
import type { AnyEvent, EventCatalogue } from "../events/definition.ts";
import type { UnixMs } from "../shared/brand.ts";

/** An order to an entity. It may be refused; an event may not. */
export type AnyCommand = { readonly type: string };

/** What the edge read for a decision: nothing inside may look at a clock. */
export type Facts = { readonly nowMs: UnixMs };

/** A refusal that the protocol foresees. `code` is stable; `text` is what a gateway may be told. */
export type Rejection = { readonly type: "rejected"; readonly code: string; readonly text: string };

export type Decided<E extends AnyEvent = AnyEvent> =
  { readonly type: "decided"; readonly events: readonly E[] } | Rejection;

/** A moment at which an entity wants to be woken with a command, kept as data so that it survives a restart. */
export type Deadline = {
  readonly atMs: UnixMs;
  readonly command: AnyCommand & Readonly<Record<string, unknown>>;
};

/**
 * Everything the host needs to run one kind of entity. The host carries any number of kinds and knows none.
 *
 * An effect is an action of the machine that does nothing in itself: the host runs it after the event that
 * caused it is durable.
 */
export type ActorKind = {
  readonly kind: string;
  readonly machine: AnyStateMachine;
  readonly events: EventCatalogue;
  /** Field codecs of the machine's context: snapshots are written and read through it. */
  readonly context: Codec<unknown>;
  /** Pure. `snapshot` is null before the first event of the stream. */
  readonly decide: (snapshot: AnyMachineSnapshot | null, command: AnyCommand, facts: Facts) => Decided;
  /** Pure. The next deadline of an entity in this state, or null. */
  readonly deadline: (snapshot: AnyMachineSnapshot) => Deadline | null;
  /** Its entities may stay open without a deadline: the chain or the operator moves them on, or nobody. */
  readonly isMovedFromOutside?: true;
};

export function decided<E extends AnyEvent>(...events: readonly E[]): Decided<E> {
  return { type: "decided", events };
}

export function rejected(code: string, text: string): Rejection {
  return { type: "rejected", code, text };
}

/** An effect: a named action with parameters and an empty body. The host gives it its meaning. */
export const effect =
  <Params>() =>
  (_: unknown, _params: Params): void => {};
