import fc from "fast-check";
import { expect, test } from "vitest";
import { parseRange } from "../../../../src/http/files/range.ts";

test("any range that is taken lies inside the file", () => {
  const numberText = fc.oneof(fc.constant(""), fc.nat(50).map(String));
  fc.assert(
    fc.property(numberText, numberText, fc.nat(40), (first, last, bytes) => {
      const range = parseRange(`bytes=${first}-${last}`, bytes);
      if (range === null || range === "unsatisfiable") return;
      expect(range.start).toBeGreaterThanOrEqual(0);
      expect(range.end).toBeLessThan(bytes);
      expect(range.start).toBeLessThanOrEqual(range.end);
    }),
  );
});

test("an empty file satisfies no range", () => {
  for (const header of ["bytes=0-", "bytes=0-0", "bytes=-1"]) expect(parseRange(header, 0)).toBe("unsatisfiable");
});

test("text that is no range is ignored", () => {
  for (const header of [undefined, "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=1-2-3", `bytes=${"9".repeat(16)}-`]) {
    expect(parseRange(header, 10)).toBeNull();
  }
});
