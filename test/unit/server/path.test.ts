import { expect, test } from "bun:test";
import fc from "fast-check";
import { cleanPath, readRequestPath } from "../../../src/server/http/path.ts";

test("a clean path is taken as it is, with its raw form and query apart", () => {
  expect(readRequestPath("/stream/a%20b/1.ts?x=/../y")).toEqual({
    type: "path",
    path: "/stream/a b/1.ts",
    rawPath: "/stream/a%20b/1.ts",
    rawQuery: "?x=/../y",
  });
  expect(readRequestPath("http://node:8935/segment")).toMatchObject({ type: "path", path: "/segment" });
  expect(readRequestPath("http://node:8935")).toMatchObject({ type: "path", path: "/" });
  expect(readRequestPath("/")).toMatchObject({ type: "path", path: "/" });
});

test("an unclean path is redirected, encoded and with its query", () => {
  for (const [target, location] of [
    ["//segment", "/segment"],
    ["/a//b/", "/a/b/"],
    ["/a/../../b", "/b"],
    ["/.", "/"],
    ["/a%2f..%2fb?q=1", "/b?q=1"],
    ["//a b%22<c>", "/a%20b%22%3Cc%3E"],
  ] as const) {
    expect(readRequestPath(target)).toEqual({ type: "redirect", location });
  }
});

test("what is no path is malformed", () => {
  for (const target of ["*", "segment", "", "/%", "/%zz", "/%ff", "node:8935"]) {
    expect(readRequestPath(target)).toEqual({ type: "malformed" });
  }
});

test("cleaning is idempotent and leaves nothing to climb with", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom("", ".", "..", "a", "b.c", "...")), (segments) => {
      const clean = cleanPath(`/${segments.join("/")}`);
      expect(cleanPath(clean)).toBe(clean);
      expect(clean).toStartWith("/");
      const inner = clean.split("/").slice(1);
      expect(inner.some((segment) => segment === "." || segment === "..")).toBe(false);
    }),
  );
});

test("a redirect never leaves the host", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const read = readRequestPath(`/${text}`);
      if (read.type !== "redirect") return;
      expect(read.location).toMatch(/^\/(?!\/)/);
      expect(read.location.split("?")[0]).toMatch(/^[\x21-\x7e]*$/);
    }),
  );
});
