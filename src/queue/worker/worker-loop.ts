import { type Job, Queue, WaitingError } from "bullmq";
import type { Engine, SessionEngine, StopReason } from "../../domain/run.ts";
import type { RedisClient } from "../../redis/address.ts";
import { connectWithRetry, disconnect, ensureResponsive, replyWithin } from "../../redis/connection.ts";
import { probeWrite } from "../../redis/probe.ts";
import { within } from "../../util/race.ts";
import { makeKeys, queueNames } from "../core/keys.ts";
import { PatientWorker } from "../core/patient-worker.ts";
import { requeueLater } from "../core/requeue.ts";
import { isNewer, READS_UP_TO } from "../core/version.ts";
import { collectDepth, countJobs } from "../executions/depth.ts";
import { decodeRecord } from "../executions/record.ts";
import { reportEnd } from "../executions/report-end.ts";
import { endScript } from "../executions/run-scripts.ts";
import { SessionHost } from "../sessions/host.ts";
import { OPEN_JOB } from "../sessions/jobs.ts";
import { AnswerWatch } from "../tools/answer-watch.ts";
import { Webhooks } from "../webhooks/webhooks.ts";
import { addAgain, type DetachableRun, DetachedRuns } from "./detached-runs.ts";
import { REBASE_AT, rebaseWhenDue } from "./fairness.ts";
import { endOfLostWorker, type JobData, type RunContext, type RunResult, runJob } from "./run-job.ts";
import { endOverdue, repeat } from "./sweep.ts";

export interface WorkerLoopDeps extends Omit<RunContext, "redis" | "keys" | "readsUpTo" | "answers" | "callbackAllowPrivate"> {
  /** As REDIS_URL, see redis/address.ts. */
  redisUrl: string;
  prefix: string;
  concurrency: number;
  workerId: string;
  /** Allows webhooks and tool calls to private and loopback addresses. */
  webhookAllowPrivate?: boolean;
  timing?: Partial<ConsumerTiming>;
  /** Newest version of jobs and records that the worker reads. Only tests set it, to run workers of two versions. */
  readsUpTo?: number;
  sessions?: SessionCapacity;
}

/** Settings of a worker that also takes sessions. */
export interface SessionCapacity {
  engine: SessionEngine;
  sessionsMax: number;
  /** Slots shared by sessions and executions. */
  sandboxesMax: number;
}

/** The job of a dead worker is found within the lifetime of a lock and one check interval: 13 s. */
export interface ConsumerTiming {
  lockMs: number;
  lockRenewMs: number;
  stalledCheckMs: number;
  sweepMs: number;
  webhookBackoffMs: number;
  /** Distance of priorities at which their base moves. Not a time, but tests set it as well. */
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
/** After the hard deadline, stopped runs have this long to destroy their sandboxes. Then connections are closed. */
const STOPPED_RUNS_MS = 10_000;
const CLOSE_MS = 2_000;

interface Run extends DetachableRun {
  stop: AbortController;
  isCell: boolean;
}

/** The worker's side of the queue: takes executions, runs them on the engine and stores their ends. */
export class WorkerLoop {
  readonly #deps: WorkerLoopDeps;
  readonly #redis: RedisClient;
  readonly #control: RedisClient;
  readonly #context: RunContext;
  readonly #answers: AnswerWatch;
  readonly #worker: PatientWorker<JobData>;
  readonly #queue: Queue;
  readonly #webhooks: Webhooks;
  readonly #timing: ConsumerTiming;
  readonly #sessions: SessionHost | null;
  readonly #runs = new Set<Run>();
  readonly #detached: DetachedRuns<Run>;
  #sessionSlots = 0;
  #onIdle: (() => void) | null = null;
  #stopSweep: () => void = () => {};
  #leaving: Promise<{ closed: Promise<unknown> }> | null = null;

