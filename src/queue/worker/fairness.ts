import type { Queue } from "bullmq";
import type { RedisClient } from "../../redis/address.ts";
import type { Keys } from "../core/keys.ts";
import { rebaseScript } from "../executions/scripts.ts";
import { OPEN_JOB } from "../sessions/jobs.ts";
import type { JobData } from "./run-job.ts";

/** BullMQ accepts priorities up to 2^21. Half of that leaves room for jobs that are added while the base moves. */
export const REBASE_AT = 2 ** 20;
/** A slow api process may still add jobs under the old base. Priorities are corrected again for this long. */
const SETTLE_MS = 10_000;

/**
 * Moves the base of priorities well before they reach BullMQ's maximum, and adjusts the priorities of waiting jobs.
 * Tags never change, so the operation is idempotent and may be interrupted.
 */
export async function rebaseWhenDue(redis: RedisClient, keys: Keys, queue: Queue, rebaseAt = REBASE_AT): Promise<void> {
  const base = await rebaseScript.run(redis, keys.base, { distance: rebaseAt, settleMs: SETTLE_MS });
  if (base === null) return;
  for (const job of await queue.getPrioritized()) {
    const { id, organization } = job.data as JobData;
    const place = job.name === OPEN_JOB ? keys.session(organization, id) : keys.record(organization, id);
    const tag = await redis.hget(place, "tag");
    if (tag === null) continue;
    const priority = Math.max(1, Number(tag) - base);
    if (priority === job.priority) continue;
    // Fails for a job that a worker has just taken, which needs no priority any more.
    await job.changePriority({ priority }).catch(() => undefined);
  }
}
