import { join } from "node:path";
import { FileCatalog } from "../files/catalog.ts";
import { countFailures } from "../files/count-failures.ts";
import { Files } from "../files/files.ts";
import { FolderStore } from "../files/folder-store.ts";
import { openS3Store } from "../files/s3-store.ts";
import type { BlobStore } from "../files/store.ts";
import type { RedisClient } from "../redis/address.ts";
import type { Config } from "./config.ts";
import type { ProcessContext } from "./process.ts";

/** Files: bytes in S3 or in the data folder, which api and worker share; records in Redis. */
export async function openFiles({ config, metrics }: ProcessContext, redis: RedisClient): Promise<Files> {
  return new Files({
    store: countFailures(await openStore(config), metrics),
    catalog: new FileCatalog(redis, config.REDIS_PREFIX, config.limits.retentionMsMax),
    limits: config.limits,
    publicUrl: config.PUBLIC_URL,
  });
}

async function openStore(config: Config): Promise<BlobStore> {
  if (config.S3_BUCKET === undefined) return new FolderStore(join(config.DATA_DIR, "blobs"));
  return openS3Store({
    bucket: config.S3_BUCKET,
    prefix: config.S3_PREFIX,
    region: config.S3_REGION,
    endpoint: config.S3_ENDPOINT,
    pathStyle: config.S3_PATH_STYLE ?? config.S3_ENDPOINT !== undefined,
    accessKeyId: config.S3_ACCESS_KEY_ID,
    secretAccessKey: config.S3_SECRET_ACCESS_KEY,
    linkSeconds: config.S3_LINK_SECONDS,
  });
}
