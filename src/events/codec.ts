import { BaseError } from "../shared/errors.ts";
import type { Hex } from "../shared/brand.ts";

/*
 * How the values of an event become JSON and come back. One codec per field, written where the event is
 * defined; there is no generic reviver, so a value can never change its type by looking like another one.
 */

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/**
 * A pure pair: `decode(encode(value))` equals `value`, and `decode` refuses everything else. `encode` refuses what
 * `decode` would: one unreadable row would keep the whole log from being read, for ever.
 */
export type Codec<T> = {
  readonly encode: (value: T) => Json;
  readonly decode: (json: Json, path: string) => T;
  /** True when `encode` gives back what it got, so that it need not be copied. */
  readonly isPlain: boolean;
};

export type Decoded<C> = C extends Codec<infer T> ? T : never;

const plain = <T extends Json>(name: string, test: (json: Json) => boolean): Codec<T> => ({
  encode: (value) => {
    if (!test(value)) throw new EventEncodeError("", name, value);
    return value;
  },
  decode: (json, path) => {
    if (!test(json)) throw new EventDecodeError(path, name, json);
    return json as T;
  },
  isPlain: true,
});

/** Any text. */
export const text: Codec<string> = plain("a text", (json) => typeof json === "string");

/** A safe integer: counts, milliseconds, pixels. */
export const integer: Codec<number> = plain("an integer", (json) => Number.isSafeInteger(json));

/** A claim. */
export const flag: Codec<boolean> = plain("true or false", (json) => typeof json === "boolean");

/** Bytes as lower-case `0x…`. */
export const hex: Codec<Hex> = plain(
  "bytes as 0x-prefixed lower-case hexadecimal",
  (json) => typeof json === "string" && /^0x(?:[0-9a-f]{2})*$/.test(json),
);

/** A whole number of any size, as decimal text: wei, 64-bit protocol fields. */
export const bigInteger: Codec<bigint> = {
  encode: (value) => {
    if (typeof value !== "bigint") throw new EventEncodeError("", "a bigint", value);
    return value.toString();
  },
  decode: (json, path) => {
    if (typeof json !== "string" || !/^(?:0|-?[1-9][0-9]*)$/.test(json)) {
      throw new EventDecodeError(path, "a whole number as decimal text", json);
    }
    return BigInt(json);
  },
  isPlain: false,
};

/** One of a closed set of words. */
export function oneOf<const Words extends readonly string[]>(...words: Words): Codec<Words[number]> {
  const known: ReadonlySet<string> = new Set(words);
  return plain(`one of ${words.join(", ")}`, (json) => typeof json === "string" && known.has(json));
}

/** A value or null. */
export function nullable<T>(inner: Codec<T>): Codec<T | null> {
  return {
    encode: (value) => (value === null ? null : inner.encode(value)),
    decode: (json, path) => (json === null ? null : inner.decode(json, path)),
    isPlain: inner.isPlain,
  };
}

/** A list in order. */
export function list<T>(inner: Codec<T>): Codec<readonly T[]> {
  return {
    encode: (value) => {
      if (!Array.isArray(value)) throw new EventEncodeError("", "a list", value);
      if (!inner.isPlain) return value.map((item: T) => inner.encode(item));
      for (const item of value as readonly T[]) inner.encode(item);
      return value as readonly Json[];
    },
    decode: (json, path) => {
      if (!Array.isArray(json)) throw new EventDecodeError(path, "a list", json);
      return json.map((item: Json, index) => inner.decode(item, `${path}[${index}]`));
    },
    isPlain: inner.isPlain,
  };
}

// biome-ignore lint/suspicious/noExplicitAny: inference over a heterogeneous record of codecs needs it.
export type FieldsOf = { readonly [name: string]: Codec<any> };
export type Shape<F extends FieldsOf> = { readonly [K in keyof F]: Decoded<F[K]> };

/** An object with exactly these fields, written in this order. Unknown fields are refused. */
export function object<F extends FieldsOf>(fields: F): Codec<Shape<F>> {
  const entries = Object.entries(fields);
  return {
    encode: (value) => {
      if (typeof value !== "object" || value === null) throw new EventEncodeError("", "an object", value);
      const json: Record<string, Json> = {};
      for (const [name, codec] of entries) {
        try {
          json[name] = codec.encode((value as Record<string, unknown>)[name]);
        } catch (error) {
          throw error instanceof EventEncodeError ? error.within(name) : error;
        }
      }
      return json;
    },
    decode: (json, path) => {
      if (typeof json !== "object" || json === null || Array.isArray(json)) {
        throw new EventDecodeError(path, "an object", json);
      }
      const source = json as { readonly [key: string]: Json };
      const value: Record<string, unknown> = {};
      for (const [name, codec] of entries) {
        const field = Object.hasOwn(source, name) ? source[name] : undefined;
        if (field === undefined) throw new EventDecodeError(`${path}.${name}`, "a value", null);
        value[name] = codec.decode(field, `${path}.${name}`);
      }
      for (const name of Object.keys(source)) {
        if (!Object.hasOwn(fields, name))
          throw new EventDecodeError(`${path}.${name}`, "no such field", source[name] ?? null);
      }
      return value as Shape<F>;
    },
    isPlain: false,
  };
}

/** A row of the log does not hold what its type and version promise. Replay stops: the log is damaged. */
export class EventDecodeError extends BaseError {
  constructor(path: string, wanted: string, found: Json) {
    super(`The log holds an unreadable value at \`${path}\`: ${wanted} was expected.`, {
      code: "EVENT_DECODE_FAILED",
      disposition: "halt",
      meta: { found: JSON.stringify(found)?.slice(0, 120) ?? "undefined" },
      action: "Run `bun run replay verify` on a copy of the data folder, and restore the log from a backup.",
    });
  }
}

/** A decided event holds a value that could not be read back from the log. Nothing was written. */
export class EventEncodeError extends BaseError {
  readonly #path: string;
  readonly #wanted: string;
  readonly #value: unknown;

  constructor(path: string, wanted: string, value: unknown) {
    super(`An event cannot be written: \`${path}\` must be ${wanted}.`, {
      code: "EVENT_ENCODE_FAILED",
      disposition: "reject",
      meta: { found: String(value).slice(0, 120) },
      action: "This is a bug: please report it.",
    });
    this.#path = path;
    this.#wanted = wanted;
    this.#value = value;
  }

  /** The same error as seen from the object around it. */
  within(name: string): EventEncodeError {
    const path = this.#path === "" ? name : `${name}.${this.#path}`;
    return new EventEncodeError(path, this.#wanted, this.#value);
  }
}
