import type { Queue } from "bullmq";
import type { SessionQueues } from "../sessions/jobs.ts";
import { endSessionsOfSilentWorkers } from "../sessions/loss.ts";
import type { KeyUse } from "../usage/key-use.ts";
import type { RefusedRequests } from "../usage/top-usage.ts";
import { requeueDetachedOfSilentWorkers } from "../worker/detached-runs.ts";
import { endOverdue, repeat, type SweepContext } from "../worker/sweep.ts";
import { settleUnqueued, type UnqueuedContext } from "./unqueued.ts";

const SWEEP_MS = 1_000;
const SILENT_SWEEP_MS = 2_000;
const COUNT_MS = 2_000;

export interface UpkeepDeps extends SweepContext {
  queue: Queue;
  sessionQueues: SessionQueues;
  addJob: UnqueuedContext["addJob"];
  refused: RefusedRequests;
  keyUse: KeyUse;
}

/**
 * What an api process does again and again: it ends what waited too long or lost its worker, and writes its counts down.
 * Several processes may do so at the same time. Returns a function that stops it.
 */
export function startUpkeep(deps: UpkeepDeps): () => void {
  const { redis, keys, queue, log, sessionQueues, addJob, refused, keyUse } = deps;
  const stops = [
    repeat(SWEEP_MS, log, async () => {
      await endOverdue(deps);
      await settleUnqueued({ redis, keys, addJob });
    }),
    repeat(SILENT_SWEEP_MS, log, async () => {
      await endSessionsOfSilentWorkers({ ...deps, queues: sessionQueues });
      await requeueDetachedOfSilentWorkers(redis, keys, queue, log);
    }),
    repeat(COUNT_MS, log, async () => {
      await refused.flush(redis, keys);
      await keyUse.flush(redis, keys);
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}
