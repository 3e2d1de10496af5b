import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { traceIdOf } from "../../observe/trace.ts";
import { type StoredExecution, withoutOutputs } from "./record.ts";

/**
 * Updates the metrics for an ended execution and writes its log line. Called once, by the process that stored the end.
 */
export function reportEnd({ metrics, log }: { metrics: Metrics; log: Log }, stored: StoredExecution): void {
  const { end } = stored;
  if (end === null) return;
  const ran = end.outcome !== "never_started";
  metrics.executions.inc({ status: end.status, cause: end.cause ?? "none" });
  const cell = stored.request.container !== undefined;
  // Executions that no worker took in time count as well: they waited longest.
  const dropped = end.cause === "timeout" && end.outcome === "never_started";
  const leftQueueAt = stored.startedAt ?? (dropped ? stored.completedAt : null);
  if (leftQueueAt !== null && !cell) metrics.queueWait.observe((leftQueueAt - stored.createdAt) / 1000);
  if (stored.completedAt !== null) metrics.duration.observe((stored.completedAt - stored.createdAt) / 1000);
  if (ran) {
    if (!cell) metrics.acquire.observe({ start: end.usage.warm ? "warm" : "cold" }, end.usage.acquire_ms / 1000);
    metrics.run.observe(end.usage.run_ms / 1000);
    metrics.cpuSeconds.inc({ status: end.status }, end.usage.cpu_ms / 1000);
    const memoryMb = end.provenance?.limits.memory_mb ?? stored.request.memory_mb;
    metrics.memorySeconds.inc({ status: end.status }, ((end.usage.run_ms / 1000) * memoryMb) / 1024);
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
      usage: withoutOutputs(stored).usage,
    },
    "execution ended",
  );
}
