import type { ChildProcess } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { EngineName } from "../../src/domain/status.ts";
import { createKey } from "../../src/keys/change-keys.ts";
import { parentOfStates } from "../../src/sandbox/oci/state-folder.ts";
import { Client } from "./client.ts";
import type { BenchContext } from "./context.ts";

const STOP_MS_MAX = 60_000;
const HOST = "127.0.0.1";
const FIRST_PORT = 28_080;

/** A private service: process, Redis, ports, data folder. */
export interface Service {
  /** As two organizations. */
  client: Client;
  otherClient: Client;
  url: string;
  /** Of the first of them. */
  key: string;
  /** Of the second. */
  otherKey: string;
  metricsUrl: string;
  redisUrl: string;
  dataFolder: string;
  workerId: string;
  /** State folder of the OCI engine's containers; holds none with Docker. */
  ociState: string;
  pids: { service: number; redis: number };
  /** Runs a full garbage collection in the service. */
  collectGarbage(): void;
  stop(): Promise<void>;
}

/** How the service starts; by default as with `npm start`. */
export type Launch = (options: { root: string; env: NodeJS.ProcessEnv; logFile: string }) => { child: ChildProcess; url: string };

export async function startService(
  context: BenchContext,
  settings: { engine?: EngineName; env?: Record<string, string>; launch?: Launch } = {},
): Promise<Service> {
  const { launcher, root } = context;
  const { engine = "docker" } = settings;
  const dataFolder = await mkdtemp(join(tmpdir(), "code-interpreter-bench-"));
  const ociState = join(parentOfStates(), basename(dataFolder));
  const logFile = join(dataFolder, "service.log");
  const port = await launcher.freePort(HOST, FIRST_PORT);
  const metricsPort = await launcher.freePort(HOST, FIRST_PORT, [port]);
  const redisFolder = join(dataFolder, "redis");
  await mkdir(redisFolder);
  const redis = await launcher.startRedis({ dataFolder, env: {} });
  const keysFile = join(dataFolder, "keys.json");
  const key = await createKey(keysFile, { organization: "org_bench", scopes: ["execute", "read"] });
  const otherKey = await createKey(keysFile, { organization: "org_other", scopes: ["execute", "read"] });
  const service = (settings.launch ?? launcher.launchService)({
    root,
    logFile,
    env: {
      ...withoutOurVariables(process.env),
      NODE_OPTIONS: `--import=${pathToFileURL(join(root, "dist/for-bench/bench/harness/collect-garbage.js")).href}`,
      HOST,
      PORT: String(port),
      METRICS_HOST: HOST,
      METRICS_PORT: String(metricsPort),
      DATA_DIR: dataFolder,
      REDIS_URL: redis.url,
      SANDBOX_IMAGE: context.image,
      DOCKER_HOST: context.dockerHost,
      ENGINE: engine,
      OCI_RUNTIME: context.ociRuntime,
      SANDBOX_ROOTFS: context.rootfs,
      // Its own folder: a keeper removes what an earlier keeper of the same folder left.
      OCI_STATE_DIR: ociState,
      // All callers share one key.
      LIMIT_REQUESTS_PER_MINUTE_PER_KEY_MAX: "1000000",
      ...settings.env,
    },
  });
  const clients = [new Client(service.url, key), new Client(service.url, otherKey)] as const;
  const stop = async () => {
    for (const client of clients) client.close();
    await launcher.endChild(service.child, STOP_MS_MAX);
    await redis.stop();
    for (const folder of [dataFolder, ociState]) await rm(folder, { recursive: true, force: true });
  };
  try {
    await launcher.waitUntilReady({ ...service, logFile });
  } catch (error) {
    await stop();
    throw error;
  }
  const pid = service.child.pid as number;
  return {
    client: clients[0],
    otherClient: clients[1],
    url: service.url,
    key,
    otherKey,
    metricsUrl: `http://${HOST}:${metricsPort}/metrics`,
    redisUrl: redis.url,
    dataFolder,
    ociState,
    workerId: await workerIdIn(logFile),
    pids: { service: pid, redis: redis.child.pid as number },
    collectGarbage: () => process.kill(pid, "SIGUSR2"),
    stop,
  };
}

/** The caller's environment must not change the measurement. */
function withoutOurVariables(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => !/^(LIMIT_|POOL_|WORKER_|SANDBOX_|ENGINE|OCI_|KEEPER_|KEYS_FILE|PUBLIC_URL|LOG_LEVEL)/.test(name),
    ),
  );
}

/** The worker's id, a label of its containers; empty for a service without containers. */
async function workerIdIn(logFile: string): Promise<string> {
  return /"workerId":"([^"]+)"/.exec(await readFile(logFile, "utf8"))?.[1] ?? "";
}
