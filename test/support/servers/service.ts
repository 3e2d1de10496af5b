import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createKey } from "../../../src/keys/change-keys.ts";
import { expectSeconds } from "../checks/times.ts";
import { startRedis, type TestRedis, type TestRedisOptions } from "../redis/redis.ts";

/** The compiled service. `npm test` builds it first. */
const BUILT = new URL("../../../dist/main/", import.meta.url);
const START_TIMEOUT_MS = 60_000;

const CHEAP_WORKER = new URL("./cheap-worker.mjs", import.meta.url);

/** The service's commands, and a worker without sandboxes. */
export type Command = "api" | "worker" | "all" | "probe" | "cheap-worker";

export interface ServiceProcess {
  readonly command: Command;
  readonly child: ChildProcess;
  /** Base URL of the API; empty for a worker. */
  readonly url: string;
  readonly operationsUrl: string;
  /** With ENGINE=oci the state folder of this process's keeper; otherwise null. */
  readonly ociState: string | null;
  /** Its log so far. */
  readonly log: string[];
  /** SIGTERM, then the exit code. */
  stop(): Promise<number | null>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

export interface TestService {
  readonly redis: TestRedis;
  readonly dataFolder: string;
  /** All processes in order of their start, including ended ones. */
  readonly processes: readonly ServiceProcess[];
  start(command: Command, env?: Record<string, string>): Promise<ServiceProcess>;
  /** A key with all scopes. */
  key(organization: string): Promise<string>;
  /** Stops every process. */
  stop(): Promise<void>;
}

/** Real processes of the service with their own Redis and data folder, on free ports. */
export async function prepareService(options: TestRedisOptions = {}): Promise<TestService> {
  const redis = await startRedis(options);
  const dataFolder = await mkdtemp(join(tmpdir(), "ci-data-"));
  const started: ServiceProcess[] = [];
  return {
    redis,
    dataFolder,
    processes: started,
    async start(command, env = {}) {
      const service = await launch(command, { REDIS_URL: redis.url, DATA_DIR: dataFolder, ...env });
      started.push(service);
      return service;
    },
    key: (organization) => createKey(join(dataFolder, "keys.json"), { organization, scopes: ["admin"] }),
    async stop() {
      for (const service of started) await service.stop();
      await redis.stop();
      for (const { ociState } of started) if (ociState !== null) await rm(ociState, { recursive: true, force: true });
      await rm(dataFolder, { recursive: true, force: true });
    },
  };
}

async function launch(command: Command, env: Record<string, string>): Promise<ServiceProcess> {
  const ociState = (env.ENGINE ?? process.env.ENGINE) === "oci" ? `/run/code-interpreter-test-${randomUUID()}` : null;
  const child = spawn(process.execPath, [(command === "cheap-worker" ? CHEAP_WORKER : new URL(`${command}.js`, BUILT)).pathname], {
    env: {
      ...process.env,
      HOST: "127.0.0.1",
      PORT: "0",
      METRICS_PORT: "0",
      ...(ociState === null ? {} : { OCI_STATE_DIR: ociState }),
      ...env,
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const log: string[] = [];
  const urls = { api: "", operations: "" };
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`${command} ${why}; its log:\n${log.slice(-20).join("\n")}`));
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      fail("did not start in time");
    }, START_TIMEOUT_MS);
    child.once("exit", (code) => {
      clearTimeout(timer);
      fail(`ended with ${code}`);
    });
    createInterface({ input: child.stderr as NodeJS.ReadableStream }).on("line", (line) => {
      log.push(line);
      const { msg, url } = parseLine(line);
      if (msg === "api listens" && url !== undefined) urls.api = url;
      if (msg === "metrics listen" && url !== undefined) urls.operations = url.replace(/\/metrics$/, "");
      if (msg !== "started") return;
      clearTimeout(timer);
      resolve();
    });
  });
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  };
  return {
    command,
    child,
    url: urls.api,
    operationsUrl: urls.operations,
    ociState,
    log,
    async stop() {
      await end("SIGTERM");
      return child.exitCode;
    },
    kill: () => end("SIGKILL"),
  };
}

function parseLine(line: string): { msg?: string; url?: string } {
  try {
    return JSON.parse(line) as { msg?: string; url?: string };
  } catch {
    return {};
  }
}

// biome-ignore lint/suspicious/noExplicitAny: answers are read freely, and each is checked against the API document or by assertions
export type Json = any;

/** Calls the API like a backend service. */
export function client(url: string, key: string) {
  const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await response.text();
    const json: Json = /json/.test(response.headers.get("content-type") ?? "") ? JSON.parse(text) : null;
    expectSeconds(json);
    return { status: response.status, headers: response.headers, json, text };
  };
  return {
    call,
    run: (body: Record<string, unknown>, headers?: Record<string, string>) => call("POST", "/v1/executions", body, headers),
    get: (path: string) => call("GET", path),
    /** A streamed response. */
    stream: (path: string, headers: Record<string, string>) =>
      fetch(url + path, { headers: { authorization: `Bearer ${key}`, ...headers } }),
  };
}
