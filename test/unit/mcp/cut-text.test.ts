import fc from "fast-check";
import { expect, test } from "vitest";
import { cutText } from "../../../src/mcp/cut-text.ts";

test("keeps the beginning and the end, and gives the length of the cut", () => {
  const text = cutText(`${"a".repeat(500)}${"b".repeat(500)}`, 200);
  expect(text).toMatch(/^a+\n\[… \d+ characters left out …\]\nb+$/);
  const [, left] = /… (\d+) /.exec(text) ?? [];
  expect(text.replace(/\n.*\n/, "").length + Number(left)).toBe(1000);
});

test("never exceeds its bound, is well-formed, and leaves short texts alone", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 2000 }), fc.integer({ min: 60, max: 1000 }), (text, max) => {
      const cut = cutText(text, max);
      expect(cut.length).toBeLessThanOrEqual(Math.max(max, 0));
      expect(cut.isWellFormed()).toBe(text.length <= max ? text.isWellFormed() : true);
      if (text.length <= max) expect(cut).toBe(text);
    }),
  );
});
