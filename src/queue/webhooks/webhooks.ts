import { type Job, Queue, UnrecoverableError } from "bullmq";
import type { Limits } from "../../domain/limits.ts";
import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { RedisClient } from "../../redis/address.ts";
import { collectWith, replyNow } from "../../redis/probe.ts";
import { Turns } from "../../util/turns.ts";
import { type Keys, memberOf, parseMember, queueNames } from "../core/keys.ts";
import { PatientWorker } from "../core/patient-worker.ts";
import { requeueLater } from "../core/requeue.ts";
import { isNewer, READS_UP_TO, VERSION } from "../core/version.ts";
import { decodeRecord, toExecution } from "../executions/record.ts";
import { deliverWebhook } from "./delivery.ts";

interface DeliveryJob {
  v: number;
  executionId: string;
  organization: string;
}

export interface WebhooksDeps {
  redis: RedisClient;
  keys: Keys;
  limits: Limits;
  metrics: Metrics;
  log: Log;
  allowPrivate: boolean;
  /** Wait before the first retry. Doubles for each further one, with jitter. */
  backoffMs: number;
}

const CONCURRENCY = 16;
/** The lock of a delivery outlives the longest attempt by this. */
const LOCK_MARGIN_MS = 20_000;
const DUE_PAGE = 100;
/** Parts of large outputs that are read at once for one organization. */
const READS_AT_ONCE = 4;

/**
 * Delivers the webhooks of ended executions. The script that stores an end also marks the webhook as due. The mark is
 * removed only once the delivery job exists, so a crash in between may repeat a message but never loses it.
 */
export class Webhooks {
  readonly #deps: WebhooksDeps;
  readonly #queue: Queue<DeliveryJob>;
  readonly #worker: PatientWorker<DeliveryJob>;
  readonly #turns = new Turns(READS_AT_ONCE);

  constructor(deps: WebhooksDeps) {
    this.#deps = deps;
    const shared = { connection: deps.redis, prefix: deps.keys.base, skipVersionCheck: true };
    this.#queue = new Queue<DeliveryJob>(queueNames.webhooks, shared);
    this.#worker = new PatientWorker<DeliveryJob>(
      queueNames.webhooks,
      (job, token) => (isNewer(job.data, READS_UP_TO) ? requeueLater(job, token) : this.#deliver(job)),
      {
        ...shared,
        autorun: false,
        concurrency: CONCURRENCY,
        lockDuration: deps.limits.webhookTimeoutMsMax + LOCK_MARGIN_MS,
        maxStalledCount: deps.limits.webhookAttemptsMax,
        runRetryDelay: 500,
      },
    );
    const { webhooksWaiting } = deps.metrics;
    collectWith(webhooksWaiting, async () => {
      webhooksWaiting.remove();
      const counted = await replyNow(deps.redis, () =>
        Promise.all([this.#queue.getJobCountByTypes("wait", "delayed", "prioritized"), deps.redis.zcard(deps.keys.webhooksDue)]),
      );
      webhooksWaiting.set(counted[0] + counted[1]);
    });
    const warn = (error: Error) => deps.log.warn({ error: error.message }, "the webhook queue failed");
    this.#queue.on("error", warn);
    this.#worker.on("error", warn);
  }

  start(): void {
    this.#worker.run().catch((error: unknown) => this.#deps.log.error({ err: error }, "the webhook loop failed"));
  }

  /** Adds delivery jobs for ends whose webhook is due. */
  async enqueueDue(): Promise<void> {
    const { redis, keys } = this.#deps;
    for (const member of await redis.zrange(keys.webhooksDue, 0, DUE_PAGE - 1)) {
      const { organization, id } = parseMember(member);
      await this.#enqueue(organization, id);
    }
  }

  async #enqueue(organization: string, executionId: string): Promise<void> {
    const { redis, keys, limits, backoffMs } = this.#deps;
    await this.#queue.add(
      "delivery",
      { v: VERSION, executionId, organization },
      {
        // One job per execution, even when several processes see the mark.
        jobId: executionId,
        attempts: limits.webhookAttemptsMax,
        backoff: { type: "exponential", delay: backoffMs, jitter: 0.5 },
        removeOnComplete: true,
        removeOnFail: true,
      },
    );
    await redis.zrem(keys.webhooksDue, memberOf(organization, executionId));
  }

  async #deliver(job: Job<DeliveryJob>): Promise<void> {
    const { redis, keys, limits, metrics, log, allowPrivate } = this.#deps;
    const { executionId, organization } = job.data;
    const stored = await decodeRecord(organization, await redis.callBuffer("HGETALL", keys.record(organization, executionId)));
    const webhook = stored?.request.webhook;
    // Deleted or expired in the meantime: no delivery is wanted.
    if (stored === null || webhook === undefined || stored.webhookId === null) return;
    const result = await deliverWebhook({
      ...webhook,
      webhookId: stored.webhookId,
      execution: toExecution(stored, { redis, keys, turns: this.#turns }),
      allowPrivate,
      timeoutMs: limits.webhookTimeoutMsMax,
      nowMs: Date.now(),
    });
    metrics.webhooks.inc({ result });
    if (result === "delivered") return;
    const last = result === "gone" || result === "refused" || job.attemptsMade + 1 >= limits.webhookAttemptsMax;
    log.info({ execution: executionId, organization, result, attempt: job.attemptsMade + 1, last }, "webhook not delivered");
    if (last) throw new UnrecoverableError(result);
    throw new Error(result);
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#worker.close(), this.#queue.close()]);
  }
}
