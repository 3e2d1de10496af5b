import type { Execution } from "../domain/result.ts";

type Ended = Pick<Execution, "status" | "cause" | "evidence" | "outcome" | "retry_safe" | "container_id">;

/** What a model must know about the end and cannot see in the outputs; null for code that completed. */
export function endingText(ended: Ended): string | null {
  const sentences = [sentenceOf(ended), partialOf(ended), sessionOf(ended)].filter((sentence) => sentence !== null);
  return sentences.length === 0 ? null : sentences.join(" ");
}

function sentenceOf({ status, cause, evidence }: Ended): string | null {
  if (status === "completed") return null;
  const value = evidence.limit_value;
  switch (cause) {
    case "exception":
      return evidence.suggestion === undefined ? "The code raised an exception." : `${evidence.suggestion}.`.replace(/\.+$/, ".");
    case "exit":
      return `The code ended the process with exit code ${evidence.exit_code ?? "unknown"}.`;
    case "signal":
      return `The process was ended by ${evidence.signal ?? "a signal"}.`;
    case "timeout":
      return `Stopped: the time limit${value === undefined ? "" : ` of ${value / 1000} s`} was reached.`;
    case "memory":
      return "Killed: out of memory.";
    case "processes":
      return `Stopped: too many processes or threads${value === undefined ? "" : ` (at most ${value})`}.`;
    case "disk":
      return "Stopped: the working folder is full.";
    case "output":
      return `Stopped: too much output${value === undefined ? "" : ` (at most ${value} bytes)`}.`;
    case "cancelled":
      return "Cancelled.";
    default:
      return "The service failed to run the code to its end; the code is not at fault.";
  }
}

function partialOf({ status, outcome, retry_safe }: Ended): string | null {
  if (status === "completed" || status === "failed") return null;
  const ran = outcome === "never_started" ? "The code did not start." : "Its output until then is above and may be incomplete.";
  return status === "errored" && retry_safe ? `${ran} It is safe to run it again.` : ran;
}

function sessionOf({ status, container_id, evidence }: Ended): string | null {
  if (container_id === null || evidence.session_alive === undefined) return null;
  if (evidence.restored !== undefined) {
    return "The code ended the session's process. Variables are as they were before this code; threads and sockets are gone, files are as the code left them.";
  }
  if (evidence.session_alive) return status === "completed" ? null : "The session continues with its variables.";
  return `The session ${container_id} has ended with it: its variables are gone.`;
}
