import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  amountText,
  parseAddress,
  parseAmount,
  parseNumber,
  parsePercent,
  percentText,
  unitText,
} from "../../../src/cli/amounts.ts";
import { feeShareOf } from "../../../src/cli/actions/registration.ts";

describe("amounts", () => {
  test("units, fractions and wei are exact", () => {
    expect(parseAmount("100")).toEqual({ type: "ok", value: 100n * 10n ** 18n });
    expect(parseAmount("0.5")).toEqual({ type: "ok", value: 5n * 10n ** 17n });
    expect(parseAmount("12wei")).toEqual({ type: "ok", value: 12n });
    expect(parseAmount("0.000000000000000001")).toEqual({ type: "ok", value: 1n });
    expect(parseAmount("1.1000000000000000000000")).toEqual({ type: "ok", value: 11n * 10n ** 17n });
    expect(parseAmount("0")).toEqual({ type: "ok", value: 0n });
  });

  test.each([
    ["", "write it like"],
    ["-1", "write it like"],
    ["+1", "write it like"],
    ["1e18", "write it like"],
    [".5", "write it like"],
    ["5.", "write it like"],
    ["1,000", "write it like"],
    ["1_000", "write it like"],
    ["0x10", "write it like"],
    ["100 LPT", "write it like"],
    ["١٢", "write it like"],
    ["NaN", "write it like"],
    ["1.5wei", "no fraction of a wei"],
    ["0.0000000000000000001", "more than 18 decimals"],
    ["1000000000001", "more than there is"],
    [`${10n ** 30n + 1n}wei`, "more than there is"],
    ["9".repeat(400), "write it like"],
  ])("`%s` is refused", (text, why) => {
    const parsed = parseAmount(text);
    expect(parsed.type).toBe("bad");
    if (parsed.type === "bad") {
      expect(parsed.text).toContain(why);
      expect(parsed.text.length).toBeLessThan(200);
    }
  });

  test("what is printed is read back as the same", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 30n }), (wei) => {
        expect(parseAmount(unitText(wei))).toEqual({ type: "ok", value: wei });
        expect(parseAmount(`${wei}wei`)).toEqual({ type: "ok", value: wei });
      }),
    );
    expect(amountText(1_500_000_000_000_000_000n, "LPT")).toBe("1.5 LPT (1500000000000000000 wei)");
    expect(unitText(-5n * 10n ** 17n)).toBe("-0.5");
  });
});

describe("percentages", () => {
  test("chain check 12: percentages become parts per million exactly, 0.57 is 5700", () => {
    expect(parsePercent("0.57")).toEqual({ type: "ok", value: 5_700n });
    expect(parsePercent("1.13")).toEqual({ type: "ok", value: 11_300n });
    expect(parsePercent("100")).toEqual({ type: "ok", value: 1_000_000n });
    expect(parsePercent("0")).toEqual({ type: "ok", value: 0n });
    expect(parsePercent("12.5%")).toEqual({ type: "ok", value: 125_000n });
    expect(parsePercent("0.0001")).toEqual({ type: "ok", value: 1n });
    expect(parsePercent("0.57000")).toEqual({ type: "ok", value: 5_700n });
  });

  test("every share that the contract can keep is read back from its text", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 1_000_000n }), (parts) => {
        expect(parsePercent(percentText(parts).replace(" ", ""))).toEqual({ type: "ok", value: parts });
      }),
    );
  });

  test.each(["", "%", "-1", "101", "100.0001", "0.00001", "1e1", "10%%", "ten", "1..2", "."])(
    "`%s` is refused",
    (text) => {
      expect(parsePercent(text).type).toBe("bad");
    },
  );

  test("the contract keeps what delegators get: 100 % less the fee cut", () => {
    expect(feeShareOf(950_000n)).toBe(50_000n);
    expect(feeShareOf(0n)).toBe(1_000_000n);
    expect(feeShareOf(5_700n)).toBe(994_300n);
  });
});

describe("addresses and numbers", () => {
  const checksummed = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

  test("a checksum that is there must be right", () => {
    expect(parseAddress(checksummed)).toEqual({
      type: "ok",
      value: checksummed.toLowerCase() as `0x${string}`,
    });
    expect(parseAddress(checksummed.toLowerCase()).type).toBe("ok");
    const mistyped = parseAddress(checksummed.replace("5aAe", "5aAf"));
    expect(mistyped.type === "bad" && mistyped.text).toContain("checksum");
  });

  test.each([
    "",
    "0x",
    "0x12",
    `0x${"0".repeat(40)}`,
    `0x${"g".repeat(40)}`,
    `${checksummed}00`,
    "vitalik.eth",
  ])("`%s` is no address", (text) => {
    expect(parseAddress(text).type).toBe("bad");
  });

  test("numbers are whole and of at most 256 bits", () => {
    expect(parseNumber("lock", "0")).toEqual({ type: "ok", value: 0n });
    expect(parseNumber("proposal", String(2n ** 256n - 1n))).toEqual({ type: "ok", value: 2n ** 256n - 1n });
    for (const text of [String(2n ** 256n), "-1", "1.0", "0x1", "", "9".repeat(200)]) {
      expect(parseNumber("lock", text).type).toBe("bad");
    }
  });
});
