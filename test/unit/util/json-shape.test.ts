import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { countJsonValues } from "../../../src/util/json-shape.ts";

const { texts } = JSON.parse(readFileSync(new URL("../../fixtures/json-values.json", import.meta.url), "utf8")) as {
  texts: Array<{ text: string; values: number }>;
};
const unbounded = { valuesMax: Number.POSITIVE_INFINITY, depthMax: Number.POSITIVE_INFINITY };
const count = (text: string, bounds = unbounded) => countJsonValues(Buffer.from(text), bounds);

/** Counts a parsed value: a member's name counts as one more, an empty list or object as two. */
function valuesIn(value: unknown): number {
  if (typeof value !== "object" || value === null) return 1;
  const members = Object.values(value);
  const names = Array.isArray(value) ? 0 : members.length;
  return members.length === 0 ? 2 : members.reduce((sum: number, member) => sum + valuesIn(member), 1 + names);
}

function depthOf(value: unknown): number {
  return typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
}

test.each(texts)("$text holds $values", ({ text, values }) => {
  expect(count(text)).toBe(values);
});

test("counts what a parser finds, with or without white space", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom("", " ", "\n\t"), (value, space) => {
      expect(count(JSON.stringify(value, null, space))).toBe(valuesIn(value));
    }),
  );
});

test("stops at the first value or level above the bounds, and not before", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      const [values, depth] = [valuesIn(value), depthOf(value)];
      expect(count(text, { valuesMax: values, depthMax: depth })).toBe(values);
      expect(count(text, { ...unbounded, valuesMax: values - 1 })).toBeNull();
      if (depth > 0) expect(count(text, { ...unbounded, depthMax: depth - 1 })).toBeNull();
    }),
  );
});

test("terminates on arbitrary bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => Number(countJsonValues(bytes, unbounded)) > 0));
});
