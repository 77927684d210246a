import {
  type DescField,
  type DescMessage,
  fromBinary,
  type MessageShape,
  ScalarType,
} from "@bufbuild/protobuf";

/** A decoded message, or the text that says why there is none. */
export type WireOutcome<T> =
  { readonly type: "message"; readonly message: T } | { readonly type: "malformed"; readonly text: string };

/** The text for bytes that are no protobuf message. Part of what a gateway sees. */
export const MALFORMED_WIRE_TEXT = "proto: cannot parse invalid wire-format data";
/** The text for a `string` field whose bytes are not UTF-8. */
export const MALFORMED_UTF8_TEXT = "string field contains invalid UTF-8";

/**
 * Makes a strict decoder for one message type, for bytes that a peer sent inside a header.
 *
 * The library's own decoder trusts its input: it ignores wire types, lets a nested message run past the end of
 * the outer one and takes varints of any length. So the bytes are walked first, and whatever Go's decoder
 * refuses is refused. One case is stricter than Go, which skips it: a known field with a foreign wire type.
 * No sender writes that. Unknown fields are dropped.
 */
export function messageDecoder<Desc extends DescMessage>(
  schema: Desc,
): (bytes: Uint8Array) => WireOutcome<MessageShape<Desc>> {
  const shape = shapeOf(schema, new Map());
  return (bytes) => {
    if (!new WireWalk(bytes).message(shape, bytes.length, 0)) {
      return { type: "malformed", text: MALFORMED_WIRE_TEXT };
    }
    try {
      return { type: "message", message: fromBinary(schema, bytes, { readUnknownFields: false }) };
    } catch (error) {
      // After the walk only text can be wrong; the text decoder throws a TypeError.
      const text = error instanceof TypeError ? MALFORMED_UTF8_TEXT : MALFORMED_WIRE_TEXT;
      return { type: "malformed", text };
    }
  };
}

/** What the walk must know of one message type. */
type Shape = Map<number, FieldShape>;
type FieldShape = {
  readonly wireType: number;
  /** Repeated number fields may also come packed. */
  readonly isPackable: boolean;
  readonly nested: Shape | null;
};

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const START_GROUP = 3;
const END_GROUP = 4;
const FIXED32 = 5;

/** Deeper nesting is refused. The deepest honest message (capability constraints) has six levels. */
const DEPTH_MAX = 32;
const FIELD_NUMBER_MAX = 2 ** 29 - 1;

function shapeOf(schema: DescMessage, known: Map<DescMessage, Shape>): Shape {
  const found = known.get(schema);
  if (found !== undefined) return found;
  const shape: Shape = new Map();
  known.set(schema, shape);
  for (const field of schema.fields) shape.set(field.number, fieldShape(field, known));
  return shape;
}

function fieldShape(field: DescField, known: Map<DescMessage, Shape>): FieldShape {
  switch (field.fieldKind) {
    case "scalar":
      return scalarShape(field.scalar, false);
    case "enum":
      return { wireType: VARINT, isPackable: false, nested: null };
    case "message":
      return { wireType: LENGTH_DELIMITED, isPackable: false, nested: shapeOf(field.message, known) };
    case "list":
      if (field.listKind === "message") {
        return { wireType: LENGTH_DELIMITED, isPackable: false, nested: shapeOf(field.message, known) };
      }
      return scalarShape(field.listKind === "enum" ? ScalarType.INT32 : field.scalar, true);
    case "map": {
      const entry: Shape = new Map([[1, scalarShape(field.mapKey, false)]]);
      if (field.mapKind === "message") {
        const nested = shapeOf(field.message, known);
        entry.set(2, { wireType: LENGTH_DELIMITED, isPackable: false, nested });
      } else {
        entry.set(2, scalarShape(field.mapKind === "enum" ? ScalarType.INT32 : field.scalar, false));
      }
      return { wireType: LENGTH_DELIMITED, isPackable: false, nested: entry };
    }
  }
}

function scalarShape(scalar: ScalarType, isList: boolean): FieldShape {
  switch (scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return { wireType: LENGTH_DELIMITED, isPackable: false, nested: null };
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
    case ScalarType.FLOAT:
      return { wireType: FIXED32, isPackable: isList, nested: null };
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
    case ScalarType.DOUBLE:
      return { wireType: FIXED64, isPackable: isList, nested: null };
    default:
      return { wireType: VARINT, isPackable: isList, nested: null };
  }
}

/** One pass over the bytes; every method says whether all was well and leaves `position` behind what it read. */
class WireWalk {
  readonly #bytes: Uint8Array;
  #position = 0;
  /** Value of the last varint, exact up to 2⁵³; larger ones only ever fail a bound. */
  #value = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  message(shape: Shape | null, end: number, depth: number): boolean {
    if (depth > DEPTH_MAX) return false;
    while (this.#position < end) {
      if (!this.#varint(end)) return false;
      const number = Math.floor(this.#value / 8);
      const wireType = this.#value % 8;
      if (number < 1 || number > FIELD_NUMBER_MAX) return false;
      const field = shape?.get(number);
      const isWell =
        field === undefined
          ? this.#skip(wireType, number, end, depth)
          : this.#field(field, wireType, end, depth);
      if (!isWell) return false;
    }
    return true;
  }

  #field(field: FieldShape, wireType: number, end: number, depth: number): boolean {
    if (field.isPackable && wireType === LENGTH_DELIMITED) return this.#packed(field.wireType, end);
    if (wireType !== field.wireType) return false;
    if (field.nested === null) return this.#skip(wireType, 0, end, depth);
    if (!this.#length(end)) return false;
    return this.message(field.nested, this.#position + this.#value, depth + 1);
  }

  #packed(wireType: number, end: number): boolean {
    if (!this.#length(end)) return false;
    const packedEnd = this.#position + this.#value;
    while (this.#position < packedEnd) {
      if (!this.#skip(wireType, 0, packedEnd, 0)) return false;
    }
    return true;
  }

  #skip(wireType: number, number: number, end: number, depth: number): boolean {
    switch (wireType) {
      case VARINT:
        return this.#varint(end);
      case FIXED64:
        return this.#advance(8, end);
      case FIXED32:
        return this.#advance(4, end);
      case LENGTH_DELIMITED:
        return this.#length(end) && this.#advance(this.#value, end);
      case START_GROUP:
        return this.#group(number, end, depth + 1);
      default:
        return false;
    }
  }

  #group(number: number, end: number, depth: number): boolean {
    if (depth > DEPTH_MAX) return false;
    while (this.#position < end) {
      if (!this.#varint(end)) return false;
      const innerNumber = Math.floor(this.#value / 8);
      const wireType = this.#value % 8;
      if (innerNumber < 1 || innerNumber > FIELD_NUMBER_MAX) return false;
      if (wireType === END_GROUP) return innerNumber === number;
      if (!this.#skip(wireType, innerNumber, end, depth)) return false;
    }
    return false;
  }

  #length(end: number): boolean {
    return this.#varint(end) && this.#value <= end - this.#position;
  }

  #advance(count: number, end: number): boolean {
    this.#position += count;
    return this.#position <= end;
  }

  /** A varint has at most ten bytes, and the tenth holds one bit. */
  #varint(end: number): boolean {
    let value = 0;
    let factor = 1;
    for (let count = 1; count <= 10 && this.#position < end; count++) {
      const byte = this.#bytes[this.#position++] ?? 0;
      value += (byte & 0x7f) * factor;
      factor *= 128;
      if (byte < 0x80) {
        this.#value = value;
        return count < 10 || byte <= 1;
      }
    }
    return false;
  }
}
