import type { Queue } from "bullmq";
import { ServiceError } from "../../domain/errors.ts";
import { wantsPreloaded } from "../../domain/heavy-imports.ts";
import { newId } from "../../domain/ids.ts";
import type { Limits } from "../../domain/limits.ts";
import type { ExecutionRequest } from "../../domain/request.ts";
import type { Execution } from "../../domain/result.ts";
import type { RunNeeds } from "../../domain/run.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { noTracing, type Span, type Tracing } from "../../observe/trace.ts";
import type { RedisClient } from "../../redis/address.ts";
import { hashIdempotencyKey, type Keys } from "../core/keys.ts";
import { ask, unavailable } from "../core/unavailable.ts";
import { VERSION } from "../core/version.ts";
import type { SessionQueues } from "../sessions/jobs.ts";
import { notActive } from "../sessions/lookup.ts";
import { retryAfterSeconds } from "./admission.ts";
import { decodeRecord, type StoredExecution, toExecution } from "./record.ts";
import { replayScript, submitScript } from "./scripts.ts";
import { confirmQueued } from "./unqueued.ts";

export interface Idempotency {
  key: string;
  /** Hex. */
  bodySha256: string;
}

export interface NewExecution {
  organization: string;
  request: ExecutionRequest;
  /** Inline files are stored before. */
  files: ReadonlyArray<{ name: string; file_id: string }>;
  idempotency: Idempotency | null;
  /** Milliseconds in the queue after which it is dropped unrun; at most the operator's limit, which is the default. */
  queueDeadlineMs?: number;
}

export interface SubmissionsDeps {
  redis: RedisClient;
  keys: Keys;
  queue: Queue;
  sessionQueues: SessionQueues;
  limits: Limits;
  metrics: Metrics;
  tracing?: Tracing | undefined;
}

const PRIORITY_FIRST = 1;
const DAY_MS = 24 * 60 * 60 * 1000;
/** Well below the time after which an execution without a job is withdrawn. */
const NOTE_SURE_MS = 2_000;

/** The way into the queue: one script admits an execution and writes its record, then its job goes where it belongs. */
export class Submissions {
  readonly #deps: SubmissionsDeps;

  constructor(deps: SubmissionsDeps) {
    this.#deps = deps;
  }

  /**
   * Accepts an execution, or answers with the one its idempotency key already made. Rejects with
   * `organization_queue_full`, `queue_full`, `organization_storage_full`, `idempotency_mismatch`.
   */
  async submit(request: NewExecution): Promise<{ execution: Execution; replayed: boolean }> {
    const { tracing = noTracing } = this.#deps;
    const span = tracing.startSpan("execution.submit", { kind: "producer", parent: tracing.current() });
    try {
      return await this.#submit(request, span);
    } finally {
      span?.end();
    }
  }

  async #submit(request: NewExecution, span: Span | null): Promise<{ execution: Execution; replayed: boolean }> {
    const { limits, redis, keys } = this.#deps;
    const id = newId("execution");
    const { organization, idempotency } = request;
    const waitMs = Math.max(1, Math.min(request.queueDeadlineMs ?? limits.queueWaitMsMax, limits.queueWaitMsMax));
    const reply = (await ask(() =>
      submitScript.run(redis, keys.base, [
        organization,
        id,
        idempotency === null ? "" : hashIdempotencyKey(idempotency.key),
        idempotency?.bodySha256 ?? "",
        limits.queueTotalMax,
        limits.queuePerOrganizationMax,
        Math.round(waitMs),
        limits.retentionMsMax,
        limits.eventsRetentionMsMax,
        request.request.priority,
        request.request.webhook === undefined ? "" : newId("webhook"),
        JSON.stringify({ ...request.request, files: [] }),
        JSON.stringify(request.files),
        request.request.container ?? "",
        span?.traceparent ?? "",
        limits.usageKeptDaysMax * DAY_MS,
        VERSION,
        limits.recordsBytesPerOrganizationMax,
      ]),
    )) as unknown[];
    const kind = String(reply[0]);
    if (kind === "full") throw this.refused(reply);
    if (kind === "stored") throw this.#storedTooMuch();
    if (kind === "session") throw notActive(String(reply[1]));
    if (kind === "replay") return { execution: await this.#replayed(organization, idempotency, reply[1], reply[2]), replayed: true };
    const createdAt = Number(reply[2]);
    const worker = String(reply[3]);
    const session = request.request.container;
    const noted = performance.now();
    const needs = { memoryMb: request.request.memory_mb, preloaded: wantsPreloaded(request.request.code) };
    await this.addWhereItBelongs(organization, id, Number(reply[1]), session === undefined ? null : { worker, session }, needs);
    // The worker that takes it strikes the note; only where this took long may it have been withdrawn meanwhile.
    const late = performance.now() - noted > NOTE_SURE_MS;
    if (late && !(await ask(() => confirmQueued(redis, keys, organization, id)))) throw unavailable("withdrawn");
    const stored: StoredExecution = {
      id,
      organization,
      status: "queued",
      request: request.request,
      files: request.files,
      attempt: 0,
      createdAt,
      startedAt: null,
      completedAt: null,
      expiresAt: createdAt + limits.retentionMsMax,
      webhookId: null,
      trace: span?.traceparent ?? null,
      end: null,
    };
    return { execution: toExecution(stored), replayed: false };
  }

