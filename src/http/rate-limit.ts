import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from "rate-limiter-flexible";
import { ServiceError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { RedisClient } from "../redis-address.ts";

const WINDOW_SECONDS = 60;

/** Counts the requests of each key over all API processes; while Redis is away, each process counts for itself. */
export function makeRateLimit(options: { redis: RedisClient; prefix: string; limits: Limits; metrics: Metrics }): {
  take(keyId: string): Promise<void>;
} {
  const points = options.limits.requestsPerMinutePerKeyMax;
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
  return {
    async take(keyId) {
      try {
        await limiter.consume(keyId);
      } catch (refused) {
        if (!(refused instanceof RateLimiterRes)) throw refused;
        options.metrics.admissionsRefused.inc({ code: "rate_limited" });
        throw new ServiceError("rate_limited", {
          detail: `The key may send ${points} requests a minute.`,
          retryAfterSeconds: refused.msBeforeNext / 1000,
        });
      }
    },
  };
}
