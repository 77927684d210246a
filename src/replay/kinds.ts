import type { AnyMachineSnapshot } from "xstate";
import { allKinds } from "../actors/allKinds.ts";
import { Fold } from "../actors/fold.ts";
import type { ActorKind } from "../actors/kind.ts";
import type { RecordedEvent } from "../events/envelope.ts";
import { parseStreamId } from "../events/envelope.ts";
import { machineHash } from "../runtime/machineHash.ts";
import { BaseError } from "../shared/errors.ts";

export type ReplayKind = { readonly kind: ActorKind; readonly fold: Fold; readonly hash: string };

const kinds = new Map<string, ReplayKind>(
  allKinds.map((kind) => [kind.kind, { kind, fold: new Fold(kind), hash: machineHash(kind) }]),
);

/** The kind of a stream. Throws {@link UnknownKindError}. */
export function kindOf(stream: string): ReplayKind {
  const found = kinds.get(parseStreamId(stream).kind);
  if (found === undefined) throw new UnknownKindError(stream);
  return found;
}

/** Folds events of many streams in their global order, as the host did, without any effect. */
export class Replay {
  readonly #snapshots = new Map<string, AnyMachineSnapshot>();

  /** The state of the event's stream after it. Forgets nothing until {@link drop}. */
  apply(recorded: RecordedEvent): AnyMachineSnapshot {
    const { fold } = kindOf(recorded.stream);
    const before = this.#snapshots.get(recorded.stream) ?? fold.initial(parseStreamId(recorded.stream).id);
    const { snapshot } = fold.apply(before, recorded.event);
    this.#snapshots.set(recorded.stream, snapshot);
    return snapshot;
  }

  state(stream: string): AnyMachineSnapshot | null {
    return this.#snapshots.get(stream) ?? null;
  }

  /** Streams that are held. */
  streams(): IterableIterator<string> {
    return this.#snapshots.keys();
  }

  drop(stream: string): void {
    this.#snapshots.delete(stream);
  }
}

/** The log holds streams of a kind that this release does not know. */
export class UnknownKindError extends BaseError {
  constructor(stream: string) {
    super(`The stream \`${stream}\` is of a kind that this release does not know.`, {
      code: "STREAM_KIND_UNKNOWN",
      disposition: "halt",
      action: "Replay it with the release that wrote it, or a later one.",
    });
  }
}
