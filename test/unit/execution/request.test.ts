import { expect, test } from "vitest";
import { executionRequestSchema } from "../../../src/execution/request.ts";
import { makeLimits } from "../../../src/limits.ts";

test("an address is not read before its length is known to be what it may be", () => {
  const schema = executionRequestSchema(makeLimits());
  const problems = (url: string) =>
    schema.safeParse({ code: "1", webhook: { url, secret: "s".repeat(16) } }).error?.issues.map((issue) => issue.code);
  expect(problems("no address".repeat(300))).toEqual(["too_big"]);
  expect(problems("no address")).toEqual(["invalid_format"]);
  expect(problems("https://example.com/hook")).toBeUndefined();
});
