/** The closed unions that statuses, metric labels and stored records share. */

/** queued → in_progress → exactly one of the last five, which are final. */
export const statuses = ["queued", "in_progress", "completed", "failed", "incomplete", "cancelled", "errored"] as const;
export type Status = (typeof statuses)[number];
export type FinalStatus = Exclude<Status, "queued" | "in_progress">;

export const causes = [
  "exception",
  "exit",
  "signal",
  "timeout",
  "memory",
  "processes",
  "disk",
  "output",
  "cancelled",
  "sandbox_lost",
  "worker_lost",
] as const;
export type Cause = (typeof causes)[number];

/** How much of the code ran: tells a caller what a repeat would repeat. */
export const outcomes = ["never_started", "ran", "ran_partly"] as const;
export type Outcome = (typeof outcomes)[number];

/** What makes sandboxes; the setting ENGINE and a result's `usage.engine` name the same. */
export const engines = ["docker", "oci"] as const;
export type EngineName = (typeof engines)[number];

/** What a worker proves of its sandboxes at its start, and again now and then. */
export const isolationChecks = [
  "network",
  "privileges",
  "syscalls",
  "filesystem",
  "supervisor",
  "leftovers",
  "memory",
  "processes",
  "disk",
] as const;
export type IsolationCheck = (typeof isolationChecks)[number];

export function isFinal(status: Status): status is FinalStatus {
  return status !== "queued" && status !== "in_progress";
}
