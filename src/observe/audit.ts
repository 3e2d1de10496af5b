import type { Log } from "./log.ts";

/** Administrative actions; a closed union. */
export type AuditAction = "key.created" | "key.rotated" | "key.expired" | "key.revoked" | "queues.opened" | "queues.changed";

/** One administrative action. Contains only ids and names of the service. */
export interface AuditEvent {
  action: AuditAction;
  outcome: "done" | "refused";
  /** An API key, or the machine account that uses the command line. */
  actor: { key: string; organization: string } | { uid: number | null };
  /** Id of the key, or the changed part of the queues; null when the action has no target. */
  target: string | null;
}

/** Writes one line with `audit: true`, regardless of the log level. */
export function audit(log: Log, event: AuditEvent): void {
  log.child({ audit: true }, { level: "info" }).info(auditFields(event), "audit");
}

/** The same line for the command line, which has no log and writes its own file. */
export function auditLine(event: AuditEvent, at: Date): string {
  return `${JSON.stringify({ level: "info", time: at.toISOString(), process: "cli", audit: true, ...auditFields(event), msg: "audit" })}\n`;
}

function auditFields({ action, outcome, actor, target }: AuditEvent) {
  return { action, outcome, actor, target };
}
