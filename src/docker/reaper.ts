import type { Log } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import { type EngineClient, hasStatus } from "./engine-client.ts";
import { DEADLINE_LABEL, WORKER_LABEL } from "./profile.ts";

/** A container younger than this may belong to a worker whose first heartbeat is on its way. */
const GRACE_SECONDS = 60;

export interface ReaperOptions {
  engine: EngineClient;
  metrics: Metrics;
  log: Log;
  /** Whether the worker of that id has been heard of lately. Rejects when that can not be known. */
  isWorkerAlive: (workerId: string) => Promise<boolean>;
  /** What this very worker has in its stock or in use: its own to destroy, whatever the clock says. */
  keeps?: { workerId: string; knows: (sandboxId: string) => boolean };
  /** Unix milliseconds. */
  now?: () => number;
}

/**
 * The last of three nets against left-over sandboxes: removes labelled containers that are past their deadline or
 * whose worker has gone. Returns how many it removed. Containers without our labels are never touched.
 */
export async function reapSandboxes(options: ReaperOptions): Promise<number> {
  const { engine, metrics, log, isWorkerAlive, keeps, now = Date.now } = options;
  const found = await engine.call("list", () => engine.control.listContainers({ all: true, filters: { label: [WORKER_LABEL] } }));
  const alive = new Map<string, boolean>();
  let removed = 0;
  for (const container of found) {
    const worker = container.Labels[WORKER_LABEL] ?? "";
    const pastDeadline = Number(container.Labels[DEADLINE_LABEL]) < now();
    // Another living worker knows itself which of its sandboxes it uses.
    if (pastDeadline && keeps !== undefined) {
      const kept = worker === keeps.workerId ? keeps.knows(container.Id) : await isWorkerAlive(worker);
      if (kept) continue;
    }
    if (!pastDeadline) {
      if (container.Created > now() / 1000 - GRACE_SECONDS) continue;
      if (!alive.has(worker)) alive.set(worker, await isWorkerAlive(worker));
      if (alive.get(worker) === true) continue;
    }
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
