import { fitBytes, fromHex } from "../protocol/bytes.ts";
import { bigintOfBytes } from "../protocol/integerBytes.ts";
import type { TicketClaim } from "./ticketClaim.ts";

/** One row of a foreign file. */
export type ForeignRow = {
  /** Where it stands, for the operator: `row 7`, `line 3`. */
  readonly place: string;
  /** What it claims, or why it cannot be read. */
  readonly claim: TicketClaim | { readonly unreadable: string };
};

/** Reads the values of one row by name and says which of them is wrong. */
export class RowFields {
  readonly #values: Readonly<Record<string, unknown>>;
  #flaw: string | null = null;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  /** The first thing that was wrong; null when all was well. Whatever was read is void when it is not null. */
  get flaw(): string | null {
    return this.#flaw;
  }

  isNull(name: string): boolean {
    return this.#value(name) === null;
  }

  /** Bytes written as hexadecimal text of any letter case. */
  hex(name: string, length: number): Uint8Array {
    const value = this.#value(name);
    const isHex = typeof value === "string" && value.length === 2 + 2 * length && /^0x/i.test(value);
    const bytes = isHex ? fromHex(value.slice(2)) : null;
    return bytes ?? this.#fail(name, `is not ${length} bytes as 0x…`, new Uint8Array(length));
  }

  /** Bytes stored as bytes, at most `max`. */
  blob(name: string, max: number): Uint8Array {
    const value = this.#value(name);
    const isBlob = value instanceof Uint8Array && value.length <= max;
    return isBlob ? value : this.#fail(name, `is not up to ${max} bytes`, new Uint8Array());
  }

  /** An unsigned integer stored as big-endian bytes, none for 0; 32 bytes at most. */
  blobInteger(name: string): bigint {
    return bigintOfBytes(this.blob(name, 32));
  }

  /** The same, as 32 bytes. */
  blobWord(name: string): Uint8Array {
    return fitBytes(this.blob(name, 32), 32);
  }

  /** An integer that SQLite holds as one. */
  integer(name: string): bigint {
    const value = this.#value(name);
    return typeof value === "bigint" ? value : this.#fail(name, "is not an integer", 0n);
  }

  /** A whole number as decimal text. */
  decimal(name: string): bigint {
    const value = this.#value(name);
    const isDecimal = typeof value === "string" && /^[0-9]{1,78}$/.test(value);
    return isDecimal ? BigInt(value) : this.#fail(name, "is not a whole number as text", 0n);
  }

  /** A whole number as JSON writes small ones. */
  number(name: string): bigint {
    const value = this.#value(name);
    return Number.isSafeInteger(value)
      ? BigInt(value as number)
      : this.#fail(name, "is not a whole number", 0n);
  }

  /** A text of at most `max` characters. */
  text(name: string, max: number): string {
    const value = this.#value(name);
    const isText = typeof value === "string" && value.length <= max;
    return isText ? value : this.#fail(name, `is not a text of up to ${max} characters`, "");
  }

  #value(name: string): unknown {
    return Object.hasOwn(this.#values, name) ? (this.#values[name] ?? null) : null;
  }

  #fail<T>(name: string, problem: string, instead: T): T {
    this.#flaw ??= `its ${name} ${problem}`;
    return instead;
  }
}
