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
  /** Pub/sub channel that tells waiters to look again; carries nothing. */
  wake(organization: string, id: string): string;
  /** Pub/sub channel all workers listen on. */
  readonly control: string;
  readonly waiting: string;
  readonly fair: string;
  readonly webhooksDue: string;
}

export function makeKeys(prefix: string): Keys {
  const base = `{${prefix}}`;
  return {
    base,
    record: (organization, id) => `${base}:record:${organization}:${id}`,
    list: (organization) => `${base}:list:${organization}`,
    events: (organization, id) => `${base}:stream:${organization}:${id}`,
    wake: (organization, id) => `${base}:wake:${organization}:${id}`,
    control: `${base}:control`,
    waiting: `${base}:waiting`,
    fair: `${base}:fair`,
    webhooksDue: `${base}:webhooks-due`,
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
