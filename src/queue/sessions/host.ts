import { Worker } from "bullmq";
import { memoryUnits } from "../../domain/memory-units.ts";
import type { Engine, EngineSession, SessionEngine } from "../../domain/run.ts";
import type { Session } from "../../domain/session.ts";
import type { RedisClient } from "../../redis/address.ts";
import { Slots } from "../../util/slots.ts";
import { sessionQueueName } from "../core/keys.ts";
import { giveBack } from "../core/requeue.ts";
import { isNewer } from "../core/version.ts";
import type { JobData, RunWorld } from "../worker/run-job.ts";
import { repeat } from "../worker/sweep.ts";
import { keepCheckpoint } from "./checkpoint.ts";
import { type SessionJob, SessionQueues } from "./jobs.ts";
import { endOfLostSession, endSessionsOf } from "./loss.ts";
import { filePorts, SessionOpening } from "./opening.ts";
import { sessionEndScript, sessionGiveWayScript, sessionIdleScript } from "./scripts.ts";

export interface SessionHostDeps {
  world: RunWorld;
  /** Blocks on the session queue. */
  redis: RedisClient;
  engine: SessionEngine;
  workerId: string;
  /** Sessions of the usual memory; a larger one counts as several. */
  sessionsMax: number;
  /** Cells at once. */
  concurrency: number;
  /** Runs a cell as any execution, so that a cancel or a stop reaches it. */
  runCell(job: JobData, engine: Pick<Engine, "run">): Promise<void>;
  /** A cell could not be run for a fault of ours, and its caller is to hear of it. */
  cellFailed(job: JobData): void;
  /** Called when the count of sandboxes that sessions hold has changed, in sandboxes of the usual memory. */
  onHeld(count: number): void;
}

interface Live {
  organization: string;
  id: string;
  session: EngineSession;
  /** Sandboxes of the usual memory that it counts as. */
  units: number;
  givesWay: boolean;
  openedAt: number;
  usedAt: number;
  /** Settles when everything asked of it so far is done. */
  tail: Promise<void>;
  waiting: number;
}

/** Jobs taken from the queue, most of them waiting for their session's turn; the records bound how many there are. */
const TAKEN_MAX = 256;
const IDLE_CHECK_MS = 1_000;

/** The sessions that this worker has: one sandbox each, one thing after another in each, side by side. */
export class SessionHost {
  readonly #deps: SessionHostDeps;
  readonly #live = new Map<string, Live>();
  readonly #slots: Slots;
  readonly #worker: Worker<SessionJob>;
  readonly #queues: SessionQueues;
  readonly #opening: SessionOpening;
  #closing = false;
  #stopSweep: () => void = () => undefined;

