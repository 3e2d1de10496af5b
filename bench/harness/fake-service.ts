import { startApi, startOperations } from "../../src/main/api-part.ts";
import { openFiles } from "../../src/main/files-part.ts";
import { runProcess } from "../../src/main/process.ts";
import { WorkerLoop } from "../../src/queue/worker/worker-loop.ts";
import { connectFailFast } from "../../src/redis/connection.ts";
import { Pool } from "../../src/sandbox/pool/pool.ts";
import { makeEngine } from "../../src/sandbox/run/engine.ts";
import { doneHead, FakeFactory, type Script } from "../../test/support/fakes/fake-sandbox.ts";

/** The whole service in one process with fake sandboxes that complete at once. */
const SANDBOXES = 512;
const CONCURRENCY = 32;
const answersAtOnce: Script = (frame, sandbox) => {
  if (frame.kind === "preload") sandbox.says("preloaded", { ...frame.head, ok: true });
  if (frame.kind !== "run") return;
  sandbox.says("stdout", {}, Buffer.from("1\n"));
  sandbox.says("done", doneHead({ stdout_bytes: 2 }));
};

await runProcess("fake", async (context) => {
  const { config, log, metrics } = context;
  const { limits } = config;
  const redis = connectFailFast(config.REDIS_URL, log);
  const files = await openFiles(context, redis);
  const pool = new Pool({
    factory: new FakeFactory(answersAtOnce),
    spec: { memoryMb: limits.memoryMbMax },
    sizeMin: CONCURRENCY,
    sizeMax: CONCURRENCY,
    capacity: SANDBOXES,
    startsMax: CONCURRENCY,
    idleMsMax: 60 * 60_000,
    preloadMsMax: limits.preloadTimeoutMsMax,
    metrics,
    log,
  });
  pool.open();
  const workerLoop = new WorkerLoop({
    redisUrl: config.REDIS_URL,
    prefix: config.REDIS_PREFIX,
    limits,
    metrics,
    log,
    engine: makeEngine({ pool, limits, forksCheaply: true, log }),
    ports: (input, emit) => ({ ...files.portsOf(input), emit }),
    concurrency: CONCURRENCY,
    workerId: "fake",
  });
  await workerLoop.start();
  const api = await startApi(context, files);
  const operations = await startOperations(context, api.readiness);
  return {
    stop: async () => {
      await Promise.all([api.stop(), workerLoop.drain(5_000)]);
      await pool.close();
      await operations.stop();
      redis.disconnect();
    },
  };
});
