import { Redis, type RedisOptions } from "ioredis";
import type { Log } from "../observe/log.ts";

/** A caller of the API is told within this time that Redis does not answer. */
const FAIL_FAST_MS = 900;
const RECONNECT_MS_MAX = 1_000;
/**
 * A connection whose other end vanished without a word is found by asking. A worker's commands are sent again on the
 * next connection, so it must not take a Redis that is slow for one that is gone; the api's are not.
 */
const ASK = { failFast: { everyMs: 2_000, withinMs: FAIL_FAST_MS }, patient: { everyMs: 5_000, withinMs: 10_000 } } as const;

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
  replaceWhenSilent(redis, redis.options.commandTimeout === undefined ? ASK.patient : ASK.failFast, log);
  return redis;
}

function replaceWhenSilent(redis: Redis, { everyMs, withinMs }: { everyMs: number; withinMs: number }, log: Log): void {
  let asking = false;
  const timer = setInterval(() => {
    if (asking || redis.status !== "ready") return;
    asking = true;
    bounded(redis.ping(), withinMs)
      .catch(() => {
        if (redis.status !== "ready") return;
        log.warn("a Redis connection fell silent; another one is opened");
        redis.disconnect(true);
      })
      .finally(() => {
        asking = false;
      });
  }, everyMs);
  timer.unref();
  redis.once("end", () => clearInterval(timer));
}

/** Rejects when the work takes longer; the work itself may go on. */
async function bounded<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Redis did not answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Rejects unless Redis answers on this connection within `timeoutMs`. */
export async function untilAnswers(redis: Redis, timeoutMs: number): Promise<void> {
  await untilReady(redis, timeoutMs);
  await bounded(redis.ping(), timeoutMs);
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
