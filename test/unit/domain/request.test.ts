import { expect, test } from "vitest";
import { makeLimits } from "../../../src/domain/limits.ts";
import { conflictingNames, executionRequestSchema } from "../../../src/domain/request.ts";

test("an address is not read before its length is known to be what it may be", () => {
  const schema = executionRequestSchema(makeLimits());
  const problems = (url: string) =>
    schema.safeParse({ code: "1", webhook: { url, secret: "s".repeat(16) } }).error?.issues.map((issue) => issue.code);
  expect(problems("no address".repeat(300))).toEqual(["too_big"]);
  expect(problems("no address")).toEqual(["invalid_format"]);
  expect(problems("https://example.com/hook")).toBeUndefined();
});

test.each([
  [["a", "a/b"], { file: "a", inside: "a/b" }],
  [["x/y/z", "w", "x"], { file: "x", inside: "x/y/z" }],
  [["x/y", "x/y/z/w"], { file: "x/y", inside: "x/y/z/w" }],
])("%j can not stand in one folder", (names, conflict) => {
  expect(conflictingNames(names)).toEqual(conflict);
});

test.each([[["a", "b/a", "ab/c", "b/c"]], [["a.b", "a/b"]], [[]]])("%j can stand in one folder", (names) => {
  expect(conflictingNames(names)).toBeNull();
});
