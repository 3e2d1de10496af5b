import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Limits } from "../../domain/limits.ts";
import type { Output } from "../../domain/outputs.ts";
import type { SandboxFacts } from "../../domain/provenance.ts";
import type { ExecutionEnd } from "../../domain/result.ts";
import type { Engine, RunInput, RunNeeds, RunPorts } from "../../domain/run.ts";
import type { Cause } from "../../domain/status.ts";
import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { noTracing, type Tracing } from "../../observe/trace.ts";
import type { RedisClient } from "../../redis/address.ts";
import type { Keys } from "../core/keys.ts";
import { EventWriter } from "../executions/event-writer.ts";
import { decodeRecord, encodeEnd, endWithoutResult, type StoredExecution, toRunInput } from "../executions/record.ts";
import { tellEnded } from "../executions/report-end.ts";
import { backInQueueScript, finishScript, startScript } from "../executions/scripts.ts";
import { type RunTrace, traceRun } from "./run-trace.ts";

/** Runs of one execution: the first and two after lost workers. Code that takes its worker down must not do so for ever. */
export const ATTEMPTS_MAX = 3;
/** Half a minute together. */
const STORE_RETRIES = 9;
const STORE_RETRY_MS = { first: 100, max: 5_000 };

export interface RunWorld {
  redis: RedisClient;
  keys: Keys;
  limits: Limits;
  /** Newest version of records that this worker reads. */
  readsUpTo: number;
  metrics: Metrics;
  log: Log;
  engine: Engine;
  ports: (input: RunInput, emit: (output: Output) => Promise<void>) => RunPorts;
  /** What this worker's sandboxes are made of, for receipts; unknown where nobody measures it. */
  sandboxFacts?: () => SandboxFacts | null;
  tracing?: Tracing;
}

export interface JobData {
  /** See version.ts. */
  v?: number;
  id: string;
  organization: string;
  /** The session it is a cell of. */
  session?: string;
  /** Absent for a job that was added again without its record. */
  needs?: RunNeeds;
}

/**
 * `give_back`: another worker is to run it. `newer`: another worker, as this one can not read its record, which is as it
 * was. `no_sandbox`: nothing ran, and it waits in the queue again. `webhook_due`: it ended and somebody is to be told.
 */
export type RunResult = "done" | "webhook_due" | "give_back" | "newer" | "no_sandbox";

/** Takes one job from its start to its stored end. */
export async function runJob(world: RunWorld, job: JobData, stop: AbortSignal): Promise<RunResult> {
  if (job.needs !== undefined) world.engine.prepare?.(job.id, job.needs);
  try {
    return await runPrepared(world, job, stop);
  } finally {
    world.engine.forget?.(job.id);
  }
}

async function runPrepared(world: RunWorld, job: JobData, stop: AbortSignal): Promise<RunResult> {
  const { verdict, stored } = await start(world, job);
  if (verdict === "newer") return "newer";
  if (stored === null || verdict === "ended") return "done";
  if (verdict !== "run") {
    if (verdict !== "worker_lost") world.metrics.dropped.inc({ reason: verdict });
    tellEnded(world, stored);
    return "done";
  }
  const trace = traceRun(world.tracing ?? noTracing, stored);
  let end: ExecutionEnd | null = null;
  try {
    const ran = await runEngine(world, stored, stop, trace);
    end = withFacts(ran.end, world);
    if (stop.reason === "lock_lost") return "done";
    // A cell has changed its session: nobody can run it again.
    if (stop.reason === "shutdown" && wasStopped(end) && job.session === undefined) return "give_back";
    if (isUnrun(end) && job.session === undefined && (await backInQueue(world, stored))) return "no_sandbox";
    trace.phase("store");
    await finish(world, stored, { ...ran, end }, stop);
    return stored.webhookId === null ? "done" : "webhook_due";
  } finally {
    trace.end(end);
  }
}

function withFacts(end: ExecutionEnd, { sandboxFacts }: RunWorld): ExecutionEnd {
  if (end.provenance === undefined) return end;
  return { ...end, provenance: { ...end.provenance, sandbox: sandboxFacts?.() ?? null } };
}

type Verdict = "run" | "newer" | "ended" | "gone" | "cancelled" | "deadline" | "worker_lost";

