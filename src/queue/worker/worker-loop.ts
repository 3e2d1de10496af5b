import { type Job, Queue, WaitingError, Worker } from "bullmq";
import type { Engine, SessionEngine, StopReason } from "../../domain/run.ts";
import type { RedisClient } from "../../redis/address.ts";
import { disconnect, patient, untilAnswers } from "../../redis/connection.ts";
import { makeKeys, queueNames } from "../core/keys.ts";
import { giveBack } from "../core/requeue.ts";
import { isNewer, VERSION } from "../core/version.ts";
import { collectDepth, countJobs } from "../executions/depth.ts";
import { decodeRecord } from "../executions/record.ts";
import { tellEnded } from "../executions/report-end.ts";
import { endScript } from "../executions/scripts.ts";
import { SessionHost } from "../sessions/host.ts";
import { OPEN_JOB } from "../sessions/jobs.ts";
import { Webhooks } from "../webhooks/webhooks.ts";
import { REBASE_AT, rebaseWhenDue } from "./fairness.ts";
import { endOfLostWorker, type JobData, type RunResult, type RunWorld, runJob } from "./run-job.ts";
import { endOverdue, repeat } from "./sweep.ts";

export interface ConsumerDeps extends Omit<RunWorld, "redis" | "keys" | "readsUpTo"> {
  /** redis://…, rediss://… or the path of a socket. */
  redisUrl: string;
  prefix: string;
  concurrency: number;
  workerId: string;
  /** Webhooks may go to private and loopback addresses. */
  webhookAllowPrivate?: boolean;
  timing?: Partial<ConsumerTiming>;
  /** Newest version of jobs and records that it reads; for tests, which need workers of two versions. */
  readsUpTo?: number;
  sessions?: SessionCapacity;
}

/** What a worker that takes sessions too needs to know. */
export interface SessionCapacity {
  engine: SessionEngine;
  sessionsMax: number;
  /** Sandboxes in use at one time, by sessions and by executions; a session leaves that much less for the others. */
  sandboxesMax: number;
}

/** A dead worker's job is found at the latest after a lock's life and one check more: 13 s. */
export interface ConsumerTiming {
  lockMs: number;
  lockRenewMs: number;
  stalledCheckMs: number;
  sweepMs: number;
  webhookBackoffMs: number;
  /** Distance of priorities at which their base moves; not a time, but as much a matter for tests. */
  rebaseAt: number;
}
const defaultTiming: ConsumerTiming = {
  lockMs: 9_000,
  lockRenewMs: 3_000,
  stalledCheckMs: 4_000,
  sweepMs: 1_000,
  webhookBackoffMs: 3_000,
  rebaseAt: REBASE_AT,
};

const READY_TIMEOUT_MS = 2_000;
/** After the hard deadline: stopped runs destroy their sandboxes, then connections are cut whatever they do. */
const STOPPED_RUNS_MS = 10_000;
const CLOSE_MS = 2_000;

/** The queue as a worker process sees it: takes executions, runs them on the engine, stores their ends. */
export class Consumer {
  readonly #deps: ConsumerDeps;
  readonly #redis: RedisClient;
  readonly #control: RedisClient;
  readonly #world: RunWorld;
  readonly #worker: Worker<JobData>;
  readonly #queue: Queue;
  readonly #webhooks: Webhooks;
  readonly #timing: ConsumerTiming;
  readonly #sessions: SessionHost | null;
  readonly #runs = new Set<{ id: string; organization: string; stop: AbortController }>();
  #idle: (() => void) | null = null;
  #stopSweep: () => void = () => {};
  #left: Promise<{ closed: Promise<unknown> }> | null = null;

