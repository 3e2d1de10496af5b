import type { Queue } from "bullmq";
import type { Limits } from "../../domain/limits.ts";
import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { RedisClient } from "../../redis/address.ts";
import { type Keys, parseMember } from "../core/keys.ts";
import { decodeRecord } from "../executions/record.ts";
import { reportEnd } from "../executions/report-end.ts";
import { endScript } from "../executions/run-scripts.ts";
import { overdueScript } from "../executions/scripts.ts";
import { endPastDeadline } from "./run-job.ts";

export interface SweepContext {
  redis: RedisClient;
  keys: Keys;
  queue: Queue;
  limits: Limits;
  metrics: Metrics;
  log: Log;
}

/**
 * Ends executions that waited past their deadline, so that callers get an error even when all workers are busy or gone.
 * Several processes may do this at the same time: only the first to store an end reports it.
 */
export async function endOverdue(context: SweepContext): Promise<void> {
  const { redis, keys, queue, limits, metrics } = context;
  for (const member of await overdueScript.run(redis, keys.base, {})) {
    const { organization, id } = parseMember(member);
    const endJson = JSON.stringify(endPastDeadline(limits));
    const wanted = { organization, id, finalStatus: "errored", cause: "timeout", endJson, onlyIfStatus: "queued" };
    if (!(await endScript.run(redis, keys.base, wanted))) continue;
    metrics.dropped.inc({ reason: "deadline" });
    await queue.remove(id).catch(() => 0);
    const stored = await decodeRecord(organization, await redis.callBuffer("HGETALL", keys.record(organization, id)));
    if (stored !== null) reportEnd(context, stored);
  }
}

/** Repeats `work`, with a pause of `ms` in between. Returns a function that stops it. */
export function repeat(ms: number, log: Log, work: () => Promise<void>): () => void {
  let timer: NodeJS.Timeout;
  let stopped = false;
  const again = () => {
    if (stopped) return;
    timer = setTimeout(() => {
      work()
        .catch((error: unknown) => log.debug({ err: error }, "sweep failed; retrying later"))
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