async function start(
  world: RunWorld,
  { id, organization, session }: JobData,
): Promise<{ verdict: Verdict; stored: StoredExecution | null }> {
  const { redis, keys, limits, readsUpTo } = world;
  const cancelled = { status: "cancelled", cause: "cancelled", retrySafe: true } as const;
  const ends = [
    endPastDeadline(limits),
    endWithoutResult({ ...cancelled, outcome: "never_started" }),
    endWithoutResult({ ...cancelled, outcome: "ran_partly" }),
    endOfLostWorker(session === undefined),
  ];
  const args = [
    organization,
    id,
    session === undefined ? ATTEMPTS_MAX : 1,
    ...ends.map((end) => JSON.stringify(end)),
    randomUUID(),
    readsUpTo,
  ];
  const reply = (await startScript.run(redis, keys.base, args)) as unknown[];
  return { verdict: String(reply[0]) as Verdict, stored: await decodeRecord(organization, reply[1], readsUpTo) };
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

/** Nothing can leave a sandbox, so a part that ran is safe to repeat, unless it was a cell of a session. */
export function endOfLostWorker(retrySafe = true): ExecutionEnd {
  return endWithoutResult({ status: "errored", cause: "worker_lost", outcome: "ran_partly", retrySafe });
}

/** How a run ended, and what of it is not in the event stream yet. */
interface Ran {
  end: ExecutionEnd;
  lastOutputs: string[];
}

async function runEngine(world: RunWorld, stored: StoredExecution, stop: AbortSignal, trace: RunTrace): Promise<Ran> {
  const { keys, log, redis, limits } = world;
  const { id } = stored;
  // A cancelled run still tells what it printed; one that somebody else repeats has nothing to tell.
  const repeated = new AbortController();
  stop.addEventListener("abort", () => stop.reason !== "cancelled" && repeated.abort());
  const writer = new EventWriter({ redis, keys, stored, limits, log, signal: repeated.signal });
  const input = toRunInput(stored);
  let end: ExecutionEnd;
  try {
    const ports = world.ports(input, (output) => writer.emit(output));
    end = await world.engine.run(input, { ...ports, phase: trace.phase }, stop);
  } catch (error) {
    log.error({ execution: id, err: error }, "the engine failed");
    const retrySafe = input.session === undefined;
    end = endWithoutResult({ status: "errored", cause: "sandbox_lost", outcome: "ran_partly", retrySafe });
  }
  return { end, lastOutputs: await writer.rest() };
}

const stoppedCauses: ReadonlySet<Cause | null> = new Set<Cause>(["cancelled", "sandbox_lost", "worker_lost"]);

/** A run that came to its own end while the worker was stopping is kept. */
function wasStopped(end: ExecutionEnd): boolean {
  return stoppedCauses.has(end.cause);
}

/** The engine was away, or too slow. It may be back before the execution's deadline, and another worker has another one. */
function isUnrun(end: ExecutionEnd): boolean {
  return end.cause === "sandbox_lost" && end.outcome === "never_started";
}

async function backInQueue({ redis, keys }: RunWorld, { organization, id, attempt }: StoredExecution): Promise<boolean> {
  return Number(await backInQueueScript.run(redis, keys.base, [organization, id, attempt])) === 1;
}

/**
 * Stores the end. The run can not be repeated for less than it cost, so a Redis that refuses to write, full or read-only, is
 * asked again for a while, as long as the job is still this worker's.
 */
async function finish(world: RunWorld, stored: StoredExecution, { end, lastOutputs }: Ran, stop: AbortSignal): Promise<void> {
  const { redis, keys, log, metrics } = world;
  const { body, zipped } = await encodeEnd(end);
  const { organization, id, attempt } = stored;
  const spent = spentOf(stored, end);
  const args = [organization, id, attempt, end.status, end.cause ?? "", body, zipped, randomUUID(), ...spent, ...lastOutputs];
  for (let turn = 0; ; turn++) {
    try {
      const reply = await finishScript.run(redis, keys.base, args);
      // Ignored: another attempt is the current one, or a cancel or deadline ended it first.
      if (Number(reply) !== 0) tellEnded(world, { ...stored, status: end.status, end, completedAt: Number(reply) });
      return;
    } catch (error) {
      metrics.resultStoreFailures.inc();
      if (turn === STORE_RETRIES || stop.reason === "lock_lost") throw error;
      log.warn({ execution: id, turn, err: error }, "an end was not stored; trying again");
      await sleep(Math.min(STORE_RETRY_MS.first * 2 ** turn, STORE_RETRY_MS.max));
    }
  }
}

/** What is counted for the organization: cpu milliseconds, bytes into the sandbox, bytes written there or kept of it. */
function spentOf(
  { request }: StoredExecution,
  { usage, outcome, provenance }: ExecutionEnd,
): [cpuMs: number, bytesIn: number, bytesOut: number] {
  const files = provenance?.inputs.reduce((sum, file) => sum + file.bytes, 0) ?? 0;
  const sent = outcome === "never_started" ? 0 : Buffer.byteLength(request.code) + Buffer.byteLength(request.stdin);
  return [usage.cpu_ms, files + sent, usage.stdout_bytes + usage.stderr_bytes + usage.file_bytes].map(Math.round) as [
    number,
    number,
    number,
  ];
}
