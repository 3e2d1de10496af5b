import { type Job, Queue, WaitingError, Worker } from "bullmq";
import type { Redis } from "ioredis";
import type { StopReason } from "../execution/run.ts";
import { disconnect, patient, untilReady } from "./connection.ts";
import { collectDepth, countJobs } from "./depth.ts";
import { makeKeys, memberOf, queueNames } from "./keys.ts";
import { type JobData, type RunWorld, runJob } from "./run-job.ts";

export interface ConsumerDeps extends Omit<RunWorld, "redis" | "keys"> {
  /** redis://…, rediss://… or the path of a socket. */
  redisUrl: string;
  prefix: string;
  concurrency: number;
  workerId: string;
  timing?: Partial<ConsumerTiming>;
}

/** A dead worker's job is found at the latest after a lock's life and one check more: 13 s. */
export interface ConsumerTiming {
  lockMs: number;
  lockRenewMs: number;
  stalledCheckMs: number;
  sweepMs: number;
}
const defaultTiming: ConsumerTiming = { lockMs: 9_000, lockRenewMs: 3_000, stalledCheckMs: 4_000, sweepMs: 1_000 };

const READY_TIMEOUT_MS = 2_000;
/** After the hard deadline: stopped runs destroy their sandboxes, then connections are cut whatever they do. */
const STOPPED_RUNS_MS = 10_000;
const CLOSE_MS = 2_000;

/** The queue as a worker process sees it: takes executions, runs them on the engine, stores their ends. */
export class Consumer {
  readonly #deps: ConsumerDeps;
  readonly #redis: Redis;
  readonly #control: Redis;
  readonly #world: RunWorld;
  readonly #worker: Worker<JobData>;
  readonly #queue: Queue;
  readonly #running = new Map<string, AbortController>();
  #idle: (() => void) | null = null;

  constructor(deps: ConsumerDeps) {
    this.#deps = deps;
    const timing = { ...defaultTiming, ...deps.timing };
    const { redisUrl, log } = deps;
    this.#redis = patient(redisUrl, log);
    this.#control = patient(redisUrl, log);
    this.#world = { ...deps, redis: this.#redis, keys: makeKeys(deps.prefix) };
    const shared = { connection: this.#redis, prefix: this.#world.keys.base, skipVersionCheck: true };
    this.#queue = new Queue(queueNames.executions, shared);
    this.#worker = new Worker<JobData>(queueNames.executions, (job, token) => this.#process(job, token), {
      ...shared,
      autorun: false,
      name: deps.workerId,
      concurrency: deps.concurrency,
      lockDuration: timing.lockMs,
      lockRenewTime: timing.lockRenewMs,
      stalledInterval: timing.stalledCheckMs,
      // Attempts are counted in the record; BullMQ's own count is the second net.
      maxStalledCount: 5,
      runRetryDelay: 500,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    });
    const warn = (error: Error) => log.warn({ error: error.message }, "queue connection failed");
    this.#queue.on("error", warn);
    this.#worker.on("error", warn);
    this.#control.on("message", (_channel: string, member: string) => this.#stop(member, "cancelled"));
    collectDepth(deps.metrics, () => countJobs(this.#queue));
  }

  async start(): Promise<void> {
    await this.#control.subscribe(this.#world.keys.control);
    this.#worker.run().catch((error: unknown) => this.#deps.log.error({ err: error }, "the queue loop failed"));
    await this.#worker.waitUntilReady();
  }

  /** Takes no new work; running work finishes, or is stopped at the deadline and given back to the queue. */
  async drain(hardDeadlineMs: number): Promise<void> {
    const closing = this.#worker.close().catch(() => undefined);
    await within(hardDeadlineMs, this.#untilIdle());
    for (const member of this.#running.keys()) this.#stop(member, "shutdown");
    await within(STOPPED_RUNS_MS, this.#untilIdle());
    // BullMQ's close waits for a Redis that may be away.
    await within(CLOSE_MS, closing);
    await within(CLOSE_MS, this.#queue.close().catch(() => undefined));
    disconnect(this.#redis, this.#control);
  }

  /** Rejects when Redis can not be used now. */
  async ready(): Promise<void> {
    await Promise.all([untilReady(this.#redis, READY_TIMEOUT_MS), untilReady(this.#control, READY_TIMEOUT_MS)]);
  }

  running(): number {
    return this.#running.size;
  }

  async #process(job: Job<JobData>, token: string | undefined): Promise<void> {
    const { id, organization } = job.data;
    const member = memberOf(organization, id);
    const stop = new AbortController();
    this.#running.set(member, stop);
    try {
      const result = await runJob(this.#world, job.data, stop.signal);
      if (result === "done") return;
      await job.moveToWait(token);
      throw new WaitingError();
    } finally {
      this.#running.delete(member);
      if (this.#running.size === 0) this.#idle?.();
    }
  }

  #stop(member: string, reason: StopReason): void {
    this.#running.get(member)?.abort(reason);
  }

  #untilIdle(): Promise<void> {
    if (this.#running.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle = resolve;
    });
  }
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
