import { describe, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { bigInteger, EventDecodeError, integer, text } from "../../../src/events/codec.ts";
import {
  catalogueOf,
  decodeEvent,
  defineEvent,
  encodeEvent,
  UnknownEventError,
} from "../../../src/events/definition.ts";
import { parseStreamId, streamId } from "../../../src/events/envelope.ts";
import { prepareDatabase } from "../../../src/events/log/open.ts";
import { LogReader } from "../../../src/events/log/reader.ts";
import { LogWriter } from "../../../src/events/log/writer.ts";

/*
 * Goal: an event of any older release is read as today's, and one of a newer release stops everything. Method: a type
 * that has lived through three schema versions, made here, since ours are all in their first.
 */

/** v1 `{ price }` in gwei; v2 `{ priceWei }`; v3 adds `unit`. */
const priceFixed = defineEvent("PriceFixed", { priceWei: bigInteger, unit: text }, [
  ({ price, ...rest }) => ({ ...rest, priceWei: `${String(price)}000000000` }),
  (json) => ({ ...json, unit: "pixel" }),
]);

describe("schema versions", () => {
  test("a definition is at the version after its last upcaster", () => {
    expect(priceFixed.schemaVersion).toBe(3);
    expect(defineEvent("Fresh", {}).schemaVersion).toBe(1);
  });

  test("each old form is lifted through every version between", () => {
    const today = { type: "PriceFixed", priceWei: 7_000_000_000n, unit: "pixel" };
    expect(decodeEvent(priceFixed, 1, '{"price":7}')).toEqual(today);
    expect(decodeEvent(priceFixed, 2, '{"priceWei":"7000000000"}')).toEqual(today);
    expect(decodeEvent(priceFixed, 3, '{"priceWei":"7000000000","unit":"pixel"}')).toEqual(today);
    expect(decodeEvent(priceFixed, 3, encodeEvent(priceFixed, today as never))).toEqual(today);
  });

  test("an old form in the clothes of a newer version is refused", () => {
    expect(() => decodeEvent(priceFixed, 3, '{"price":7}')).toThrow(EventDecodeError);
    expect(() => decodeEvent(priceFixed, 1, '{"priceWei":"7","unit":"pixel"}')).toThrow(EventDecodeError);
  });

  for (const version of [0, -1, 4, 99]) {
    test(`version ${version} is not ours to read`, () => {
      expect(() => decodeEvent(priceFixed, version, '{"priceWei":"7","unit":"pixel"}')).toThrow(
        UnknownEventError,
      );
    });
  }

  for (const data of ["", "{", "null", "[]", '"text"', "7"]) {
    test(`data \`${data}\` is damage, before any upcaster sees it`, () => {
      expect(() => decodeEvent(priceFixed, 1, data)).toThrow(EventDecodeError);
    });
  }
});

describe("a log", () => {
  /** A log with one event of this type and schema version. */
  function logWith(type: string, schemaVersion: number, data: string): Database {
    const db = new Database(":memory:");
    prepareDatabase(db);
    new LogWriter(db, []).commit({
      id: 1,
      events: [[1, "thing:a", 1, type, schemaVersion, 5, "c", "c", null, data]],
      streams: [],
      outboxAdded: [],
      outboxSettled: [],
      snapshots: [],
      views: [],
    });
    return db;
  }
  const known = catalogueOf([priceFixed, defineEvent("Counted", { by: integer })]);

  test("old rows come out as today's events, with the version they were written in", () => {
    using db = logWith("PriceFixed", 1, '{"price":7}');
    const [recorded] = [...new LogReader(db, known).all()];
    expect(recorded).toMatchObject({ schemaVersion: 1, event: { priceWei: 7_000_000_000n, unit: "pixel" } });
  });

  for (const [what, type, version] of [
    ["an unknown type", "PriceForgotten", 1],
    ["a newer version of a known type", "PriceFixed", 4],
    ["a type that is a name of JavaScript's own", "constructor", 1],
  ] as const) {
    test(`${what} stops every way of reading, and says what to do`, () => {
      using db = logWith(type, version, "{}");
      const reader = new LogReader(db, known);
      for (const read of [
        () => [...reader.all()],
        () => reader.eventsOf("thing:a"),
        () => reader.eventsCorrelatedWith("c"),
      ]) {
        expect(read).toThrow(UnknownEventError);
        expect(read).toThrow("Start the release that wrote this log");
      }
    });
  }
});

test("stream ids are taken apart at the first colon", () => {
  expect(streamId("segment", "a.1/2")).toBe("segment:a.1/2");
  expect(parseStreamId("segment:a:b:c")).toEqual({ kind: "segment", id: "a:b:c" });
});
