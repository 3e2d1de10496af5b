import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Limits } from "../../domain/limits.ts";
import type { Output } from "../../domain/outputs.ts";
import type { SandboxFacts } from "../../domain/provenance.ts";
import type { ExecutionEnd } from "../../domain/result.ts";
import type { Engine, RunInput, RunNeeds, RunPorts } from "../../domain/run.ts";
import type { Cause } from "../../domain/status.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { noTracing, type Tracing } from "../../observe/trace.ts";
import { EventWriter } from "../executions/event-writer.ts";
import { decodeRecord, encodeEnd, endWithoutResult, type StoredExecution, toRunInput } from "../executions/record.ts";
import { reportEnd } from "../executions/report-end.ts";
import { backInQueueScript, finishScript, type StartVerdict, startScript } from "../executions/run-scripts.ts";
import { openTools, type ToolContext } from "../tools/open-tools.ts";
import { type RunTrace, traceRun } from "./run-trace.ts";

/** The first attempt and two retries after lost workers. The limit stops code that kills its worker. */
export const ATTEMPTS_MAX = 3;
/** With the waits below, about half a minute in total. */
const STORE_RETRIES = 9;
const STORE_RETRY_MS = { first: 100, max: 5_000 };

export interface RunContext extends ToolContext {
  /** Newest version of records that this worker reads. */
  readsUpTo: number;
  metrics: Metrics;
  engine: Engine;
  ports: (input: RunInput, emit: (output: Output) => Promise<void>) => RunPorts;
  /** What this worker's sandboxes consist of, for receipts. Null or absent when it was not measured. */
  sandboxFacts?: () => SandboxFacts | null;
  tracing?: Tracing;
}

export interface JobData {
  /** See version.ts. */
  v?: number;
  id: string;
  organization: string;
  /** The session of a cell. */
  session?: string;
  /** Absent for a job that was added again without reading the request. */
  needs?: RunNeeds;
}

/**
 * `give_back`: another worker must run it. `newer`: this worker cannot read the record, which is unchanged; another one
 * must run it. `no_sandbox`: nothing ran, and it waits in the queue again. `webhook_due`: it ended and has a webhook.
 */
export type RunResult = "done" | "webhook_due" | "give_back" | "newer" | "no_sandbox";

/** Runs one job from its start to its stored end. */
export async function runJob(context: RunContext, job: JobData, stop: AbortSignal): Promise<RunResult> {
  if (job.needs !== undefined) context.engine.prepare?.(job.id, job.needs);
  try {
    return await runPrepared(context, job, stop);
  } finally {
    context.engine.forget?.(job.id);
  }
}

async function runPrepared(context: RunContext, job: JobData, stop: AbortSignal): Promise<RunResult> {
  const { verdict, stored } = await start(context, job);
  if (verdict === "newer") return "newer";
  if (stored === null || verdict === "ended") return "done";
  if (verdict !== "run") {
    if (verdict !== "worker_lost") context.metrics.dropped.inc({ reason: verdict });
    reportEnd(context, stored);
    return "done";
  }
  const trace = traceRun(context.tracing ?? noTracing, stored);
  let end: ExecutionEnd | null = null;
  try {
    const ran = await runEngine(context, stored, stop, trace);
    end = withSandboxFacts(ran.end, context);
    if (stop.reason === "lock_lost") return "done";
    // A cell cannot be retried, because it has changed its session.
    if (stop.reason === "shutdown" && wasStopped(end) && job.session === undefined) return "give_back";
    if (neverStarted(end) && job.session === undefined && (await backInQueue(context, stored))) return "no_sandbox";
    trace.phase("store");
    await finish(context, stored, { ...ran, end }, stop);
    return stored.webhookId === null ? "done" : "webhook_due";
  } finally {
    trace.end(end);
  }
}

function withSandboxFacts(end: ExecutionEnd, { sandboxFacts }: RunContext): ExecutionEnd {
  if (end.provenance === undefined) return end;
  return { ...end, provenance: { ...end.provenance, sandbox: sandboxFacts?.() ?? null } };
}

async function start(
  context: RunContext,
  { id, organization, session }: JobData,
): Promise<{ verdict: StartVerdict; stored: StoredExecution | null }> {
  const { redis, keys, limits, readsUpTo } = context;
  const cancelled = { status: "cancelled", cause: "cancelled", retrySafe: true } as const;
  const { verdict, record } = await startScript.run(redis, keys.base, {
    organization,
    id,
    attemptsMax: session === undefined ? ATTEMPTS_MAX : 1,
    deadlineEnd: JSON.stringify(endPastDeadline(limits)),
    cancelledUnrunEnd: JSON.stringify(endWithoutResult({ ...cancelled, outcome: "never_started" })),
    cancelledPartlyEnd: JSON.stringify(endWithoutResult({ ...cancelled, outcome: "ran_partly" })),
    workerLostEnd: JSON.stringify(endOfLostWorker(session === undefined)),
    workerLostCalledEnd: JSON.stringify(endOfLostWorker(false)),
    call: randomUUID(),
    versionMax: readsUpTo,
  });
  return { verdict, stored: await decodeRecord(organization, record, readsUpTo) };
}

