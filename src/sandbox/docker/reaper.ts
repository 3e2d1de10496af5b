import type { ContainerInfo } from "dockerode";
import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { type EngineClient, hasStatus } from "./engine-client.ts";
import { DEADLINE_LABEL, SERVICE_LABEL, WORKER_LABEL } from "./profile.ts";

/** A younger container may still be starting, or belong to a worker that has not yet sent its first heartbeat. */
const GRACE_SECONDS = 60;

export interface ReaperOptions {
  engine: EngineClient;
  metrics: Metrics;
  log: Log;
  /** The service that `isWorkerAlive` knows about. */
  serviceId: string;
  /** Whether this worker has a recent heartbeat. Rejects when that is unknown. */
  isWorkerAlive: (workerId: string) => Promise<boolean>;
  /** The sandboxes that the calling worker has in stock or in use. It destroys them itself, regardless of their age. */
  keeps?: { workerId: string; knows: (sandboxId: string) => boolean };
  /** Unix milliseconds. */
  now?: () => number;
}

/**
 * Removes orphaned sandboxes, as the last of three safeguards: labelled containers that are past their deadline, whose worker
 * is gone, or that their worker no longer knows, because the engine was away when the worker removed them. Returns
 * how many it removed. Containers without our labels are never touched. Containers of another service on the same engine
 * are removed only once they have exited and are past their deadline, because its workers' heartbeats are not visible here.
 */
export async function reapSandboxes(options: ReaperOptions): Promise<number> {
  const { engine, metrics, log, now = Date.now } = options;
  const found = await engine.call("list", () => engine.control.listContainers({ all: true, filters: { label: [WORKER_LABEL] } }));
  const alive = new Map<string, boolean>();
  let removed = 0;
  for (const container of found) {
    if (!(await isOrphan(container, options, alive, now()))) continue;
    try {
      await engine.call("remove", () => engine.control.getContainer(container.Id).remove({ force: true, v: true }));
      removed += 1;
    } catch (error) {
      if (!hasStatus(error, 404) && !hasStatus(error, 409))
        log.warn({ sandbox: container.Id, err: error }, "left-over sandbox not removed");
    }
  }
  if (removed > 0) {
    metrics.reaped.inc(removed);
    log.warn({ removed }, "left-over sandboxes removed");
  }
  return removed;
}

async function isOrphan(container: ContainerInfo, options: ReaperOptions, alive: Map<string, boolean>, now: number): Promise<boolean> {
  const { serviceId, isWorkerAlive, keeps } = options;
  const pastDeadline = Number(container.Labels[DEADLINE_LABEL]) < now;
  if (container.Labels[SERVICE_LABEL] !== serviceId) return pastDeadline && container.State !== "running";
  if (!pastDeadline && container.Created > now / 1000 - GRACE_SECONDS) return false;
  const worker = container.Labels[WORKER_LABEL] ?? "";
  if (worker === keeps?.workerId) return !keeps.knows(container.Id);
  // Another worker that is alive reaps its own sandboxes.
  if (!alive.has(worker)) alive.set(worker, await isWorkerAlive(worker));
  return alive.get(worker) === false;
}
