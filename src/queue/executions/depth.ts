import type { Queue } from "bullmq";
import type { Metrics } from "../../observe/metrics.ts";
import type { RedisClient } from "../../redis/address.ts";
import { collectRedis, collectWith, replyNow } from "../../redis/probe.ts";
import { oldestWaitingScript } from "./scripts.ts";

export interface Depth {
  waiting: number;
  active: number;
}

/**
 * All jobs have a priority, so waiting jobs are in BullMQ's prioritized set. They are briefly in its wait list, or
 * delayed, see requeue.ts.
 */
export async function countJobs(queue: Queue): Promise<Depth> {
  const counts = await queue.getJobCounts("wait", "prioritized", "delayed", "active");
  return { waiting: (counts.wait ?? 0) + (counts.prioritized ?? 0) + (counts.delayed ?? 0), active: counts.active ?? 0 };
}

/** Age of the oldest execution that waits for a worker, milliseconds; 0 when none waits. */
async function oldestWaitingMs(redis: RedisClient, base: string): Promise<number> {
  return oldestWaitingScript.run(redis, base, {});
}

/** Cells that wait for their session. They count as waiting but are not in the shared queue. */
async function countWaitingCells(redis: RedisClient, base: string): Promise<number> {
  const [all, forWorkers] = await Promise.all([redis.zcard(`${base}:waiting`), redis.zcard(`${base}:waiting-since`)]);
  return Math.max(0, all - forWorkers);
}

/** Makes the gauges read Redis at each scrape. */
export function collectDepth(metrics: Metrics, source: { queue: Queue; redis: RedisClient; base: string }): void {
  const { queue, redis, base } = source;
  const { queueDepth, queueOldestWaiting } = metrics;
  collectRedis(metrics, { redis, base });
  collectWith(queueDepth, async () => {
    queueDepth.reset();
    const [{ waiting, active }, cells] = await replyNow(redis, () => Promise.all([countJobs(queue), countWaitingCells(redis, base)]));
    queueDepth.set({ state: "waiting" }, waiting);
    queueDepth.set({ state: "waiting_for_session" }, cells);
    queueDepth.set({ state: "active" }, active);
  });
  collectWith(queueOldestWaiting, async () => {
    queueOldestWaiting.remove();
    queueOldestWaiting.set((await replyNow(redis, () => oldestWaitingMs(redis, base))) / 1000);
  });
}