export function endPastDeadline(limits: Limits): ExecutionEnd {
  return endWithoutResult({
    status: "errored",
    cause: "timeout",
    outcome: "never_started",
    retrySafe: true,
    evidence: { limit: "queueWaitMsMax", limit_value: limits.queueWaitMsMax },
  });
}

/** Code has no effect outside its sandbox, so a partial run is safe to retry, unless it was a cell of a session. */
export function endOfLostWorker(retrySafe = true): ExecutionEnd {
  return endWithoutResult({ status: "errored", cause: "worker_lost", outcome: "ran_partly", retrySafe });
}

/** The end of a run, and its outputs that are not in the event stream yet. */
interface EndedRun {
  end: ExecutionEnd;
  lastOutputs: string[];
}

async function runEngine(context: RunContext, stored: StoredExecution, stop: AbortSignal, trace: RunTrace): Promise<EndedRun> {
  const { keys, log, redis, limits } = context;
  const { id } = stored;
  // A cancelled run still sends its output. A run that another worker repeats does not.
  const superseded = new AbortController();
  stop.addEventListener("abort", () => stop.reason !== "cancelled" && superseded.abort());
  const writer = new EventWriter({ redis, keys, stored, limits, log, signal: superseded.signal });
  const input = toRunInput(stored, limits);
  const tools = input.tools === undefined ? undefined : openTools(context, stored, writer);
  let end: ExecutionEnd;
  try {
    const ports = context.ports(input, (output) => writer.emit(output));
    end = await context.engine.run(input, { ...ports, ...(tools === undefined ? {} : { tools }), phase: trace.phase }, stop);
  } catch (error) {
    log.error({ execution: id, err: error }, "the engine failed");
    const retrySafe = input.session === undefined;
    end = endWithoutResult({ status: "errored", cause: "sandbox_lost", outcome: "ran_partly", retrySafe });
  } finally {
    tools?.close();
  }
  return { end, lastOutputs: await writer.rest() };
}

const stoppedCauses: ReadonlySet<Cause | null> = new Set<Cause>(["cancelled", "sandbox_lost", "worker_lost"]);

/** False for a run that ended by itself while the worker was stopping: its result is kept. */
function wasStopped(end: ExecutionEnd): boolean {
  return stoppedCauses.has(end.cause);
}

/**
 * The engine was unreachable or too slow. It may recover before the queue deadline, or another worker's engine may
 * work.
 */
function neverStarted(end: ExecutionEnd): boolean {
  return end.cause === "sandbox_lost" && end.outcome === "never_started";
}

async function backInQueue({ redis, keys }: RunContext, { organization, id, attempt }: StoredExecution): Promise<boolean> {
  return backInQueueScript.run(redis, keys.base, { organization, id, attempt });
}

/**
 * Stores the end. Repeating the run would be expensive, so writes that Redis refuses (full or read-only) are retried
 * for a while, as long as this worker holds the lock.
 */
async function finish(context: RunContext, stored: StoredExecution, { end, lastOutputs }: EndedRun, stop: AbortSignal): Promise<void> {
  const { redis, keys, log, metrics } = context;
  const { body, zipped, parts, outputsBytes } = await encodeEnd(end, stored.version);
  const { organization, id, attempt } = stored;
  const outcome = { finalStatus: end.status, cause: end.cause ?? "", endJson: body, zipped, outputsParts: parts.length, outputsBytes };
  const args = { organization, id, attempt, ...outcome, call: randomUUID(), ...usageOf(stored, end) };
  for (let turn = 0; ; turn++) {
    try {
      const completedAt = await finishScript.run(redis, keys.base, args, [...parts, ...lastOutputs]);
      // 0: another attempt is the current one, or the execution had already ended.
      if (completedAt !== 0) reportEnd(context, { ...stored, status: end.status, end, completedAt });
      return;
    } catch (error) {
      metrics.resultStoreFailures.inc();
      if (turn === STORE_RETRIES || stop.reason === "lock_lost") throw error;
      log.warn({ execution: id, turn, err: error }, "an end could not be stored; retrying");
      await sleep(Math.min(STORE_RETRY_MS.first * 2 ** turn, STORE_RETRY_MS.max));
    }
  }
}

/** The organization's usage: CPU milliseconds, bytes sent into the sandbox, and bytes written or stored from it. */
function usageOf(
  { request }: StoredExecution,
  { usage, outcome, provenance }: ExecutionEnd,
): { cpuMs: number; bytesIn: number; bytesOut: number } {
  const files = provenance?.inputs.reduce((sum, file) => sum + file.bytes, 0) ?? 0;
  const sent = outcome === "never_started" ? 0 : Buffer.byteLength(request.code) + Buffer.byteLength(request.stdin);
  return {
    cpuMs: Math.round(usage.cpu_ms),
    bytesIn: Math.round(files + sent),
    bytesOut: Math.round(usage.stdout_bytes + usage.stderr_bytes + usage.file_bytes),
  };
}
