import { Redis, type RedisOptions } from "ioredis";
import type { Log } from "../observe/log.ts";

/** A caller of the API is told within this time that Redis does not answer. */
const FAIL_FAST_MS = 900;
const RECONNECT_MS_MAX = 1_000;

/** For the api: a command that can not be sent now fails now, so that a caller gets a 503 and not silence. */
export function failFast(url: string, log: Log): Redis {
  return connect(url, log, {
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    commandTimeout: FAIL_FAST_MS,
    connectTimeout: FAIL_FAST_MS,
  });
}

/** For workers: commands wait until Redis is back, as a run's result must not be lost to a short absence. */
export function patient(url: string, log: Log): Redis {
  return connect(url, log, { maxRetriesPerRequest: null });
}

/** `url` is redis://…, rediss://… or the path of a socket. */
function connect(url: string, log: Log, options: RedisOptions): Redis {
  const all: RedisOptions = { ...options, retryStrategy: (times) => Math.min(50 * times, RECONNECT_MS_MAX) };
  const redis = url.startsWith("/") ? new Redis({ ...all, path: url }) : new Redis(url, all);
  return withErrorHandler(redis, log);
}

/** A connection without an error handler ends the process; every one of ours, duplicates too, goes through here. */
export function withErrorHandler(redis: Redis, log: Log): Redis {
  let told = false;
  redis.on("error", (error: Error) => {
    // One line for each absence, not one for each attempt to reconnect.
    if (!told) log.warn({ error: error.message }, "Redis connection failed; reconnecting");
    told = true;
  });
  redis.on("ready", () => {
    told = false;
  });
  return redis;
}

/** Resolves once commands can be sent; rejects after `timeoutMs`. */
export async function untilReady(redis: Redis, timeoutMs: number): Promise<void> {
  if (redis.status === "ready") return;
  if (redis.status === "end") throw new Error("the Redis connection is closed");
  await new Promise<void>((resolve, reject) => {
    const ready = () => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(() => {
      redis.off("ready", ready);
      reject(new Error(`Redis did not answer within ${timeoutMs} ms`));
    }, timeoutMs);
    redis.once("ready", ready);
  });
}

/** Closes without waiting for a Redis that may be away. */
export function disconnect(...connections: Redis[]): void {
  for (const redis of connections) redis.disconnect();
}
