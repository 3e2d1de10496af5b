import { ServiceError } from "../../domain/errors.ts";
import type { Limits } from "../../domain/limits.ts";
import type { RedisClient } from "../../redis/address.ts";
import { keptBytes } from "../../redis/kept-bytes.ts";

/** Rejects with `organization_storage_full`. Executions, responses and conversations share one bound. `kept` is the key of the counts. */
export async function ensureRoom(redis: RedisClient, kept: string, limits: Limits): Promise<void> {
  const { retentionMsMax, recordsBytesPerOrganizationMax } = limits;
  const hours = await redis.hgetall(kept);
  if (keptBytes(hours, retentionMsMax, Date.now()) < recordsBytesPerOrganizationMax) return;
  throw new ServiceError("organization_storage_full", {
    detail: `Requests, results and responses of your organization use ${recordsBytesPerOrganizationMax} bytes, which is the maximum; delete executions or responses, or retry when some have expired.`,
  });
}
