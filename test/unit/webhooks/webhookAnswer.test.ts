import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { readWebhookAnswer } from "../../../src/webhooks/webhookAnswer.ts";

describe("readWebhookAnswer", () => {
  test("amounts beyond 2^53 stay exact, the last of several keys counts", () => {
    const text =
      '{"priceInfo":{"pricePerUnit":1},' +
      '"PriceInfo":{"pricePerUnit":9223372036854775807,"PIXELSPERUNIT":9007199254740993}}';
    expect(readWebhookAnswer(text)).toEqual({
      type: "valid",
      price: { pricePerUnit: 9223372036854775807n, pixelsPerUnit: 9007199254740993n },
    });
  });

  const priceField = "into Go struct field PriceInfo.priceInfo.pricePerUnit of type int64";
  test.each([
    ['{"priceInfo":{"pricePerUnit":1.5}}', `json: cannot unmarshal number 1.5 ${priceField}`],
    ['{"priceInfo":{"pricePerUnit":1e3}}', `json: cannot unmarshal number 1e3 ${priceField}`],
    [
      '{"priceInfo":{"pricePerUnit":9223372036854775808}}',
      `json: cannot unmarshal number 9223372036854775808 ${priceField}`,
    ],
    ['{"priceInfo":{"pricePerUnit":true}}', `json: cannot unmarshal bool ${priceField}`],
    ['{"priceInfo":{"pricePerUnit":{}}}', `json: cannot unmarshal object ${priceField}`],
    ['{"priceInfo":{"pricePerUnit":1,"pixelsPerUnit":-1}}', "pixels per unit is negative"],
    ['"text"', "json: cannot unmarshal string into Go value of type server.discoveryAuthWebhookRes"],
    ["7", "json: cannot unmarshal number into Go value of type server.discoveryAuthWebhookRes"],
    [" \n", "unexpected end of JSON input"],
    ['{"a":', "unexpected end of JSON input"],
    ['{"a":"}', "unexpected end of JSON input"],
    ["<html>", "invalid character '<' looking for beginning of value"],
    ["'x'", "invalid character '\\'' looking for beginning of value"],
    ["{}{}", "invalid character '{' after top-level value"],
    ["{a}", "invalid JSON"],
  ])("%s", (text, wanted) => expect(readWebhookAnswer(text)).toEqual({ type: "invalid", text: wanted }));

  test("anything at all gives an answer, and a price only when it is sound", () => {
    const near = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      '"',
      "\\",
      ":",
      ",",
      "priceInfo",
      "pricePerUnit",
      "1",
      "-",
      " ",
      "é",
    );
    const texts = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.json(),
      fc.array(near).map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const answer = readWebhookAnswer(text);
        if (answer.type === "valid" && answer.price !== null) {
          expect(answer.price.pricePerUnit >= 0n && answer.price.pixelsPerUnit > 0n).toBe(true);
        }
        const isJson = (() => {
          try {
            JSON.parse(text);
            return true;
          } catch {
            return false;
          }
        })();
        if (!isJson) expect(answer.type).toBe("invalid");
      }),
      { numRuns: 2_000 },
    );
  });
});
