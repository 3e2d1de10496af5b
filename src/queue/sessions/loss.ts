import type { ExecutionEnd } from "../../domain/result.ts";
import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { RedisClient } from "../../redis/address.ts";
import { type Keys, parseMember } from "../core/keys.ts";
import { decodeRecord, endWithoutResult } from "../executions/record.ts";
import { tellEnded } from "../executions/report-end.ts";
import { endScript } from "../executions/scripts.ts";
import type { SessionJob, SessionQueues } from "./jobs.ts";
import { sessionEndScript, silentWorkersScript } from "./scripts.ts";

export interface LossWorld {
  redis: RedisClient;
  keys: Keys;
  queues: SessionQueues;
  metrics: Metrics;
  log: Log;
}

/** A cell whose session is gone, before or while it ran. What it did is not known, and is not done again. */
export function endOfLostSession(started: boolean): ExecutionEnd {
  return endWithoutResult({
    status: "errored",
    cause: "worker_lost",
    outcome: started ? "ran_partly" : "never_started",
    retrySafe: !started,
    evidence: { session_alive: false },
  });
}

/** Ends the sessions of workers that fell silent. Many processes may do this at once. */
export async function endSessionsOfTheSilent(world: LossWorld): Promise<void> {
  for (const worker of (await silentWorkersScript.run(world.redis, world.keys.base, [])) as Buffer[]) {
    world.log.warn({ worker: worker.toString() }, "a worker with sessions fell silent; its sessions are lost");
    await endSessionsOf(world, worker.toString());
  }
}

/** Ends what a worker had: its sessions are lost, and whoever waits for one of their cells hears of it. */
export async function endSessionsOf(world: LossWorld, workerId: string): Promise<void> {
  const { redis, keys, queues, metrics } = world;
  for (const member of await redis.smembers(keys.sessionsOf(workerId))) {
    const { organization, id } = parseMember(member);
    const ended = await sessionEndScript.run(redis, keys.base, [organization, id, "lost"]);
    if (Number(ended) === 1) metrics.sessionsEnded.inc({ reason: "lost" });
  }
  const queue = queues.of(workerId);
  for (const job of await queue.getJobs(["active", "waiting", "prioritized", "delayed"])) {
    const data = job?.data as SessionJob | undefined;
    if (data?.op === "cell") await endCell(world, data);
  }
  await queue.obliterate({ force: true });
  await redis.srem(keys.sessionWorkers, workerId);
  queues.forget(workerId);
}

async function endCell(world: LossWorld, { organization, id }: { organization: string; id: string }): Promise<void> {
  const { redis, keys } = world;
  const started = (await redis.hget(keys.record(organization, id), "status")) === "in_progress";
  const end = endOfLostSession(started);
  const ended = await endScript.run(redis, keys.base, [organization, id, end.status, "worker_lost", JSON.stringify(end), ""]);
  if (Number(ended) === 0) return;
  const stored = await decodeRecord(organization, await redis.callBuffer("HGETALL", keys.record(organization, id)));
  if (stored !== null) tellEnded(world, stored);
}
