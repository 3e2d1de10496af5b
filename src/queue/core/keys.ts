import { createHash } from "node:crypto";

/**
 * Names of the Redis keys. All share one hash tag, so that scripts work on Redis Cluster. Names contain the
 * organization, so that another organization finds nothing. Lua builds the same names from `base`.
 */
export const queueNames = { executions: "executions", webhooks: "webhooks" } as const;

export interface Keys {
  /** `{ci}`: first part of every key, and BullMQ's prefix. */
  readonly base: string;
  record(organization: string, id: string): string;
  list(organization: string): string;
  /** A list of the parts of outputs that are stored apart from the record. */
  outputs(organization: string, id: string): string;
  events(organization: string, id: string): string;
  /** Pub/sub channel of one execution. An empty message means that its state changed. */
  wake(organization: string, id: string): string;
  /** Pub/sub channel for all ends. The message is the `memberOf` of the execution or session. */
  readonly ended: string;
  /** Pub/sub channel for cancels, to which all workers subscribe. */
  readonly control: string;
  /** Pub/sub channel for answers of tools, to which all workers subscribe. The message is the execution's id. */
  readonly answers: string;
  /** Pub/sub channel for calls to MCP servers of the operator, to which all api processes subscribe. */
  readonly serverCalls: string;
  /** Executions that a worker runs without a job, as organization/id, see worker/detached-runs.ts. */
  detachedOf(workerId: string): string;
  /** Call id → a call that waits for its answer, as JSON. */
  calls(organization: string, id: string): string;
  readonly waiting: string;
  readonly fair: string;
  readonly webhooksDue: string;
  /** Usage of an organization on one UTC day, given as days since 1970. */
  usage(organization: string, day: number): string;
  /** Organizations by one measure of their usage on one UTC day. */
  usageTop(by: "executions" | "cpu_ms" | "bytes" | "refused", day: number): string;
  /** Id of an API key → when it was used last. */
  readonly keyUse: string;
  session(organization: string, id: string): string;
  /** File name → index entry. */
  sessionFiles(organization: string, id: string): string;
  sessionList(organization: string): string;
  /** The sessions of a worker, as organization/id. */
  sessionsOf(workerId: string): string;
  /** Workers that have sessions or recently had some. */
  readonly sessionWorkers: string;
}

/** Expiry of a heartbeat. A worker renews it every few seconds. */
export const HEARTBEAT_ALIVE_MS = 60_000;
/** A worker silent for this long has lost its sessions. Longer than a usual pause of Redis or of the process. */
export const HEARTBEAT_SILENT_MS = 20_000;

/** The queue of a worker that owns sessions. It carries their cells and file changes. */
export function sessionQueueName(workerId: string): string {
  return `sessions-${workerId}`;
}

export function makeKeys(prefix: string): Keys {
  const base = `{${prefix}}`;
  return {
    base,
    record: (organization, id) => `${base}:record:${organization}:${id}`,
    list: (organization) => `${base}:list:${organization}`,
    outputs: (organization, id) => `${base}:outputs:${organization}:${id}`,
    events: (organization, id) => `${base}:stream:${organization}:${id}`,
    wake: (organization, id) => `${base}:wake:${organization}:${id}`,
    ended: `${base}:ended`,
    control: `${base}:control`,
    answers: `${base}:answers`,
    serverCalls: `${base}:server-calls`,
    detachedOf: (workerId) => `${base}:detached-of:${workerId}`,
    calls: (organization, id) => `${base}:calls:${organization}:${id}`,
    waiting: `${base}:waiting`,
    fair: `${base}:fair`,
    webhooksDue: `${base}:webhooks-due`,
    usage: (organization, day) => `${base}:usage:${organization}:${day}`,
    usageTop: (by, day) => `${base}:usage-top:${by}:${day}`,
    keyUse: `${base}:key-use`,
    session: (organization, id) => `${base}:session:${organization}:${id}`,
    sessionFiles: (organization, id) => `${base}:session-files:${organization}:${id}`,
    sessionList: (organization) => `${base}:session-list:${organization}`,
    sessionsOf: (workerId) => `${base}:sessions-of:${workerId}`,
    sessionWorkers: `${base}:session-workers`,
  };
}

/**
 * Name of an execution or session in sets that span organizations. An id has no slash, an organization may have one.
 */
export function memberOf(organization: string, id: string): string {
  return `${organization}/${id}`;
}

export function parseMember(member: string): { organization: string; id: string } {
  const at = member.lastIndexOf("/");
  return { organization: member.slice(0, at), id: member.slice(at + 1) };
}

/** Callers choose idempotency keys freely. Hashes are short and have a fixed form. */
export function hashIdempotencyKey(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}
