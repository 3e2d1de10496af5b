import type { Queue } from "bullmq";
import type { Metrics } from "../observe/metrics.ts";
import type { RedisClient } from "../redis-address.ts";
import { oldestWaitingScript } from "./scripts.ts";

export interface Depth {
  waiting: number;
  active: number;
}

/** Every job of ours has a priority, so the waiting ones are in BullMQ's prioritized set, and for a moment in its list. */
export async function countJobs(queue: Queue): Promise<Depth> {
  const counts = await queue.getJobCounts("wait", "prioritized", "active");
  return { waiting: (counts.wait ?? 0) + (counts.prioritized ?? 0), active: counts.active ?? 0 };
}

/** Age of what has waited longest for a worker, milliseconds; 0 when nothing waits. */
async function oldestWaitingMs(redis: RedisClient, base: string): Promise<number> {
  return Number(await oldestWaitingScript.run(redis, base, []));
}

/** Lets the gauges ask at each scrape. With Redis away they keep their last values: a scrape must not fail for it. */
export function collectDepth(metrics: Metrics, source: { queue: Queue; redis: RedisClient; base: string }): void {
  collectWith(metrics.queueDepth, async () => {
    const { waiting, active } = await countJobs(source.queue);
    metrics.queueDepth.set({ state: "waiting" }, waiting);
    metrics.queueDepth.set({ state: "active" }, active);
  });
  collectWith(metrics.queueOldestWaiting, async () => {
    metrics.queueOldestWaiting.set((await oldestWaitingMs(source.redis, source.base)) / 1000);
  });
}

/** The registry asks every metric that has this method; its types know it only as a constructor option. */
function collectWith(gauge: object, collect: () => Promise<void>): void {
  // That Redis is away is visible in health/ready and in the log.
  Object.assign(gauge, { collect: () => collect().catch(() => undefined) });
}
