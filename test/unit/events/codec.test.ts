import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { allEvents } from "../../../src/events/catalogue.ts";
import {
  bigInteger,
  type Codec,
  EventDecodeError,
  EventEncodeError,
  flag,
  hex,
  integer,
  type Json,
  list,
  nullable,
  object,
  oneOf,
  text,
} from "../../../src/events/codec.ts";
import { decodeEvent, encodeEvent } from "../../../src/events/definition.ts";
import { arbitraryEvents } from "../../support/logEvents.ts";

/*
 * Goal: whatever was decided comes back from the log as it was, and nothing that would not come back gets into it.
 * Method: random events of every type, through JSON and through a text column of SQLite; then wrong values at
 * every place.
 */

test("the random events below are one of each type of the catalogue", () => {
  expect([...arbitraryEvents.keys()].sort()).toEqual([...allEvents.keys()].sort());
});

for (const [type, definition] of allEvents) {
  const events = arbitraryEvents.get(type);
  if (events === undefined) continue;

  test(`${type}: decode(encode(event)) is the event, through the text column of the log too`, () => {
    using db = new Database(":memory:");
    db.run("CREATE TABLE t (data TEXT NOT NULL) STRICT");
    const write = db.prepare<{ data: string }, [string]>("INSERT INTO t VALUES (?) RETURNING data");
    fc.assert(
      fc.property(events, (event) => {
        const data = encodeEvent(definition, event);
        expect(decodeEvent(definition, definition.schemaVersion, data)).toEqual(event);
        const stored = write.get(data)?.data ?? "";
        expect(stored).toBe(data);
        // The same event always gives the same bytes, whatever the order of its fields in memory.
        const shuffled = Object.fromEntries(Object.entries(event).reverse()) as typeof event;
        expect(encodeEvent(definition, shuffled)).toBe(data);
      }),
      { numRuns: 60 },
    );
  });

  test(`${type}: a missing field, one too many and a value of another type are refused on both sides`, () => {
    const wrong: readonly unknown[] = [
      undefined,
      Symbol("no").toString(),
      1.5,
      Number.NaN,
      {},
      [[]],
      true,
      "x",
      0n,
      null,
    ];
    fc.assert(
      fc.property(events, (event) => {
        const json = JSON.parse(encodeEvent(definition, event)) as Record<string, Json>;
        const decode = (changed: unknown): unknown =>
          decodeEvent(definition, definition.schemaVersion, JSON.stringify(changed));
        expect(() => decode({ ...json, extra: 1 })).toThrow(EventDecodeError);
        expect(() => decode({ ...json, toString: 1 })).toThrow(EventDecodeError);
        for (const name of Object.keys(json)) {
          const { [name]: _, ...rest } = json;
          expect(() => decode(rest)).toThrow(`${type}.${name}`);
          // No value is right for two types, so each of these is either refused or comes back the same.
          for (const value of wrong) {
            const changed = { ...event, [name]: value } as typeof event;
            let data: string;
            try {
              data = encodeEvent(definition, changed);
            } catch (error) {
              expect(error).toBeInstanceOf(EventEncodeError);
              expect((error as Error).message).toContain(`\`${name}`);
              continue;
            }
            expect(decodeEvent(definition, definition.schemaVersion, data)).toEqual(changed);
          }
        }
      }),
      { numRuns: 15 },
    );
  });
}

describe("values", () => {
  const refuses = <T>(codec: Codec<T>, ...values: readonly unknown[]): void => {
    for (const value of values) {
      expect(() => codec.decode(value as Json, "e.f")).toThrow(EventDecodeError);
    }
  };
  const refusesToWrite = <T>(codec: Codec<T>, ...values: readonly unknown[]): void => {
    for (const value of values) expect(() => codec.encode(value as T)).toThrow(EventEncodeError);
  };

  test("integers are safe integers", () => {
    const wrong = [1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, "1", null, true];
    refuses(integer, ...wrong);
    refusesToWrite(integer, ...wrong, 1n, undefined);
    expect(integer.decode(integer.encode(-5), "e")).toBe(-5);
  });

  test("big integers are decimal text in one form only", () => {
    refuses(bigInteger, 1, "", "+1", "01", "-0", "1.0", "0x1", " 1", "1 ", "1e3", "１", null);
    refusesToWrite(bigInteger, 1, "1", null, undefined);
    expect(bigInteger.encode(2n ** 256n)).toBe((2n ** 256n).toString());
  });

  test("bytes are lower-case 0x hexadecimal of whole bytes", () => {
    const wrong = ["", "0", "ab", "0xA1", "0xa", "0x1g", "0x ab", 0, null];
    refuses(hex, ...wrong);
    refusesToWrite(hex, ...wrong);
    expect(hex.decode("0x", "e")).toBe("0x");
  });

  test("words are of their closed set; claims are true or false; texts are texts", () => {
    const word = oneOf("on", "off");
    refuses(word, "ON", "", "toString", null, 1);
    refusesToWrite(word, "maybe", undefined);
    refuses(flag, 0, 1, "true", null);
    refusesToWrite(flag, 0, undefined);
    refuses(text, 1, null, []);
    refusesToWrite(text, 1, null, undefined);
  });

  test("null only where it is allowed; lists only as lists; the path names the place", () => {
    const shape = object({ a: list(object({ b: nullable(bigInteger) })) });
    expect(shape.decode({ a: [{ b: null }, { b: "7" }] }, "E")).toEqual({ a: [{ b: null }, { b: 7n }] });
    expect(() => shape.decode({ a: [{ b: "7" }, { b: 7 }] }, "E")).toThrow("`E.a[1].b`");
    expect(() => shape.decode({ a: {} }, "E")).toThrow("`E.a`");
    expect(() => shape.decode(null, "E")).toThrow("an object was expected");
    expect(() => shape.decode([], "E")).toThrow("an object was expected");
    expect(() => shape.encode({ a: [{ b: "7" as unknown as bigint }] })).toThrow("`a.b`");
    refusesToWrite(shape, { a: null }, { a: "x" }, {});
    refusesToWrite(list(integer), [1, 1.5], null);
  });

  test("an object that inherits its fields has none", () => {
    const inherited = Object.create({ a: 1 }) as Json;
    expect(() => object({ a: integer }).decode(inherited, "E")).toThrow("`E.a`");
  });
});
