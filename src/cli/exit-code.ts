import { constants } from "node:os";
import type { Execution } from "../domain/result.ts";
import { EXIT_SERVICE } from "./settings.ts";

/** As `timeout` of coreutils. */
const EXIT_TIMEOUT = 124;
/** Too many processes, a full folder, too much output. */
const EXIT_OTHER_LIMIT = 123;
/** As a shell after Ctrl-C. */
const EXIT_CANCELLED = 130;
/** As a shell after SIGKILL, which is how the kernel ends what has no memory left. */
const EXIT_MEMORY = 137;

export const exitCodesHelp = `Exit codes:
  the program's own; 1 for an uncaught exception; 128 + n for signal n
  ${EXIT_TIMEOUT} time limit, ${EXIT_MEMORY} out of memory, ${EXIT_OTHER_LIMIT} another limit (processes, disk, output)
  ${EXIT_CANCELLED} cancelled, ${EXIT_SERVICE} the service failed or can not be reached, 2 wrong usage`;

/** The exit code that tells a shell how an execution ended. */
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

/** One sentence on an ending that the outputs do not explain by themselves; null for those that do. */
export function endingSentence({ status, cause, evidence }: Pick<Execution, "status" | "cause" | "evidence">): string | null {
  if (status === "completed" || cause === "exception" || cause === "exit") return null;
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
      return "The service failed to run it to its end; posting it again may help.";
  }
}
