import type { RedisClient } from "../../redis/address.ts";
import type { Keys } from "../core/keys.ts";
import { parseMember } from "../core/keys.ts";
import { confirmScript, unqueuedScript } from "./unqueued-scripts.ts";

/**
 * Redis or the api process may fail after a record is written and before its job is added. An execution is marked as
 * unqueued until its job is in a queue. The functions here settle old marks, so that an execution without a job holds
 * its place in the queue for seconds, not until its deadline.
 */
export interface UnqueuedContext {
  redis: RedisClient;
  keys: Keys;
  /**
   * Adds the job of an execution with an idempotency key, whose caller may repeat the request. An existing job is kept.
   */
  addJob(organization: string, id: string, priority: number, cell: { worker: string; session: string } | null): Promise<void>;
}

/** Longer than a caller waits while Redis does not reply. */
const UNQUEUED_MS = 5_000;

/** Clears the mark: the job is in its queue. False when this came too late and the execution was withdrawn. */
export async function confirmQueued(redis: RedisClient, keys: Keys, organization: string, id: string): Promise<boolean> {
  return confirmScript.run(redis, keys.base, { organization, id });
}

/**
 * Deletes executions that never entered a queue. Their callers received an error, or no id. An execution with an
 * idempotency key is queued instead, because the next request with that key returns it.
 */
export async function settleUnqueued(context: UnqueuedContext): Promise<void> {
  const { redis, keys } = context;
  for (const { member, priority, cell } of await unqueuedScript.run(redis, keys.base, { markedMs: UNQUEUED_MS })) {
    const { organization, id } = parseMember(member);
    await context.addJob(organization, id, priority, cell);
    await confirmQueued(redis, keys, organization, id);
  }
}
