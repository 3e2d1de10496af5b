import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { type Cause, type FinalStatus, isolationChecks } from "../domain/status.ts";

/**
 * Every metric of the service, made once per process and passed down. Labels come from closed sets only:
 * statuses, causes, error codes, operations, route patterns. Nothing a caller chooses is ever a label.
 */
const PREFIX = "code_interpreter_";
const secondsFast = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** How executions end; a count that is born with its first event hides that event from every rate. */
const ends: ReadonlyArray<[FinalStatus, Cause | "none"]> = [
  ["completed", "none"],
  ["failed", "exception"],
  ["failed", "exit"],
  ["failed", "signal"],
  ["incomplete", "timeout"],
  ["incomplete", "memory"],
  ["incomplete", "processes"],
  ["incomplete", "disk"],
  ["incomplete", "output"],
  ["cancelled", "cancelled"],
  ["errored", "timeout"],
  ["errored", "sandbox_lost"],
  ["errored", "worker_lost"],
  ["errored", "none"],
];

export type Metrics = ReturnType<typeof declareMetrics>;

export function makeMetrics(): Metrics {
  const metrics = declareMetrics();
  beginAtZero(metrics);
  return metrics;
}

function declareMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  // Gauges that are named like counters; the same figures by type, which sum up to them, are well named.
  for (const name of ["nodejs_active_handles_total", "nodejs_active_requests_total", "nodejs_active_resources_total"]) {
    registry.removeSingleMetric(name);
  }
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: L[] = []) =>
    new Counter<L>({ name: PREFIX + name, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: L[] = []) =>
    new Gauge<L>({ name: PREFIX + name, help, labelNames, registers });
  const histogram = <L extends string>(name: string, help: string, labelNames: L[] = [], buckets = secondsFast) =>
    new Histogram<L>({ name: PREFIX + name, help, labelNames, buckets, registers });

  return {
    registry,
    ready: gauge("ready", "1 while the check of /health/ready by that name holds, asked at each scrape; 0 while it does not.", ["check"]),
    executions: counter("executions_total", "Executions that ended, by status and cause.", ["status", "cause"]),
    queueWait: histogram(
      "execution_queue_wait_seconds",
      "Time from acceptance to a worker, or to the deadline of what no worker took; without cells, which wait for their session.",
      [],
      [...secondsFast, 120, 300],
    ),
    acquire: histogram("execution_acquire_seconds", "Time from a worker to a sandbox; without cells, which have one.", ["start"]),
    run: histogram("execution_run_seconds", "Time the code itself ran."),
    collect: histogram("execution_collect_seconds", "Time to bring files out of the sandbox."),
    duration: histogram("execution_duration_seconds", "Time from acceptance to the stored result.", [], [...secondsFast, 120, 300]),
    executionsRunning: gauge("executions_running", "Executions that this worker runs now, cells of sessions included."),
    resultStoreFailures: counter(
      "result_store_failures_total",
      "Attempts to store how an execution ended that failed; each is repeated for a while.",
    ),
    admissionsRefused: counter("admissions_refused_total", "Requests refused before the queue, by error code.", ["code"]),
    queueDepth: gauge(
      "queue_depth",
      "Executions and new sessions, by state: waiting for a worker, waiting_for_session (cells), active; the same from every process.",
      ["state"],
    ),
    queueOldestWaiting: gauge("queue_oldest_waiting_seconds", "Age of what has waited longest for a worker; 0 when nothing waits."),
    dropped: counter("executions_dropped_total", "Executions ended unrun, by reason.", ["reason"]),
    poolSandboxes: gauge("pool_sandboxes", "Sandboxes of the warm pool, by state.", ["state"]),
    poolTarget: gauge("pool_target_sandboxes", "Warm sandboxes the pool aims to hold."),
    poolTakes: counter(
      "pool_takes_total",
      "Sandboxes asked of the pool: warm ones stood ready, cold ones had to be started, other_size is not in the stock, none came in time.",
      ["start"],
    ),
    poolDead: counter("pool_dead_total", "Warm sandboxes found dead before use."),
    preloads: counter("pool_preloads_total", "Modules preloaded into idle sandboxes, by result.", ["result"]),
    sandboxStart: histogram("sandbox_start_seconds", "Time to make a sandbox that can be used."),
    sandboxStartFailures: counter("sandbox_start_failures_total", "Sandboxes that did not start."),
    sandboxesAlive: gauge("sandboxes_alive", "Sandboxes that exist now, of this worker."),
    reaped: counter("sandboxes_reaped_total", "Left-over sandboxes that the reaper removed."),
    engineInfo: gauge("engine_info", "1 for the engine that makes this worker's sandboxes.", ["engine"]),
    engineCalls: histogram("engine_call_seconds", "Calls to the container engine, by operation.", ["operation"]),
    engineErrors: counter("engine_errors_total", "Calls to the container engine that failed, by operation.", ["operation"]),
    sandboxBytes: counter("sandbox_bytes_total", "Bytes to and from sandboxes.", ["direction"]),
    workerCapacity: gauge("worker_capacity", "What this worker takes on at most: executions at once, sessions, sandboxes.", ["of"]),
    selfChecks: counter(
      "isolation_selfcheck_runs_total",
      "Attacks that this worker ran on its own sandboxes: held, breached, inconclusive, or gave way to an execution.",
      ["result"],
    ),
    selfCheckFailures: counter("isolation_selfcheck_failures_total", "Checks of the isolation that did not hold, by check.", ["check"]),
    selfCheckSuccess: gauge("isolation_selfcheck_last_success_timestamp_seconds", "When a check of the isolation held last, Unix time."),
    fileStoreFailures: counter("file_store_failures_total", "Calls to the file store that failed, by operation.", ["operation"]),
    sessionsLive: gauge("sessions_live", "Sessions that this worker has, each with a sandbox of its own."),
    sessionsEnded: counter("sessions_ended_total", "Sessions that ended, by reason.", ["reason"]),
    webhooks: counter("webhook_deliveries_total", "Webhook delivery attempts, by result.", ["result"]),
    responses: counter("responses_total", "Responses that ended, by status and failure.", ["status", "failure"]),
    responsesRunning: gauge("responses_running", "Responses that run in this process now."),
    modelFirstByte: histogram(
      "model_first_event_seconds",
      "Time from a call to the model to the first event of its answer, retries included.",
    ),
    httpRequests: histogram("http_request_duration_seconds", "HTTP requests, by method, route and status.", ["method", "route", "status"]),
    httpInFlight: gauge("http_requests_in_flight", "HTTP requests being answered."),
  };
}

/** So that the first event is an increase, not the birth of a series. */
function beginAtZero(metrics: Metrics): void {
  for (const [status, cause] of ends) metrics.executions.inc({ status, cause }, 0);
  const begin = <L extends string>(counter: Counter<L>, label: L, values: readonly string[]) => {
    for (const value of values) counter.inc({ [label]: value } as Record<L, string>, 0);
  };
  // Unknown is not zero.
  metrics.selfCheckSuccess.remove();
  metrics.queueOldestWaiting.remove();
  begin(metrics.admissionsRefused, "code", ["queue_full", "organization_queue_full", "organization_storage_full", "rate_limited"]);
  begin(metrics.dropped, "reason", ["deadline", "cancelled"]);
  begin(metrics.poolTakes, "start", ["warm", "cold", "other_size", "none"]);
  begin(metrics.engineErrors, "operation", ["create", "start", "remove"]);
  begin(metrics.fileStoreFailures, "operation", ["put", "get", "delete", "sweep"]);
  begin(metrics.selfChecks, "result", ["held", "breached", "inconclusive", "gave_way"]);
  begin(metrics.selfCheckFailures, "check", isolationChecks);
  begin(metrics.sessionsEnded, "reason", ["lost", "expired", "deleted"]);
}
