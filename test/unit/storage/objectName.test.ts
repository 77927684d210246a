import { expect, test } from "bun:test";
import fc from "fast-check";
import { joinKey, objectName, urlPath } from "../../../src/storage/objectName.ts";

test("ordinary names stay as they are", () => {
  for (const name of ["deadbeef/P240p30fps16x9/7.ts", "net_640x360_1000/0.mp4", "custom-1/12.ts.phash"]) {
    expect(objectName(name)).toBe(name);
    expect(urlPath(name)).toBe(name);
  }
});

test("unsafe characters are written as bytes, dots cannot climb", () => {
  expect(objectName("sp ace/ü=/1.ts")).toBe("sp=20ace/=C3=BC=3D/1.ts");
  expect(objectName("../a/./…/1.ts")).toBe("=2E=2E/a/=2E/=E2=80=A6/1.ts");
  expect(objectName("//a///b.ts")).toBe("a/b.ts");
  expect(objectName("\ud800/1.ts")).toBe("=EF=BF=BD/1.ts");
});

// Goal: no two renditions share an object, and every name survives a URL untouched.
test("different parts give different, URL-proof names", () => {
  const part = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => !text.includes("/"));
  fc.assert(
    fc.property(part, part, (left, right) => {
      const [one, other] = [objectName(left), objectName(right)];
      expect(one === other).toBe(left === right);
      expect(one).toMatch(/^[A-Za-z0-9._=-]+$/);
      expect(new URL(`http://host/${one}`).pathname).toBe(`/${urlPath(one)}`);
    }),
  );
});

test("keys are joined with single slashes", () => {
  expect(joinKey("", "/a/", "b/c", "")).toBe("a/b/c");
});
