import { randomUUID } from "node:crypto";
import { availableParallelism, hostname, totalmem } from "node:os";
import type { SandboxPackages } from "../domain/packages.ts";
import type { SandboxFacts } from "../domain/provenance.ts";
import type { Files } from "../files/files.ts";
import type { Log } from "../observe/log.ts";
import { Heartbeat } from "../queue/worker/heartbeat.ts";
import { AnnouncedPackages } from "../queue/worker/packages.ts";
import { repeat } from "../queue/worker/sweep.ts";
import { WorkerLoop } from "../queue/worker/worker-loop.ts";
import type { RedisClient } from "../redis/address.ts";
import { connectWithRetry } from "../redis/connection.ts";
import { planCapacity } from "../sandbox/pool/capacity.ts";
import { Pool } from "../sandbox/pool/pool.ts";
import { makeEngine } from "../sandbox/run/engine.ts";
import { measureRunner } from "../sandbox/selfcheck/measure-runner.ts";
import { readPackages } from "../sandbox/selfcheck/read-packages.ts";
import { startSelfChecks } from "../sandbox/selfcheck/self-check.ts";
import { proveLockdown } from "../sandbox/selfcheck/self-proof.ts";
import { orTimeout } from "../util/race.ts";
import { openSandboxEngine } from "./open-engine.ts";
import type { Part, ProcessContext } from "./process.ts";

const MIB = 1024 * 1024;
/** Share of the machine's memory; the rest is for the engine, Redis and the service. */
const SANDBOX_MEMORY_SHARE = 0.75;
const IDLE_MS_MAX = 30 * 60_000;
const ANNOUNCE_PACKAGES_MS = 60_000;
const REAP_INTERVAL_MS = 60_000;
/** A slower engine counts as unavailable. The caller of the readiness check has its own timeout. */
const PING_MS_MAX = 2_000;

export interface WorkerPart extends Part {
  readiness(): Promise<Record<string, boolean>>;
}

/** Starts a worker: proves the lockdown on real sandboxes, then takes executions from the queue. */
export async function startWorker(context: ProcessContext, files: Files): Promise<WorkerPart> {
  const { config, log, metrics, tracing } = context;
  const { limits } = config;
  const workerId = `${hostname()}-${randomUUID().slice(0, 8)}`;
  const capacity = planCapacity(
    { cores: availableParallelism(), sandboxMemoryMb: config.WORKER_MEMORY_MB ?? Math.floor((totalmem() / MIB) * SANDBOX_MEMORY_SHARE) },
    limits,
    { concurrency: config.WORKER_CONCURRENCY, poolSizeMax: config.POOL_SIZE_MAX },
  );
  const redis = connectWithRetry(config.REDIS_URL, log);
  const heartbeat = new Heartbeat({ redis, prefix: config.REDIS_PREFIX, log });
  const owner = { serviceId: await heartbeat.serviceId(), workerId };
  const sandboxes = await openSandboxEngine(context, owner, capacity, IDLE_MS_MAX);
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
  let packages: SandboxPackages | null = null;
  const engine = makeEngine({ pool, limits, log, packages: () => packages, forksCheaply: !ownKernel });
  let facts: SandboxFacts | null = null;
  const workerLoop = new WorkerLoop({
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
    await workerLoop.drain(limits.shutdownMsMax - limits.shutdownMarginMs);
    await pool.close();
    await heartbeat.stop(workerId).catch((error: unknown) => log.warn({ err: error }, "the heartbeat was not removed"));
    redis.disconnect();
    await sandboxes.close();
  };
  await heartbeat.start(workerId);
  const keeps = { workerId, knows: (id: string) => pool.knows(id) };
  const reap = () => sandboxes.reap({ isWorkerAlive: (id) => heartbeat.isAlive(id), keeps });
  await reap();
  pool.open();
  const problems = await proveLockdown({ engine, limits, ownKernel, sandboxesMax: capacity.sandboxesInUse });
  if (problems.length > 0) {
    await pool.close();
    await sandboxes.close();
    throw new Error(`the lockdown does not hold, so this worker does not serve: ${problems.join("; ")}`);
  }
  facts = { ...sandboxes.facts, runner_sha256: await measureRunner(engine, limits) };
  packages = await readPackages(engine, limits);
  const stopAnnouncing = await announcePackages(packages, { redis, prefix: config.REDIS_PREFIX, log });
  metrics.selfCheckSuccess.setToCurrentTime();
  let isolated = true;
  const stopSelfChecks = startSelfChecks({
    ...{ pool, limits, ownKernel, metrics, log, inUseMax: capacity.spareInUse },
    nothingWaits: () => workerLoop.nothingWaits(),
    onBreach: () => {
      isolated = false;
      void workerLoop
        .leave(limits.shutdownMsMax - limits.shutdownMarginMs)
        .catch((error: unknown) => log.error({ err: error }, "leaving the queue failed"));
    },
  });
  const stopReaping = repeat(REAP_INTERVAL_MS, log, reap);
  await workerLoop.start();
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
      stopAnnouncing();
      await stopSelfChecks();
      await stop();
    },
    readiness: async () => ({
      engine: await succeeds(() => orTimeout(sandboxes.ping(), PING_MS_MAX, "the engine did not answer in time")),
      worker_redis: await succeeds(() => workerLoop.ready()),
      pool: config.POOL_SIZE_MIN === 0 || pool.idle > 0 || workerLoop.running() > 0,
      isolation: isolated,
    }),
  };
}

/** Announces the packages now and again later, as Redis may lose them. Returns a function that stops it. */
async function announcePackages(
  packages: SandboxPackages | null,
  { redis, prefix, log }: { redis: RedisClient; prefix: string; log: Log },
): Promise<() => void> {
  if (packages === null) {
    log.warn("the packages of the sandboxes could not be read");
    return () => undefined;
  }
  const list = new AnnouncedPackages({ redis, prefix });
  await list.announce(packages);
  return repeat(ANNOUNCE_PACKAGES_MS, log, () => list.announce(packages));
}

async function succeeds(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch {
    return false;
  }
}
