import { join } from "node:path";
import { FileCatalog } from "../files/catalog.ts";
import { Files } from "../files/files.ts";
import { FolderStore } from "../files/folder-store.ts";
import type { RedisClient } from "../redis-address.ts";
import type { World } from "./process.ts";

/** The files of this process: bytes in the data folder, which api and worker share, records in Redis. */
export function openFiles({ config }: World, redis: RedisClient): Files {
  return new Files({
    store: new FolderStore(join(config.DATA_DIR, "blobs")),
    catalog: new FileCatalog(redis, config.REDIS_PREFIX),
    limits: config.limits,
    publicUrl: config.PUBLIC_URL,
  });
}
