import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { traceIdOf } from "../../observe/trace.ts";
import { type StoredExecution, toExecution } from "./record.ts";

/** Counts an execution that has ended and writes its one log line; called by whoever stored the end. */
export function tellEnded({ metrics, log }: { metrics: Metrics; log: Log }, stored: StoredExecution): void {
  const { end } = stored;
  if (end === null) return;
  const ran = end.outcome !== "never_started";
  metrics.executions.inc({ status: end.status, cause: end.cause ?? "none" });
  const cell = stored.request.container !== undefined;
  // What no worker took in time waited as well, and longest.
  const dropped = end.cause === "timeout" && end.outcome === "never_started";
  const leftQueueAt = stored.startedAt ?? (dropped ? stored.completedAt : null);
  if (leftQueueAt !== null && !cell) metrics.queueWait.observe((leftQueueAt - stored.createdAt) / 1000);
  if (stored.completedAt !== null) metrics.duration.observe((stored.completedAt - stored.createdAt) / 1000);
  if (ran) {
    if (!cell) metrics.acquire.observe({ start: end.usage.warm ? "warm" : "cold" }, end.usage.acquire_ms / 1000);
    metrics.run.observe(end.usage.run_ms / 1000);
    metrics.collect.observe(end.usage.collect_ms / 1000);
  }
  log.info(
    {
      execution: stored.id,
      organization: stored.organization,
      status: end.status,
      cause: end.cause,
      outcome: end.outcome,
      attempt: stored.attempt,
      session: stored.request.container,
      image: end.provenance?.sandbox?.image_digest,
      trace_id: traceIdOf(stored.trace) ?? undefined,
      usage: toExecution(stored).usage,
    },
    "execution ended",
  );
}
