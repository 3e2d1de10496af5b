import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/**
 * Every metric of the service, made once per process and passed down. Labels come from closed sets only:
 * statuses, causes, error codes, operations, route patterns. Nothing a caller chooses is ever a label.
 */
const PREFIX = "code_interpreter_";
const secondsFast = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export type Metrics = ReturnType<typeof makeMetrics>;

export function makeMetrics() {
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
    executions: counter("executions_total", "Executions that ended, by status and cause.", ["status", "cause"]),
    queueWait: histogram("execution_queue_wait_seconds", "Time from acceptance to a worker."),
    acquire: histogram("execution_acquire_seconds", "Time from a worker to a sandbox.", ["start"]),
    run: histogram("execution_run_seconds", "Time the code itself ran."),
    collect: histogram("execution_collect_seconds", "Time to bring files out of the sandbox."),
    duration: histogram("execution_duration_seconds", "Time from acceptance to the stored result."),
    admissionsRefused: counter("admissions_refused_total", "Requests refused before the queue, by error code.", ["code"]),
    queueDepth: gauge("queue_depth", "Executions in the queue, by state.", ["state"]),
    queueOldestWaiting: gauge("queue_oldest_waiting_seconds", "Age of what has waited longest for a worker; 0 when nothing waits."),
    dropped: counter("executions_dropped_total", "Executions ended unrun, by reason.", ["reason"]),
    poolSandboxes: gauge("pool_sandboxes", "Sandboxes of the warm pool, by state.", ["state"]),
    poolTarget: gauge("pool_target_sandboxes", "Warm sandboxes the pool aims to hold."),
    poolTakes: counter("pool_takes_total", "Sandboxes handed to executions, warm or cold.", ["start"]),
    poolDead: counter("pool_dead_total", "Warm sandboxes found dead before use."),
    preloads: counter("pool_preloads_total", "Modules preloaded into idle sandboxes, by result.", ["result"]),
    sandboxesAlive: gauge("sandboxes_alive", "Sandboxes that exist now, of this worker."),
    reaped: counter("sandboxes_reaped_total", "Left-over sandboxes that the reaper removed."),
    engineInfo: gauge("engine_info", "1 for the engine that makes this worker's sandboxes.", ["engine"]),
    engineCalls: histogram("engine_call_seconds", "Calls to the container engine, by operation.", ["operation"]),
    engineErrors: counter("engine_errors_total", "Calls to the container engine that failed, by operation.", ["operation"]),
    sandboxBytes: counter("sandbox_bytes_total", "Bytes to and from sandboxes.", ["direction"]),
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
