import { expect, test } from "vitest";
import { waitPreference } from "../../../../src/http/executions/prefer.ts";

test.each([
  [undefined, null],
  ["", null],
  ["return=minimal", null],
  ["respond-async", { ms: 0, applied: "respond-async" }],
  ["Respond-Async", { ms: 0, applied: "respond-async" }],
  ["respond-async; foo=bar, return=minimal", { ms: 0, applied: "respond-async" }],
  ["wait=5", { ms: 5000, applied: "wait=5" }],
  ["wait = 5", { ms: 5000, applied: "wait=5" }],
  ["respond-async, wait=10", { ms: 10_000, applied: "wait=10" }],
  ["wait=0", { ms: 0, applied: "wait=0" }],
  ["wait=999999", { ms: 60_000, applied: "wait=999999" }],
  ["wait=-1", null],
  ["wait=soon", null],
  ["wait=1.5", null],
])("Prefer: %s", (header, expected) => {
  expect(waitPreference(header, 60_000)).toEqual(expected);
});
