import { patient } from "../redis/connection.ts";
import { startOperations } from "./api-part.ts";
import { openFiles } from "./files-part.ts";
import { runProcess } from "./process.ts";
import { startWorker } from "./worker-part.ts";

/** The process that owns sandboxes: takes executions off the queue and runs them. */
await runProcess("worker", async (world) => {
  const redis = patient(world.config.REDIS_URL, world.log);
  const worker = await startWorker(world, await openFiles(world, redis));
  const operations = await startOperations(world, worker.readiness);
  return {
    stop: async () => {
      await worker.stop();
      await operations.stop();
      redis.disconnect();
    },
  };
});