  constructor(deps: ConsumerDeps) {
    this.#deps = deps;
    const timing = { ...defaultTiming, ...deps.timing };
    this.#timing = timing;
    const { redisUrl, log } = deps;
    this.#redis = patient(redisUrl, log);
    this.#control = patient(redisUrl, log);
    this.#world = { ...deps, redis: this.#redis, keys: makeKeys(deps.prefix), readsUpTo: deps.readsUpTo ?? VERSION };
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
    const warn = (error: Error) => log.warn({ error: error.message }, "the queue failed");
    this.#queue.on("error", warn);
    this.#worker.on("error", warn);
    this.#control.on("message", (_channel: string, id: string) => this.#stop(id, "cancelled"));
    // Whoever has the lock now runs it again; this run is for nothing.
    this.#worker.on("lockRenewalFailed", (ids: string[]) => {
      for (const id of ids) this.#stop(id, "lock_lost");
    });
    this.#worker.on("stalled", (id: string) => this.#stop(id, "lock_lost"));
    this.#worker.on("failed", (job) => {
      if (job !== undefined) this.#endFailed(job.data);
    });
    this.#webhooks = new Webhooks({
      ...this.#world,
      allowPrivate: deps.webhookAllowPrivate ?? false,
      backoffMs: timing.webhookBackoffMs,
    });
    collectDepth(deps.metrics, { queue: this.#queue, redis: this.#redis, base: this.#world.keys.base });
    this.#sessions = deps.sessions === undefined ? null : this.#makeHost(deps.sessions);
  }

  async start(): Promise<void> {
    await this.#control.subscribe(this.#world.keys.control);
    this.#worker.run().catch((error: unknown) => this.#deps.log.error({ err: error }, "the queue loop failed"));
    this.#webhooks.start();
    this.#stopSweep = repeat(this.#timing.sweepMs, this.#deps.log, () => this.#sweep());
    await Promise.all([this.#worker.waitUntilReady(), this.#sessions?.start()]);
  }

  /** Takes no new work; running work finishes, or is stopped at the deadline and given back to the queue. */
  async drain(hardDeadlineMs: number): Promise<void> {
    this.#stopSweep();
    const { closed } = await this.leave(hardDeadlineMs);
    // BullMQ's close waits for a Redis that may be away.
    await within(CLOSE_MS, Promise.all([closed, this.#webhooks.close(), this.#queue.close().catch(() => undefined)]));
    disconnect(this.#redis, this.#control);
  }

  /**
   * The first half of `drain`, for a worker that must not run code any more: sessions end, webhooks and the ends of what
   * waits too long are still seen to. `closed` settles once the queue has let go of this worker.
   */
  leave(hardDeadlineMs: number): Promise<{ closed: Promise<unknown> }> {
    this.#left ??= this.#endWork(hardDeadlineMs);
    return this.#left;
  }

  async #endWork(hardDeadlineMs: number): Promise<{ closed: Promise<unknown> }> {
    const closed = Promise.all([this.#worker.close().catch(() => undefined), this.#sessions?.stopTaking()]);
    await within(hardDeadlineMs, this.#untilIdle());
    for (const { stop } of this.#runs) stop.abort("shutdown" satisfies StopReason);
    await within(STOPPED_RUNS_MS, this.#untilIdle());
    const warn = (error: unknown) => this.#deps.log.warn({ err: error }, "sessions could not be ended in order");
    if (this.#sessions !== null) await within(STOPPED_RUNS_MS, this.#sessions.end().catch(warn));
    return { closed };
  }

  /** Rejects when Redis can not be used now, or does not answer. */
  async ready(): Promise<void> {
    await Promise.all([untilAnswers(this.#redis, READY_TIMEOUT_MS), untilAnswers(this.#control, READY_TIMEOUT_MS)]);
  }

  /** Whether no execution waits for a worker. */
  async nothingWaits(): Promise<boolean> {
    return (await countJobs(this.#queue)).waiting === 0;
  }

  running(): number {
    return this.#runs.size;
  }

  async #process(job: Job<JobData>, token: string | undefined): Promise<void> {
    if (isNewer(job.data, this.#world.readsUpTo)) return giveBack(job, token);
    if (job.name === OPEN_JOB) return this.#sessions?.open(job.data);
    // An earlier run of it here lost its lock without hearing of it.
    this.#stop(job.data.id, "lock_lost");
    const result = await this.#run(job.data, this.#deps.engine);
    if (result === "newer" || result === "no_sandbox") return giveBack(job, token);
    if (result !== "give_back") return;
    await job.moveToWait(token);
    throw new WaitingError();
  }

  async #run(data: JobData, engine: Engine): Promise<RunResult> {
    const run = { id: data.id, organization: data.organization, stop: new AbortController() };
    this.#runs.add(run);
    this.#deps.metrics.executionsRunning.set(this.#runs.size);
    try {
      const result = await runJob({ ...this.#world, engine }, data, run.stop.signal);
      if (result === "webhook_due") await this.#webhooks.enqueueDue();
      return result;
    } finally {
      this.#runs.delete(run);
      this.#deps.metrics.executionsRunning.set(this.#runs.size);
      if (this.#runs.size === 0) this.#idle?.();
    }
  }

  #makeHost({ engine, sessionsMax, sandboxesMax }: SessionCapacity): SessionHost {
    const { concurrency, workerId } = this.#deps;
    return new SessionHost({
      world: this.#world,
      redis: this.#redis,
      engine,
      workerId,
      sessionsMax,
      concurrency,
      runCell: async (job, cells) => void (await this.#run(job, cells)),
      cellFailed: (job) => this.#endFailed(job),
      onHeld: (count) => {
        this.#worker.concurrency = Math.max(1, Math.min(concurrency, sandboxesMax - count));
      },
    });
  }

  #stop(id: string, reason: StopReason): void {
    for (const run of this.#runs) if (run.id === id) run.stop.abort(reason);
  }

  /** BullMQ gave the job up, after too many lost locks or an error of ours: its caller hears of it all the same. */
  #endFailed(job: JobData): void {
    const { log } = this.#deps;
    this.#endLost(job).catch((error: unknown) => log.error({ err: error }, "a failed job could not be ended"));
  }

  async #endLost({ id, organization, session }: JobData): Promise<void> {
    const { keys } = this.#world;
    const end = endOfLostWorker(session === undefined);
    const ended = await endScript.run(this.#redis, keys.base, [organization, id, end.status, "worker_lost", JSON.stringify(end), ""]);
    if (Number(ended) === 0) return;
    const stored = await decodeRecord(organization, await this.#redis.callBuffer("HGETALL", keys.record(organization, id)));
    if (stored !== null) tellEnded(this.#world, stored);
  }

  async #sweep(): Promise<void> {
    const { keys } = this.#world;
    await endOverdue({ ...this.#world, queue: this.#queue });
    await this.#webhooks.enqueueDue();
    await rebaseWhenDue(this.#redis, keys, this.#queue, this.#timing.rebaseAt);
    // A cancel published while the control connection was away.
    for (const { id, organization, stop } of this.#runs) {
      if (stop.signal.aborted) continue;
      if ((await this.#redis.hexists(keys.record(organization, id), "cancel")) === 1) stop.abort("cancelled" satisfies StopReason);
    }
  }

  #untilIdle(): Promise<void> {
    if (this.#runs.size === 0) return Promise.resolve();
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
