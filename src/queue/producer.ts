import type { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { Queue } from "bullmq";
import { ServiceError } from "../errors.ts";
import { executionIdPattern, newId } from "../execution/ids.ts";
import type { ReceiptSource } from "../execution/receipt-source.ts";
import type { ExecutionRequest } from "../execution/request.ts";
import type { Execution, ExecutionEvent } from "../execution/result.ts";
import { isFinal } from "../execution/status.ts";
import type { DayRange, DayUsage } from "../execution/usage.ts";
import type { Limits } from "../limits.ts";
import type { Log } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import { noTracing, type Span, type Tracing } from "../observe/trace.ts";
import type { RedisClient } from "../redis-address.ts";
import { retryAfterSeconds } from "./admission.ts";
import { boardQueue } from "./board.ts";
import { disconnect, untilReady, withErrorHandler } from "./connection.ts";
import { collectDepth, countJobs } from "./depth.ts";
import { tellEnded } from "./ended.ts";
import { readEvents } from "./event-reader.ts";
import { hashIdempotencyKey, type Keys, makeKeys, queueNames } from "./keys.ts";
import { decodeRecord, endWithoutResult, type StoredExecution, toExecution } from "./record.ts";
import { cancelScript, deleteScript, replayScript, submitScript } from "./scripts.ts";
import type { StoredFiles } from "./session-files.ts";
import { SessionQueues } from "./session-jobs.ts";
import { notActive } from "./session-lookup.ts";
import { endSessionsOfTheSilent } from "./session-loss.ts";
import { Sessions } from "./sessions.ts";
import { endOverdue, repeat } from "./sweep.ts";
import { confirmQueued, settleUnqueued } from "./unqueued.ts";
import { readUsage } from "./usage.ts";
import { VERSION } from "./version.ts";
import { Wakeups } from "./wakeups.ts";

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

export interface ProducerDeps {
  /** With fail-fast options, see connection.ts. Stays the caller's to close. */
  redis: RedisClient;
  prefix: string;
  limits: Limits;
  metrics: Metrics;
  log: Log;
  tracing?: Tracing;
}

const PRIORITY_FIRST = 1;
const DAY_MS = 24 * 60 * 60 * 1000;
const SWEEP_MS = 1_000;
const SILENT_SWEEP_MS = 2_000;
const READY_TIMEOUT_MS = 800;
/** Well below the time after which an execution without a job is withdrawn. */
const NOTE_SURE_MS = 2_000;
/** A waiting caller rides out a Redis that is away for this long, as when it is started anew. */
const ABSENCE_MS_MAX = 15_000;
/** On top of the kill grace: removing a container under load, and storing the end. */
const CANCEL_WAIT_MS = 15_000;

/** The queue as the api process sees it. Every method rejects with `queue_unavailable` within a second when Redis is away. */
export class Producer {
  readonly #deps: ProducerDeps;
  readonly #keys: Keys;
  readonly #queue: Queue;
  /** Filled and worked off by workers; opened for the queue page. */
  readonly #webhooks: Queue;
  readonly #subscriber: RedisClient;
  readonly #wakeups: Wakeups;
  readonly #sessionQueues: SessionQueues;
  readonly #stopSweep: () => void;
  readonly #stopLossSweep: () => void;

  constructor(deps: ProducerDeps) {
    this.#deps = deps;
    this.#keys = makeKeys(deps.prefix);
    this.#queue = this.#openQueue(queueNames.executions);
    this.#webhooks = this.#openQueue(queueNames.webhooks);
    this.#subscriber = withErrorHandler(deps.redis.duplicate(), deps.log);
    this.#wakeups = new Wakeups(this.#subscriber);
    collectDepth(deps.metrics, { queue: this.#queue, redis: deps.redis, base: this.#keys.base });
    const world = { ...deps, keys: this.#keys, queue: this.#queue };
    const unqueued = { redis: deps.redis, keys: this.#keys, addJob: this.#addWhereItBelongs.bind(this) };
    this.#stopSweep = repeat(SWEEP_MS, deps.log, async () => {
      await endOverdue(world);
      await settleUnqueued(unqueued);
    });
    this.#sessionQueues = new SessionQueues({ redis: deps.redis, base: this.#keys.base, log: deps.log });
    this.#stopLossSweep = repeat(SILENT_SWEEP_MS, deps.log, () => endSessionsOfTheSilent({ ...world, queues: this.#sessionQueues }));
  }

  /** Sessions over the same queue; they end with this. */
  sessionsWith(files: StoredFiles): Sessions {
    const { redis, limits } = this.#deps;
    const shared = { keys: this.#keys, queue: this.#queue, queues: this.#sessionQueues, wakeups: this.#wakeups };
    return new Sessions({ redis, limits, files, ...shared, unavailable, refused: (reply) => this.#refused(reply) });
  }

  /**
   * Accepts an execution, or answers with the one its idempotency key already made. Rejects with
   * `organization_queue_full`, `queue_full`, `idempotency_mismatch`.
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
    const { limits, redis } = this.#deps;
    const id = newId("execution");
    const { organization, idempotency } = request;
    const waitMs = Math.max(1, Math.min(request.queueDeadlineMs ?? limits.queueWaitMsMax, limits.queueWaitMsMax));
    const reply = (await this.#ask(() =>
      submitScript.run(redis, this.#keys.base, [
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
      ]),
    )) as unknown[];
    const kind = String(reply[0]);
    if (kind === "full") throw this.#refused(reply);
    if (kind === "session") throw notActive(String(reply[1]));
    if (kind === "replay") return { execution: await this.#replayed(organization, idempotency, reply[1], reply[2]), replayed: true };
    const createdAt = Number(reply[2]);
    const worker = String(reply[3]);
    const session = request.request.container;
    const noted = performance.now();
    await this.#addWhereItBelongs(organization, id, Number(reply[1]), session === undefined ? null : { worker, session });
    // The worker that takes it strikes the note; only where this took long may it have been withdrawn meanwhile.
    const late = performance.now() - noted > NOTE_SURE_MS;
    if (late && !(await this.#ask(() => confirmQueued(redis, this.#keys, organization, id)))) throw unavailable("withdrawn");
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
    const reply = await this.#ask(() =>
      replayScript.run(this.#deps.redis, this.#keys.base, [organization, hashIdempotencyKey(idempotency.key)]),
    );
    if (!Array.isArray(reply)) return null;
    return this.#replayed(organization, idempotency, reply[0], reply[1]);
  }

  async get(organization: string, id: string): Promise<Execution | null> {
    if (!executionIdPattern.test(id)) return null;
    const reply = await this.#ask(() => this.#deps.redis.callBuffer("HGETALL", this.#keys.record(organization, id)));
    const stored = await decodeRecord(organization, reply);
    return stored === null ? null : toExecution(stored);
  }

  /** A page of the organization's executions by age, after the one named. Rejects with `execution_not_found` for an unknown `after`. */
  async list(
    organization: string,
    page: { after?: string; limit: number; order: "asc" | "desc" },
  ): Promise<{ data: Execution[]; hasMore: boolean }> {
    const { redis } = this.#deps;
    const list = this.#keys.list(organization);
    let start = 0;
    if (page.after !== undefined) {
      const { after } = page;
      const rank = await this.#ask(() => (page.order === "asc" ? redis.zrank(list, after) : redis.zrevrank(list, after)));
      if (rank === null) throw new ServiceError("execution_not_found", { param: "after", detail: "`after` names no execution." });
      start = rank + 1;
    }
    const stop = start + page.limit;
    const ids = await this.#ask(() => (page.order === "asc" ? redis.zrange(list, start, stop) : redis.zrevrange(list, start, stop)));
    const found = await Promise.all(ids.slice(0, page.limit).map((id) => this.get(organization, id)));
    return { data: found.filter((execution) => execution !== null), hasMore: ids.length > page.limit };
  }

  /** The execution as it is when it has ended, after `timeoutMs`, or when `signal` aborts. Rejects with `execution_not_found`. */
  async waitForEnd(organization: string, id: string, timeoutMs: number, signal?: AbortSignal): Promise<Execution> {
    const until = performance.now() + timeoutMs;
    const watch = await this.#ask(() => this.#wakeups.watch(this.#keys.wake(organization, id), "end"));
    let seen = null as { execution: Execution; at: number } | null;
    try {
      for (;;) {
        const execution = await this.get(organization, id).catch((error: unknown) => {
          // It goes on without us: who has waited so long waits out a short absence too.
          if (seen === null || performance.now() - seen.at > ABSENCE_MS_MAX) throw error;
          return seen.execution;
        });
        if (execution === null) throw new ServiceError("execution_not_found");
        const left = until - performance.now();
        if (isFinal(execution.status) || left <= 0 || signal?.aborted === true) return execution;
        if (execution !== seen?.execution) seen = { execution, at: performance.now() };
        await watch.next(left, signal);
      }
    } finally {
      watch.close();
    }
  }

  /** Events from the start, or after an event id; ends after `execution.ended`. Nothing for an unknown execution. */
  async *events(
    organization: string,
    id: string,
    afterEventId: string | null,
    signal: AbortSignal,
  ): AsyncGenerator<{ id: string; event: ExecutionEvent }> {
    if (!executionIdPattern.test(id)) return;
    const source = { redis: this.#deps.redis, keys: this.#keys, wakeups: this.#wakeups, load: this.get.bind(this) };
    try {
      yield* readEvents(source, { organization, id, after: afterEventId, signal });
    } catch (error) {
      throw unavailable(error);
    }
  }

  /** Waiting: ended and removed. Running: resolves once its container is gone and the end is stored, or after a bound. */
  async cancel(organization: string, id: string): Promise<Execution | null> {
    if (!executionIdPattern.test(id)) return null;
    const { limits, redis } = this.#deps;
    const end = endWithoutResult({ status: "cancelled", cause: "cancelled", outcome: "never_started", retrySafe: true });
    const state = String(await this.#ask(() => cancelScript.run(redis, this.#keys.base, [organization, id, JSON.stringify(end)])));
    if (state === "unknown") return null;
    if (state === "running") return this.waitForEnd(organization, id, limits.runKillGraceMs + CANCEL_WAIT_MS);
    if (state === "waiting") await this.#afterCancelled(organization, id);
    return this.get(organization, id);
  }

  /** Forgets an ended execution and returns it, for its files to be deleted. Rejects with `execution_running`. */
  async delete(organization: string, id: string): Promise<Execution | null> {
    if (!executionIdPattern.test(id)) return null;
    const reply = await this.#ask(() => deleteScript.run(this.#deps.redis, this.#keys.base, [organization, id]));
    if (Array.isArray(reply)) {
      const stored = await decodeRecord(organization, reply);
      return stored === null ? null : toExecution(stored);
    }
    if (String(reply) === "running") {
      throw new ServiceError("execution_running", { detail: "The execution has not ended; cancel it first." });
    }
    return null;
  }

  /** What the organization's executions used, by UTC day of their end: every day of the range, oldest first. */
  async usage(organization: string, range: DayRange): Promise<DayUsage[]> {
    return this.#ask(() => readUsage(this.#deps.redis, this.#keys, organization, range));
  }

  /** What a receipt is made of; null for an unknown execution. */
  async receiptSource(organization: string, id: string): Promise<ReceiptSource | null> {
    if (!executionIdPattern.test(id)) return null;
    const stored = await decodeRecord(
      organization,
      await this.#ask(() => this.#deps.redis.callBuffer("HGETALL", this.#keys.record(organization, id))),
    );
    if (stored === null) return null;
    return {
      organization,
      execution: toExecution(stored),
      stdin: stored.request.stdin,
      args: stored.request.args,
      provenance: stored.end?.provenance ?? null,
    };
  }

  /** What the queue page shows. */
  boardQueues(): BullMQAdapter[] {
    return [boardQueue(this.#queue, "executions that wait for a worker or run"), boardQueue(this.#webhooks, "calls that tell of ends")];
  }

  async depth(): Promise<{ waiting: number; active: number }> {
    return this.#ask(() => countJobs(this.#queue));
  }

  /** Rejects with `queue_unavailable` when Redis can not be used now. */
  async ready(): Promise<void> {
    await this.#ask(async () => {
      await Promise.all([untilReady(this.#deps.redis, READY_TIMEOUT_MS), untilReady(this.#subscriber, READY_TIMEOUT_MS)]);
      // Of a key of ours: any node of a cluster would answer a PING, whatever became of the one that holds the queue.
      await this.#deps.redis.exists(this.#keys.fair);
    });
  }

  /** Ends what it opened itself; waits of callers still open see no more signals. */
  async close(): Promise<void> {
    this.#stopSweep();
    this.#stopLossSweep();
    disconnect(this.#subscriber);
    await Promise.all([
      this.#queue.close().catch(() => undefined),
      this.#webhooks.close().catch(() => undefined),
      this.#sessionQueues.close(),
    ]);
  }

  #openQueue(name: string): Queue {
    const { redis, log } = this.#deps;
    const queue = new Queue(name, {
      connection: redis,
      prefix: this.#keys.base,
      skipWaitingForReady: true,
      skipVersionCheck: true,
      skipMetasUpdate: true,
    });
    queue.on("error", (error) => log.warn({ error: error.message }, "the queue failed"));
    return queue;
  }

  async #addWhereItBelongs(organization: string, id: string, priority: number, cell: { worker: string; session: string } | null) {
    if (cell === null) await this.#addJob(organization, id, priority);
    else await this.#addCell(cell.worker, { id, organization, session: cell.session });
  }

  async #addJob(organization: string, id: string, priority: number): Promise<void> {
    await this.#ask(() =>
      this.#queue.add("execution", { v: VERSION, id, organization }, { jobId: id, priority, removeOnComplete: true, removeOnFail: true }),
    );
  }

  async #addCell(worker: string, cell: { id: string; organization: string; session: string }): Promise<void> {
    await this.#ask(() => this.#sessionQueues.add(worker, { v: VERSION, op: "cell", ...cell }));
  }

  /** For a cell that may or may not be in its session's queue; where the session is gone, its deadline ends it. */
  async #addCellAgain(organization: string, id: string, session: string): Promise<void> {
    const worker = await this.#ask(() => this.#deps.redis.hget(this.#keys.session(organization, session), "worker"));
    if (worker !== null) await this.#addCell(worker, { id, organization, session });
  }

  #refused(reply: unknown[]): ServiceError {
    const { limits, metrics } = this.#deps;
    const code = String(reply[1]) === "total" ? "queue_full" : "organization_queue_full";
    metrics.admissionsRefused.inc({ code });
    const retryAfter = retryAfterSeconds(Number(reply[2]), reply.slice(4).map(Number), Number(reply[3]));
    return new ServiceError(code, { retryAfterSeconds: retryAfter, detail: fullDetail(code, limits, retryAfter) });
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

  async #afterCancelled(organization: string, id: string): Promise<void> {
    // A worker that takes the job in this moment sees that the execution has ended, so a failure here costs nothing.
    await this.#queue.remove(id).catch(() => 0);
    this.#deps.metrics.dropped.inc({ reason: "cancelled" });
    const reply = await this.#ask(() => this.#deps.redis.callBuffer("HGETALL", this.#keys.record(organization, id)));
    const stored = await decodeRecord(organization, reply);
    if (stored !== null) tellEnded(this.#deps, stored);
  }

  async #ask<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw unavailable(error);
    }
  }
}

function unavailable(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  return new ServiceError("queue_unavailable", { cause: error, retryAfterSeconds: 1 });
}

function fullDetail(code: "queue_full" | "organization_queue_full", limits: Limits, seconds: number): string {
  return code === "queue_full"
    ? `${limits.queueTotalMax} executions are waiting, which is the most; come again in ${seconds} s.`
    : `${limits.queuePerOrganizationMax} executions of your organization are waiting, which is its most; come again in ${seconds} s.`;
}
