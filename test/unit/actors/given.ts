import { expect } from "bun:test";
import type { AnyMachineSnapshot } from "xstate";
import { type Effect, Fold } from "../../../src/actors/fold.ts";
import type { ActorKind, AnyCommand } from "../../../src/actors/kind.ts";
import { stateName } from "../../../src/actors/snapshot.ts";
import type { AnyEvent } from "../../../src/events/definition.ts";

/** An event as a test compares it: the type and any fields. */
export type Fields = AnyEvent & Readonly<Record<string, unknown>>;

/** What a decision did: its events, the state they lead to, and every effect on the way. */
export type Outcome = {
  readonly events: readonly Fields[];
  readonly state: string;
  readonly effects: readonly Effect[];
  readonly snapshot: AnyMachineSnapshot;
};

/**
 * Given these events, when this command comes, then these events or this refusal. Every decided event is also
 * applied: a decision that its own machine does not take is a bug.
 */
export class Given<E extends AnyEvent, C extends AnyCommand> {
  readonly #kind: ActorKind;
  readonly #fold: Fold;
  readonly snapshot: AnyMachineSnapshot | null;

  constructor(kind: ActorKind, events: readonly E[]) {
    this.#kind = kind;
    this.#fold = new Fold(kind);
    this.snapshot = events.length === 0 ? null : foldAll(this.#fold, events);
  }

  get state(): string {
    return this.snapshot === null ? "nothing" : stateName(this.snapshot);
  }

  get deadline(): ReturnType<ActorKind["deadline"]> {
    return this.snapshot === null ? null : this.#kind.deadline(this.snapshot);
  }

  /** The events of the decision and where they lead. Fails the test when the command is refused. */
  accepts(command: C, nowMs = 0): Outcome {
    const decision = this.#kind.decide(this.snapshot, command, { nowMs });
    if (decision.type === "rejected") {
      throw new Error(`${command.type} in \`${this.state}\` was refused: ${decision.code}`);
    }
    let snapshot = this.snapshot ?? this.#fold.initial("test");
    const effects: Effect[] = [];
    for (const event of decision.events) {
      const folded = this.#fold.apply(snapshot, event);
      snapshot = folded.snapshot;
      effects.push(...folded.effects);
    }
    return { events: decision.events as readonly Fields[], state: stateName(snapshot), effects, snapshot };
  }

  /** Expects the refusal with this code. */
  refuses(command: C, code: string, nowMs = 0): void {
    const decision = this.#kind.decide(this.snapshot, command, { nowMs });
    expect(decision.type === "rejected" ? decision.code : decision).toBe(code);
  }
}

export function foldAll(fold: Fold, events: readonly AnyEvent[]): AnyMachineSnapshot {
  let snapshot = fold.initial("test");
  for (const event of events) snapshot = fold.apply(snapshot, event).snapshot;
  return snapshot;
}
