import { BaseError } from "../shared/errors.ts";
import type { Codec, FieldsOf, Json, Shape } from "./codec.ts";
import { EventDecodeError, object } from "./codec.ts";

/** Turns the JSON of schema version n into that of n + 1. Pure. */
export type Upcaster = (json: { readonly [key: string]: Json }) => { readonly [key: string]: Json };

/**
 * One type of fact. Types are never renamed or deleted. An optional addition keeps the version; any other
 * change raises `schemaVersion`, adds an upcaster from the version before, and keeps a golden file of the old
 * form in `test/replay`.
 */
export type EventDefinition<Type extends string = string, F extends FieldsOf = FieldsOf> = {
  readonly type: Type;
  readonly schemaVersion: number;
  readonly fields: F;
  readonly codec: Codec<Shape<F>>;
  /** Index n − 1 lifts version n to n + 1. */
  readonly upcasters: readonly Upcaster[];
};

/** The in-memory form: the type and the fields side by side, as XState expects events. */
export type EventOf<D> =
  D extends EventDefinition<infer Type, infer F> ? { readonly type: Type } & Shape<F> : never;

/** Defines an event at schema version `upcasters.length + 1`. */
export function defineEvent<const Type extends string, F extends FieldsOf>(
  type: Type,
  fields: F,
  upcasters: readonly Upcaster[] = [],
): EventDefinition<Type, F> {
  return { type, schemaVersion: upcasters.length + 1, fields, codec: object(fields), upcasters };
}

/** An event as every part of the program sees it: a type and its fields. */
export type AnyEvent = { readonly type: string };

/** A definition whose fields nobody needs to know statically. */
export type AnyEventDefinition = Omit<EventDefinition, "codec"> & {
  // biome-ignore lint/suspicious/noExplicitAny: a catalogue holds codecs of every shape.
  readonly codec: Codec<any>;
};

/** The definitions of one entity kind, by type. */
export type EventCatalogue = ReadonlyMap<string, AnyEventDefinition>;

export function catalogueOf(definitions: readonly AnyEventDefinition[]): EventCatalogue {
  return new Map(definitions.map((definition) => [definition.type, definition]));
}

/** Writes the fields of `event` as JSON text in the order of its definition. */
export function encodeEvent(definition: AnyEventDefinition, event: AnyEvent): string {
  return JSON.stringify(definition.codec.encode(event));
}

/** Reads a row of the log, lifting old schema versions on the way. */
export function decodeEvent(definition: AnyEventDefinition, schemaVersion: number, data: string): AnyEvent {
  if (schemaVersion > definition.schemaVersion || schemaVersion < 1) {
    throw new UnknownEventError(`${definition.type} version ${schemaVersion}`);
  }
  let json = parseFields(definition.type, data);
  for (const upcast of definition.upcasters.slice(schemaVersion - 1)) json = upcast(json);
  return { type: definition.type, ...definition.codec.decode(json, definition.type) };
}

function parseFields(type: string, data: string): { readonly [key: string]: Json } {
  let json: Json;
  try {
    json = JSON.parse(data) as Json;
  } catch {
    throw new EventDecodeError(type, "JSON", data);
  }
  // Upcasters come before the codec and may rely on an object.
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new EventDecodeError(type, "an object", json);
  }
  return json as { readonly [key: string]: Json };
}

/** The log holds a fact that this release does not know: it was written by a newer one. */
export class UnknownEventError extends BaseError {
  constructor(what: string) {
    super(`The log holds an event that this release does not know: \`${what}\`.`, {
      code: "EVENT_UNKNOWN",
      disposition: "halt",
      action: "Start the release that wrote this log, or a later one.",
    });
  }
}
