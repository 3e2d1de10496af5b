import { connectFailFast } from "../redis/connection.ts";
import { startApi, startOperations } from "./api-part.ts";
import { openFiles } from "./files-part.ts";
import { runProcess } from "./process.ts";
import { startWorker } from "./worker-part.ts";

/** Api and worker in one process, for one machine. */
await runProcess("all", async (context) => {
  const redis = connectFailFast(context.config.REDIS_URL, context.log);
  const files = await openFiles(context, redis);
  const worker = await startWorker(context, files);
  const api = await startApi(context, files, worker.readiness).catch(async (error: unknown) => {
    await worker.stop();
    throw error;
  });
  const operations = await startOperations(context, api.readiness, api.warnings);
  return {
    drains: true,
    stop: async () => {
      // At the same time: the api accepts nothing new, and the worker serves waiting callers until it has drained.
      await Promise.all([api.stop(), worker.stop()]);
      await operations.stop();
      redis.disconnect();
    },
  };
});
