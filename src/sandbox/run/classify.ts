import type { LimitName } from "../../domain/limits.ts";
import type { Evidence } from "../../domain/result.ts";
import type { Cause, FinalStatus, Outcome } from "../../domain/status.ts";
import type { SandboxEnd } from "../sandbox.ts";
import type { RunEnd } from "../wire/frames.ts";

/** The runner's validated report on how a run ended. The numbers are its own measurements. */
export interface DoneFacts {
  end: RunEnd;
  exitCode: number | null;
  signal: string | null;
  oomKills: number;
  processesRefused: number;
  memoryPeakBytes: number;
  /** A folder that had no free blocks or inodes at the end. */
  fullFolder: string | null;
  /** errno of the exception that ended the code, when it was an OSError. */
  errno: number | null;
}

/** What ended a run: the first of these events to happen. Later ones are consequences and are ignored. */
export type FirstCause =
  | { kind: "done"; facts: DoneFacts }
  | { kind: "sandbox_ended"; end: SandboxEnd }
  | { kind: "deadline" }
  /** The runner, or the engine that carries its bytes, gave no sign of life. The code is not to blame. */
  | { kind: "silent" }
  | { kind: "output" }
  | { kind: "malformed" }
  | { kind: "stopped"; reason: "cancelled" | "lock_lost" | "shutdown" }
  | { kind: "no_sandbox" }
  | { kind: "input_lost" };

export interface Bounds {
  runTimeoutMs: number;
  toolWaitMs: number;
  memoryMb: number;
  outputStopBytes: number;
  processes: number;
  /** MiB that each folder may hold, with the name of its limit. */
  folders: Readonly<Record<string, { limit: LimitName; megabytes: number }>>;
}

export interface Verdict {
  status: FinalStatus;
  cause: Cause | null;
  outcome: Outcome;
  evidence: Evidence;
}

const ENOSPC = 28;
const EFBIG = 27;
const EAGAIN = 11;
const MIB = 1024 * 1024;

/** Decides the status and cause of a run. The first cause wins; in a `done` report, kernel counters precede the code's own end. Pure. */
export function classify(first: FirstCause, bounds: Bounds): Verdict {
  switch (first.kind) {
    case "done":
      return classifyDone(first.facts, bounds);
    case "sandbox_ended":
      return first.end.oomKilled
        ? verdict("incomplete", "memory", "ran_partly", { ...exitCode(first.end.exitCode), ...memoryLimit(bounds) })
        : verdict("errored", "sandbox_lost", "ran_partly", exitCode(first.end.exitCode));
    case "deadline":
      return verdict("incomplete", "timeout", "ran_partly", timeLimit(bounds));
    case "output":
      return verdict("incomplete", "output", "ran_partly", outputLimit(bounds));
    case "malformed":
    case "silent":
      return verdict("errored", "sandbox_lost", "ran_partly", {});
    case "stopped":
      return first.reason === "cancelled"
        ? verdict("cancelled", "cancelled", "ran_partly", {})
        : verdict("errored", "worker_lost", "ran_partly", {});
    case "no_sandbox":
      return verdict("errored", "sandbox_lost", "never_started", {});
    case "input_lost":
      // The file existed when the execution was accepted, so the store failed. No cause names that.
      return verdict("errored", null, "never_started", {});
  }
}

function classifyDone(facts: DoneFacts, bounds: Bounds): Verdict {
  const kernel = kernelEvidence(facts);
  switch (facts.end) {
    case "timeout":
      return verdict("incomplete", "timeout", "ran_partly", { ...kernel, ...timeLimit(bounds) });
    case "tool_wait":
      return verdict("incomplete", "timeout", "ran_partly", { ...kernel, limit: "toolWaitMsMax", limit_value: bounds.toolWaitMs });
    case "output":
      return verdict("incomplete", "output", "ran_partly", { ...kernel, ...outputLimit(bounds) });
    case "interrupted":
      return verdict("cancelled", "cancelled", "ran_partly", kernel);
    case "ok":
      // The code may not notice that its child process was killed for memory, but the caller should know.
      return facts.oomKills > 0
        ? verdict("incomplete", "memory", "ran_partly", { ...kernel, ...memoryLimit(bounds) })
        : verdict("completed", null, "ran", {});
    case "exception":
    case "exit":
    case "signal":
      return classifyFailure(facts, facts.end, kernel, bounds);
  }
}

function classifyFailure(facts: DoneFacts, end: "exception" | "exit" | "signal", kernel: Evidence, bounds: Bounds): Verdict {
  if (facts.oomKills > 0) return verdict("incomplete", "memory", "ran_partly", { ...kernel, ...memoryLimit(bounds) });
  const noSpace =
    facts.errno === ENOSPC || facts.errno === EFBIG || facts.signal === "SIGXFSZ" || (facts.fullFolder !== null && end !== "signal");
  if (noSpace) {
    return verdict("incomplete", "disk", "ran_partly", { ...kernel, ...folderLimit(facts.fullFolder, bounds) });
  }
  if (facts.processesRefused > 0 && (end !== "exception" || facts.errno === EAGAIN || facts.errno === null)) {
    return verdict("incomplete", "processes", "ran_partly", { ...kernel, limit: "processesMax", limit_value: bounds.processes });
  }
  return verdict("failed", end, "ran", kernel);
}

function kernelEvidence(facts: DoneFacts): Evidence {
  return {
    ...exitCode(facts.exitCode),
    ...(facts.signal === null ? {} : { signal: facts.signal }),
    ...(facts.oomKills > 0 ? { oom_kills: facts.oomKills, memory_peak_bytes: facts.memoryPeakBytes } : {}),
    ...(facts.processesRefused > 0 ? { processes_refused: facts.processesRefused } : {}),
  };
}

function exitCode(code: number | null): Evidence {
  return code === null ? {} : { exit_code: code };
}

function timeLimit(bounds: Bounds): Evidence {
  return { limit: "timeout_ms", limit_value: bounds.runTimeoutMs };
}

function memoryLimit(bounds: Bounds): Evidence {
  return { limit: "memory_bytes", limit_value: bounds.memoryMb * MIB };
}

/** Empty when no folder is full any more: then only the error is known, not the folder. */
function folderLimit(folder: string | null, bounds: Bounds): Evidence {
  const bound = folder !== null && Object.hasOwn(bounds.folders, folder) ? bounds.folders[folder] : undefined;
  return bound === undefined ? {} : { limit: bound.limit, limit_value: bound.megabytes };
}

function outputLimit(bounds: Bounds): Evidence {
  return { limit: "outputStopBytesMax", limit_value: bounds.outputStopBytes };
}

function verdict(status: FinalStatus, cause: Cause | null, outcome: Outcome, evidence: Evidence): Verdict {
  return { status, cause, outcome, evidence };
}
