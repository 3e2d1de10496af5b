import { memoryUnits } from "../../domain/memory-units.ts";
import type { Engine, EngineSession, RunPorts, SessionEngine } from "../../domain/run.ts";
import type { Session } from "../../domain/session.ts";
import type { RedisClient } from "../../redis/address.ts";
import { Semaphore } from "../../util/semaphore.ts";
import { sessionQueueName } from "../core/keys.ts";
import { PatientWorker } from "../core/patient-worker.ts";
import { requeueLater } from "../core/requeue.ts";
import { isNewer } from "../core/version.ts";
import type { JobData, RunContext } from "../worker/run-job.ts";
import { repeat } from "../worker/sweep.ts";
import { keepCheckpoint } from "./checkpoint.ts";
import { type SessionJob, SessionQueues } from "./jobs.ts";
import { endOfDeletedSession, endOfLostSession, endSessionsOf } from "./loss.ts";
import { filePorts, SessionOpening } from "./opening.ts";
import { sessionEndScript, sessionGiveWayScript, sessionIdleScript } from "./scripts.ts";
import { sessionToGiveUp } from "./shares.ts";

export interface SessionHostDeps {
  context: RunContext;
  /** Blocks on the session queue. */
  redis: RedisClient;
  engine: SessionEngine;
  workerId: string;
  /** Slots for sessions. A session with more than the usual memory occupies several. */
  sessionsMax: number;
  /** Slots that executions with tools hold, which may wait for as long as a session. */
  slotsOfOthers(): number;
  /** Cells that run at the same time. */
  concurrency: number;
  /** Runs a cell like any execution, so that a cancel or a stop reaches it. */
  runCell(job: JobData, engine: Pick<Engine, "run">): Promise<void>;
  /** Called when a cell failed on a bug of the service. Ends it, so that its caller gets an error. */
  cellFailed(job: JobData): void;
  /** Called when the number of slots that sessions occupy has changed. */
  onSlotsChanged(count: number): void;
}

interface LiveSession {
  organization: string;
  id: string;
  session: EngineSession;
  /** Slots that it occupies. */
  slots: number;
  givesWay: boolean;
  openedAt: number;
  usedAt: number;
  /** Aborts when its organization deletes the session. */
  deleted: AbortController;
  /** Settles when all queued work is done. */
  tail: Promise<void>;
  waiting: number;
  /** A cell runs now. */
  running: boolean;
}

/** Jobs taken from the queue. Most of them wait for their session; admission bounds their number. */
const TAKEN_MAX = 256;
const IDLE_CHECK_MS = 1_000;

/** The sessions of this worker. Each has one sandbox and does one thing at a time; sessions run in parallel. */
export class SessionHost {
  readonly #deps: SessionHostDeps;
  readonly #live = new Map<string, LiveSession>();
  readonly #cellPermits: Semaphore;
  readonly #worker: PatientWorker<SessionJob>;
  readonly #queues: SessionQueues;
  readonly #opening: SessionOpening;
  #closing = false;
  #stopSweep: () => void = () => undefined;

