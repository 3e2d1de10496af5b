import { readFileSync } from "node:fs";
import { Cluster, Redis, type RedisOptions } from "ioredis";
import type { Log } from "../observe/log.ts";
import { parseRedisUrl, type RedisAddress, type RedisClient } from "./address.ts";

/** A caller of the API is told within this time that Redis does not answer. */
const FAIL_FAST_MS = 900;
const RECONNECT_MS_MAX = 1_000;
/**
 * A connection whose other end vanished without a word is found by asking. A worker's commands are sent again on the
 * next connection, so it must not take a Redis that is slow for one that is gone; the api's are not.
 */
const ASK = { failFast: { everyMs: 2_000, withinMs: FAIL_FAST_MS }, patient: { everyMs: 5_000, withinMs: 10_000 } } as const;
/** Between two tries at a cluster that has lost a node or is moving slots. */
const CLUSTER_RETRY_MS = 100;

/** How long a command is worth waiting for. */
interface Patience {
  options: RedisOptions;
  /** Tries at a cluster in which a node is away or not the one any more. */
  clusterTries: number;
}

/** For the api: a command that can not be sent now fails now, so that a caller gets a 503 and not silence. */
export function failFast(url: string, log: Log): RedisClient {
  const options = {
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    commandTimeout: FAIL_FAST_MS,
    connectTimeout: FAIL_FAST_MS,
    sentinelCommandTimeout: FAIL_FAST_MS,
  };
  return connect(url, log, { options, clusterTries: Math.floor(FAIL_FAST_MS / CLUSTER_RETRY_MS) });
}

/** For workers: commands wait until Redis is back, as a run's result must not be lost to a short absence. */
export function patient(url: string, log: Log): RedisClient {
  return connect(url, log, { options: { maxRetriesPerRequest: null }, clusterTries: Number.MAX_SAFE_INTEGER });
}

/** `url` as REDIS_URL, see redis-address.ts. Throws when it is wrong or names a file that can not be read. */
function connect(url: string, log: Log, patience: Patience): RedisClient {
  const address = parseRedisUrl(url);
  const open = { server: openServer, sentinel: openServer, cluster: openCluster }[address.kind];
  return withErrorHandler(open(address, patience), log);
}

function openServer(address: RedisAddress, { options }: Patience): Redis {
  const [node] = address.nodes;
  const { username, password, db, path, master, sentinelPassword } = address;
  const tls = readTls(address);
  const place = address.kind === "sentinel" ? { sentinels: [...address.nodes], name: master } : path === undefined ? { ...node } : { path };
  return new Redis({
    ...options,
    ...place,
    ...given({ username, password, db, sentinelPassword, tls, sentinelTLS: tls }),
    enableTLSForSentinelMode: tls !== undefined,
    // ioredis' detector of failovers stays off: one that it sees in the middle of a reconnect ends the client for good.
    // The old master still answers, as a replica: nothing was written, so the command goes to the new one.
    reconnectOnError: (error) => (error.message.startsWith("READONLY") ? 2 : false),
    retryStrategy: reconnectMs,
  });
}

function openCluster(address: RedisAddress, { options, clusterTries }: Patience): Cluster {
  const { enableOfflineQueue = true, ...redisOptions } = options;
  const { username, password } = address;
  const tls = readTls(address);
  return new Cluster([...address.nodes], {
    enableOfflineQueue,
    redisOptions: { ...redisOptions, ...given({ username, password, tls }) },
    clusterRetryStrategy: reconnectMs,
    maxRedirections: clusterTries,
    retryDelayOnFailover: CLUSTER_RETRY_MS,
    retryDelayOnClusterDown: CLUSTER_RETRY_MS,
    // Certificates name hosts, not the addresses they resolve to.
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

/** Without what is undefined: ioredis takes a field that is there for one that is meant. */
function given<T extends object>(options: T): { [Name in keyof T]: NonNullable<T[Name]> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}

/** A connection without an error handler ends the process; every one of ours, duplicates too, goes through here. */
export function withErrorHandler<Client extends RedisClient>(redis: Client, log: Log): Client {
  let told = false;
  redis.on("error", (error: Error) => {
    // One line for each absence, not one for each attempt to reconnect.
    if (!told) log.warn({ error: error.message }, "Redis connection failed; reconnecting");
    told = true;
  });
  redis.on("ready", () => {
    told = false;
  });
  // A cluster's client looks every few seconds who has which slots, and leaves nodes that have none.
  if (redis instanceof Redis) replaceWhenSilent(redis, redis.options.commandTimeout === undefined ? ASK.patient : ASK.failFast, log);
  return redis;
}

/** A second connection like `redis`, for subscriptions; whoever makes them makes them anew at each "ready". */
export function subscriberOf(redis: RedisClient, log: Log): RedisClient {
  // ioredis' own way to repeat them leaves a rejection unhandled when the new connection breaks at once.
  return withErrorHandler(redis instanceof Redis ? redis.duplicate({ autoResubscribe: false }) : redis.duplicate(), log);
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
export async function bounded<T>(work: Promise<T>, ms: number): Promise<T> {
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
export async function untilAnswers(redis: RedisClient, timeoutMs: number): Promise<void> {
  await untilReady(redis, timeoutMs);
  await bounded(redis.ping(), timeoutMs);
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

/** Closes without waiting for a Redis that may be away. */
export function disconnect(...connections: RedisClient[]): void {
  for (const redis of connections) redis.disconnect();
}
