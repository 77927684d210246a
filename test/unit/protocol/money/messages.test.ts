import { expect, test } from "bun:test";
import {
  type DescField,
  type DescMessage,
  fromJson,
  type JsonValue,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import { toHex } from "../../../../src/protocol/bytes.ts";
import * as net from "../../../../src/protocol/gen/lp_rpc_pb.ts";
import { messageDecoder } from "../../../../src/protocol/wire.ts";
import { bytes, vectors } from "../vectors.ts";

/*
 * Goal: our messages about money are byte for byte those of the reference node. Method: every recorded message is
 * built from its fields and written, and its bytes are read and compared.
 */

type EncodeCase = {
  readonly message: string;
  readonly name: string;
  readonly fields: Fields;
  readonly bytes: string;
  readonly orderFree: boolean;
};
type Fields = Readonly<Record<string, unknown>>;

const schemas: Readonly<Record<string, DescMessage>> = {
  "net.PriceInfo": net.PriceInfoSchema,
  "net.TicketParams": net.TicketParamsSchema,
  "net.TicketExpirationParams": net.TicketExpirationParamsSchema,
  "net.TicketSenderParams": net.TicketSenderParamsSchema,
  "net.Payment": net.PaymentSchema,
  "net.PaymentResult": net.PaymentResultSchema,
  "net.OrchestratorInfo": net.OrchestratorInfoSchema,
  "net.AuthToken": net.AuthTokenSchema,
};

for (const [index, vector] of vectors<EncodeCase>("payment-proto", "encode").entries()) {
  test(`recorded ${vector.message} ${index}: ${vector.name}`, () => {
    const schema = schemas[vector.message];
    if (schema === undefined) throw new Error(`no schema of ${vector.message}`);
    const message = fromJson(schema, jsonOf(schema, vector.fields));
    const outcome = messageDecoder(schema)(bytes(vector.bytes));
    expect<unknown>(outcome).toEqual({ type: "message", message });
    if (!vector.orderFree) expect(toHex(toBinary(schema, message))).toBe(vector.bytes as `0x${string}`);
  });
}

/** The vectors' form of a message in the JSON form of protobuf: bytes become base64, all else is the same. */
function jsonOf(schema: DescMessage, fields: Fields): { [name: string]: JsonValue } {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => {
      const field = schema.fields.find((some) => some.name === name);
      if (field === undefined) throw new Error(`no field ${name} in ${schema.typeName}`);
      const one = (item: unknown) => jsonValue(field, item);
      if (field.fieldKind === "list") return [name, (value as readonly unknown[]).map(one)];
      if (field.fieldKind !== "map") return [name, one(value)];
      const entries = Object.entries(value as Fields).map(([key, item]) => [key, one(item)] as const);
      return [name, Object.fromEntries(entries)];
    }),
  );
}

function jsonValue(field: DescField, value: unknown): JsonValue {
  if (field.message !== undefined) return jsonOf(field.message, value as Fields);
  if (field.scalar === ScalarType.BYTES) return Buffer.from(bytes(value as string)).toString("base64");
  return value as JsonValue;
}
