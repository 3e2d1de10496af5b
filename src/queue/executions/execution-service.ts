import type { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { Queue } from "bullmq";
import { ServiceError } from "../../domain/errors.ts";
import { executionIdPattern } from "../../domain/ids.ts";
import type { Limits } from "../../domain/limits.ts";
import type { ReceiptSource } from "../../domain/receipt-source.ts";
import type { Execution, ExecutionEvent } from "../../domain/result.ts";
import { isFinal } from "../../domain/status.ts";
import type { DayRange, DayUsage } from "../../domain/usage.ts";
import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { Tracing } from "../../observe/trace.ts";
import type { RedisClient } from "../../redis/address.ts";
import { disconnect, subscriberOf, untilReady } from "../../redis/connection.ts";
import { boardQueue } from "../core/board.ts";
import { type Keys, makeKeys, memberOf, queueNames } from "../core/keys.ts";
import { ask, unavailable } from "../core/unavailable.ts";
import { Wakeups } from "../core/wakeups.ts";
import type { StoredFiles } from "../sessions/files.ts";
import { SessionQueues } from "../sessions/jobs.ts";
import { endSessionsOfTheSilent } from "../sessions/loss.ts";
import { Sessions } from "../sessions/sessions.ts";
import { endOverdue, repeat } from "../worker/sweep.ts";
import { collectDepth, countJobs } from "./depth.ts";
import { readEvents } from "./event-reader.ts";
import { type DecodedExecution, decodeRecord, endWithoutResult, toExecution } from "./record.ts";
import { tellEnded } from "./report-end.ts";
import { cancelScript, deleteScript } from "./scripts.ts";
import { type Idempotency, type NewExecution, Submissions } from "./submission.ts";
import { settleUnqueued } from "./unqueued.ts";
import { readUsage } from "./usage.ts";

export interface ProducerDeps {
  /** With fail-fast options, see connection.ts. Stays the caller's to close. */
  redis: RedisClient;
  prefix: string;
  limits: Limits;
  metrics: Metrics;
  log: Log;
  tracing?: Tracing;
}

const SWEEP_MS = 1_000;
const SILENT_SWEEP_MS = 2_000;
const READY_TIMEOUT_MS = 800;
/** A waiting caller rides out a Redis that is away for this long, as when it is started anew. */
const ABSENCE_MS_MAX = 15_000;
/** On top of the kill grace: removing a container under load, and storing the end. */
const CANCEL_WAIT_MS = 15_000;

/** An execution as it was, and when. */
interface Seen {
  execution: Execution;
  at: number;
}

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
  readonly #submissions: Submissions;
  readonly #stopSweep: () => void;
  readonly #stopLossSweep: () => void;

  constructor(deps: ProducerDeps) {
    this.#deps = deps;
    this.#keys = makeKeys(deps.prefix);
    this.#queue = this.#openQueue(queueNames.executions);
    this.#webhooks = this.#openQueue(queueNames.webhooks);
    this.#subscriber = subscriberOf(deps.redis, deps.log);
    this.#wakeups = new Wakeups(this.#subscriber, this.#keys.ended);
    collectDepth(deps.metrics, { queue: this.#queue, redis: deps.redis, base: this.#keys.base });
    const world = { ...deps, keys: this.#keys, queue: this.#queue };
    this.#sessionQueues = new SessionQueues({ redis: deps.redis, base: this.#keys.base, log: deps.log });
    const submissions = new Submissions({ ...world, sessionQueues: this.#sessionQueues });
    this.#submissions = submissions;
    const unqueued = { redis: deps.redis, keys: this.#keys, addJob: submissions.addWhereItBelongs.bind(submissions) };
    this.#stopSweep = repeat(SWEEP_MS, deps.log, async () => {
      await endOverdue(world);
      await settleUnqueued(unqueued);
    });
    this.#stopLossSweep = repeat(SILENT_SWEEP_MS, deps.log, () => endSessionsOfTheSilent({ ...world, queues: this.#sessionQueues }));
  }

  /** Sessions over the same queue; they end with this. */
  sessionsWith(files: StoredFiles): Sessions {
    const { redis, limits } = this.#deps;
    const shared = { keys: this.#keys, queue: this.#queue, queues: this.#sessionQueues, wakeups: this.#wakeups };
    return new Sessions({ redis, limits, files, ...shared, refused: (reply) => this.#submissions.refused(reply) });
  }

  /**
   * Accepts an execution, or answers with the one its idempotency key already made. Rejects with
   * `organization_queue_full`, `queue_full`, `organization_storage_full`, `idempotency_mismatch`.
   */
  submit(request: NewExecution): Promise<{ execution: Execution; replayed: boolean }> {
    return this.#submissions.submit(request);
  }

  /** The execution an idempotency key has made; null when it has made none. Rejects with `idempotency_mismatch`. */
  replay(organization: string, idempotency: Idempotency): Promise<Execution | null> {
    return this.#submissions.replay(organization, idempotency);
  }

  async get(organization: string, id: string): Promise<Execution | null> {
    const stored = await this.#stored(organization, id);
    return stored === null ? null : toExecution(stored);
  }

  /**
   * A page of the organization's executions by age, after the one named; shorter than it may be where results are so large that
   * no more should be held at once. Rejects with `execution_not_found` for an unknown `after`.
   */
  async list(
    organization: string,
    page: { after?: string; limit: number; order: "asc" | "desc" },
  ): Promise<{ data: Execution[]; hasMore: boolean }> {
    const { redis } = this.#deps;
    const list = this.#keys.list(organization);
    let start = 0;
    if (page.after !== undefined) {
      const { after } = page;
      const rank = await ask(() => (page.order === "asc" ? redis.zrank(list, after) : redis.zrevrank(list, after)));
      if (rank === null) throw new ServiceError("execution_not_found", { param: "after", detail: "`after` names no execution." });
      start = rank + 1;
    }
    const stop = start + page.limit;
    const ids = await ask(() => (page.order === "asc" ? redis.zrange(list, start, stop) : redis.zrevrange(list, start, stop)));
    const data: Execution[] = [];
    let bytes = 0;
    for (const [index, id] of ids.slice(0, page.limit).entries()) {
      const stored = await this.#stored(organization, id);
      if (stored === null) continue;
      data.push(toExecution(stored));
      bytes += stored.bytes;
      if (bytes >= this.#deps.limits.listPageBytesMax) return { data, hasMore: index + 1 < ids.length };
    }
    return { data, hasMore: ids.length > page.limit };
  }

  /**
   * The execution as it is when it has ended, after `timeoutMs`, or when `signal` aborts. Rejects with `execution_not_found`.
   * Who gives it as it was a moment ago saves the look with which the wait begins.
   */
  async waitForEnd(organization: string, id: string, timeoutMs: number, signal?: AbortSignal, known?: Execution): Promise<Execution> {
    const until = performance.now() + timeoutMs;
    const watch = this.#wakeups.watchEnd(memberOf(organization, id));
    let seen = known === undefined ? null : { execution: known, at: performance.now() };
    try {
      for (let look = seen === null; ; look = true) {
        const execution = look ? await this.#lookAgain(organization, id, seen) : (seen as Seen).execution;
        const left = until - performance.now();
        if (isFinal(execution.status) || left <= 0 || signal?.aborted === true) return execution;
        if (execution !== seen?.execution) seen = { execution, at: performance.now() };
        await watch.next(left, signal);
      }
    } finally {
      watch.close();
    }
  }

  async #lookAgain(organization: string, id: string, seen: Seen | null): Promise<Execution> {
    const execution = await this.get(organization, id).catch((error: unknown) => {
      // It goes on without us: who has waited so long waits out a short absence too.
      if (seen === null || performance.now() - seen.at > ABSENCE_MS_MAX) throw error;
      return seen.execution;
    });
    if (execution === null) throw new ServiceError("execution_not_found");
    return execution;
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
    const state = String(await ask(() => cancelScript.run(redis, this.#keys.base, [organization, id, JSON.stringify(end)])));
    if (state === "unknown") return null;
    if (state === "running") return this.waitForEnd(organization, id, limits.runKillGraceMs + CANCEL_WAIT_MS);
    if (state === "waiting") await this.#afterCancelled(organization, id);
    return this.get(organization, id);
  }

  /** Forgets an ended execution and returns it, for its files to be deleted. Rejects with `execution_running`. */
  async delete(organization: string, id: string): Promise<Execution | null> {
    if (!executionIdPattern.test(id)) return null;
    const reply = await ask(() => deleteScript.run(this.#deps.redis, this.#keys.base, [organization, id]));
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
    return ask(() => readUsage(this.#deps.redis, this.#keys, organization, range));
  }

  /** What a receipt is made of; null for an unknown execution. */
  async receiptSource(organization: string, id: string): Promise<ReceiptSource | null> {
    const stored = await this.#stored(organization, id);
    if (stored === null) return null;
    return {
      organization,
      execution: toExecution(stored),
      stdin: stored.request.stdin,
      args: stored.request.args,
      provenance: stored.end?.provenance ?? null,
    };
  }

  /** What the queue page shows: the shared queues, and one of each worker that has sessions. Pausing the latter would strand a session. */
  async boardQueues(): Promise<BullMQAdapter[]> {
    const workers = await ask(() => this.#deps.redis.smembers(this.#keys.sessionWorkers));
    return [
      boardQueue(this.#queue, "executions that wait for a worker or run"),
      boardQueue(this.#webhooks, "calls that tell of ends"),
      ...workers
        .sort()
        .map((id) => boardQueue(this.#sessionQueues.of(id), "what the sessions of one worker are to do", { readOnlyMode: true })),
    ];
  }

  async depth(): Promise<{ waiting: number; active: number }> {
    return ask(() => countJobs(this.#queue));
  }

  /** Rejects with `queue_unavailable` when Redis can not be used now. */
  async ready(): Promise<void> {
    await ask(async () => {
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

  async #stored(organization: string, id: string): Promise<DecodedExecution | null> {
    if (!executionIdPattern.test(id)) return null;
    return decodeRecord(organization, await ask(() => this.#deps.redis.callBuffer("HGETALL", this.#keys.record(organization, id))));
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

  async #afterCancelled(organization: string, id: string): Promise<void> {
    // A worker that takes the job in this moment sees that the execution has ended, so a failure here costs nothing.
    await this.#queue.remove(id).catch(() => 0);
    this.#deps.metrics.dropped.inc({ reason: "cancelled" });
    const stored = await this.#stored(organization, id);
    if (stored !== null) tellEnded(this.#deps, stored);
  }
}
