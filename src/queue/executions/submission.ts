import type { Queue } from "bullmq";
import type { Idempotency, Submission } from "../../app/ports.ts";
import { ServiceError } from "../../domain/errors.ts";
import { wantsPreloaded } from "../../domain/heavy-imports.ts";
import { newId } from "../../domain/ids.ts";
import type { Limits } from "../../domain/limits.ts";
import type { LimitsOf } from "../../domain/organization-limits.ts";
import type { ExecutionRequest } from "../../domain/request.ts";
import type { ReadExecution } from "../../domain/result.ts";
import type { RunNeeds } from "../../domain/run.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { noTracing, type Span, type Tracing } from "../../observe/trace.ts";
import type { RedisClient } from "../../redis/address.ts";
import type { ScriptReply } from "../../redis/script.ts";
import type { Turns } from "../../util/turns.ts";
import { hashIdempotencyKey, type Keys } from "../core/keys.ts";
import type { Refusal } from "../core/script-prelude.ts";
import { callRedis, unavailable } from "../core/unavailable.ts";
import { RECORD_VERSION, SERVERS_VERSION, VERSION } from "../core/version.ts";
import type { SessionQueues } from "../sessions/jobs.ts";
import { notActive } from "../sessions/lookup.ts";
import { retryAfterSeconds } from "./admission.ts";
import { decodeRecord, type StoredExecution, toExecution } from "./record.ts";
import { replayScript, submitScript } from "./scripts.ts";
import { confirmQueued } from "./unqueued.ts";

export interface NewExecution extends Submission {
  /** Longest wait in the queue, milliseconds, after which it is dropped. Default and maximum: the operator's limit. */
  queueDeadlineMs?: number;
}

export interface SubmissionsDeps {
  redis: RedisClient;
  keys: Keys;
  queue: Queue;
  sessionQueues: SessionQueues;
  limits: Limits;
  limitsOf: LimitsOf;
  metrics: Metrics;
  /** For reading large outputs. */
  turns: Turns;
  tracing?: Tracing | undefined;
}

const PRIORITY_FIRST = 1;
const DAY_MS = 24 * 60 * 60 * 1000;
/** Well below the age at which an execution without a job is withdrawn, see unqueued.ts. */
const ENQUEUE_SAFE_MS = 2_000;

/**
 * Submits executions: one script admits an execution and writes its record, then its job is added to the right queue.
 */
export class Submissions {
  readonly #deps: SubmissionsDeps;

  constructor(deps: SubmissionsDeps) {
    this.#deps = deps;
  }

  /**
   * Accepts an execution, or returns the one that its idempotency key created before. Rejects with
   * `organization_queue_full`, `queue_full`, `organization_storage_full`, `idempotency_mismatch`.
   */
  async submit(request: NewExecution): Promise<{ execution: ReadExecution; replayed: boolean }> {
    const { tracing = noTracing } = this.#deps;
    const span = tracing.startSpan("execution.submit", { kind: "producer", parent: tracing.current() });
    try {
      return await this.#submit(request, span);
    } finally {
      span?.end();
    }
  }

  async #submit(request: NewExecution, span: Span | null): Promise<{ execution: ReadExecution; replayed: boolean }> {
    const { redis, keys } = this.#deps;
    const id = newId("execution");
    const { organization, idempotency, servers = [] } = request;
    const version = servers.length > 0 ? SERVERS_VERSION : RECORD_VERSION;
    const limits = this.#deps.limitsOf(organization);
    const wanted = within(limits, request.request);
    const { memory_mb: memoryMb, code, tools = [] } = wanted;
    const needs = { memoryMb, preloaded: wantsPreloaded(code), ...(tools.length + servers.length > 0 ? { tools: true } : {}) };
    const waitMs = Math.max(1, Math.min(request.queueDeadlineMs ?? limits.queueWaitMsMax, limits.queueWaitMsMax));
    const args = {
      organization,
      id,
      idempotencyHash: idempotency === null ? "" : hashIdempotencyKey(idempotency.key),
      bodySha256: idempotency?.bodySha256 ?? "",
      queueTotalMax: limits.queueTotalMax,
      queuePerOrganizationMax: limits.queuePerOrganizationMax,
      waitMs: Math.round(waitMs),
      retentionMs: limits.retentionMsMax,
      eventsMs: limits.eventsRetentionMsMax,
      priorityClass: wanted.priority,
      webhookId: wanted.webhook === undefined ? "" : newId("webhook"),
      requestJson: JSON.stringify({ ...wanted, files: [] }),
      filesJson: JSON.stringify(request.files),
      session: wanted.container ?? "",
      trace: span?.traceparent ?? "",
      usageMs: limits.usageKeptDaysMax * DAY_MS,
      version,
      serversJson: servers.length > 0 ? JSON.stringify(servers) : "",
      keptBytesMax: limits.recordsBytesPerOrganizationMax,
    };
    const reply = await callRedis(() => submitScript.run(redis, keys.base, args));
    if (reply.kind === "full") throw this.refused(reply, limits);
    if (reply.kind === "stored") throw this.#storedTooMuch(limits);
    if (reply.kind === "session") throw notActive(reply.status);
    if (reply.kind === "replay") return { execution: await this.#replayed(organization, idempotency, reply), replayed: true };
    const { createdAt, worker, priority } = reply;
    const session = wanted.container;
    const enqueueStarted = performance.now();
    await this.enqueue(organization, id, priority, session === undefined ? null : { worker, session }, needs);
    // The worker that takes the job clears the mark. Only after a slow enqueue may the execution have been withdrawn.
    const late = performance.now() - enqueueStarted > ENQUEUE_SAFE_MS;
    if (late && !(await callRedis(() => confirmQueued(redis, keys, organization, id)))) throw unavailable("withdrawn");
    const stored: StoredExecution = {
      version,
      id,
      organization,
      status: "queued",
      request: wanted,
      files: request.files,
      servers,
      attempt: 0,
      createdAt,
      startedAt: null,
      completedAt: null,
      expiresAt: createdAt + limits.retentionMsMax,
      webhookId: null,
      trace: span?.traceparent ?? null,
      end: null,
      outputsBytes: 0,
    };
    return { execution: toExecution(stored, this.#deps), replayed: false };
  }

  /** The execution that an idempotency key created, or null. Rejects with `idempotency_mismatch`. */
  async replay(organization: string, idempotency: Idempotency): Promise<ReadExecution | null> {
    const { redis, keys } = this.#deps;
    const args = { organization, idempotencyHash: hashIdempotencyKey(idempotency.key) };
    const earlier = await callRedis(() => replayScript.run(redis, keys.base, args));
    return earlier === null ? null : this.#replayed(organization, idempotency, earlier);
  }

  /** Adds the job to the shared queue, or a cell to the queue of its session's owner. */
  async enqueue(
    organization: string,
    id: string,
    priority: number,
    cell: { worker: string; session: string } | null,
    needs?: RunNeeds,
  ): Promise<void> {
    if (cell === null) await this.#addJob(organization, id, priority, needs);
    else await this.#addCell(cell.worker, { id, organization, session: cell.session });
  }

  async #addJob(organization: string, id: string, priority: number, needs?: RunNeeds): Promise<void> {
    await callRedis(() =>
      this.#deps.queue.add(
        "execution",
        { v: VERSION, id, organization, ...(needs === undefined ? {} : { needs }) },
        { jobId: id, priority, removeOnComplete: true, removeOnFail: true },
      ),
    );
  }

