/** The closed unions that statuses, metric labels and stored records share. */

/** queued → in_progress ⇄ requires_action → one of the other five, which are final. Records never store `requires_action`. */
export const statuses = ["queued", "in_progress", "requires_action", "completed", "failed", "incomplete", "cancelled", "errored"] as const;
export type Status = (typeof statuses)[number];
export type FinalStatus = Exclude<Status, "queued" | "in_progress" | "requires_action">;

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

/** How much of the code ran, and so what a retry would repeat. */
export const outcomes = ["never_started", "ran", "ran_partly"] as const;
export type Outcome = (typeof outcomes)[number];

/** What creates sandboxes. The setting ENGINE and `usage.engine` of a result use these names. */
export const engines = ["docker", "oci"] as const;
export type EngineName = (typeof engines)[number];

/** What a worker's self-checks prove about its sandboxes, at its start and while it serves. */
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
  "neighbours",
] as const;
export type IsolationCheck = (typeof isolationChecks)[number];

export function isFinal(status: Status): status is FinalStatus {
  return status !== "queued" && status !== "in_progress" && status !== "requires_action";
}
