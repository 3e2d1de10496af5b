import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { type Cause, type FinalStatus, isolationChecks } from "../domain/status.ts";

/**
 * All metrics of the service, created once per process and passed down. Labels come only from closed sets: statuses, causes,
 * error codes, operations, route patterns, MCP servers of the operator. A caller's text is never a label. Organizations are labels
 * only where an operator asks for it, and then a bounded number of them.
 */
const PREFIX = "code_interpreter_";
/** Fewer than elsewhere, because each route and status has them; the last are for callers that wait for long runs and streams. */
const secondsHttp = [0.01, 0.1, 0.5, 2.5, 10, 60, 600];
/** For calls that each have a label of their own. */
const secondsCalls = [0.005, 0.025, 0.1, 0.5, 2.5, 15];
const secondsFast = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** How executions end. These series start at 0, because `rate` misses the first event of a series that starts with it. */
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
  // These gauges are named like counters. The same figures exist per type under correct names.
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
    ready: gauge("ready", "1 while this check of /health/ready passes, evaluated at each scrape; 0 while it fails.", ["check"]),
    executions: counter("executions_total", "Executions that ended, by status and cause.", ["status", "cause"]),
    queueWait: histogram(
      "execution_queue_wait_seconds",
      "Time from acceptance until a worker takes the execution or its deadline passes; excludes cells, which wait for their session.",
      [],
      [...secondsFast, 120, 300, 600],
    ),
    acquire: histogram(
      "execution_acquire_seconds",
      "Time until a worker has a sandbox for the execution; excludes cells, which have one.",
      ["start"],
    ),
    run: histogram("execution_run_seconds", "Time the code itself ran."),
    collect: histogram("execution_collect_seconds", "Time to collect files from the sandbox."),
    duration: histogram("execution_duration_seconds", "Time from acceptance to the stored result.", [], [...secondsFast, 120, 300, 600]),
    cpuSeconds: counter(
      "execution_cpu_seconds_total",
      "Processor time of the code of ended executions, by status: the larger part of their cost.",
      ["status"],
    ),
    memorySeconds: counter(
      "execution_memory_gib_seconds_total",
      "Memory that sandboxes held for the code of ended executions, in GiB times seconds, by status.",
      ["status"],
    ),
    executionsRunning: gauge("executions_running", "Executions that this worker runs now, cells of sessions included."),
    resultStoreFailures: counter(
      "result_store_failures_total",
      "Failed attempts to store the end of an execution; each is retried for a while.",
    ),
    admissionsRefused: counter("admissions_refused_total", "Requests refused before the queue, by error code.", ["code"]),
    queueDepth: gauge(
      "queue_depth",
      "Executions and new sessions, by state: waiting for a worker, waiting_for_session (cells), active; every process reports the same.",
      ["state"],
    ),
    queueOldestWaiting: gauge(
      "queue_oldest_waiting_seconds",
      "Age of the oldest execution or session that waits for a worker; 0 when none waits.",
    ),
    probeRuns: counter("probe_runs_total", "Executions that the process probe ran through the public API, by what became of them.", [
      "result",
    ]),
    probeSeconds: histogram("probe_seconds", "Time of one execution of the process probe, as a caller sees it."),
    probeSuccess: gauge("probe_last_success_timestamp_seconds", "Unix time of the last probe that succeeded; 0 where no probe runs."),
    keyFileReadable: gauge("key_file_readable", "1 while this file of the api is there and valid, else 0: keys or receipt_keys.", ["file"]),
    redisWritable: gauge(
      "redis_writable",
      "1 while Redis takes writes; 0 while it answers but is full or read-only; absent while it is away.",
    ),
    redisRoundTrip: gauge("redis_round_trip_seconds", "Time of one write to Redis, at each scrape."),
    redisMemoryUsed: gauge("redis_memory_used_bytes", "Memory that Redis uses; every process reports the same."),
    redisMemoryMax: gauge("redis_memory_max_bytes", "Memory that Redis may use, its maxmemory; +Inf without a limit."),
    redisEvicted: counter("redis_evicted_keys_total", "Keys that Redis evicted, which it must not: its policy has to be noeviction."),
    redisRefused: counter("redis_refused_writes_total", "Commands that Redis refused because it is full or read-only, by its error.", [
      "reason",
    ]),
    dropped: counter("executions_dropped_total", "Executions that ended without running, by reason.", ["reason"]),
    poolSandboxes: gauge("pool_sandboxes", "Sandboxes of the warm pool, by state.", ["state"]),
    poolTarget: gauge("pool_target_sandboxes", "Number of sandboxes that the pool aims to keep in stock."),
    poolTakes: counter(
      "pool_takes_total",
      "Sandboxes requested from the pool: warm (from stock), cold (had to be started), other_size (never in stock), none (not ready in time).",
      ["start"],
    ),
    poolDead: counter("pool_dead_total", "Sandboxes in stock that died before use."),
    preloads: counter("pool_preloads_total", "Modules preloaded into idle sandboxes, by result.", ["result"]),
    sandboxStart: histogram("sandbox_start_seconds", "Time until a new sandbox is ready."),
    sandboxStartFailures: counter("sandbox_start_failures_total", "Sandboxes that did not start."),
    sandboxesAlive: gauge("sandboxes_alive", "Sandboxes of this worker that exist now."),
    sandboxesMemory: gauge("sandboxes_memory_bytes", "Memory that all sandboxes of this worker together may use: the sum of their limits."),
    reaped: counter("sandboxes_reaped_total", "Orphaned sandboxes that the reaper removed."),
    engineInfo: gauge("engine_info", "1 for the engine that makes this worker's sandboxes.", ["engine"]),
    engineCalls: histogram("engine_call_seconds", "Calls to the container engine, by operation.", ["operation"], secondsCalls),
    engineErrors: counter("engine_errors_total", "Calls to the container engine that failed, by operation.", ["operation"]),
    sandboxBytes: counter("sandbox_bytes_total", "Bytes to and from sandboxes.", ["direction"]),
    workerCapacity: gauge("worker_capacity", "Maximum concurrent executions, sessions and sandboxes of this worker.", ["of"]),
    selfChecks: counter(
      "isolation_selfcheck_runs_total",
      "Self-checks that this worker ran in its own sandboxes: held, breached, inconclusive, or gave way to an execution.",
      ["result"],
    ),
    selfCheckFailures: counter("isolation_selfcheck_failures_total", "Isolation checks that failed, by check.", ["check"]),
    selfCheckSuccess: gauge("isolation_selfcheck_last_success_timestamp_seconds", "Unix time of the last self-check that held."),
    fileStoreFailures: counter("file_store_failures_total", "Calls to the file store that failed, by operation.", ["operation"]),
    sessionsLive: gauge("sessions_live", "Sessions of this worker, each with its own sandbox."),
    sessionsEnded: counter("sessions_ended_total", "Sessions that ended, by reason.", ["reason"]),
    webhooks: counter("webhook_deliveries_total", "Webhook delivery attempts, by result.", ["result"]),
    webhooksWaiting: gauge("webhooks_waiting", "Webhooks that wait for their first or next delivery; every worker reports the same."),
    toolServerCalls: counter(
      "tool_server_calls_total",
      "Calls of code to tools of the operator's MCP servers, by server and outcome: output, error, timeout, failed.",
      ["server", "outcome"],
    ),
    eventStreams: gauge("event_streams", "Event streams that callers read from this process now."),
    organizationToday: gauge(
      "organization_today",
      "Use of the service on this UTC day, by organization and measure, of those that use it the most; only with METRICS_ORGANIZATIONS.",
      ["organization", "measure"],
    ),
    buildInfo: gauge("build_info", "1 for the version of the service and of Node that this process runs.", ["version", "node"]),
    limit: gauge("limit", "Each limit that an operator can set, in the unit that its name ends with.", ["limit"]),
    responses: counter("responses_total", "Responses that ended, by status and failure.", ["status", "failure"]),
    responsesRunning: gauge("responses_running", "Responses that run in this process now."),
    modelFirstByte: histogram("model_first_event_seconds", "Time from a model call to the first event of the answer, retries included."),
    httpRequests: histogram(
      "http_request_duration_seconds",
      "HTTP requests, by method, route and status.",
      ["method", "route", "status"],
      secondsHttp,
    ),
    httpInFlight: gauge("http_requests_in_flight", "HTTP requests being answered."),
  };
}

