import type { ContainerInfo } from "dockerode";
import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { type EngineClient, hasStatus } from "./engine-client.ts";
import { DEADLINE_LABEL, SERVICE_LABEL, WORKER_LABEL } from "./profile.ts";

/** A container younger than this may belong to a worker whose first heartbeat is on its way, or be one that is starting. */
const GRACE_SECONDS = 60;

export interface ReaperOptions {
  engine: EngineClient;
  metrics: Metrics;
  log: Log;
  /** Whose workers `isWorkerAlive` can speak of. */
  serviceId: string;
  /** Whether the worker of that id has been heard of lately. Rejects when that can not be known. */
  isWorkerAlive: (workerId: string) => Promise<boolean>;
  /** What this very worker has in its stock or in use: its own to destroy, whatever the clock says. */
  keeps?: { workerId: string; knows: (sandboxId: string) => boolean };
  /** Unix milliseconds. */
  now?: () => number;
}

/**
 * The last of three nets against left-over sandboxes: removes labelled containers that are past their deadline, whose
 * worker has gone, or that their worker does not know any more, as when the engine was away while it let go of them.
 * Returns how many it removed. Containers without our labels are never touched, and those of another service on the
 * same engine only once they have ended and are past their deadline: whether its workers live is not known here.
 */
export async function reapSandboxes(options: ReaperOptions): Promise<number> {
  const { engine, metrics, log, now = Date.now } = options;
  const found = await engine.call("list", () => engine.control.listContainers({ all: true, filters: { label: [WORKER_LABEL] } }));
  const alive = new Map<string, boolean>();
  let removed = 0;
  for (const container of found) {
    if (!(await isLeftOver(container, options, alive, now()))) continue;
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

async function isLeftOver(container: ContainerInfo, options: ReaperOptions, alive: Map<string, boolean>, now: number): Promise<boolean> {
  const { serviceId, isWorkerAlive, keeps } = options;
  const pastDeadline = Number(container.Labels[DEADLINE_LABEL]) < now;
  if (container.Labels[SERVICE_LABEL] !== serviceId) return pastDeadline && container.State !== "running";
  if (!pastDeadline && container.Created > now / 1000 - GRACE_SECONDS) return false;
  const worker = container.Labels[WORKER_LABEL] ?? "";
  if (worker === keeps?.workerId) return !keeps.knows(container.Id);
  // Another living worker knows itself which of its sandboxes it uses.
  if (!alive.has(worker)) alive.set(worker, await isWorkerAlive(worker));
  return alive.get(worker) === false;
}
