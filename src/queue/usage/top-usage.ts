import { dayNumber, type OrganizationUsage, TOP_USAGE_KEPT_DAYS, type UsageMeasure } from "../../domain/usage.ts";
import type { RedisClient } from "../../redis/address.ts";
import type { Keys } from "../core/keys.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
/** Organizations counted between two flushes. Only those with a valid key are counted, so more are not to be expected. */
const COUNTED_MAX = 10_000;

const stored = { executions: "executions", cpu_seconds: "cpu_ms", bytes: "bytes", refused: "refused" } as const;

/** The organizations that used the service the most on one UTC day, by one measure, the largest first. */
export async function readTopUsage(
  redis: RedisClient,
  keys: Keys,
  { day, by, limit }: { day: number; by: UsageMeasure; limit: number },
): Promise<OrganizationUsage[]> {
  const organizations = await redis.zrevrange(keys.usageTop(stored[by], day), 0, limit - 1);
  if (organizations.length === 0) return [];
  const columns = await Promise.all(
    [stored.executions, stored.cpu_seconds, stored.bytes, stored.refused].map((name) =>
      redis.zmscore(keys.usageTop(name, day), ...organizations),
    ),
  );
  return organizations.map((organization, at) => {
    const [executions, cpuMs, bytes, refused] = columns.map((column) => Number(column[at] ?? 0)) as [number, number, number, number];
    return { organization, executions, cpu_seconds: cpuMs / 1000, bytes, refused };
  });
}

/** Counts refused requests by organization in this process, and adds them in Redis now and then: a refusal must cost nothing. */
export class RefusedRequests {
  readonly #counts = new Map<string, number>();

  count(organization: string): void {
    const before = this.#counts.get(organization);
    if (before === undefined && this.#counts.size >= COUNTED_MAX) return;
    this.#counts.set(organization, (before ?? 0) + 1);
  }

  /** What Redis does not take is lost: the figures are for orientation. */
  async flush(redis: RedisClient, keys: Keys): Promise<void> {
    if (this.#counts.size === 0) return;
    const day = dayNumber(Date.now());
    const key = keys.usageTop("refused", day);
    const write = redis.pipeline();
    for (const [organization, count] of this.#counts) write.zincrby(key, count, organization);
    write.pexpireat(key, (day + TOP_USAGE_KEPT_DAYS) * DAY_MS);
    this.#counts.clear();
    await write.exec();
  }
}
