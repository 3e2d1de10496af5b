import type { Server } from "node:http";
import type { Express } from "express";
import type { Files } from "../files/files.ts";
import { makeApp } from "../http/app.ts";
import { makeOperationsApp } from "../http/operations.ts";
import { makeRateLimit } from "../http/rate-limit.ts";
import { KeyFile } from "../keys.ts";
import { failFast, untilReady } from "../queue/connection.ts";
import { Producer } from "../queue/producer.ts";
import { repeat } from "../queue/sweep.ts";
import { openSigningKeys } from "../receipts/signing-keys.ts";
import { makeAssistant } from "./assistant-part.ts";
import type { Part, World } from "./process.ts";

const SWEEP_FILES_MS = 10 * 60_000;
/** Left of the shutdown bound for closing what requests used, once they are answered or cut. */
const CUT_MARGIN_MS = 5_000;
const IDLE_CHECK_MS = 100;
const REDIS_PATIENCE_MS = 2_000;

/** What a peer hears whose bytes are no HTTP: there is no request to answer, so no request id either. */
const NOT_HTTP = [
  "HTTP/1.1 400 Bad Request",
  "Content-Type: application/problem+json",
  "Connection: close",
  "",
  '{"type":"urn:code-interpreter:error:malformed_request","title":"The request can not be read","status":400,"code":"malformed_request"}',
].join("\r\n");

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
  const server = await listen(app, config.PORT, config.HOST);
  log.info({ url: `http://${config.HOST}:${portOf(server)}` }, "api listens");
  return {
    readiness,
    stop: async () => {
      stopSweep();
      // Responses end first: those in the background have no connection to wait for.
      await Promise.all([
        assistant.responses.stop(limits.shutdownMsMax - CUT_MARGIN_MS),
        close(server, limits.shutdownMsMax - CUT_MARGIN_MS),
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
  const server = await listen(app, config.METRICS_PORT, config.METRICS_HOST);
  log.info({ url: `http://${config.METRICS_HOST}:${portOf(server)}/metrics` }, "metrics listen");
  return { stop: () => close(server, 0) };
}

function listen(app: Express, port: number, host: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = app.listen(port, host, (error?: Error) => (error === undefined ? resolve(server) : reject(error)));
    // Longer than the idle time of common load balancers, so that they never use a connection we just closed.
    server.keepAliveTimeout = 75_000;
    server.on("clientError", (_error, socket) => {
      if (socket.writable) socket.end(NOT_HTTP);
    });
  });
}

async function close(server: Server, patienceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // A connection that was answered just now is idle, and would be kept for its next request.
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
  const cut = setTimeout(() => server.closeAllConnections(), patienceMs);
  await closed;
  clearInterval(idle);
  clearTimeout(cut);
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
