import type { AnyMachineSnapshot } from "xstate";
import type { Json } from "../events/codec.ts";
import type { ActorKind } from "./kind.ts";

/**
 * The canonical text of a snapshot: status, state and context in a fixed order. Two snapshots are the same if
 * and only if these texts are the same, byte for byte.
 */
export function encodeSnapshot(kind: ActorKind, snapshot: AnyMachineSnapshot): string {
  return JSON.stringify({
    status: snapshot.status,
    value: snapshot.value,
    context: kind.context.encode(snapshot.context),
  });
}

/** Rebuilds a snapshot from its canonical text. Throws when the text does not fit the kind. */
export function decodeSnapshot(kind: ActorKind, text: string): AnyMachineSnapshot {
  const json = JSON.parse(text) as { status: "active" | "done"; value: string; context: Json };
  return kind.machine.resolveState({
    status: json.status,
    value: json.value,
    context: kind.context.decode(json.context, kind.kind),
  } as never);
}

/** Where an entity stands, for people: `running`, `idle`, `outer.inner`. */
export function stateName(snapshot: AnyMachineSnapshot): string {
  const name = (value: unknown): string =>
    typeof value === "string"
      ? value
      : Object.entries(value as Record<string, unknown>)
          .map(([key, inner]) => `${key}.${name(inner)}`)
          .join("+");
  return name(snapshot.value);
}