  async #addCell(worker: string, cell: { id: string; organization: string; session: string }): Promise<void> {
    await callRedis(() => this.#deps.sessionQueues.add(worker, { v: VERSION, op: "cell", ...cell }));
  }

  /** For a cell that may already be in its session's queue. If the session is gone, the deadline ends the cell. */
  async #addCellAgain(organization: string, id: string, session: string): Promise<void> {
    const { redis, keys } = this.#deps;
    const worker = await callRedis(() => redis.hget(keys.session(organization, session), "worker"));
    if (worker !== null) await this.#addCell(worker, { id, organization, session });
  }

  refused({ scope, waiting, rateCounters, nowMs }: Refusal, limits: Limits): ServiceError {
    const { metrics } = this.#deps;
    const code = scope === "total" ? "queue_full" : "organization_queue_full";
    metrics.admissionsRefused.inc({ code });
    const retryAfter = retryAfterSeconds(waiting, rateCounters, nowMs);
    return new ServiceError(code, { retryAfterSeconds: retryAfter, detail: fullDetail(code, limits, retryAfter) });
  }

  #storedTooMuch(limits: Limits): ServiceError {
    const { metrics } = this.#deps;
    const code = "organization_storage_full";
    metrics.admissionsRefused.inc({ code });
    return new ServiceError(code, {
      detail: `Stored requests, results and responses of your organization have reached the limit of ${limits.recordsBytesPerOrganizationMax} bytes; delete some, or retry after some have expired.`,
    });
  }

  async #replayed(
    organization: string,
    idempotency: Idempotency | null,
    { bodySha256, record }: { bodySha256: string; record: ScriptReply },
  ): Promise<ReadExecution> {
    if (idempotency === null || bodySha256 !== idempotency.bodySha256) {
      throw new ServiceError("idempotency_mismatch", {
        detail: "The Idempotency-Key was used with another body; use a new key.",
      });
    }
    const stored = await decodeRecord(organization, record);
    if (stored === null) throw new ServiceError("execution_not_found");
    // The first request may have failed between record and job. If the job exists, this adds nothing.
    const { container } = stored.request;
    if (stored.status === "queued" && container === undefined) await this.#addJob(organization, stored.id, PRIORITY_FIRST);
    if (stored.status === "queued" && container !== undefined) await this.#addCellAgain(organization, stored.id, container);
    return toExecution(stored, this.#deps);
  }
}

/** An organization's own limits also hold where a program of ours made the request, such as the assistant. */
function within(limits: Limits, request: ExecutionRequest): ExecutionRequest {
  const timeoutMs = Math.min(request.timeout_ms, limits.runTimeoutMsMax);
  const memoryMb = Math.min(request.memory_mb, limits.memoryMbMax);
  return { ...request, timeout_ms: timeoutMs, memory_mb: memoryMb };
}

function fullDetail(code: "queue_full" | "organization_queue_full", limits: Limits, seconds: number): string {
  return code === "queue_full"
    ? `The limit of ${limits.queueTotalMax} waiting executions is reached; retry in ${seconds} s.`
    : `Your organization's limit of ${limits.queuePerOrganizationMax} waiting executions is reached; retry in ${seconds} s.`;
}
