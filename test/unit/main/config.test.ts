import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { limitDefaults, makeLimits, operatorLimits } from "../../../src/domain/limits.ts";
import { limitVariable, readConfig } from "../../../src/main/config.ts";

const documented = readFileSync(new URL("../../../OPERATING.md", import.meta.url), "utf8");

test("OPERATING.md lists exactly the limits that can be set", () => {
  const named = new Set(documented.match(/LIMIT_[A-Z_]+[A-Z]/g));
  expect([...named].sort()).toEqual(operatorLimits.map(limitVariable).sort());
});

test.each(operatorLimits)("%s can be set with its variable", (name) => {
  const value = limitDefaults[name];
  expect(readConfig({ [limitVariable(name)]: String(value) }).limits[name]).toBe(value);
});

test.each(["LIMIT_RUN_KILL_GRACE_MS", "LIMIT_NO_SUCH", "LIMIT_"])("%s is rejected at start by name", (variable) => {
  expect(() => readConfig({ [variable]: "1" })).toThrow(`${variable}: no such limit can be set`);
});

test("the error names each invalid variable, its rule and its value", () => {
  const bad = { PORT: "x", LIMIT_MEMORY_MB_MAX: "-1", POOL_SIZE_MIN: "99" };
  expect(() => readConfig(bad)).toThrow(
    /PORT: .*"x"[\s\S]*POOL_SIZE_MIN: .*"99"[\s\S]*LIMIT_MEMORY_MB_MAX: must be a positive whole number \(is "-1"\)/,
  );
});

test.each([
  [{ codeBytesMax: 17 << 20, requestBodyBytesMax: 32 << 20 }, "the runner accepts no longer frame"],
  [{ argBytesMax: 64 << 10 }, "the runner accepts no longer head"],
  [{ memoryMbMax: 100 }, "tmpfs counts as memory"],
])("contradictory limits are rejected: %j", (limits, claim) => {
  expect(() => makeLimits(limits)).toThrow(claim);
});
