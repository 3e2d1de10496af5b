import type { Log } from "./log.ts";

/** What is done with an administrator's rights; the list is closed. */
export type AuditAction = "key.created" | "key.revoked" | "queues.opened" | "queues.changed";

/** One act, in the one shape that all have. Ids and names of ours only. */
export interface AuditEvent {
  action: AuditAction;
  outcome: "done" | "refused";
  /** A key of the service, or an account of the machine at its command line. */
  actor: { key: string; organization: string } | { uid: number | null };
  /** Id of the key, or what of the queues; null when the action says it all. */
  target: string | null;
}

/** Writes one line with `audit: true`, whatever the level of other lines is. */
export function audit(log: Log, event: AuditEvent): void {
  log.child({ audit: true }, { level: "info" }).info(auditFields(event), "audit");
}

/** The same line for a process without a log: the command line keeps its own file. */
export function auditLine(event: AuditEvent, at: Date): string {
  return `${JSON.stringify({ level: "info", time: at.toISOString(), process: "cli", audit: true, ...auditFields(event), msg: "audit" })}\n`;
}

function auditFields({ action, outcome, actor, target }: AuditEvent) {
  return { action, outcome, actor, target };
}
