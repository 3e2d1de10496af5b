import { createHash } from "node:crypto";

/**
 * Names of our Redis keys. All share one hash tag, so that scripts work on Redis Cluster; the organization is
 * part of the name, so that a foreign organization finds nothing. Lua builds the same names from `base`.
 */
export const queueNames = { executions: "executions", webhooks: "webhooks" } as const;

export interface Keys {
  /** `{ci}`: first part of every key, and BullMQ's prefix. */
  readonly base: string;
  record(organization: string, id: string): string;
  list(organization: string): string;
  events(organization: string, id: string): string;
  /** Pub/sub channel on which one execution tells its readers to look again; carries nothing. */
  wake(organization: string, id: string): string;
  /** Pub/sub channel that tells every end; carries the name of what has ended. */
  readonly ended: string;
  /** Pub/sub channel all workers listen on. */
  readonly control: string;
  readonly waiting: string;
  readonly fair: string;
  readonly webhooksDue: string;
  /** What an organization used on one UTC day, by the day's number since 1970. */
  usage(organization: string, day: number): string;
  session(organization: string, id: string): string;
  /** File name → index entry. */
  sessionFiles(organization: string, id: string): string;
  sessionList(organization: string): string;
  /** Members organization/id of a worker's sessions. */
  sessionsOf(workerId: string): string;
  /** Workers that have, or had until lately, sessions. */
  readonly sessionWorkers: string;
}

/** A worker says that it lives so often that silence for a third of this means something. */
export const HEARTBEAT_ALIVE_MS = 60_000;
/** Without a word for this long a worker's sessions count as lost; long against a pause of Redis or of the process. */
export const HEARTBEAT_SILENT_MS = 20_000;

/** Queue of the one worker that has the session; its cells and file changes go there. */
export function sessionQueueName(workerId: string): string {
  return `sessions-${workerId}`;
}

export function makeKeys(prefix: string): Keys {
  const base = `{${prefix}}`;
  return {
    base,
    record: (organization, id) => `${base}:record:${organization}:${id}`,
    list: (organization) => `${base}:list:${organization}`,
    events: (organization, id) => `${base}:stream:${organization}:${id}`,
    wake: (organization, id) => `${base}:wake:${organization}:${id}`,
    ended: `${base}:ended`,
    control: `${base}:control`,
    waiting: `${base}:waiting`,
    fair: `${base}:fair`,
    webhooksDue: `${base}:webhooks-due`,
    usage: (organization, day) => `${base}:usage:${organization}:${day}`,
    session: (organization, id) => `${base}:session:${organization}:${id}`,
    sessionFiles: (organization, id) => `${base}:session-files:${organization}:${id}`,
    sessionList: (organization) => `${base}:session-list:${organization}`,
    sessionsOf: (workerId) => `${base}:sessions-of:${workerId}`,
    sessionWorkers: `${base}:session-workers`,
  };
}

/** Name of an execution inside sets that span organizations. An id has no slash, an organization may. */
export function memberOf(organization: string, id: string): string {
  return `${organization}/${id}`;
}

export function parseMember(member: string): { organization: string; id: string } {
  const at = member.lastIndexOf("/");
  return { organization: member.slice(0, at), id: member.slice(at + 1) };
}

/** Callers choose idempotency keys freely; hashed they are short and of known form. */
export function hashIdempotencyKey(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}
