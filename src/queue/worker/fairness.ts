import type { Queue } from "bullmq";
import type { RedisClient } from "../../redis/address.ts";
import type { Keys } from "../core/keys.ts";
import { rebaseScript } from "../executions/scripts.ts";
import { OPEN_JOB } from "../sessions/jobs.ts";
import type { JobData } from "./run-job.ts";

/** BullMQ takes priorities up to 2^21; half of it leaves room for what is added while the base moves. */
export const REBASE_AT = 2 ** 20;
/** A slow api process may add a job under the old base this long after it moved; until then jobs are looked at again. */
const SETTLE_MS = 10_000;

/**
 * Moves the base that priorities are measured from, long before they reach BullMQ's highest, and gives waiting
 * jobs their place under the new one. Tags themselves never change, so a repeat or a crash half way does no harm.
 */
export async function rebaseWhenDue(redis: RedisClient, keys: Keys, queue: Queue, rebaseAt = REBASE_AT): Promise<void> {
  const reply = (await rebaseScript.run(redis, keys.base, [rebaseAt, SETTLE_MS])) as unknown[] | null;
  if (reply === null) return;
  const base = Number(reply[0]);
  for (const job of await queue.getPrioritized()) {
    const { id, organization } = job.data as JobData;
    const place = job.name === OPEN_JOB ? keys.session(organization, id) : keys.record(organization, id);
    const tag = await redis.hget(place, "tag");
    if (tag === null) continue;
    const priority = Math.max(1, Number(tag) - base);
    if (priority === job.priority) continue;
    // A job that a worker takes in this moment needs no place any more.
    await job.changePriority({ priority }).catch(() => undefined);
  }
}
