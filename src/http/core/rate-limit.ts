import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from "rate-limiter-flexible";
import { ServiceError } from "../../domain/errors.ts";
import type { Limits } from "../../domain/limits.ts";
import type { Caller } from "../../keys/keys.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { RedisClient } from "../../redis/address.ts";

const WINDOW_SECONDS = 60;

/** Requests that a key had left at the last count, and the end of that window. */
interface Remaining {
  requests: number;
  until: number;
}

/**
 * Counts the requests of each key across all api processes. While Redis is down, each process counts alone. A key with
 * more than half of its requests left does not wait for the count, so a burst may exceed the limit by up to half.
 */
export function makeRateLimit(options: { redis: RedisClient; prefix: string; limits: Limits; metrics: Metrics }): {
  take(caller: Pick<Caller, "keyId" | "requestsPerMinute">): Promise<void>;
  /** Requests per minute from now on. What a key has used counts on. */
  setMax(requestsPerMinute: number): void;
} {
  let general = options.limits.requestsPerMinutePerKeyMax;
  const remaining = new Map<string, Remaining>();
  const makeLimiter = (points: number) =>
    new RateLimiterRedis({
      storeClient: options.redis,
      keyPrefix: `${options.prefix}:rate`,
      points,
      duration: WINDOW_SECONDS,
      // A key over its limit is refused in the process, without a call to Redis.
      inMemoryBlockOnConsumed: points + 1,
      rejectIfRedisNotReady: true,
      insuranceLimiter: new RateLimiterMemory({ points, duration: WINDOW_SECONDS }),
    });
  /** By their limit: most keys have the general one. */
  const limiters = new Map<number, RateLimiterRedis>();
  const limiterOf = (points: number) => {
    const limiter = limiters.get(points) ?? makeLimiter(points);
    limiters.set(points, limiter);
    return limiter;
  };
  const count = async (keyId: string, points: number) => {
    try {
      const { remainingPoints, msBeforeNext } = await limiterOf(points).consume(keyId);
      remaining.set(keyId, { requests: remainingPoints, until: performance.now() + msBeforeNext });
    } catch (refused) {
      remaining.delete(keyId);
      if (!(refused instanceof RateLimiterRes)) throw refused;
      throw new ServiceError("rate_limited", {
        detail: `The limit of the key is ${points} requests per minute.`,
        retryAfterSeconds: refused.msBeforeNext / 1000,
      });
    }
  };
  return {
    setMax(requestsPerMinute) {
      if (requestsPerMinute === general) return;
      general = requestsPerMinute;
      limiters.clear();
      remaining.clear();
    },
    async take({ keyId, requestsPerMinute: points = general }) {
      const counted = count(keyId, points);
      const known = remaining.get(keyId);
      if (known !== undefined && known.requests > points / 2 && performance.now() < known.until) {
        known.requests -= 1;
        // After a failed count, the next request waits for its count and gets the error.
        counted.catch(() => remaining.delete(keyId));
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