  constructor(deps: SessionHostDeps) {
    this.#deps = deps;
    const { world, redis, workerId, concurrency } = deps;
    this.#slots = new Slots(concurrency);
    this.#queues = new SessionQueues({ redis: world.redis, base: world.keys.base, log: world.log });
    this.#opening = new SessionOpening({
      ...{ world, workerId, engine: deps.engine, queues: this.#queues },
      room: () => deps.sessionsMax - this.#held(),
      makeRoom: () => this.#makeRoom(),
      opened: (record, session) => this.#keep(record, session),
    });
    this.#worker = new Worker<SessionJob>(
      sessionQueueName(workerId),
      (job, token) => (isNewer(job.data, world.readsUpTo) ? giveBack(job, token) : this.#take(job.data)),
      {
        connection: redis,
        prefix: world.keys.base,
        skipVersionCheck: true,
        autorun: false,
        name: workerId,
        concurrency: TAKEN_MAX,
        // Nobody else reads this queue, so there is nobody to take a stalled job over.
        skipStalledCheck: true,
        lockDuration: world.limits.retentionMsMax,
        removeOnComplete: { count: 0 },
        removeOnFail: { count: 0 },
      },
    );
    this.#worker.on("failed", (job) => {
      if (job?.data.op === "cell") deps.cellFailed(job.data);
    });
    this.#worker.on("error", (error: Error) => world.log.warn({ error: error.message }, "the session queue failed"));
  }

  async start(): Promise<void> {
    const { log } = this.#deps.world;
    this.#worker.run().catch((error: unknown) => log.error({ err: error }, "the session queue loop failed"));
    this.#stopSweep = repeat(IDLE_CHECK_MS, log, () => this.#closeIdle());
    this.#report();
    await this.#worker.waitUntilReady();
  }

  /** Makes a session out of a job of the shared queue. */
  open(job: JobData): Promise<void> {
    return this.#opening.open(job);
  }

  /** Takes nothing more; what waits for its turn ends unrun. */
  async stopTaking(): Promise<void> {
    this.#closing = true;
    this.#stopSweep();
    this.#opening.stop();
    await this.#worker.close().catch(() => undefined);
  }

  /** Ends every session; to be called when no cell runs any more. */
  async end(): Promise<void> {
    const { world, workerId } = this.#deps;
    const live = [...this.#live.values()];
    this.#live.clear();
    await Promise.all(live.map(({ session }) => session.close()));
    await endSessionsOf({ ...world, queues: this.#queues }, workerId);
    await this.#queues.close();
  }

  #keep({ organization, id, memoryMb, givesWay }: Session, session: EngineSession): void {
    const { log, limits } = this.#deps.world;
    const units = memoryUnits(memoryMb, limits.memoryMbMax);
    const now = Date.now();
    const live: Live = { organization, id, session, units, givesWay, openedAt: now, usedAt: now, tail: Promise.resolve(), waiting: 0 };
    this.#live.set(id, live);
    const onEnded = () => void this.#drop(live).catch((error: unknown) => log.warn({ err: error }, "a lost session was not marked"));
    if (session.ended.aborted) onEnded();
    else session.ended.addEventListener("abort", onEnded, { once: true });
    this.#report();
  }

  async #take(job: SessionJob): Promise<void> {
    if (job.op === "open") return this.#opening.openInTime(job.organization, job.session);
    const live = this.#live.get(job.session);
    const found = live?.organization === job.organization ? live : undefined;
    if (job.op === "cell") {
      await (found === undefined ? this.#deps.runCell(job, gone) : this.#inTurn(found, () => this.#runCell(found, job)));
      return;
    }
    if (found === undefined) return;
    if (job.op === "close") {
      this.#forget(found, "deleted");
      await found.session.close();
      return;
    }
    await this.#inTurn(found, () => this.#changeFile(found, job));
  }

  /** A session does one thing at a time, in the order in which it was asked. */
  #inTurn(live: Live, work: () => Promise<void>): Promise<void> {
    live.waiting += 1;
    const done = live.tail.then(work).finally(() => {
      live.waiting -= 1;
      live.usedAt = Date.now();
    });
    live.tail = done.catch(() => undefined);
    return done;
  }

  #runCell(live: Live, job: JobData): Promise<void> {
    const { world, runCell } = this.#deps;
    return this.#slots.use(() => {
      if (this.#closing || !this.#has(live)) return runCell(job, gone);
      return runCell(job, {
        run: async (input, ports, stop) => {
          const { removedFiles, ...end } = await live.session.run(input, ports, stop);
          await keepCheckpoint(world, live, { input, end, removedFiles });
          if (end.evidence.session_alive === false) await this.#drop(live);
          return end;
        },
      });
    });
  }

  async #changeFile(live: Live, job: SessionJob & { op: "put" | "remove" }): Promise<void> {
    if (!this.#has(live)) return;
    const { world } = this.#deps;
    try {
      if (job.op === "remove") await live.session.removeFile(job.name);
      else await live.session.putFile(job.name, job.fileId, filePorts(world, live.organization, live.id));
    } catch (error) {
      world.log.warn({ session: live.id, err: error }, "a file of a session could not be changed");
    }
  }

  async #closeIdle(): Promise<void> {
    const { redis, keys, limits } = this.#deps.world;
    for (const live of [...this.#live.values()]) {
      if (live.waiting > 0) continue;
      const old = Date.now() - live.openedAt > limits.sessionLifetimeMsMax;
      if (old) await sessionEndScript.run(redis, keys.base, [live.organization, live.id, "expired"]);
      const verdict = old ? "expired" : String(await sessionIdleScript.run(redis, keys.base, [live.organization, live.id]));
      if (verdict === "keep" || !this.#has(live)) continue;
      this.#forget(live, verdict === "expired" ? "expired" : "lost");
      await live.session.close();
    }
  }

  /** Closes what is over already; if nothing is, the session that was used longest ago, of those that give way. */
  async #makeRoom(): Promise<void> {
    const before = this.#live.size;
    await this.#closeIdle();
    if (this.#live.size < before) return;
    const { redis, keys, limits } = this.#deps.world;
    const idle = [...this.#live.values()].filter((live) => live.givesWay && live.waiting === 0).sort((a, b) => a.usedAt - b.usedAt);
    for (const live of idle) {
      const args = [live.organization, live.id, limits.sessionGivesWayAfterMs];
      if (Number(await sessionGiveWayScript.run(redis, keys.base, args)) === 0 || !this.#has(live)) continue;
      this.#forget(live, "expired");
      await live.session.close();
      return;
    }
  }

  async #drop(live: Live): Promise<void> {
    if (!this.#has(live)) return;
    const { redis, keys } = this.#deps.world;
    this.#forget(live, "lost");
    await live.session.close();
    await sessionEndScript.run(redis, keys.base, [live.organization, live.id, "lost"]);
  }

  #forget(live: Live, reason: "lost" | "expired" | "deleted"): void {
    this.#live.delete(live.id);
    this.#deps.world.metrics.sessionsEnded.inc({ reason });
    this.#report();
  }

  #held(): number {
    return [...this.#live.values()].reduce((sum, { units }) => sum + units, 0);
  }

  #has(live: Live): boolean {
    return this.#live.get(live.id) === live;
  }

  #report(): void {
    const { world, onHeld } = this.#deps;
    world.metrics.sessionsLive.set(this.#live.size);
    onHeld(this.#held());
    this.#opening.tellRoom();
  }
}

/** Stands for a session that is no longer here. */
const gone: Pick<Engine, "run"> = { run: async () => endOfLostSession(false) };
