import type { Limits } from "../domain/limits.ts";
import type { Files } from "../files/files.ts";
import { makeOperationsApp } from "../http/admin/operations.ts";
import { makeApp } from "../http/app.ts";
import { type AnsweredRequest, logRequests } from "../http/core/measure.ts";
import { makeRateLimit } from "../http/core/rate-limit.ts";
import type { KeyFile } from "../keys/keys.ts";
import { ExecutionService } from "../queue/executions/execution-service.ts";
import { AnnouncedPackages } from "../queue/worker/packages.ts";
import { repeat } from "../queue/worker/sweep.ts";
import { connectFailFast, untilReady } from "../redis/connection.ts";
import { adminKeysOf } from "./admin-keys.ts";
import { makeAssistant } from "./assistant-part.ts";
import { serve } from "./http-server.ts";
import { openKeyFiles } from "./key-files.ts";
import { showOrganizations } from "./organization-metrics.ts";
import type { Part, ProcessContext } from "./process.ts";
import { openToolServers } from "./tool-servers-part.ts";

/** The descriptions of tools follow a change of the workers' image within this time. */
const READ_PACKAGES_MS = 20_000;
/** Workers know a changed bound of an organization's files within this time. */
const SHARE_BOUNDS_MS = 2_000;
const SWEEP_FILES_MS = 10 * 60_000;
/** Reserved at the end of the shutdown time to close resources after all requests have ended. */
const CUT_MARGIN_MS = 5_000;
const REDIS_START_WAIT_MS = 2_000;

export type Readiness = () => Promise<Record<string, boolean>>;

export interface ApiPart extends Part {
  readiness: Readiness;
  warnings: () => string[];
}

/** Starts the HTTP API. `stop` drains running requests. */
export async function startApi(context: ProcessContext, files: Files, otherChecks: Readiness = async () => ({})): Promise<ApiPart> {
  const { config, log, metrics, tracing, draining, stopping, reloads } = context;
  const { limits } = config;
  const redis = connectFailFast(config.REDIS_URL, log);
  const keyFiles = await openKeyFiles(context);
  const limitsOf = (organization: string) => keyFiles.keys.limitsOf(organization, limits);
  const executionService = new ExecutionService({ redis, prefix: config.REDIS_PREFIX, limits, limitsOf, metrics, log, tracing });
  const readiness = async () => ({
    ...keyFiles.check(),
    redis: await executionService.ready().then(
      () => true,
      () => false,
    ),
    ...(await otherChecks()),
  });
  const packages = new AnnouncedPackages({ redis, prefix: config.REDIS_PREFIX });
  const containers = executionService.sessionsWith(files);
  const tools = openToolServers(context, redis);
  const toolServers = tools.servers;
  const assistant = makeAssistant({
    config,
    limitsOf,
    redis,
    executions: executionService,
    sessions: containers,
    files,
    packages,
    toolServers,
    log,
    metrics,
  });
  const rateLimit = makeRateLimit({ redis, prefix: config.REDIS_PREFIX, limits, metrics });
  reloads.add((next) => rateLimit.setMax(next.limits.requestsPerMinutePerKeyMax));
  showOrganizations(metrics, { count: config.METRICS_ORGANIZATIONS, topUsage: executionService.topUsage.bind(executionService) });
  const logRequest = config.ACCESS_LOG ? logRequests(log) : () => {};
  const onAnswered = (answered: AnsweredRequest) => {
    logRequest(answered);
    const { organization, key, status } = answered;
    if (key !== undefined) executionService.noteKeyUse(key);
    if (organization !== undefined && status >= 400 && status < 500) executionService.countRefused(organization);
  };
  const app = makeApp({
    limits,
    limitsOf,
    log,
    metrics,
    keys: keyFiles.keys,
    executions: executionService,
    containers,
    assistant,
    files,
    toolServers,
    rateLimit,
    packages,
    usage: executionService.usage.bind(executionService),
    topUsage: executionService.topUsage.bind(executionService),
    adminKeys: adminKeysOf(config.KEYS_FILE, executionService.keyUse.bind(executionService)),
    receipts: {
      get keys() {
        return keyFiles.receiptKeys.keys;
      },
      source: executionService.receiptSource.bind(executionService),
    },
    tracing,
    boardQueues: executionService.boardQueues.bind(executionService),
    readiness,
    onAnswered,
    warnings: keyFiles.warnings,
    publicUrl: config.PUBLIC_URL,
    draining,
    stopping,
  });
  const stopReading = repeat(READ_PACKAGES_MS, log, async () => void (await packages.read()));
  const stopBounds = repeat(SHARE_BOUNDS_MS, log, () => files.setBytesMax(boundsOfFiles(keyFiles.keys, limits)));
  const stopSweep = repeat(SWEEP_FILES_MS, log, async () => void (await files.sweep()));
  // Prevents `queue_unavailable` for the first caller. If Redis stays away, callers get that error.
  await untilReady(redis, REDIS_START_WAIT_MS).catch((error: unknown) => log.warn({ err: error }, "listening without Redis"));
  await packages.read().catch((error: unknown) => log.debug({ err: error }, "the packages are not known yet"));
  const server = await serve(app, config.PORT, config.HOST);
  log.info({ url: `http://${config.HOST}:${server.port}` }, "api listens");
  return {
    readiness,
    warnings: keyFiles.warnings,
    stop: async () => {
      stopSweep();
      stopBounds();
      stopReading();
      // Background responses have no connection that the server could wait for.
      await Promise.all([
        assistant.responses.stop(limits.shutdownMsMax - CUT_MARGIN_MS),
        server.close(limits.shutdownMsMax - CUT_MARGIN_MS),
      ]);
      await tools.stop();
      await executionService.close();
      redis.disconnect();
    },
  };
}

function boundsOfFiles(keys: KeyFile, limits: Limits): Map<string, number> {
  const own = keys.limitedOrganizations.map((organization) => [organization, keys.limitsOf(organization, limits)] as const);
  const bounds = own.map(([organization, { filesBytesPerOrganizationMax }]) => [organization, filesBytesPerOrganizationMax] as const);
  return new Map(bounds.filter(([, bytes]) => bytes !== limits.filesBytesPerOrganizationMax));
}

/** Starts metrics and health on their own port, for operations. */
export async function startOperations(context: ProcessContext, readiness: Readiness, warnings = (): string[] => []): Promise<Part> {
  const { config, log, metrics, draining, stopping } = context;
  const app = makeOperationsApp({ metrics, readiness, warnings, log, draining, stopping });
  const server = await serve(app, config.METRICS_PORT, config.METRICS_HOST);
  log.info({ url: `http://${config.METRICS_HOST}:${server.port}/metrics` }, "metrics listen");
  return { stop: () => server.close(0) };
}
