import { Queue } from "bullmq";
import type { Log } from "../../observe/log.ts";
import type { RedisClient } from "../../redis/address.ts";
import { sessionQueueName } from "../core/keys.ts";
import type { JobData } from "../worker/run-job.ts";

/** A job in the shared queue that makes the worker which takes it the owner of a session. */
export const OPEN_JOB = "session";

/** What the owner of a session is asked to do, one after another. */
export type SessionJob =
  | (JobData & { session: string; op: "cell" })
  | { v: number; op: "open"; organization: string; session: string }
  | { v: number; op: "put"; organization: string; session: string; name: string; fileId: string }
  | { v: number; op: "remove"; organization: string; session: string; name: string }
  | { v: number; op: "close"; organization: string; session: string };

const QUEUES_KEPT_MAX = 256;

/** The queues of the workers that have sessions, each opened when it is first needed. */
export class SessionQueues {
  readonly #deps: { redis: RedisClient; base: string; log: Log };
  readonly #queues = new Map<string, Queue>();

  constructor(deps: { redis: RedisClient; base: string; log: Log }) {
    this.#deps = deps;
  }

  async add(workerId: string, job: SessionJob): Promise<void> {
    const options = { removeOnComplete: true, removeOnFail: true, ...(job.op === "cell" ? { jobId: job.id } : {}) };
    await this.of(workerId).add(job.op, job, options);
  }

  of(workerId: string): Queue {
    const known = this.#queues.get(workerId);
    if (known !== undefined) return known;
    const { redis, base, log } = this.#deps;
    const queue = new Queue(sessionQueueName(workerId), {
      connection: redis,
      prefix: base,
      skipWaitingForReady: true,
      skipVersionCheck: true,
      skipMetasUpdate: true,
    });
    queue.on("error", (error) => log.warn({ error: error.message }, "a session queue failed"));
    this.#queues.set(workerId, queue);
    const [oldest] = this.#queues.keys();
    if (this.#queues.size > QUEUES_KEPT_MAX && oldest !== undefined) this.forget(oldest);
    return queue;
  }

  /** The worker is gone for good. */
  forget(workerId: string): void {
    const queue = this.#queues.get(workerId);
    this.#queues.delete(workerId);
    queue?.close().catch(() => undefined);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.close().catch(() => undefined)));
  }
}
