import type { ActorScope, AnyEventObject, AnyMachineSnapshot } from "xstate";
import { createActor } from "xstate";
import type { AnyEvent } from "../events/definition.ts";
import { assert } from "../shared/assert.ts";
import { BaseError } from "../shared/errors.ts";
import type { ActorKind } from "./kind.ts";

/** An effect that a transition asked for: the action's name and its parameters. Nothing has run yet. */
export type Effect = { readonly type: string; readonly params: Readonly<Record<string, unknown>> };

export type Folded = { readonly snapshot: AnyMachineSnapshot; readonly effects: readonly Effect[] };

/**
 * Applies events to snapshots, purely. The live host and `replay` share this one function, so what replays is
 * what ran.
 *
 * XState's own `transition()` builds a throw-away actor for each call, which costs three times as much as the
 * transition. Our machines hold no child actors and read no scope, so one inert scope serves all of them.
 */
export class Fold {
  readonly #kind: ActorKind;
  readonly #scope: ActorScope<AnyMachineSnapshot, AnyEventObject>;
  #effects: Effect[] = [];

  constructor(kind: ActorKind) {
    this.#kind = kind;
    const inert = createActor(kind.machine, { input: { id: "" } });
    this.#scope = {
      self: inert,
      id: "",
      sessionId: "",
      system: inert.system,
      logger: () => {},
      defer: () => {},
      emit: () => {},
      stopChild: () => {},
      actionExecutor: (action) => {
        this.#effects.push({
          type: action.type,
          params: (action.params ?? {}) as Readonly<Record<string, unknown>>,
        });
      },
    } as ActorScope<AnyMachineSnapshot, AnyEventObject>;
  }

  /** The snapshot of an entity before its first event. */
  initial(id: string): AnyMachineSnapshot {
    this.#effects = [];
    const snapshot = this.#kind.machine.getInitialSnapshot(this.#scope as never, { id });
    assert(this.#effects.length === 0, `The initial state of \`${this.#kind.kind}\` asks for effects.`);
    return snapshot;
  }

  /** Throws {@link ImpossibleEventError} when the state does not take the event. */
  apply(snapshot: AnyMachineSnapshot, event: AnyEvent): Folded {
    if (!snapshot.can(event)) throw new ImpossibleEventError(this.#kind.kind, snapshot, event);
    this.#effects = [];
    const next = this.#kind.machine.transition(snapshot, event as AnyEventObject, this.#scope as never);
    return { snapshot: next, effects: this.#effects };
  }
}

/** A recorded fact does not fit the state it meets: the machine changed without care, or the log is damaged. */
export class ImpossibleEventError extends BaseError {
  constructor(kind: string, snapshot: AnyMachineSnapshot, event: AnyEvent) {
    super(`A ${kind} in state \`${JSON.stringify(snapshot.value)}\` cannot take \`${event.type}\`.`, {
      code: "EVENT_IMPOSSIBLE",
      disposition: "halt",
      action: "Run `bun run replay verify` on a copy of the data folder.",
    });
  }
}
