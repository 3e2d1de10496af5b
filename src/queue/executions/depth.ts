import type { Queue } from "bullmq";
import type { Metrics } from "../../observe/metrics.ts";
import type { RedisClient } from "../../redis/address.ts";
import { bounded } from "../../redis/connection.ts";
import { oldestWaitingScript } from "./scripts.ts";

export interface Depth {
  waiting: number;
  active: number;
}

/** Every job of ours has a priority, so the waiting ones are in BullMQ's prioritized set, and for a moment in its list, or delayed: see give-back.ts. */
export async function countJobs(queue: Queue): Promise<Depth> {
  const counts = await queue.getJobCounts("wait", "prioritized", "delayed", "active");
  return { waiting: (counts.wait ?? 0) + (counts.prioritized ?? 0) + (counts.delayed ?? 0), active: counts.active ?? 0 };
}

/** Age of what has waited longest for a worker, milliseconds; 0 when nothing waits. */
async function oldestWaitingMs(redis: RedisClient, base: string): Promise<number> {
  return Number(await oldestWaitingScript.run(redis, base, []));
}

/** Cells that wait for their session's turn: they have a place among all that waits, but not in the workers' shared queue. */
async function countWaitingCells(redis: RedisClient, base: string): Promise<number> {
  const [all, forWorkers] = await Promise.all([redis.zcard(`${base}:waiting`), redis.zcard(`${base}:waiting-since`)]);
  return Math.max(0, all - forWorkers);
}

/** A scrape must neither fail nor wait for a Redis that is away; what can not be known then is left out of it. */
const ASK_MS_MAX = 1_000;

/** Lets the gauges ask at each scrape. */
export function collectDepth(metrics: Metrics, source: { queue: Queue; redis: RedisClient; base: string }): void {
  const { queue, redis, base } = source;
  const { queueDepth, queueOldestWaiting } = metrics;
  collectWith(queueDepth, async () => {
    queueDepth.reset();
    const [{ waiting, active }, cells] = await answered(redis, () => Promise.all([countJobs(queue), countWaitingCells(redis, base)]));
    queueDepth.set({ state: "waiting" }, waiting);
    queueDepth.set({ state: "waiting_for_session" }, cells);
    queueDepth.set({ state: "active" }, active);
  });
  collectWith(queueOldestWaiting, async () => {
    queueOldestWaiting.remove();
    queueOldestWaiting.set((await answered(redis, () => oldestWaitingMs(redis, base))) / 1000);
  });
}

/** Rejects at once while there is no connection: a worker's would keep the question until there is one. */
async function answered<T>(redis: RedisClient, ask: () => Promise<T>): Promise<T> {
  if (redis.status !== "ready") throw new Error("Redis is away");
  return bounded(ask(), ASK_MS_MAX);
}

/** The registry asks every metric that has this method; its types know it only as a constructor option. */
function collectWith(gauge: object, collect: () => Promise<void>): void {
  // That Redis is away is visible in `ready`, in health/ready and in the log.
  Object.assign(gauge, { collect: () => collect().catch(() => undefined) });
}