  /** The execution an idempotency key has made; null when it has made none. Rejects with `idempotency_mismatch`. */
  async replay(organization: string, idempotency: Idempotency): Promise<Execution | null> {
    const { redis, keys } = this.#deps;
    const reply = await ask(() => replayScript.run(redis, keys.base, [organization, hashIdempotencyKey(idempotency.key)]));
    if (!Array.isArray(reply)) return null;
    return this.#replayed(organization, idempotency, reply[0], reply[1]);
  }

  async addWhereItBelongs(
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
    await ask(() =>
      this.#deps.queue.add(
        "execution",
        { v: VERSION, id, organization, ...(needs === undefined ? {} : { needs }) },
        { jobId: id, priority, removeOnComplete: true, removeOnFail: true },
      ),
    );
  }

  async #addCell(worker: string, cell: { id: string; organization: string; session: string }): Promise<void> {
    await ask(() => this.#deps.sessionQueues.add(worker, { v: VERSION, op: "cell", ...cell }));
  }

  /** For a cell that may or may not be in its session's queue; where the session is gone, its deadline ends it. */
  async #addCellAgain(organization: string, id: string, session: string): Promise<void> {
    const { redis, keys } = this.#deps;
    const worker = await ask(() => redis.hget(keys.session(organization, session), "worker"));
    if (worker !== null) await this.#addCell(worker, { id, organization, session });
  }

  refused(reply: unknown[]): ServiceError {
    const { limits, metrics } = this.#deps;
    const code = String(reply[1]) === "total" ? "queue_full" : "organization_queue_full";
    metrics.admissionsRefused.inc({ code });
    const retryAfter = retryAfterSeconds(Number(reply[2]), reply.slice(4).map(Number), Number(reply[3]));
    return new ServiceError(code, { retryAfterSeconds: retryAfter, detail: fullDetail(code, limits, retryAfter) });
  }

  #storedTooMuch(): ServiceError {
    const { limits, metrics } = this.#deps;
    const code = "organization_storage_full";
    metrics.admissionsRefused.inc({ code });
    return new ServiceError(code, {
      detail: `Requests, results and responses of your organization have ${limits.recordsBytesPerOrganizationMax} bytes, which is the most; delete executions or responses, or come again when some have expired.`,
    });
  }

  async #replayed(organization: string, idempotency: Idempotency | null, sha: unknown, reply: unknown): Promise<Execution> {
    if (idempotency === null || String(sha) !== idempotency.bodySha256) {
      throw new ServiceError("idempotency_mismatch", {
        detail: "The Idempotency-Key belongs to a request with another body; use a new key.",
      });
    }
    const stored = await decodeRecord(organization, reply);
    if (stored === null) throw new ServiceError("execution_not_found");
    // The first request may have lost Redis between record and job; where the job exists, this adds nothing.
    const { container } = stored.request;
    if (stored.status === "queued" && container === undefined) await this.#addJob(organization, stored.id, PRIORITY_FIRST);
    if (stored.status === "queued" && container !== undefined) await this.#addCellAgain(organization, stored.id, container);
    return toExecution(stored);
  }
}

function fullDetail(code: "queue_full" | "organization_queue_full", limits: Limits, seconds: number): string {
  return code === "queue_full"
    ? `${limits.queueTotalMax} executions are waiting, which is the most; come again in ${seconds} s.`
    : `${limits.queuePerOrganizationMax} executions of your organization are waiting, which is its most; come again in ${seconds} s.`;
}
