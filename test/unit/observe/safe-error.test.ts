import { expect, test } from "vitest";
import { safeError } from "../../../src/observe/safe-error.ts";

test("keeps name, message, code, stack and causes", () => {
  const error = Object.assign(new TypeError("no such thing", { cause: new RangeError("too far") }), { code: "E_THING" });
  expect(safeError(error)).toMatchObject({
    name: "TypeError",
    message: "no such thing",
    code: "E_THING",
    cause: { name: "RangeError", message: "too far" },
  });
  expect(safeError(error).stack).toMatch(/^ {4}at /);
});

test("drops the command of a Redis error and the text that JSON.parse quotes", () => {
  const reply = Object.assign(new Error("OOM command not allowed"), {
    name: "ReplyError",
    command: { name: "set", args: ["key", "hunter2"] },
  });
  expect(JSON.stringify(safeError(reply))).not.toContain("hunter2");
  let syntax: unknown;
  try {
    JSON.parse("hunter2 is not JSON");
  } catch (error) {
    syntax = error;
  }
  expect(JSON.stringify(safeError(new Error("outer", { cause: syntax })))).not.toContain("hunter2");
});

test("accepts any thrown value, and circular causes", () => {
  const circle = new Error("a");
  circle.cause = circle;
  expect(() => JSON.stringify(safeError(circle))).not.toThrow();
  for (const thrown of [null, undefined, "hunter2", { secret: "hunter2" }])
    expect(JSON.stringify(safeError(thrown))).not.toContain("hunter2");
});
