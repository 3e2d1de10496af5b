import type { Files } from "../files/files.ts";
import { makeOperationsApp } from "../http/admin/operations.ts";
import { makeApp } from "../http/app.ts";
import { makeRateLimit } from "../http/core/rate-limit.ts";
import { KeyFile } from "../keys/keys.ts";
import { Producer } from "../queue/executions/execution-service.ts";
import { repeat } from "../queue/worker/sweep.ts";
import { openSigningKeys } from "../receipts/signing-keys.ts";
import { failFast, untilReady } from "../redis/connection.ts";
import { makeAssistant } from "./assistant-part.ts";
import { serve } from "./http-server.ts";
import type { Part, World } from "./process.ts";

const SWEEP_FILES_MS = 10 * 60_000;
/** Left of the shutdown bound for closing what requests used, once they are answered or cut. */
const CUT_MARGIN_MS = 5_000;
const REDIS_PATIENCE_MS = 2_000;

export type Readiness = () => Promise<Record<string, boolean>>;

export interface ApiPart extends Part {
  readiness: Readiness;
}

/** Starts the HTTP API; it answers until `stop`, which lets running requests end. */
export async function startApi(world: World, files: Files, neighbours: Readiness = async () => ({})): Promise<ApiPart> {
  const { config, log, metrics, tracing, stopping } = world;
  const { limits } = config;
  const redis = failFast(config.REDIS_URL, log);
  const producer = new Producer({ redis, prefix: config.REDIS_PREFIX, limits, metrics, log, tracing });
  const readiness = async () => ({
    redis: await producer.ready().then(
      () => true,
      () => false,
    ),
    ...(await neighbours()),
  });
  const containers = producer.sessionsWith(files);
  const assistant = makeAssistant({ config, redis, executions: producer, sessions: containers, files, log, metrics });
  const app = makeApp({
    limits,
    log,
    metrics,
    keys: new KeyFile(config.KEYS_FILE, (error) => log.error({ err: error }, "the key file can not be read; the old keys stay")),
    executions: producer,
    containers,
    assistant,
    files,
    rateLimit: makeRateLimit({ redis, prefix: config.REDIS_PREFIX, limits, metrics }),
    usage: producer.usage.bind(producer),
    receipts: { keys: await openSigningKeys(config.RECEIPT_KEY_FILE), source: producer.receiptSource.bind(producer) },
    tracing,
    boardQueues: producer.boardQueues.bind(producer),
    readiness,
    publicUrl: config.PUBLIC_URL,
    stopping,
  });
  const stopSweep = repeat(SWEEP_FILES_MS, log, async () => void (await files.sweep()));
  // So that the first caller is not told that the queue is away; when it really is, they are to hear just that.
  await untilReady(redis, REDIS_PATIENCE_MS).catch((error: unknown) => log.warn({ err: error }, "listening without Redis"));
  const server = await serve(app, config.PORT, config.HOST);
  log.info({ url: `http://${config.HOST}:${server.port}` }, "api listens");
  return {
    readiness,
    stop: async () => {
      stopSweep();
      // Responses end first: those in the background have no connection to wait for.
      await Promise.all([
        assistant.responses.stop(limits.shutdownMsMax - CUT_MARGIN_MS),
        server.close(limits.shutdownMsMax - CUT_MARGIN_MS),
      ]);
      await producer.close();
      redis.disconnect();
    },
  };
}

/** Starts metrics and health on their own port, for operations. */
export async function startOperations(world: World, readiness: Readiness): Promise<Part> {
  const { config, log, metrics, stopping } = world;
  const app = makeOperationsApp({ metrics, readiness, log, stopping });
  const server = await serve(app, config.METRICS_PORT, config.METRICS_HOST);
  log.info({ url: `http://${config.METRICS_HOST}:${server.port}/metrics` }, "metrics listen");
  return { stop: () => server.close(0) };
}
