import { readFileSync } from "node:fs";
import { Cluster, Redis, type RedisOptions } from "ioredis";
import type { Log } from "../observe/log.ts";
import { orTimeout } from "../util/race.ts";
import { parseRedisUrl, type RedisAddress, type RedisClient } from "./address.ts";

/** An API request fails within this time when Redis does not answer. */
const FAIL_FAST_MS = 900;
const RECONNECT_MS_MAX = 1_000;
const FAILOVER_PAUSE_MS = { first: 1_000, max: 30_000 };
/**
 * Pings detect half-open connections. A worker retries its commands on the next connection, so it must not mistake a
 * slow Redis for a lost one. The api does not retry.
 */
const PING = { failFast: { everyMs: 2_000, withinMs: FAIL_FAST_MS }, patient: { everyMs: 5_000, withinMs: 10_000 } } as const;
/** Between two tries while a cluster fails over or moves slots. */
const CLUSTER_RETRY_MS = 100;

/** How long a command waits and is retried. */
interface RetryPolicy {
  options: RedisOptions;
  /** Tries while a node of a cluster is down or no longer owns the slot. */
  clusterTries: number;
}

/** For the api: a command that cannot be sent fails at once, so that the caller gets a 503 without waiting. */
export function connectFailFast(url: string, log: Log): RedisClient {
  const options = {
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    commandTimeout: FAIL_FAST_MS,
    connectTimeout: FAIL_FAST_MS,
    sentinelCommandTimeout: FAIL_FAST_MS,
  };
  return connect(url, log, { options, clusterTries: Math.floor(FAIL_FAST_MS / CLUSTER_RETRY_MS) });
}

/** For workers: commands wait until Redis is back, so that a short outage does not lose a run's result. */
export function connectWithRetry(url: string, log: Log): RedisClient {
  return connect(url, log, { options: { maxRetriesPerRequest: null }, clusterTries: Number.MAX_SAFE_INTEGER });
}

/** `url` as in address.ts. Throws when it is invalid or names a file that cannot be read. */
function connect(url: string, log: Log, retry: RetryPolicy): RedisClient {
  const address = parseRedisUrl(url);
  const open = { server: openServer, sentinel: openServer, cluster: openCluster }[address.kind];
  return withErrorHandler(open(address, retry), log);
}

function openServer(address: RedisAddress, { options }: RetryPolicy): Redis {
  const [node] = address.nodes;
  const { username, password, db, path, master, sentinelPassword } = address;
  const tls = readTls(address);
  const place = address.kind === "sentinel" ? { sentinels: [...address.nodes], name: master } : path === undefined ? { ...node } : { path };
  return new Redis({
    ...options,
    ...place,
    ...definedOnly({ username, password, db, sentinelPassword, tls, sentinelTLS: tls }),
    enableTLSForSentinelMode: tls !== undefined,
    // The failover detector of ioredis stays off: a failover during a reconnect would end the client for good.
    // A socket always leads to the same server.
    ...(path === undefined ? { reconnectOnError: reconnectAfterFailover(options.enableOfflineQueue !== false) } : {}),
    retryStrategy: reconnectMs,
  });
}

/**
 * READONLY: the old master now is a replica and wrote nothing. The client connects to the new one, and sends the command again
 * where commands may wait. Ever more rarely while that repeats: a Redis that stays read-only would otherwise be connected to
 * without end, and no caller would learn of it.
 */
function reconnectAfterFailover(resends: boolean): (error: Error) => 1 | 2 | false {
  let reconnectedAt = Number.NEGATIVE_INFINITY;
  let pauseMs = FAILOVER_PAUSE_MS.first;
  return (error) => {
    if (!error.message.startsWith("READONLY")) return false;
    const elapsedMs = performance.now() - reconnectedAt;
    if (elapsedMs < pauseMs) return false;
    pauseMs = elapsedMs > 2 * FAILOVER_PAUSE_MS.max ? FAILOVER_PAUSE_MS.first : Math.min(2 * pauseMs, FAILOVER_PAUSE_MS.max);
    reconnectedAt = performance.now();
    return resends ? 2 : 1;
  };
}

