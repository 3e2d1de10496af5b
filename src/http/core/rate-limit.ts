import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from "rate-limiter-flexible";
import { ServiceError } from "../../domain/errors.ts";
import type { Limits } from "../../domain/limits.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { RedisClient } from "../../redis/address.ts";

const WINDOW_SECONDS = 60;

/** What a key had left when it was last counted, and until when that holds. */
interface Left {
  requests: number;
  until: number;
}

/**
 * Counts the requests of each key over all API processes; while Redis is away, each process counts for itself. A key that had more
 * than half of its requests left is not kept waiting while it is counted; so it may get a few too many, those of one moment.
 */
export function makeRateLimit(options: { redis: RedisClient; prefix: string; limits: Limits; metrics: Metrics }): {
  take(keyId: string): Promise<void>;
} {
  const points = options.limits.requestsPerMinutePerKeyMax;
  const left = new Map<string, Left>();
  const limiter = new RateLimiterRedis({
    storeClient: options.redis,
    keyPrefix: `${options.prefix}:rate`,
    points,
    duration: WINDOW_SECONDS,
    // A key that is over the limit is refused here without asking Redis again.
    inMemoryBlockOnConsumed: points + 1,
    rejectIfRedisNotReady: true,
    insuranceLimiter: new RateLimiterMemory({ points, duration: WINDOW_SECONDS }),
  });
  const count = async (keyId: string) => {
    try {
      const { remainingPoints, msBeforeNext } = await limiter.consume(keyId);
      left.set(keyId, { requests: remainingPoints, until: performance.now() + msBeforeNext });
    } catch (refused) {
      left.delete(keyId);
      if (!(refused instanceof RateLimiterRes)) throw refused;
      throw new ServiceError("rate_limited", {
        detail: `The key may send ${points} requests a minute.`,
        retryAfterSeconds: refused.msBeforeNext / 1000,
      });
    }
  };
  return {
    async take(keyId) {
      const counted = count(keyId);
      const known = left.get(keyId);
      if (known !== undefined && known.requests > points / 2 && performance.now() < known.until) {
        known.requests -= 1;
        // Whatever came in its way, the next request waits and hears of it.
        counted.catch(() => left.delete(keyId));
        return;
      }
      try {
        await counted;
      } catch (error) {
        if (error instanceof ServiceError) options.metrics.admissionsRefused.inc({ code: "rate_limited" });
        throw error;
      }
    },
  };
}
