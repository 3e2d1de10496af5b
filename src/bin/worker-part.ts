import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism, hostname, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { connectEngine, type EngineClient } from "../docker/engine-client.ts";
import { DockerSandboxFactory } from "../docker/factory.ts";
import { reapSandboxes } from "../docker/reaper.ts";
import { planCapacity } from "../engine/capacity.ts";
import { Pool } from "../engine/pool.ts";
import { makeEngine } from "../engine/run.ts";
import { proveLockdown } from "../engine/self-proof.ts";
import type { Files } from "../files/files.ts";
import { patient } from "../queue/connection.ts";
import { Consumer } from "../queue/consumer.ts";
import { Heartbeat } from "../queue/heartbeat.ts";
import { repeat } from "../queue/sweep.ts";
import type { Part, World } from "./process.ts";

const MIB = 1024 * 1024;
/** Of the machine's memory; the rest is the engine's, Redis' and the service's own. */
const SANDBOX_MEMORY_SHARE = 0.75;
const IDLE_MS_MAX = 30 * 60_000;
const REAP_INTERVAL_MS = 60_000;

export interface WorkerPart extends Part {
  readiness(): Promise<Record<string, boolean>>;
}

/** Starts a worker: proves the lockdown on real sandboxes, then takes executions off the queue. */
export async function startWorker(world: World, files: Files): Promise<WorkerPart> {
  const { config, log, metrics } = world;
  const { limits } = config;
  const workerId = `${hostname()}-${randomUUID().slice(0, 8)}`;
  const capacity = planCapacity(
    { cores: availableParallelism(), sandboxMemoryMb: config.WORKER_MEMORY_MB ?? Math.floor((totalmem() / MIB) * SANDBOX_MEMORY_SHARE) },
    limits,
    { concurrency: config.WORKER_CONCURRENCY, poolSizeMax: config.POOL_SIZE_MAX },
  );
  const client = connectEngine({ host: config.DOCKER_HOST, certPath: config.DOCKER_CERT_PATH }, metrics);
  await checkEngine(client, config.SANDBOX_IMAGE, config.SANDBOX_RUNTIME);
  const ownKernel = config.SANDBOX_RUNTIME.startsWith("runsc");
  const factory = new DockerSandboxFactory({
    engine: client,
    profile: {
      image: config.SANDBOX_IMAGE,
      runtime: config.SANDBOX_RUNTIME,
      seccomp: ownKernel ? null : seccompProfile(),
      limits,
      workerId,
    },
    limits,
    metrics,
    log,
    startsMax: capacity.starts,
    lifetimeMsMax: IDLE_MS_MAX + 2 * (limits.sandboxStartTimeoutMsMax + limits.shutdownMsMax),
  });
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
  const redis = patient(config.REDIS_URL, log);
  const heartbeat = new Heartbeat({ redis, prefix: config.REDIS_PREFIX, log });
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
    webhookAllowPrivate: config.WEBHOOK_ALLOW_PRIVATE,
    sessions: { engine, sessionsMax: capacity.sessions, sandboxesMax: capacity.sandboxesInUse },
  });

  const stop = async () => {
    await consumer.drain(limits.shutdownMsMax - limits.shutdownMarginMs);
    await pool.close();
    await heartbeat.stop(workerId).catch((error: unknown) => log.warn({ err: error }, "the last heartbeat was not taken back"));
    redis.disconnect();
    client.close();
  };
  await heartbeat.start(workerId);
  const keeps = { workerId, knows: (id: string) => pool.knows(id) };
  const reap = () => reapSandboxes({ engine: client, metrics, log, isWorkerAlive: (id) => heartbeat.isAlive(id), keeps });
  await reap();
  pool.open();
  const problems = await proveLockdown({ engine, limits, ownKernel });
  if (problems.length > 0) {
    await pool.close();
    throw new Error(`the lockdown does not hold, so this worker does not serve: ${problems.join("; ")}`);
  }
  const stopReaping = repeat(REAP_INTERVAL_MS, log, async () => void (await reap()));
  await consumer.start();
  log.info({ workerId, ...capacity, image: config.SANDBOX_IMAGE, runtime: config.SANDBOX_RUNTIME }, "worker serves; the lockdown holds");

  return {
    stop: async () => {
      stopReaping();
      await stop();
    },
    readiness: async () => ({
      engine: await succeeds(() => client.call("ping", () => client.control.ping())),
      worker_redis: await succeeds(() => consumer.ready()),
      pool: config.POOL_SIZE_MIN === 0 || pool.idle > 0 || consumer.running() > 0,
    }),
  };
}

/** Fails with what to do when the engine, its runtime or the image is not there. */
async function checkEngine(client: EngineClient, image: string, runtime: string): Promise<void> {
  const info = (await client.call("info", () => client.control.info())) as { Runtimes?: Record<string, unknown> };
  if (info.Runtimes !== undefined && !(runtime in info.Runtimes)) {
    throw new Error(`SANDBOX_RUNTIME: the engine knows no runtime ${runtime}, only ${Object.keys(info.Runtimes).join(", ")}`);
  }
  try {
    await client.call("inspect", () => client.control.getImage(image).inspect());
  } catch (error) {
    throw new Error(`SANDBOX_IMAGE: the engine has no image ${image}; build it with "npm run image"`, { cause: error });
  }
}

function seccompProfile(): string {
  const path = fileURLToPath(new URL("../../sandbox-image/seccomp.json", import.meta.url));
  if (!existsSync(path)) throw new Error("sandbox-image/seccomp.json is missing; sandboxes are not started without it");
  // Without white space, as it goes to the engine with every container.
  return JSON.stringify(JSON.parse(readFileSync(path, "utf8")));
}

async function succeeds(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch {
    return false;
  }
}
