import { connectWithRetry } from "../redis/connection.ts";
import { startOperations } from "./api-part.ts";
import { openFiles } from "./files-part.ts";
import { runProcess } from "./process.ts";
import { startWorker } from "./worker-part.ts";

/** The process that owns sandboxes: takes executions from the queue and runs them. */
await runProcess("worker", async (context) => {
  const redis = connectWithRetry(context.config.REDIS_URL, context.log);
  const worker = await startWorker(context, await openFiles(context, redis));
  const operations = await startOperations(context, worker.readiness);
  return {
    stop: async () => {
      await worker.stop();
      await operations.stop();
      redis.disconnect();
    },
  };
});
