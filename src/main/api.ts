import { failFast } from "../redis/connection.ts";
import { startApi, startOperations } from "./api-part.ts";
import { openFiles } from "./files-part.ts";
import { runProcess } from "./process.ts";

/** The HTTP process: can reach Redis and the file store, and no container engine. */
await runProcess("api", async (world) => {
  const redis = failFast(world.config.REDIS_URL, world.log);
  const api = await startApi(world, await openFiles(world, redis));
  const operations = await startOperations(world, api.readiness);
  return {
    stop: async () => {
      await api.stop();
      await operations.stop();
      redis.disconnect();
    },
  };
});
