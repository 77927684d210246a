import type { ActorLogic, AnyEventObject, AnyMachineSnapshot } from "xstate";
import type { Effect, Fold } from "../actors/fold.ts";
import type { AnyEvent } from "../events/definition.ts";

/** What one event did to one actor: the host records it in the open batch of the log. */
export type TransitionSink = (event: AnyEvent, next: AnyMachineSnapshot, effects: readonly Effect[]) => void;

export type JournaledInput = { readonly snapshot: AnyMachineSnapshot };

export type JournaledLogic = ActorLogic<AnyMachineSnapshot, AnyEventObject, JournaledInput>;

/**
 * The one way in which machines run in production: an XState actor whose every transition goes through the
 * pure fold and lands, with its effects, in the open batch of the log before anybody observes the new state.
 */
export function journaled(fold: Fold, sink: TransitionSink): JournaledLogic {
  return {
    transition: (snapshot, event) => {
      const folded = fold.apply(snapshot, event);
      sink(event, folded.snapshot, folded.effects);
      return folded.snapshot;
    },
    getInitialSnapshot: (_scope, input) => input.snapshot,
    getPersistedSnapshot: (snapshot) => snapshot,
    restoreSnapshot: (snapshot) => snapshot as AnyMachineSnapshot,
  };
}
