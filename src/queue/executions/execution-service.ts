import type { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { Queue } from "bullmq";
import type { CallAnswer, Idempotency } from "../../app/ports.ts";
import { ServiceError } from "../../domain/errors.ts";
import { executionIdPattern } from "../../domain/ids.ts";
import type { Limits } from "../../domain/limits.ts";
import type { LimitsOf } from "../../domain/organization-limits.ts";
import type { ReceiptSource } from "../../domain/receipt-source.ts";
import type { ReadEvent, ReadExecution } from "../../domain/result.ts";
import { isFinal } from "../../domain/status.ts";
import type { DayRange, DayUsage, OrganizationUsage, UsageMeasure } from "../../domain/usage.ts";
import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { Tracing } from "../../observe/trace.ts";
import type { RedisClient } from "../../redis/address.ts";
import { disconnect, subscriberOf, untilReady } from "../../redis/connection.ts";
import { probeWrite } from "../../redis/probe.ts";
import { Turns } from "../../util/turns.ts";
import { boardQueue } from "../core/board.ts";
import { type Keys, makeKeys, memberOf, queueNames } from "../core/keys.ts";
import { callRedis, unavailable } from "../core/unavailable.ts";
import { Wakeups } from "../core/wakeups.ts";
import type { StoredFiles } from "../sessions/files.ts";
import { SessionQueues } from "../sessions/jobs.ts";
import { Sessions } from "../sessions/sessions.ts";
import { answerCalls, readPendingCalls } from "../tools/answered-calls.ts";
import { KeyUse, readKeyUse } from "../usage/key-use.ts";
import { RefusedRequests, readTopUsage } from "../usage/top-usage.ts";
import { readUsage } from "../usage/usage.ts";
import { collectDepth, countJobs } from "./depth.ts";
import { readEvents } from "./event-reader.ts";
import type { OutputsSource } from "./outputs.ts";
import {
  type DecodedExecution,
  decodeRecord,
  endWithoutResult,
  mayAwaitCaller,
  type StoredExecution,
  toExecution,
  withoutOutputs,
} from "./record.ts";
import { reportEnd } from "./report-end.ts";
import { cancelScript, deleteScript } from "./scripts.ts";
import { type NewExecution, Submissions } from "./submission.ts";
import { startUpkeep } from "./upkeep.ts";

export interface ExecutionServiceDeps {
  /** Made by `connectFailFast`. The caller closes it. */
  redis: RedisClient;
  prefix: string;
  limits: Limits;
  /** The limits for one organization; by default the same for all. */
  limitsOf?: LimitsOf;
  metrics: Metrics;
  log: Log;
  tracing?: Tracing;
}

const READY_TIMEOUT_MS = 800;
/**
 * Pages of events and parts of large outputs that are read for one organization: at once, and with this rest about a
 * thousand a second. A thousand readers of one execution would otherwise take Redis and the event loop for themselves.
 */
const READS_AT_ONCE = 4;
const READ_REST_MS = 4;
/** Waiting callers survive an outage of Redis of this length, such as a restart. */
const OUTAGE_MS_MAX = 15_000;
/** In addition to the kill grace: time to remove a container under load and to store the end. */
const CANCEL_WAIT_MS = 15_000;

/** The last known state of an execution, and when it was read. */
interface Snapshot {
  execution: ReadExecution;
  at: number;
}

interface Wait {
  organization: string;
  id: string;
  timeoutMs: number;
  signal?: AbortSignal | undefined;
  known?: ReadExecution | undefined;
}

/**
 * The api's side of the queue. While Redis is down, every method rejects with `queue_unavailable` within a second. While Redis
 * is full or read-only, methods that write reject with `queue_not_writable`.
 */
export class ExecutionService {
  readonly #deps: ExecutionServiceDeps;
  readonly #keys: Keys;
  readonly #queue: Queue;
  /** Only for the queue page. Workers add and process its jobs. */
  readonly #webhooks: Queue;
  readonly #subscriber: RedisClient;
  readonly #wakeups: Wakeups;
  readonly #sessionQueues: SessionQueues;
  readonly #submissions: Submissions;
  /** Reads of events and large outputs. */
  readonly #reading: OutputsSource;
  readonly #stopUpkeep: () => void;
  readonly #refused = new RefusedRequests();
  readonly #keyUse = new KeyUse();
  readonly #limitsOf: LimitsOf;

  constructor(deps: ExecutionServiceDeps) {
    this.#deps = deps;
    this.#limitsOf = deps.limitsOf ?? (() => deps.limits);
    this.#keys = makeKeys(deps.prefix);
    this.#queue = this.#openQueue(queueNames.executions);
    this.#webhooks = this.#openQueue(queueNames.webhooks);
    this.#subscriber = subscriberOf(deps.redis, deps.log);
    this.#wakeups = new Wakeups(this.#subscriber, this.#keys.ended);
    collectDepth(deps.metrics, { queue: this.#queue, redis: deps.redis, base: this.#keys.base });
    const turns = new Turns(READS_AT_ONCE, READ_REST_MS);
    this.#reading = { redis: deps.redis, keys: this.#keys, turns };
    const context = { ...deps, keys: this.#keys, queue: this.#queue, turns };
    this.#sessionQueues = new SessionQueues({ redis: deps.redis, base: this.#keys.base, log: deps.log });
    const submissions = new Submissions({ ...context, limitsOf: this.#limitsOf, sessionQueues: this.#sessionQueues });
    this.#submissions = submissions;
    this.#stopUpkeep = startUpkeep({
      ...context,
      sessionQueues: this.#sessionQueues,
      addJob: submissions.enqueue.bind(submissions),
      refused: this.#refused,
      keyUse: this.#keyUse,
    });
  }

  /** Sessions that share this queue and its lifetime. */
  sessionsWith(files: StoredFiles): Sessions {
    const { redis, limits } = this.#deps;
    const shared = { keys: this.#keys, queue: this.#queue, queues: this.#sessionQueues, wakeups: this.#wakeups };
    const refused = this.#submissions.refused.bind(this.#submissions);
    return new Sessions({ redis, limits, limitsOf: this.#limitsOf, files, ...shared, refused });
  }

  /**
   * Accepts an execution, or returns the one that its idempotency key created before. Rejects with
   * `organization_queue_full`, `queue_full`, `organization_storage_full`, `idempotency_mismatch`.
   */
  submit(request: NewExecution): Promise<{ execution: ReadExecution; replayed: boolean }> {
    return this.#submissions.submit(request);
  }

  /** The execution that an idempotency key created, or null. Rejects with `idempotency_mismatch`. */
  replay(organization: string, idempotency: Idempotency): Promise<ReadExecution | null> {
    return this.#submissions.replay(organization, idempotency);
  }

  async get(organization: string, id: string): Promise<ReadExecution | null> {
    const stored = await this.#readRecord(organization, id);
    return stored === null ? null : this.#view(stored);
  }

  /**
   * A page of the organization's executions by age. Large results shorten the page, to bound the memory it takes.
   * Rejects with `execution_not_found` for an unknown `after`.
   */
  async list(
    organization: string,
    page: { after?: string; limit: number; order: "asc" | "desc" },
  ): Promise<{ data: ReadExecution[]; hasMore: boolean }> {
    const { redis } = this.#deps;
    const list = this.#keys.list(organization);
    let start = 0;
    if (page.after !== undefined) {
      const { after } = page;
      const rank = await callRedis(() => (page.order === "asc" ? redis.zrank(list, after) : redis.zrevrank(list, after)));
      if (rank === null) throw new ServiceError("execution_not_found", { param: "after", detail: "`after`: there is no such execution." });
      start = rank + 1;
    }
    const stop = start + page.limit;
    const ids = await callRedis(() => (page.order === "asc" ? redis.zrange(list, start, stop) : redis.zrevrange(list, start, stop)));
    const data: ReadExecution[] = [];
    let bytes = 0;
    for (const [index, id] of ids.slice(0, page.limit).entries()) {
      const stored = await this.#readRecord(organization, id);
      if (stored === null) continue;
      data.push(await this.#view(stored));
      bytes += stored.bytes;
      if (bytes >= this.#deps.limits.listPageBytesMax) return { data, hasMore: index + 1 < ids.length };
    }
    return { data, hasMore: ids.length > page.limit };
  }

  /**
   * Returns the execution once it has ended or its caller must act, or its current state after `timeoutMs` or when `signal` aborts.
   * Pass `known` to skip the first read. Rejects with `execution_not_found`.
   */
  waitForEnd(organization: string, id: string, timeoutMs: number, signal?: AbortSignal, known?: ReadExecution): Promise<ReadExecution> {
    const settled = ({ status }: ReadExecution) => isFinal(status) || status === "requires_action";
    return this.#waitUntil(settled, { organization, id, timeoutMs, signal, known });
  }

  async #waitUntil(settled: (execution: ReadExecution) => boolean, wait: Wait): Promise<ReadExecution> {
    const { organization, id, timeoutMs, signal, known } = wait;
    const until = performance.now() + timeoutMs;
    const watch = this.#wakeups.watchEnd(memberOf(organization, id));
    let last = known === undefined ? null : { execution: known, at: performance.now() };
    try {
      for (let read = last === null; ; read = true) {
        const execution = read ? await this.#readOrLast(organization, id, last) : (last as Snapshot).execution;
        const left = until - performance.now();
        if (settled(execution) || left <= 0 || signal?.aborted === true) return execution;
        if (execution !== last?.execution) last = { execution, at: performance.now() };
        await watch.next(left, signal);
      }
    } finally {
      watch.close();
    }
  }

  async #readOrLast(organization: string, id: string, last: Snapshot | null): Promise<ReadExecution> {
    const execution = await this.get(organization, id).catch((error: unknown) => {
      // The execution runs on without Redis, so a waiting caller survives a short outage.
      if (last === null || performance.now() - last.at > OUTAGE_MS_MAX) throw error;
      return last.execution;
    });
    if (execution === null) throw new ServiceError("execution_not_found");
    return execution;
  }

  /** Events from the start, or after an event id. Ends after `execution.ended`. Empty for an unknown execution. */
  async *events(
    organization: string,
    id: string,
    afterEventId: string | null,
    signal: AbortSignal,
  ): AsyncGenerator<{ id: string; event: ReadEvent }> {
    if (!executionIdPattern.test(id)) return;
    const source = { ...this.#reading, wakeups: this.#wakeups, load: this.get.bind(this) };
    try {
      yield* readEvents(source, { organization, id, after: afterEventId, signal });
    } catch (error) {
      throw unavailable(error);
    }
  }

  /**
   * Passes answers to tool calls on to the running code, all or none. Rejects with `execution_not_found`, `tool_call_not_waiting`.
   */
  async answerCalls(organization: string, id: string, answers: readonly CallAnswer[]): Promise<void> {
    if (!executionIdPattern.test(id)) throw new ServiceError("execution_not_found");
    await answerCalls(this.#deps.redis, this.#keys, { organization, id }, answers);
  }

  /**
   * Ends a waiting execution at once. For a running one, resolves once its container is gone and the end is stored, or
   * after a time limit.
   */
  async cancel(organization: string, id: string): Promise<ReadExecution | null> {
    if (!executionIdPattern.test(id)) return null;
    const { limits, redis } = this.#deps;
    const end = endWithoutResult({ status: "cancelled", cause: "cancelled", outcome: "never_started", retrySafe: true });
    const state = await callRedis(() => cancelScript.run(redis, this.#keys.base, { organization, id, endJson: JSON.stringify(end) }));
    if (state === "unknown") return null;
    if (state === "running") {
      return this.#waitUntil(({ status }) => isFinal(status), { organization, id, timeoutMs: limits.runKillGraceMs + CANCEL_WAIT_MS });
    }
    if (state === "waiting") await this.#reportCancelled(organization, id);
    return this.get(organization, id);
  }

  /** Deletes an ended execution. False when there is none. Rejects with `execution_running`. */
  async delete(organization: string, id: string): Promise<boolean> {
    if (!executionIdPattern.test(id)) return false;
    const deleted = await callRedis(() => deleteScript.run(this.#deps.redis, this.#keys.base, { organization, id }));
    if (deleted === "running") {
      throw new ServiceError("execution_running", { detail: "The execution has not ended; cancel it first." });
    }
    return deleted === "deleted";
  }

  /** Usage of the organization for every UTC day of the range, oldest first. Executions count on the day they ended. */
  async usage(organization: string, range: DayRange): Promise<DayUsage[]> {
    return callRedis(() => readUsage(this.#deps.redis, this.#keys, organization, range));
  }

  /** The organizations with the largest usage of one UTC day. */
  async topUsage(wanted: { day: number; by: UsageMeasure; limit: number }): Promise<OrganizationUsage[]> {
    return callRedis(() => readTopUsage(this.#deps.redis, this.#keys, wanted));
  }

  /** Counts a request of the organization that was answered with 4xx. */
  countRefused(organization: string): void {
    this.#refused.count(organization);
  }

  /** Notes that a request came with this API key. */
  noteKeyUse(keyId: string): void {
    this.#keyUse.note(keyId);
  }

  /** Unix times in ms of the last uses of API keys. */
  async keyUse(ids: readonly string[]): Promise<Map<string, number | null>> {
    return callRedis(() => readKeyUse(this.#deps.redis, this.#keys, ids));
  }

  /** The source of a receipt. Null for an unknown execution. */
  async receiptSource(organization: string, id: string): Promise<ReceiptSource | null> {
    const stored = await this.#readRecord(organization, id);
    if (stored === null) return null;
    return {
      organization,
      execution: withoutOutputs(stored),
      stdin: stored.request.stdin,
      args: stored.request.args,
      provenance: stored.end?.provenance ?? null,
    };
  }

  /**
   * The queues of the queue page: the shared ones, and one for each worker with sessions. The latter are read-only, as
   * pausing one would block its sessions.
   */
  async boardQueues(): Promise<BullMQAdapter[]> {
    const workers = await callRedis(() => this.#deps.redis.smembers(this.#keys.sessionWorkers));
    return [
      boardQueue(this.#queue, "executions that wait or run"),
      boardQueue(this.#webhooks, "webhook deliveries"),
      ...workers.sort().map((id) => boardQueue(this.#sessionQueues.of(id), "jobs for the sessions of one worker", { readOnlyMode: true })),
    ];
  }

  async depth(): Promise<{ waiting: number; active: number }> {
    return callRedis(() => countJobs(this.#queue));
  }

  /** Rejects with `queue_unavailable` or `queue_not_writable` when Redis is unusable. */
  async ready(): Promise<void> {
    await callRedis(async () => {
      await Promise.all([untilReady(this.#deps.redis, READY_TIMEOUT_MS), untilReady(this.#subscriber, READY_TIMEOUT_MS)]);
      await probeWrite(this.#deps.redis, this.#keys.base);
    });
  }

  /** Closes what this service opened. Callers that still wait receive no more signals. */
  async close(): Promise<void> {
    this.#stopUpkeep();
    disconnect(this.#subscriber);
    await Promise.all([
      this.#queue.close().catch(() => undefined),
      this.#webhooks.close().catch(() => undefined),
      this.#sessionQueues.close(),
    ]);
  }

  async #readRecord(organization: string, id: string): Promise<DecodedExecution | null> {
    if (!executionIdPattern.test(id)) return null;
    return decodeRecord(organization, await callRedis(() => this.#deps.redis.callBuffer("HGETALL", this.#keys.record(organization, id))));
  }

  async #view(stored: StoredExecution): Promise<ReadExecution> {
    const { organization, id } = stored;
    if (!mayAwaitCaller(stored)) return toExecution(stored, this.#reading);
    return toExecution(stored, this.#reading, await callRedis(() => readPendingCalls(this.#deps.redis, this.#keys, organization, id)));
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

  async #reportCancelled(organization: string, id: string): Promise<void> {
    // A failure here is harmless: a worker that takes the job sees that the execution has ended.
    await this.#queue.remove(id).catch(() => 0);
    this.#deps.metrics.dropped.inc({ reason: "cancelled" });
    const stored = await this.#readRecord(organization, id);
    if (stored !== null) reportEnd(this.#deps, stored);
  }
}
