import { randomUUID } from "node:crypto";
import { availableParallelism, hostname, totalmem } from "node:os";
import type { SandboxFacts } from "../domain/provenance.ts";
import type { Files } from "../files/files.ts";
import { Heartbeat } from "../queue/worker/heartbeat.ts";
import { repeat } from "../queue/worker/sweep.ts";
import { Consumer } from "../queue/worker/worker-loop.ts";
import { patient } from "../redis/connection.ts";
import { planCapacity } from "../sandbox/pool/capacity.ts";
import { Pool } from "../sandbox/pool/pool.ts";
import { makeEngine } from "../sandbox/run/engine.ts";
import { measureRunner } from "../sandbox/selfcheck/measure-runner.ts";
import { startSelfChecks } from "../sandbox/selfcheck/self-check.ts";
import { proveLockdown } from "../sandbox/selfcheck/self-proof.ts";
import { deadlineAfter } from "../util/deadline.ts";
import { openSandboxEngine } from "./open-engine.ts";
import type { Part, World } from "./process.ts";

const MIB = 1024 * 1024;
/** Of the machine's memory; the rest is the engine's, Redis' and the service's own. */
const SANDBOX_MEMORY_SHARE = 0.75;
const IDLE_MS_MAX = 30 * 60_000;
const REAP_INTERVAL_MS = 60_000;
/** An engine that takes longer to say that it is there is of no use now; whoever asks has a patience of their own. */
const PING_MS_MAX = 2_000;

export interface WorkerPart extends Part {
  readiness(): Promise<Record<string, boolean>>;
}

/** Starts a worker: proves the lockdown on real sandboxes, then takes executions off the queue. */
export async function startWorker(world: World, files: Files): Promise<WorkerPart> {
  const { config, log, metrics, tracing } = world;
  const { limits } = config;
  const workerId = `${hostname()}-${randomUUID().slice(0, 8)}`;
  const capacity = planCapacity(
    { cores: availableParallelism(), sandboxMemoryMb: config.WORKER_MEMORY_MB ?? Math.floor((totalmem() / MIB) * SANDBOX_MEMORY_SHARE) },
    limits,
    { concurrency: config.WORKER_CONCURRENCY, poolSizeMax: config.POOL_SIZE_MAX },
  );
  const redis = patient(config.REDIS_URL, log);
  const heartbeat = new Heartbeat({ redis, prefix: config.REDIS_PREFIX, log });
  const owner = { serviceId: await heartbeat.serviceId(), workerId };
  const sandboxes = await openSandboxEngine(world, owner, capacity, IDLE_MS_MAX);
  const { factory, ownKernel } = sandboxes;
  metrics.engineInfo.set({ engine: config.ENGINE }, 1);
  const pool = new Pool({
    factory,
    spec: { memoryMb: limits.memoryMbMax },
    sizeMin: config.POOL_SIZE_MIN,
    sizeMax: config.POOL_SIZE_MAX,
    capacity: capacity.sandboxes,
    startsMax: capacity.starts,
    idleMsMax: IDLE_MS_MAX,
    preloadMsMax: limits.preloadTimeoutMsMax,
    metrics,
    log,
  });
  const engine = makeEngine({ pool, limits, log });
  let facts: SandboxFacts | null = null;
  const consumer = new Consumer({
    redisUrl: config.REDIS_URL,
    prefix: config.REDIS_PREFIX,
    limits,
    metrics,
    log,
    engine,
    ports: (input, emit) => ({ ...files.portsOf(input), emit }),
    concurrency: capacity.concurrency,
    workerId,
    sandboxFacts: () => facts,
    tracing,
    webhookAllowPrivate: config.WEBHOOK_ALLOW_PRIVATE,
    sessions: { engine, sessionsMax: capacity.sessions, sandboxesMax: capacity.sandboxesInUse },
  });

  const stop = async () => {
    await consumer.drain(limits.shutdownMsMax - limits.shutdownMarginMs);
    await pool.close();
    await heartbeat.stop(workerId).catch((error: unknown) => log.warn({ err: error }, "the last heartbeat was not taken back"));
    redis.disconnect();
    await sandboxes.close();
  };
  await heartbeat.start(workerId);
  const keeps = { workerId, knows: (id: string) => pool.knows(id) };
  const reap = () => sandboxes.reap({ isWorkerAlive: (id) => heartbeat.isAlive(id), keeps });
  await reap();
  pool.open();
  const problems = await proveLockdown({ engine, limits, ownKernel });
  if (problems.length > 0) {
    await pool.close();
    await sandboxes.close();
    throw new Error(`the lockdown does not hold, so this worker does not serve: ${problems.join("; ")}`);
  }
  facts = { ...sandboxes.facts, runner_sha256: await measureRunner(engine, limits) };
  metrics.selfCheckSuccess.setToCurrentTime();
  let isolated = true;
  const stopSelfChecks = startSelfChecks({
    ...{ pool, limits, ownKernel, metrics, log, inUseMax: capacity.spareInUse },
    nothingWaits: () => consumer.nothingWaits(),
    onBreach: () => {
      isolated = false;
      void consumer.leave(limits.shutdownMsMax - limits.shutdownMarginMs).catch((error: unknown) => log.error({ err: error }, "not left"));
    },
  });
  const stopReaping = repeat(REAP_INTERVAL_MS, log, reap);
  await consumer.start();
  for (const [of, count] of Object.entries({
    executions: capacity.concurrency,
    sessions: capacity.sessions,
    sandboxes: capacity.sandboxes,
  })) {
    metrics.workerCapacity.set({ of }, count);
  }
  log.info({ workerId, ...capacity, ...sandboxes.description, ...facts }, "worker serves; the lockdown holds");

  return {
    stop: async () => {
      stopReaping();
      await stopSelfChecks();
      await stop();
    },
    readiness: async () => ({
      engine: await succeeds(() => inTime(sandboxes.ping(), PING_MS_MAX)),
      worker_redis: await succeeds(() => consumer.ready()),
      pool: config.POOL_SIZE_MIN === 0 || pool.idle > 0 || consumer.running() > 0,
      isolation: isolated,
    }),
  };
}

async function succeeds(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch {
    return false;
  }
}

async function inTime(work: Promise<unknown>, ms: number): Promise<void> {
  const { signal, clear } = deadlineAfter(ms, new AbortController().signal);
  const late = new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true }));
  try {
    await Promise.race([work, late]);
  } finally {
    clear();
  }
}
