import { mkdtemp, rm } from "node:fs/promises";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import type { Sessions } from "../../../src/assistant/ports.ts";
import { ServiceError } from "../../../src/domain/errors.ts";
import { type LimitName, makeLimits } from "../../../src/domain/limits.ts";
import { FileCatalog } from "../../../src/files/catalog.ts";
import { Files } from "../../../src/files/files.ts";
import { FolderStore } from "../../../src/files/folder-store.ts";
import type { BlobStore } from "../../../src/files/store.ts";
import { makeApp } from "../../../src/http/app.ts";
import type { AppDeps } from "../../../src/http/core/deps.ts";
import { createKey } from "../../../src/keys/change-keys.ts";
import { KeyFile } from "../../../src/keys/keys.ts";
import type { Scope } from "../../../src/keys/stored-key.ts";
import { adminKeysOf } from "../../../src/main/admin-keys.ts";
import { makeAssistant } from "../../../src/main/assistant-part.ts";
import { makeLog } from "../../../src/observe/log.ts";
import { makeMetrics } from "../../../src/observe/metrics.ts";
import { noTracing } from "../../../src/observe/trace.ts";
import { AnnouncedPackages } from "../../../src/queue/worker/packages.ts";
import { openSigningKeys } from "../../../src/receipts/signing-keys.ts";
import { ToolServers } from "../../../src/tool-servers/tool-servers.ts";
import { FakeExecutions } from "../fakes/fake-executions.ts";

export interface ApiOptions {
  redisUrl: string;
  limits?: Partial<Record<LimitName, number>>;
  /** Replaces dependencies of the app. */
  deps?(deps: AppDeps, redis: Redis): Partial<AppDeps>;
  store?(folder: string): BlobStore;
}

/** The API listening on loopback, with real files and keys and a fake queue. */
export async function startApi(options: ApiOptions) {
  const folder = await mkdtemp(join(tmpdir(), "ci-api-"));
  const keysFile = join(folder, "keys.json");
  const limits = makeLimits(options.limits);
  const redis = new Redis(options.redisUrl, { maxRetriesPerRequest: 0, enableOfflineQueue: true, commandTimeout: 900, lazyConnect: false });
  redis.on("error", () => {});
  const executions = new FakeExecutions();
  const stop = new AbortController();
  const blobs = join(folder, "blobs");
  const store = options.store?.(blobs) ?? new FolderStore(blobs);
  const prefix = `t${Math.random().toString(36).slice(2, 10)}`;
  const files = new Files({ store, catalog: new FileCatalog(redis, prefix, limits.retentionMsMax), limits, publicUrl: undefined });
  const problems: unknown[] = [];
  const log = makeLog("silent");
  const metrics = makeMetrics();
  const models = {
    REDIS_PREFIX: prefix,
    MODEL_BASE_URL: undefined,
    MODEL_API_KEY: undefined,
    MODEL_DEFAULT: undefined,
    MODEL_ALLOWED: undefined,
    MODEL_SEES_IMAGES: false,
    MODEL_TOKENS_FIELD: "max_tokens",
  } as const;
  const packages = new AnnouncedPackages({ redis, prefix });
  const keys = new KeyFile(keysFile, (error) => problems.push(error));
  const limitsOf = (organization: string) => keys.limitsOf(organization, limits);
  const toolServers = new ToolServers({ limits, metrics, log }, new Map());
  const base: AppDeps = {
    limits,
    limitsOf,
    log,
    metrics,
    keys,
    executions,
    containers: noContainers,
    assistant: makeAssistant({
      config: { ...models, limits },
      limitsOf,
      redis,
      executions,
      sessions: noContainers,
      files,
      packages,
      toolServers,
      log,
      metrics,
    }),
    files,
    toolServers,
    rateLimit: { take: async () => {} },
    packages,
    usage: async () => [],
    topUsage: async () => [],
    adminKeys: adminKeysOf(keysFile, async () => new Map()),
    receipts: { keys: await openSigningKeys(join(folder, "receipt-keys.json")), source: async () => null },
    tracing: noTracing,
    boardQueues: async () => [],
    readiness: async () => ({ redis: true }),
    publicUrl: undefined,
    stopping: stop.signal,
  };
  const deps: AppDeps = { ...base, ...options.deps?.(base, redis) };
  const app = makeApp(deps);
  const server: Server = await new Promise((resolve) => {
    const listening = app.listen(0, "127.0.0.1", () => resolve(listening));
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    server,
    deps,
    executions,
    files,
    redis,
    prefix,
    folder,
    blobs,
    keysFile,
    stop,
    newKey: (organization: string, scopes: readonly Scope[] = ["execute", "read"]) => createKey(keysFile, { organization, scopes }),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      redis.disconnect();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** No sessions, for tests that do not concern them. */
const none = async () => {
  throw new ServiceError("container_not_found");
};
const noContainers: AppDeps["containers"] & Sessions = {
  create: none,
  get: async () => null,
  list: async () => ({ data: [], hasMore: false }),
  delete: async () => false,
  ensureActive: none,
  listFiles: none,
  addFile: none,
  removeFile: none,
  release: none,
};

export type Api = Awaited<ReturnType<typeof startApi>>;
