import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";

/** A redis-server of a test's own, on a socket in a folder of its own. */
export interface TestRedis {
  /** Path of the socket; goes wherever a Redis URL goes. */
  readonly url: string;
  readonly pid: number;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
  /** Ends the server but keeps folder and socket path, so that `restart` brings it back: empty, unless it is persistent. */
  kill(): Promise<void>;
  restart(): Promise<void>;
}

/** It reads what it has written before it answers, beside whatever else the machine does. */
const START_TIMEOUT_MS = 30_000;

export interface TestRedisOptions {
  /** Keeps an append-only file, as the README asks for, so that it comes back with what it knew. */
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