function openCluster(address: RedisAddress, { options, clusterTries }: RetryPolicy): Cluster {
  const { enableOfflineQueue = true, ...redisOptions } = options;
  const { username, password } = address;
  const tls = readTls(address);
  return new Cluster([...address.nodes], {
    enableOfflineQueue,
    redisOptions: { ...redisOptions, ...definedOnly({ username, password, tls }) },
    clusterRetryStrategy: reconnectMs,
    maxRedirections: clusterTries,
    retryDelayOnFailover: CLUSTER_RETRY_MS,
    retryDelayOnClusterDown: CLUSTER_RETRY_MS,
    // Certificates contain host names, not the addresses they resolve to.
    ...(tls === undefined ? {} : { dnsLookup: (host, callback) => callback(null, host) }),
  });
}

function reconnectMs(times: number): number {
  return Math.min(50 * times, RECONNECT_MS_MAX);
}

function readTls({ tls }: RedisAddress): NonNullable<RedisOptions["tls"]> | undefined {
  if (tls === null) return undefined;
  return Object.fromEntries(Object.entries(tls).map(([name, file]) => [name, readFileSync(file)]));
}

/** Removes undefined fields, which ioredis would take as set. */
function definedOnly<T extends object>(options: T): { [Name in keyof T]: NonNullable<T[Name]> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}

/**
 * Every connection needs an error handler, or an error would end the process. All are created through this function.
 */
export function withErrorHandler<Client extends RedisClient>(redis: Client, log: Log): Client {
  let logged = false;
  redis.on("error", (error: Error) => {
    // One line per outage, not one per reconnect attempt.
    if (!logged) log.warn({ error: error.message }, "Redis connection failed; reconnecting");
    logged = true;
  });
  redis.on("ready", () => {
    logged = false;
  });
  // A cluster client needs no pings: it refreshes the slot table every few seconds and drops nodes without slots.
  if (redis instanceof Redis) reconnectWhenSilent(redis, redis.options.commandTimeout === undefined ? PING.patient : PING.failFast, log);
  return redis;
}

/** A second connection like `redis`, for subscriptions. The caller subscribes again at each "ready". */
export function subscriberOf(redis: RedisClient, log: Log): RedisClient {
  // The autoResubscribe of ioredis leaves a rejection unhandled when the new connection breaks at once.
  return withErrorHandler(redis instanceof Redis ? redis.duplicate({ autoResubscribe: false }) : redis.duplicate(), log);
}

function reconnectWhenSilent(redis: Redis, { everyMs, withinMs }: { everyMs: number; withinMs: number }, log: Log): void {
  let pinging = false;
  const timer = setInterval(() => {
    if (pinging || redis.status !== "ready") return;
    pinging = true;
    replyWithin(redis.ping(), withinMs)
      .catch(() => {
        if (redis.status !== "ready") return;
        log.warn("a Redis connection fell silent; reconnecting");
        redis.disconnect(true);
      })
      .finally(() => {
        pinging = false;
      });
  }, everyMs);
  timer.unref();
  redis.once("end", () => clearInterval(timer));
}

/** The reply of Redis. Rejects after `ms`. */
export function replyWithin<T>(reply: Promise<T>, ms: number): Promise<T> {
  return orTimeout(reply, ms, `Redis did not answer within ${ms} ms`);
}

/** Rejects unless Redis answers on this connection within `timeoutMs`. */
export async function ensureResponsive(redis: RedisClient, timeoutMs: number): Promise<void> {
  await untilReady(redis, timeoutMs);
  await replyWithin(redis.ping(), timeoutMs);
}

/** Resolves once commands can be sent; rejects after `timeoutMs`. */
export async function untilReady(redis: RedisClient, timeoutMs: number): Promise<void> {
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

/** Closes at once, without waiting for pending replies. */
export function disconnect(...connections: RedisClient[]): void {
  for (const redis of connections) redis.disconnect();
}
