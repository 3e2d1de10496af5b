import type { ExecutionEnd } from "../../domain/result.ts";
import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { RedisClient } from "../../redis/address.ts";
import { type Keys, parseMember } from "../core/keys.ts";
import { decodeRecord, endWithoutResult } from "../executions/record.ts";
import { reportEnd } from "../executions/report-end.ts";
import { endScript } from "../executions/run-scripts.ts";
import type { SessionJob, SessionQueues } from "./jobs.ts";
import { sessionEndScript, silentWorkersScript } from "./scripts.ts";

export interface LossContext {
  redis: RedisClient;
  keys: Keys;
  queues: SessionQueues;
  metrics: Metrics;
  log: Log;
}

/** The end of a cell whose session was lost before or while it ran. What it did is unknown, so it is not retried. */
export function endOfLostSession(started: boolean): ExecutionEnd {
  return endWithoutResult({
    status: "errored",
    cause: "worker_lost",
    outcome: started ? "ran_partly" : "never_started",
    retrySafe: !started,
    evidence: { session_alive: false },
  });
}

/** The end of a cell that waited while its caller deleted the session. */
export const endOfDeletedSession = endWithoutResult({
  status: "cancelled",
  cause: "cancelled",
  outcome: "never_started",
  retrySafe: true,
  evidence: { session_alive: false },
});

/** Ends the sessions of workers that fell silent. Several processes may do this at the same time. */
export async function endSessionsOfSilentWorkers(context: LossContext): Promise<void> {
  for (const worker of await silentWorkersScript.run(context.redis, context.keys.base, {})) {
    context.log.warn({ worker }, "a worker with sessions fell silent; its sessions are lost");
    await endSessionsOf(context, worker);
  }
}

/** Marks all sessions of a worker as lost and ends their cells, so that waiting callers get an error. */
export async function endSessionsOf(context: LossContext, workerId: string): Promise<void> {
  const { redis, keys, queues, metrics } = context;
  for (const member of await redis.smembers(keys.sessionsOf(workerId))) {
    const { organization, id } = parseMember(member);
    const ended = await sessionEndScript.run(redis, keys.base, { organization, id, finalStatus: "lost" });
    if (ended) metrics.sessionsEnded.inc({ reason: "lost" });
  }
  const queue = queues.of(workerId);
  for (const job of await queue.getJobs(["active", "waiting", "prioritized", "delayed"])) {
    const data = job?.data as SessionJob | undefined;
    if (data?.op === "cell") await endCell(context, data);
  }
  await queue.obliterate({ force: true });
  await redis.srem(keys.sessionWorkers, workerId);
  queues.forget(workerId);
}

async function endCell(context: LossContext, { organization, id }: { organization: string; id: string }): Promise<void> {
  const { redis, keys } = context;
  const started = (await redis.hget(keys.record(organization, id), "status")) === "in_progress";
  const end = endOfLostSession(started);
  const outcome = { finalStatus: end.status, cause: "worker_lost", endJson: JSON.stringify(end), onlyIfStatus: "" };
  if (!(await endScript.run(redis, keys.base, { organization, id, ...outcome }))) return;
  const stored = await decodeRecord(organization, await redis.callBuffer("HGETALL", keys.record(organization, id)));
  if (stored !== null) reportEnd(context, stored);
}
