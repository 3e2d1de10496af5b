import fc from "fast-check";
import { expect, test } from "vitest";
import { mimeTypeOf } from "../../../src/files/mime.ts";

test.each([
  ["plot.png", "image/png"],
  ["a/b.CSV", "text/csv"],
  ["archive.tar.gz", "application/gzip"],
  ["noextension", "application/octet-stream"],
  ["x.constructor", "application/octet-stream"],
  ["x.__proto__", "application/octet-stream"],
  [".png", "image/png"],
  ["x.png.", "application/octet-stream"],
])("%s is %s", (name, type) => {
  expect(mimeTypeOf(name)).toBe(type);
});

test("every name gives a type that is valid in a header", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (name) => /^[a-z]+\/[a-z0-9.+-]+$/.test(mimeTypeOf(name))));
});
