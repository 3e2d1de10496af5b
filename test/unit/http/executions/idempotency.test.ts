import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalJson } from "../../../../src/http/executions/idempotency.ts";

const reversed = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, member]) => [name, reversed(member)]),
  );
};

test("the order of members does not matter, and nothing is lost", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const json = JSON.parse(JSON.stringify(value));
      expect(canonicalJson(reversed(json))).toBe(canonicalJson(json));
      expect(JSON.parse(canonicalJson(json))).toEqual(json);
    }),
  );
});

test("the order of a list does", () => {
  expect(canonicalJson([1, 2])).not.toBe(canonicalJson([2, 1]));
});
