import { describe, expect, test } from "vitest";
import { type Bounds, classify, type DoneFacts } from "../../../../src/sandbox/run/classify.ts";

const bounds: Bounds = {
  runTimeoutMs: 30_000,
  toolWaitMs: 60_000,
  memoryMb: 512,
  outputStopBytes: 1000,
  processes: 64,
  folders: { "/tmp": { limit: "tmpFolderMbMax", megabytes: 64 } },
};
const facts = (changes: Partial<DoneFacts>): DoneFacts => ({
  end: "ok",
  exitCode: 0,
  signal: null,
  oomKills: 0,
  processesRefused: 0,
  memoryPeakBytes: 1,
  fullFolder: null,
  errno: null,
  ...changes,
});
const done = (changes: Partial<DoneFacts>) => {
  const { status, cause } = classify({ kind: "done", facts: facts(changes) }, bounds);
  return [status, cause];
};

describe("a run that the runner reported as done", () => {
  test.each<[string, Partial<DoneFacts>, [string, string | null]]>([
    ["code that completed", {}, ["completed", null]],
    ["an exception", { end: "exception", exitCode: 1 }, ["failed", "exception"]],
    ["an exit code", { end: "exit", exitCode: 3 }, ["failed", "exit"]],
    ["a signal", { end: "signal", signal: "SIGSEGV", exitCode: null }, ["failed", "signal"]],
    ["SIGKILL alone is no memory cause", { end: "signal", signal: "SIGKILL" }, ["failed", "signal"]],
    ["SIGKILL with a counted OOM kill is", { end: "signal", signal: "SIGKILL", oomKills: 1 }, ["incomplete", "memory"]],
    ["a child killed for memory, code completed", { oomKills: 1 }, ["incomplete", "memory"]],
    ["a child killed for memory, code raised", { end: "exception", exitCode: 1, oomKills: 1 }, ["incomplete", "memory"]],
    ["a full folder", { end: "exception", errno: 28 }, ["incomplete", "disk"]],
    ["a file over the size limit", { end: "signal", signal: "SIGXFSZ" }, ["incomplete", "disk"]],
    ["a full folder whose error was wrapped", { end: "exception", fullFolder: "/tmp" }, ["incomplete", "disk"]],
    ["a full folder that did not matter", { fullFolder: "/tmp" }, ["completed", null]],
    ["no more threads", { end: "exception", processesRefused: 2 }, ["incomplete", "processes"]],
    ["fork refused", { end: "exception", processesRefused: 1, errno: 11 }, ["incomplete", "processes"]],
    ["fork refused, but a missing file ended the code", { end: "exception", processesRefused: 1, errno: 2 }, ["failed", "exception"]],
    ["fork refused and survived", { processesRefused: 1 }, ["completed", null]],
    ["the time limit", { end: "timeout" }, ["incomplete", "timeout"]],
    ["the time limit after a child was killed for memory", { end: "timeout", oomKills: 1 }, ["incomplete", "timeout"]],
    ["too much output", { end: "output" }, ["incomplete", "output"]],
    ["an interrupt", { end: "interrupted" }, ["cancelled", "cancelled"]],
  ])("%s", (_, changes, expected) => {
    expect(done(changes)).toEqual(expected);
  });

  test.each([
    ["/tmp", { limit: "tmpFolderMbMax", limit_value: 64 }],
    ["/not/ours", {}],
    ["__proto__", {}],
    [null, {}],
  ])("names the limit of the folder that is full: %s", (fullFolder, limit) => {
    expect(classify({ kind: "done", facts: facts({ end: "exception", errno: 28, fullFolder }) }, bounds).evidence).toEqual({
      exit_code: 0,
      ...limit,
    });
  });

  test("has the kernel's evidence and the limit that was reached", () => {
    expect(
      classify(
        { kind: "done", facts: facts({ end: "signal", signal: "SIGKILL", exitCode: null, oomKills: 2, memoryPeakBytes: 7 }) },
        bounds,
      ),
    ).toEqual({
      status: "incomplete",
      cause: "memory",
      outcome: "ran_partly",
      evidence: { signal: "SIGKILL", oom_kills: 2, memory_peak_bytes: 7, limit: "memory_bytes", limit_value: 512 * 1024 * 1024 },
    });
  });
});

describe("a run without a report of the runner", () => {
  test.each([
    [
      "the engine reported an OOM kill",
      { kind: "sandbox_ended", end: { exitCode: 137, oomKilled: true } },
      "incomplete",
      "memory",
      "ran_partly",
    ],
    [
      "exit code 137 alone is no memory cause",
      { kind: "sandbox_ended", end: { exitCode: 137, oomKilled: false } },
      "errored",
      "sandbox_lost",
      "ran_partly",
    ],
    ["malformed frames", { kind: "malformed" }, "errored", "sandbox_lost", "ran_partly"],
    ["the worker's own deadline", { kind: "deadline" }, "incomplete", "timeout", "ran_partly"],
    ["the worker's own count of output", { kind: "output" }, "incomplete", "output", "ran_partly"],
    ["a cancellation", { kind: "stopped", reason: "cancelled" }, "cancelled", "cancelled", "ran_partly"],
    ["a lost lock", { kind: "stopped", reason: "lock_lost" }, "errored", "worker_lost", "ran_partly"],
    ["no sandbox available", { kind: "no_sandbox" }, "errored", "sandbox_lost", "never_started"],
    ["an input file that is gone", { kind: "input_lost" }, "errored", null, "never_started"],
  ] as const)("%s", (_, first, status, cause, outcome) => {
    expect(classify(first, bounds)).toMatchObject({ status, cause, outcome });
  });
});