  constructor(deps: WorkerLoopDeps) {
    this.#deps = deps;
    const timing = { ...defaultTiming, ...deps.timing };
    this.#timing = timing;
    const { redisUrl, log } = deps;
    this.#redis = connectWithRetry(redisUrl, log);
    this.#control = connectWithRetry(redisUrl, log);
    this.#answers = new AnswerWatch(log);
    this.#detached = new DetachedRuns({
      redis: this.#redis,
      keys: makeKeys(deps.prefix),
      log,
      workerId: deps.workerId,
      concurrency: deps.concurrency,
      runsMax: () => (deps.sessions?.sandboxesMax ?? 2 * deps.concurrency) - this.#sessionSlots - deps.concurrency,
      othersRunning: () => this.#attached(),
      onChange: () => this.#setConcurrency(),
    });
    this.#context = {
      ...deps,
      redis: this.#redis,
      keys: makeKeys(deps.prefix),
      readsUpTo: deps.readsUpTo ?? READS_UP_TO,
      answers: this.#answers,
      callbackAllowPrivate: deps.webhookAllowPrivate ?? false,
      pause: (id) => this.#pause(id),
    };
    const shared = { connection: this.#redis, prefix: this.#context.keys.base, skipVersionCheck: true };
    this.#queue = new Queue(queueNames.executions, shared);
    this.#worker = new PatientWorker<JobData>(queueNames.executions, (job, token) => this.#process(job, token), {
      ...shared,
      autorun: false,
      name: deps.workerId,
      concurrency: deps.concurrency,
      lockDuration: timing.lockMs,
      lockRenewTime: timing.lockRenewMs,
      stalledInterval: timing.stalledCheckMs,
      // The record counts attempts. BullMQ's own count is a second safeguard.
      maxStalledCount: 5,
      runRetryDelay: 500,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    });
    const warn = (error: Error) => log.warn({ error: error.message }, "the queue failed");
    this.#queue.on("error", warn);
    this.#worker.on("error", warn);
    this.#control.on("message", (channel: string, id: string) => {
      if (channel === this.#context.keys.answers) this.#answers.notify(id);
      else this.#stop(id, "cancelled");
    });
    // Another worker now holds the lock and runs the execution again, so this run is useless.
    this.#worker.on("lockRenewalFailed", (ids: string[]) => {
      for (const id of ids) this.#stop(id, "lock_lost");
    });
    this.#worker.on("stalled", (id: string) => this.#stop(id, "lock_lost"));
    this.#worker.on("failed", (job) => {
      if (job !== undefined) this.#endFailed(job.data);
    });
    this.#webhooks = new Webhooks({
      ...this.#context,
      allowPrivate: deps.webhookAllowPrivate ?? false,
      backoffMs: timing.webhookBackoffMs,
    });
    collectDepth(deps.metrics, { queue: this.#queue, redis: this.#redis, base: this.#context.keys.base });
    this.#sessions = deps.sessions === undefined ? null : this.#makeSessionHost(deps.sessions);
  }

  async start(): Promise<void> {
    const { control, answers } = this.#context.keys;
    await this.#control.subscribe(control, answers);
    this.#worker.run().catch((error: unknown) => this.#deps.log.error({ err: error }, "the queue loop failed"));
    this.#webhooks.start();
    this.#stopSweep = repeat(this.#timing.sweepMs, this.#deps.log, () => this.#sweep());
    await Promise.all([this.#worker.waitUntilReady(), this.#sessions?.start()]);
  }

  /** Takes no new work. Running work finishes, or is stopped at the deadline and given back to the queue. */
  async drain(hardDeadlineMs: number): Promise<void> {
    this.#stopSweep();
    const { closed } = await this.leave(hardDeadlineMs);
    // BullMQ's close would wait for an unreachable Redis.
    await within(Promise.all([closed, this.#webhooks.close(), this.#queue.close().catch(() => undefined)]), CLOSE_MS);
    disconnect(this.#redis, this.#control);
  }

  /**
   * The first half of `drain`, for a worker that must not run code any more. Sessions end. Webhooks are still
   * delivered, and overdue executions still ended. `closed` settles once BullMQ's worker has closed.
   */
  leave(hardDeadlineMs: number): Promise<{ closed: Promise<unknown> }> {
    this.#leaving ??= this.#endWork(hardDeadlineMs);
    return this.#leaving;
  }

  async #endWork(hardDeadlineMs: number): Promise<{ closed: Promise<unknown> }> {
    const closed = Promise.all([this.#worker.close().catch(() => undefined), this.#sessions?.stopTaking()]);
    await within(this.#untilIdle(), hardDeadlineMs);
    for (const { stop } of this.#runs) stop.abort("shutdown" satisfies StopReason);
    await within(this.#untilIdle(), STOPPED_RUNS_MS);
    const warn = (error: unknown) => this.#deps.log.warn({ err: error }, "sessions could not be ended");
    if (this.#sessions !== null) await within(this.#sessions.end().catch(warn), STOPPED_RUNS_MS);
    return { closed };
  }

  /** Rejects when Redis takes no write or does not reply. */
  async ready(): Promise<void> {
    await Promise.all([ensureResponsive(this.#redis, READY_TIMEOUT_MS), ensureResponsive(this.#control, READY_TIMEOUT_MS)]);
    await replyWithin(probeWrite(this.#redis, this.#context.keys.base), READY_TIMEOUT_MS);
  }

  /** Whether no execution waits for a worker. */
  async nothingWaits(): Promise<boolean> {
    return (await countJobs(this.#queue)).waiting === 0;
  }

  running(): number {
    return this.#runs.size;
  }

  async #process(job: Job<JobData>, token: string | undefined): Promise<void> {
    if (isNewer(job.data, this.#context.readsUpTo)) return requeueLater(job, token);
    if (job.name === OPEN_JOB) return this.#sessions?.open(job.data);
    // An earlier run of it in this worker lost its lock without noticing.
    this.#stop(job.data.id, "lock_lost");
    const { id, organization, needs } = job.data;
    // A program that waits for its caller must not hold a slot that others need.
    if (needs?.tools === true && !this.#detached.reserve(id, organization)) return requeueLater(job, token);
    const { result, detached } = this.#run(job.data, this.#deps.engine);
    const first = await Promise.race([result, detached]);
    if (first === "detached") {
      result
        .then((late) => this.#endDetached(job.data, late))
        .catch((error: unknown) => this.#deps.log.error({ err: error }, "a run failed"));
      return;
    }
    if (first === "newer" || first === "no_sandbox") return requeueLater(job, token);
    if (first !== "give_back") return;
    await job.moveToWait(token);
    throw new WaitingError();
  }

  #run(data: JobData, engine: Engine): { result: Promise<RunResult>; detached: Promise<"detached"> } {
    const { id, organization } = data;
    const run: Run = { id, organization, stop: new AbortController(), isCell: data.session !== undefined, leave: () => undefined };
    const detached = new Promise<"detached">((resolve) => {
      run.leave = () => resolve("detached");
    });
    return { result: this.#runToEnd(run, data, engine), detached };
  }

  async #runToEnd(run: Run, data: JobData, engine: Engine): Promise<RunResult> {
    this.#runs.add(run);
    this.#deps.metrics.executionsRunning.set(this.#runs.size);
    try {
      const result = await runJob({ ...this.#context, engine }, data, run.stop.signal);
      if (result === "webhook_due") await this.#webhooks.enqueueDue();
      return result;
    } finally {
      this.#runs.delete(run);
      this.#detached.end(run);
      this.#deps.metrics.executionsRunning.set(this.#runs.size);
      if (this.#runs.size === 0) this.#onIdle?.();
    }
  }

  #makeSessionHost({ engine, sessionsMax }: SessionCapacity): SessionHost {
    const { concurrency, workerId } = this.#deps;
    return new SessionHost({
      context: this.#context,
      redis: this.#redis,
      engine,
      workerId,
      sessionsMax,
      slotsOfOthers: () => this.#detached.reserved,
      concurrency,
      runCell: async (job, cells) => void (await this.#run(job, cells).result),
      cellFailed: (job) => this.#endFailed(job),
      onSlotsChanged: (count) => {
        this.#sessionSlots = count;
        this.#setConcurrency();
      },
    });
  }

  /** Jobs that this worker takes from the queue at the same time: slots that neither sessions nor detached runs hold. */
  #setConcurrency(): void {
    const { concurrency, sessions } = this.#deps;
    const sandboxes = (sessions?.sandboxesMax ?? Number.POSITIVE_INFINITY) - this.#sessionSlots - this.#detached.size;
    this.#worker.concurrency = Math.max(1, Math.min(concurrency - this.#detached.running, sandboxes));
  }

  /** Runs that hold a job of the queue. */
  #attached(): number {
    return [...this.#runs].filter((run) => !run.isCell && !this.#detached.has(run)).length;
  }

  #pause(id: string): () => Promise<void> {
    const run = [...this.#runs].find((one) => one.id === id && !one.isCell);
    return run === undefined ? () => Promise.resolve() : this.#detached.pause(run);
  }

  /** A detached run has no job. When another worker must repeat it, it gets a new one. */
  async #endDetached({ id, organization }: JobData, result: RunResult): Promise<void> {
    if (result === "give_back") await addAgain(this.#queue, organization, id);
  }

  #stop(id: string, reason: StopReason): void {
    for (const run of this.#runs) if (run.id === id) run.stop.abort(reason);
  }

  /**
   * BullMQ gave up the job after too many lost locks or an internal error. Ends the execution, so its caller gets an
   * error.
   */
  #endFailed(job: JobData): void {
    const { log } = this.#deps;
    this.#endLost(job).catch((error: unknown) => log.error({ err: error }, "a failed job could not be ended"));
  }

  async #endLost({ id, organization, session }: JobData): Promise<void> {
    const { keys } = this.#context;
    const mayHaveEffects = session !== undefined || (await this.#redis.hget(keys.record(organization, id), "calls")) === "answered";
    const end = endOfLostWorker(!mayHaveEffects);
    const outcome = { finalStatus: end.status, cause: "worker_lost", endJson: JSON.stringify(end), onlyIfStatus: "" };
    if (!(await endScript.run(this.#redis, keys.base, { organization, id, ...outcome }))) return;
    const stored = await decodeRecord(organization, await this.#redis.callBuffer("HGETALL", keys.record(organization, id)));
    if (stored !== null) reportEnd(this.#context, stored);
  }

  async #sweep(): Promise<void> {
    const { keys } = this.#context;
    await endOverdue({ ...this.#context, queue: this.#queue });
    await this.#webhooks.enqueueDue();
    await rebaseWhenDue(this.#redis, keys, this.#queue, this.#timing.rebaseAt);
    this.#answers.notifyAll();
    // Finds cancels that were published while the control connection was down.
    for (const { id, organization, stop } of this.#runs) {
      if (stop.signal.aborted) continue;
      if ((await this.#redis.hexists(keys.record(organization, id), "cancel")) === 1) stop.abort("cancelled" satisfies StopReason);
    }
  }

  #untilIdle(): Promise<void> {
    if (this.#runs.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }
}
