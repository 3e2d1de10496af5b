import { Cluster } from "ioredis";
import type { Metrics } from "../observe/metrics.ts";
import type { RedisClient } from "./address.ts";
import { replyWithin } from "./connection.ts";
import { redisTroubleOf, writeRefusals } from "./trouble.ts";

/** A scrape must neither fail nor wait while Redis is down. Unknown values are left out. */
const REPLY_MS_MAX = 1_000;
const PROBE_KEPT_MS = 60_000;

/**
 * Rejects when Redis takes no write. A full or read-only Redis still answers reads and a PING. In a cluster the key is on the node
 * that holds the queue.
 */
export async function probeWrite(redis: RedisClient, base: string): Promise<void> {
  await redis.set(`${base}:probe`, "1", "PX", PROBE_KEPT_MS);
}

/** Makes the metrics of Redis read it at each scrape. */
export function collectRedis(metrics: Metrics, { redis, base }: { redis: RedisClient; base: string }): void {
  const { redisWritable, redisRoundTrip, redisMemoryUsed, redisMemoryMax, redisEvicted, redisRefused } = metrics;
  collectTogether([redisWritable, redisRoundTrip], async () => {
    redisWritable.remove();
    redisRoundTrip.remove();
    const startedAt = performance.now();
    try {
      await replyNow(redis, () => probeWrite(redis, base));
      redisWritable.set(1);
    } catch (error) {
      if (redisTroubleOf(error) !== "refuses_writes") throw error;
      redisWritable.set(0);
    }
    redisRoundTrip.set((performance.now() - startedAt) / 1000);
  });
  collectTogether([redisMemoryUsed, redisMemoryMax, redisEvicted, redisRefused], async () => {
    redisMemoryUsed.remove();
    redisMemoryMax.remove();
    const nodes = await replyNow(redis, () => infoOf(redis));
    const sum = (name: string) => nodes.reduce((total, node) => total + (node.get(name) ?? 0), 0);
    redisMemoryUsed.set(sum("used_memory"));
    // 0 means no limit.
    redisMemoryMax.set(sum("maxmemory") || Number.POSITIVE_INFINITY);
    redisEvicted.reset();
    redisEvicted.inc(sum("evicted_keys"));
    redisRefused.reset();
    for (const reason of writeRefusals) redisRefused.inc({ reason }, sum(`errorstat_${reason}`));
  });
}

/** The numbers of INFO, by name, for each master. */
async function infoOf(redis: RedisClient): Promise<Array<Map<string, number>>> {
  const masters = redis instanceof Cluster ? redis.nodes("master") : [redis];
  const sections = ["memory", "stats", "errorstats"];
  const texts = await Promise.all(
    masters.map(async (node) => (await Promise.all(sections.map((section) => node.info(section)))).join("\n")),
  );
  return texts.map(
    (text) => new Map([...text.matchAll(/^(\w+):(?:count=)?(\d+)/gm)].map(([, name, value]) => [name as string, Number(value)])),
  );
}

/** Rejects at once without a connection: the connection of a worker would queue the command until Redis is back. */
export async function replyNow<T>(redis: RedisClient, call: () => Promise<T>): Promise<T> {
  if (redis.status !== "ready") throw new Error("Redis is not connected");
  return replyWithin(call(), REPLY_MS_MAX);
}

/** The registry calls `collect` of every metric, but its types have it only as a constructor option. */
export function collectWith(metric: object, collect: () => Promise<void>): void {
  // An unreachable Redis shows in `ready`, in health/ready and in the log.
  Object.assign(metric, { collect: () => collect().catch(() => undefined) });
}

/** For metrics that one call fills: each waits for the same call, because a scrape reads them at the same time. */
function collectTogether(together: readonly object[], collect: () => Promise<void>): void {
  let running: Promise<void> | null = null;
  const once = () => {
    running ??= collect().finally(() => {
      running = null;
    });
    return running;
  };
  for (const metric of together) collectWith(metric, once);
}
