import { expect, test } from "vitest";
import { causes } from "../../../src/domain/status.ts";
import { endingText } from "../../../src/mcp/ending.ts";

const ended = {
  status: "incomplete",
  cause: "timeout",
  evidence: {},
  outcome: "ran_partly",
  retry_safe: false,
  container_id: null,
} as const;

test("an end that the outputs explain gets no text", () => {
  expect(endingText({ ...ended, status: "completed", cause: null, outcome: "ran" })).toBeNull();
});

test.each(causes)("cause %s has its own sentence, without placeholders", (cause) => {
  const text = endingText({ ...ended, cause, evidence: { limit_value: 64, signal: "SIGSEGV", exit_code: 3 } });
  expect(text).toMatch(/^[A-Z].*\.$/);
  expect(text).not.toMatch(/undefined|null|NaN/);
});

test("reports that output is partial, that nothing ran, and whether the session continues", () => {
  expect(endingText(ended)).toContain("may be incomplete");
  const lost = { ...ended, status: "errored", cause: "worker_lost", outcome: "never_started", retry_safe: true } as const;
  expect(endingText(lost)).toMatch(/the code is not at fault\. The code did not start\. It is safe to run it again\.$/);
  const inSession = { ...ended, container_id: "cntr_x" };
  expect(endingText({ ...inSession, evidence: { session_alive: true } })).toContain("continues");
  expect(endingText({ ...inSession, evidence: { session_alive: false } })).toContain("variables are gone");
  for (const status of ["completed", "incomplete"] as const) {
    const restored = endingText({ ...inSession, status, evidence: { session_alive: true, restored: "before_cell" } });
    expect(restored).toMatch(/as they were before this code; threads and sockets are gone, files are as the code left them\./);
  }
});
