import { expect, test } from "vitest";
import { isOriginAllowed } from "../../../src/mcp/origin.ts";

test.each([
  [undefined, undefined, true],
  ["http://localhost:5173", undefined, true],
  ["http://127.0.0.1:8080", undefined, true],
  ["https://ci.example", "https://ci.example/base", true],
  ["https://ci.example", undefined, false],
  ["https://localhost.evil.example", undefined, false],
  ["null", undefined, false],
  ["nonsense", "https://ci.example", false],
])("origin %s with the public address %s: %s", (origin, publicUrl, allowed) => {
  expect(isOriginAllowed(origin, publicUrl)).toBe(allowed);
});