  constructor(deps: SessionHostDeps) {
    this.#deps = deps;
    const { context, redis, workerId, concurrency } = deps;
    this.#cellPermits = new Semaphore(concurrency);
    this.#queues = new SessionQueues({ redis: context.redis, base: context.keys.base, log: context.log });
    this.#opening = new SessionOpening({
      ...{ context, workerId, engine: deps.engine, queues: this.#queues },
      room: () => deps.sessionsMax - this.#slotsInUse() - deps.slotsOfOthers(),
      makeRoom: (organization) => this.#makeRoom(organization),
      opened: (record, session) => this.#addSession(record, session),
    });
    this.#worker = new PatientWorker<SessionJob>(
      sessionQueueName(workerId),
      (job, token) => (isNewer(job.data, context.readsUpTo) ? requeueLater(job, token) : this.#handleJob(job.data)),
      {
        connection: redis,
        prefix: context.keys.base,
        skipVersionCheck: true,
        autorun: false,
        name: workerId,
        concurrency: TAKEN_MAX,
        // No other worker reads this queue, so none could take a stalled job.
        skipStalledCheck: true,
        lockDuration: context.limits.retentionMsMax,
        removeOnComplete: { count: 0 },
        removeOnFail: { count: 0 },
      },
    );
    this.#worker.on("failed", (job) => {
      if (job?.data.op === "cell") deps.cellFailed(job.data);
    });
    this.#worker.on("error", (error: Error) => context.log.warn({ error: error.message }, "the session queue failed"));
  }

  async start(): Promise<void> {
    const { log } = this.#deps.context;
    this.#worker.run().catch((error: unknown) => log.error({ err: error }, "the session queue loop failed"));
    this.#stopSweep = repeat(IDLE_CHECK_MS, log, () => this.#closeIdle());
    this.#reportSlots();
    await this.#worker.waitUntilReady();
  }

  /** Opens a session for a job of the shared queue. */
  open(job: JobData): Promise<void> {
    return this.#opening.open(job);
  }

  /** Takes no more jobs. Waiting cells end without running. */
  async stopTaking(): Promise<void> {
    this.#closing = true;
    this.#stopSweep();
    this.#opening.stop();
    await this.#worker.close().catch(() => undefined);
  }

  /** Ends all sessions. Call it when no cell runs any more. */
  async end(): Promise<void> {
    const { context, workerId } = this.#deps;
    const live = [...this.#live.values()];
    this.#live.clear();
    await Promise.all(live.map(({ session }) => session.close()));
    await endSessionsOf({ ...context, queues: this.#queues }, workerId);
    await this.#queues.close();
  }

  #addSession({ organization, id, memoryMb, givesWay }: Session, session: EngineSession): void {
    const { log, limits } = this.#deps.context;
    const slots = memoryUnits(memoryMb, limits.memoryMbMax);
    const now = Date.now();
    const live: LiveSession = {
      organization,
      id,
      session,
      slots,
      givesWay,
      openedAt: now,
      usedAt: now,
      deleted: new AbortController(),
      tail: Promise.resolve(),
      waiting: 0,
      running: false,
    };
    this.#live.set(id, live);
    const onEnded = () =>
      void this.#loseSession(live).catch((error: unknown) => log.warn({ err: error }, "a session could not be marked as lost"));
    if (session.ended.aborted) onEnded();
    else session.ended.addEventListener("abort", onEnded, { once: true });
    this.#reportSlots();
  }

  async #handleJob(job: SessionJob): Promise<void> {
    if (job.op === "open") return this.#opening.openWhenRoom(job.organization, job.session);
    const live = this.#live.get(job.session);
    const found = live?.organization === job.organization ? live : undefined;
    if (job.op === "cell") {
      await (found === undefined ? this.#deps.runCell(job, lostSession) : this.#runInOrder(found, () => this.#runCell(found, job)));
      return;
    }
    if (found === undefined) return;
    if (job.op === "close") {
      this.#removeSession(found, "deleted");
      found.deleted.abort("cancelled");
      await found.session.close();
      return;
    }
    await this.#runInOrder(found, () => this.#changeFile(found, job));
  }

  /** A session does one thing at a time, in the order of the requests. */
  #runInOrder(live: LiveSession, work: () => Promise<void>): Promise<void> {
    live.waiting += 1;
    const done = live.tail.then(work).finally(() => {
      live.waiting -= 1;
      live.usedAt = Date.now();
    });
    live.tail = done.catch(() => undefined);
    return done;
  }

  async #runCell(live: LiveSession, job: JobData): Promise<void> {
    const { context, runCell } = this.#deps;
    const permit = { release: await this.#cellPermits.acquire() };
    try {
      if (live.deleted.signal.aborted) return await runCell(job, deletedSession);
      if (this.#closing || !this.#isLive(live)) return await runCell(job, lostSession);
      await runCell(job, {
        run: async (input, ports, stop) => {
          live.running = true;
          const { removedFiles, ...end } = await live.session
            .run(input, this.#withoutPermit(ports, permit), AbortSignal.any([stop, live.deleted.signal]))
            .finally(() => {
              live.running = false;
            });
          await keepCheckpoint(context, live, { input, end, removedFiles });
          if (end.evidence.session_alive === false) await this.#loseSession(live);
          return end;
        },
      });
    } finally {
      permit.release();
    }
  }

  /** While a cell only waits for answers of tools, another cell may run. */
  #withoutPermit(ports: RunPorts, permit: { release: () => void }): RunPorts {
    const { tools } = ports;
    if (tools === undefined) return ports;
    const pause = () => {
      permit.release();
      return async () => {
        permit.release = await this.#cellPermits.acquire();
      };
    };
    return { ...ports, tools: { call: (call, signal) => tools.call(call, signal), mayHaveEffects: () => tools.mayHaveEffects(), pause } };
  }

  async #changeFile(live: LiveSession, job: SessionJob & { op: "put" | "remove" }): Promise<void> {
    if (!this.#isLive(live)) return;
    const { context } = this.#deps;
    try {
      if (job.op === "remove") await live.session.removeFile(job.name);
      else await live.session.putFile(job.name, job.fileId, filePorts(context, live.organization, live.id));
    } catch (error) {
      context.log.warn({ session: live.id, err: error }, "a file of a session could not be changed");
    }
  }

  async #closeIdle(): Promise<void> {
    const { redis, keys, limits } = this.#deps.context;
    for (const live of [...this.#live.values()]) {
      if (live.waiting > 0) continue;
      const old = Date.now() - live.openedAt > limits.sessionLifetimeMsMax;
      const { organization, id } = live;
      if (old) await sessionEndScript.run(redis, keys.base, { organization, id, finalStatus: "expired" });
      const verdict = old ? "expired" : await sessionIdleScript.run(redis, keys.base, { organization, id });
      if (verdict === "keep" || !this.#isLive(live)) continue;
      this.#removeSession(live, verdict === "expired" ? "expired" : "lost");
      await live.session.close();
    }
  }

  /**
   * Closes expired sessions; or else evicts the least recently used session that gives way; or else one of the organization that
   * holds the most, if `asking` holds less.
   */
  async #makeRoom(asking: string): Promise<void> {
    const before = this.#live.size;
    await this.#closeIdle();
    if (this.#live.size < before) return;
    const { redis, keys, limits } = this.#deps.context;
    const idle = [...this.#live.values()].filter((live) => live.givesWay && live.waiting === 0).sort((a, b) => a.usedAt - b.usedAt);
    for (const live of idle) {
      const args = { organization: live.organization, id: live.id, idleMs: limits.sessionGivesWayAfterMs };
      if (!(await sessionGiveWayScript.run(redis, keys.base, args)) || !this.#isLive(live)) continue;
      await this.#evict(live);
      return;
    }
    const excess = sessionToGiveUp([...this.#live.values()], asking);
    if (excess === undefined) return;
    const { organization, id } = excess;
    await sessionEndScript.run(redis, keys.base, { organization, id, finalStatus: "expired" });
    if (this.#isLive(excess)) await this.#evict(excess);
  }

  async #evict(live: LiveSession): Promise<void> {
    this.#removeSession(live, "expired");
    await live.session.close();
  }

  async #loseSession(live: LiveSession): Promise<void> {
    if (!this.#isLive(live)) return;
    const { redis, keys } = this.#deps.context;
    this.#removeSession(live, "lost");
    await live.session.close();
    await sessionEndScript.run(redis, keys.base, { organization: live.organization, id: live.id, finalStatus: "lost" });
  }

  #removeSession(live: LiveSession, reason: "lost" | "expired" | "deleted"): void {
    this.#live.delete(live.id);
    this.#deps.context.metrics.sessionsEnded.inc({ reason });
    this.#reportSlots();
  }

  #slotsInUse(): number {
    return [...this.#live.values()].reduce((sum, { slots }) => sum + slots, 0);
  }

  #isLive(live: LiveSession): boolean {
    return this.#live.get(live.id) === live;
  }

  #reportSlots(): void {
    const { context, onSlotsChanged } = this.#deps;
    context.metrics.sessionsLive.set(this.#live.size);
    onSlotsChanged(this.#slotsInUse());
    this.#opening.announceRoom();
  }
}

/** Stands for a session that this worker no longer has. */
const lostSession: Pick<Engine, "run"> = { run: async () => endOfLostSession(false) };

/** Stands for a session that was deleted before its cell began. */
const deletedSession: Pick<Engine, "run"> = { run: async () => endOfDeletedSession };
