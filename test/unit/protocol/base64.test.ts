import { expect, test } from "bun:test";
import fc from "fast-check";
import { decodeBase64, encodeBase64 } from "../../../src/protocol/base64.ts";
import { plainHex } from "../../../src/protocol/bytes.ts";

test("every byte string survives, and the text equals the platform's", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const text = encodeBase64(bytes);
      expect(text).toBe(Buffer.from(bytes).toString("base64"));
      expect(decodeBase64(text)).toEqual({ type: "bytes", bytes });
    }),
  );
});

test("carriage returns and line feeds anywhere change nothing", () => {
  const text = fc.uint8Array({ maxLength: 40 }).map(encodeBase64);
  const noise = fc.array(fc.tuple(fc.nat(), fc.constantFrom("\r", "\n", "\r\n")), { maxLength: 5 });
  fc.assert(
    fc.property(text, noise, (plain, insertions) => {
      let noisy = plain;
      for (const [position, lineEnd] of insertions) {
        const at = position % (noisy.length + 1);
        noisy = noisy.slice(0, at) + lineEnd + noisy.slice(at);
      }
      expect(decodeBase64(noisy)).toEqual(decodeBase64(plain));
    }),
  );
});

test("what is accepted is canonical but for line ends and surplus bits", () => {
  // Any text over a small hostile alphabet: whatever decodes must encode back to the same length and bytes.
  const hostile = fc.string({
    unit: fc.constantFrom("A", "g", "+", "/", "=", "-", "_", " ", "\n"),
    maxLength: 12,
  });
  fc.assert(
    fc.property(hostile, (text) => {
      const outcome = decodeBase64(text);
      if (outcome.type === "corrupt") {
        expect(outcome.at).toBeGreaterThanOrEqual(0);
        expect(outcome.at).toBeLessThanOrEqual(text.length);
        return;
      }
      const again = encodeBase64(outcome.bytes);
      expect(again.length).toBe(text.replaceAll("\n", "").length);
      expect(plainHex(new Uint8Array(Buffer.from(text, "base64")))).toBe(plainHex(outcome.bytes));
    }),
  );
});

test("corrupt texts name the position that the peer names", () => {
  const cases: readonly (readonly [string, number])[] = [
    ["foo", 0],
    ["!!", 0],
    ["_-_-", 0],
    ["EhQB AQE", 4],
    ["EgA=EgA=", 4],
    ["A", 0],
    ["AAAAA", 4],
    ["=", 0],
    ["A=", 1],
    ["AA=", 3],
    ["AA=A", 2],
    ["AAA==", 4],
    ["AAAé", 3],
    ["AA\u0141A", 2],
  ];
  for (const [text, at] of cases) expect(decodeBase64(text)).toEqual({ type: "corrupt", at });
});
