import type { Queue } from "bullmq";
import type { Limits } from "../../domain/limits.ts";
import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { RedisClient } from "../../redis/address.ts";
import { type Keys, parseMember } from "../core/keys.ts";
import { decodeRecord } from "../executions/record.ts";
import { tellEnded } from "../executions/report-end.ts";
import { endScript, overdueScript } from "../executions/scripts.ts";
import { endPastDeadline } from "./run-job.ts";

export interface SweepWorld {
  redis: RedisClient;
  keys: Keys;
  queue: Queue;
  limits: Limits;
  metrics: Metrics;
  log: Log;
}

/**
 * Ends what waited past its deadline, so that its caller hears of it even while every worker is busy, or there is
 * none. Many processes may do this at once: the first to store the end is the one that tells of it.
 */
export async function endOverdue(world: SweepWorld): Promise<void> {
  const { redis, keys, queue, limits, metrics } = world;
  const overdue = (await overdueScript.run(redis, keys.base, [])) as Buffer[];
  for (const member of overdue) {
    const { organization, id } = parseMember(member.toString("utf8"));
    const end = JSON.stringify(endPastDeadline(limits));
    const ended = await endScript.run(redis, keys.base, [organization, id, "errored", "timeout", end, "queued"]);
    if (Number(ended) === 0) continue;
    metrics.dropped.inc({ reason: "deadline" });
    await queue.remove(id).catch(() => 0);
    const stored = await decodeRecord(organization, await redis.callBuffer("HGETALL", keys.record(organization, id)));
    if (stored !== null) tellEnded(world, stored);
  }
}

/** Repeats `work` with `ms` between an end and the next start. Returns a function that stops it. */
export function repeat(ms: number, log: Log, work: () => Promise<void>): () => void {
  let timer: NodeJS.Timeout;
  let stopped = false;
  const again = () => {
    if (stopped) return;
    timer = setTimeout(() => {
      work()
        .catch((error: unknown) => log.debug({ err: error }, "sweep failed; tried again later"))
        .finally(again);
    }, ms);
    timer.unref();
  };
  again();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
