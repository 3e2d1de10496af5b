import { constants } from "node:os";
import type { Execution } from "../domain/result.ts";
import { EXIT_SERVICE } from "./settings.ts";

/** Same as `timeout` of coreutils. */
const EXIT_TIMEOUT = 124;
/** Too many processes, a full folder, too much output. */
const EXIT_OTHER_LIMIT = 123;
/** Same as a shell after Ctrl-C. */
export const EXIT_CANCELLED = 130;
/** Same as a shell after SIGPIPE. */
export const EXIT_READER_GONE = 141;
/** Same as a shell after SIGKILL, which the kernel sends to a process that is out of memory. */
const EXIT_MEMORY = 137;

export const exitCodesHelp = `Exit codes:
  the program's own; 1 for an uncaught exception; 128 + n for signal n
  ${EXIT_TIMEOUT} time limit, ${EXIT_MEMORY} out of memory, ${EXIT_OTHER_LIMIT} another limit (processes, disk, output)
  ${EXIT_CANCELLED} cancelled, ${EXIT_READER_GONE} the reader of standard output has gone, ${EXIT_SERVICE} the service failed or cannot be reached, 2 wrong usage`;

/** Exit code of the command line for the end of an execution. */
export function exitCodeOf({ status, cause, evidence }: Pick<Execution, "status" | "cause" | "evidence">): number {
  if (status === "completed") return 0;
  switch (cause) {
    case "timeout":
      return EXIT_TIMEOUT;
    case "memory":
      return EXIT_MEMORY;
    case "processes":
    case "disk":
    case "output":
      return EXIT_OTHER_LIMIT;
    case "cancelled":
      return EXIT_CANCELLED;
    case "signal":
      return 128 + signalNumber(evidence.signal);
    case "exception":
    case "exit":
      return (evidence.exit_code ?? 1) & 0xff || 1;
    default:
      return EXIT_SERVICE;
  }
}

function signalNumber(name: string | undefined): number {
  const numbers: Record<string, number | undefined> = constants.signals;
  return (name === undefined ? undefined : numbers[name]) ?? constants.signals.SIGKILL;
}

/** A sentence about the end of an execution; null when its outputs already show it. */
export function endingSentence({ status, cause, evidence }: Pick<Execution, "status" | "cause" | "evidence">): string | null {
  if (cause === "exception") return evidence.suggestion ?? null;
  if (status === "completed" || cause === "exit") return null;
  const limit =
    evidence.limit === undefined ? "" : ` (${evidence.limit}${evidence.limit_value === undefined ? "" : ` is ${evidence.limit_value}`})`;
  switch (cause) {
    case "timeout":
      return `Stopped at its time limit${limit}.`;
    case "memory":
      return `Killed: out of memory${limit}.`;
    case "processes":
      return `Stopped: too many processes or threads${limit}.`;
    case "disk":
      return `Stopped: the working folder is full${limit}.`;
    case "output":
      return `Stopped: too much output${limit}.`;
    case "signal":
      return `Ended by ${evidence.signal ?? "a signal"}.`;
    case "cancelled":
      return "Cancelled.";
    default:
      return "The service failed to run it to its end; a retry may help.";
  }
}