/** Starts series at 0, so that their first event is an increase. */
function beginAtZero(metrics: Metrics): void {
  for (const [status, cause] of ends) metrics.executions.inc({ status, cause }, 0);
  for (const status of new Set(ends.map(([status]) => status))) {
    metrics.cpuSeconds.inc({ status }, 0);
    metrics.memorySeconds.inc({ status }, 0);
  }
  const begin = <L extends string>(counter: Counter<L>, label: L, values: readonly string[]) => {
    for (const value of values) counter.inc({ [label]: value } as Record<L, string>, 0);
  };
  // Unknown until set, not 0.
  metrics.selfCheckSuccess.remove();
  for (const unknown of [metrics.queueOldestWaiting, metrics.redisWritable, metrics.redisRoundTrip]) unknown.remove();
  for (const unknown of [metrics.redisMemoryUsed, metrics.redisMemoryMax]) unknown.remove();
  begin(metrics.probeRuns, "result", ["ok"]);
  begin(metrics.redisRefused, "reason", ["OOM", "READONLY", "MISCONF", "NOREPLICAS"]);
  begin(metrics.admissionsRefused, "code", [
    "queue_full",
    "organization_queue_full",
    "organization_storage_full",
    "organization_requests_full",
    "rate_limited",
  ]);
  begin(metrics.dropped, "reason", ["deadline", "cancelled"]);
  begin(metrics.poolTakes, "start", ["warm", "cold", "other_size", "none"]);
  begin(metrics.engineErrors, "operation", ["create", "start", "remove"]);
  begin(metrics.fileStoreFailures, "operation", ["put", "get", "delete", "sweep"]);
  begin(metrics.selfChecks, "result", ["held", "breached", "inconclusive", "gave_way"]);
  begin(metrics.selfCheckFailures, "check", isolationChecks);
  begin(metrics.sessionsEnded, "reason", ["lost", "expired", "deleted"]);
}
