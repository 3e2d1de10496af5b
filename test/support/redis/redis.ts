import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";

/** A private redis-server on a socket in its own folder. */
export interface TestRedis {
  /** Path of the socket, valid as a Redis URL. */
  readonly url: string;
  readonly pid: number;
  /** Stops it and removes its folder. */
  stop(): Promise<void>;
  /** Kills the server but keeps its folder and socket path for `restart`. Without `persistent` it comes back empty. */
  kill(): Promise<void>;
  restart(): Promise<void>;
}

/** The server loads its data before it answers, on a machine that may be busy. */
const START_TIMEOUT_MS = 30_000;

export interface TestRedisOptions {
  /** Keeps an append-only file, as the README requires, so that a restart restores the data. */
  persistent?: boolean;
}

export async function startRedis(options: TestRedisOptions = {}): Promise<TestRedis> {
  const folder = await mkdtemp(join(tmpdir(), "ci-redis-"));
  const url = join(folder, "redis.sock");
  let server = await launch(folder, url, options);
  const kill = async () => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, "exit");
    server.kill("SIGKILL");
    await ended;
  };
  return {
    url,
    get pid() {
      return server.pid ?? 0;
    },
    kill,
    async restart() {
      server = await launch(folder, url, options);
    },
    async stop() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function launch(folder: string, socket: string, { persistent = false }: TestRedisOptions): Promise<ChildProcess> {
  const flags = ["--port", "0", "--unixsocket", socket, "--dir", folder, "--save", "", "--appendonly", persistent ? "yes" : "no"];
  const server = spawn("redis-server", [...flags, "--maxmemory-policy", "noeviction"], {
    stdio: "ignore",
  });
  await once(server, "spawn");
  const client = new Redis({ path: socket, maxRetriesPerRequest: null, retryStrategy: () => 20 });
  client.on("error", () => undefined);
  const timer = setTimeout(() => client.disconnect(), START_TIMEOUT_MS);
  try {
    await client.ping();
  } catch (error) {
    const state = server.exitCode === null ? "does not answer" : `ended with ${server.exitCode}`;
    throw new Error(`the test's redis-server ${state}`, { cause: error });
  } finally {
    clearTimeout(timer);
    client.disconnect();
  }
  return server;
}
