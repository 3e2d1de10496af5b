import { connectFailFast } from "../redis/connection.ts";
import { startApi, startOperations } from "./api-part.ts";
import { openFiles } from "./files-part.ts";
import { runProcess } from "./process.ts";

/** The HTTP process. It can reach Redis and the file store, but no container engine. */
await runProcess("api", async (context) => {
  const redis = connectFailFast(context.config.REDIS_URL, context.log);
  const api = await startApi(context, await openFiles(context, redis));
  const operations = await startOperations(context, api.readiness, api.warnings);
  return {
    drains: true,
    stop: async () => {
      await api.stop();
      await operations.stop();
      redis.disconnect();
    },
  };
});
