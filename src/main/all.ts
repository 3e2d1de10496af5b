import { failFast } from "../redis/connection.ts";
import { startApi, startOperations } from "./api-part.ts";
import { openFiles } from "./files-part.ts";
import { runProcess } from "./process.ts";
import { startWorker } from "./worker-part.ts";

/** Api and worker in one process, for one machine. */
await runProcess("all", async (world) => {
  const redis = failFast(world.config.REDIS_URL, world.log);
  const files = await openFiles(world, redis);
  const worker = await startWorker(world, files);
  const api = await startApi(world, files, worker.readiness).catch(async (error: unknown) => {
    await worker.stop();
    throw error;
  });
  const operations = await startOperations(world, api.readiness);
  return {
    stop: async () => {
      // The api first, so that nothing new comes in; callers who wait are served by the worker until it has drained.
      await Promise.all([api.stop(), worker.stop()]);
      await operations.stop();
      redis.disconnect();
    },
  };
});
