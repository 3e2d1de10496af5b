import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { connectEngine, type EngineClient, hasStatus } from "../../src/docker/engine-client.ts";
import { DockerSandboxFactory } from "../../src/docker/factory.ts";
import { WORKER_LABEL } from "../../src/docker/profile.ts";
import { Pool, type Taken } from "../../src/engine/pool.ts";
import { makeEngine } from "../../src/engine/run.ts";
import type { Sandbox } from "../../src/engine/sandbox.ts";
import { newId } from "../../src/execution/ids.ts";
import type { Output } from "../../src/execution/outputs.ts";
import type { ExecutionEnd } from "../../src/execution/result.ts";
import type { Engine, RunPorts, SessionEngine } from "../../src/execution/run.ts";
import { type Limits, makeLimits } from "../../src/limits.ts";
import { type Log, makeLog } from "../../src/observe/log.ts";
import { type Metrics, makeMetrics } from "../../src/observe/metrics.ts";

/** The image, engine and runtimes under test, as the test command names them. */
export const sandboxImage = process.env.SANDBOX_IMAGE ?? "code-interpreter-sandbox:dev";
export const runtimesWanted = (process.env.SANDBOX_RUNTIMES ?? "runc").split(",").map((name) => name.trim());
const dockerHost = process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock";

export interface EngineUnderTestOptions {
  runtime?: string;
  limits?: Limits;
  poolSize?: number;
  /** Where the engine is; another address stands for one that is away. */
  host?: string;
}

export interface RunOptions {
  files?: ReadonlyArray<{ name: string; bytes: Uint8Array }>;
  args?: string[];
  stdin?: string;
  env?: Record<string, string>;
  timeoutMs?: number;
  memoryMb?: number;
  stop?: AbortSignal;
  /** Called for each output as it appears. */
  onEmit?: (output: Output) => void | Promise<void>;
}

export interface Ran {
  end: ExecutionEnd;
  /** Bytes of the files that were kept, images among them, by name. */
  files: Map<string, Buffer>;
  emitted: Output[];
  /** All text of one stream that is in the result. */
  text(stream?: "stdout" | "stderr"): string;
}

/** Real sandboxes of the real image on a real engine, without a queue: what a worker has, and a look behind it. */
export interface EngineUnderTest {
  engine: Engine & SessionEngine;
  pool: RecordingPool;
  docker: EngineClient;
  metrics: Metrics;
  limits: Limits;
  run(code: string, options?: RunOptions): Promise<Ran>;
  /** Ids of all containers that carry our label. */
  containers(): Promise<string[]>;
  exists(containerId: string): Promise<boolean>;
  close(): Promise<void>;
}

/** A pool that remembers what it gave out, so that a test can ask what became of it. */
export class RecordingPool extends Pool {
  readonly taken: Sandbox[] = [];
  readonly #gone = new Map<string, Promise<void>>();

  override async take(...wanted: Parameters<Pool["take"]>): Promise<Taken> {
    const taken = await super.take(...wanted);
    this.taken.push(taken.sandbox);
    return taken;
  }

  override discard(...given: Parameters<Pool["discard"]>): Promise<void> {
    const gone = super.discard(...given);
    this.#gone.set(given[0].id, gone);
    return gone;
  }

  /** Resolves when everything that was given out so far has been destroyed. */
  async settled(): Promise<void> {
    await Promise.all(this.#gone.values());
  }
}

export async function startEngine(options: EngineUnderTestOptions = {}): Promise<EngineUnderTest> {
  const { runtime = "runc", limits = makeLimits(), poolSize = 1 } = options;
  const metrics = makeMetrics();
  const log = makeLog(process.env.TEST_LOG_LEVEL ?? "silent");
  const docker = connectEngine({ host: options.host ?? dockerHost }, metrics);
  const workerId = `test-${randomUUID()}`;
  const pool = openPool({ docker, runtime, limits, poolSize, metrics, log, workerId });
  const engine = makeEngine({ pool, limits, log });
  return {
    engine,
    pool,
    docker,
    metrics,
    limits,
    run: (code, runOptions = {}) => runOnce(engine, limits, code, runOptions),
    containers: () => labelled(docker, workerId),
    exists: (containerId) => isThere(docker, containerId),
    async close() {
      await pool.settled();
      await pool.close();
      docker.close();
    },
  };
}

/** Names of the runtimes the engine under test has. */
export async function runtimesRegistered(): Promise<string[]> {
  const docker = connectEngine({ host: dockerHost }, makeMetrics());
  try {
    const info = (await docker.control.info()) as { Runtimes?: Record<string, unknown> };
    return Object.keys(info.Runtimes ?? {});
  } finally {
    docker.close();
  }
}

interface PoolParts {
  docker: EngineClient;
  runtime: string;
  limits: Limits;
  poolSize: number;
  metrics: Metrics;
  log: Log;
  workerId: string;
}

function openPool(parts: PoolParts): RecordingPool {
  const { docker, runtime, limits, poolSize, metrics, log, workerId } = parts;
  const seccomp = runtime === "runsc" ? null : readFileSync(new URL("../../sandbox-image/seccomp.json", import.meta.url), "utf8");
  const factory = new DockerSandboxFactory({
    engine: docker,
    profile: { image: sandboxImage, runtime, seccomp, limits, workerId },
    limits,
    metrics,
    log,
    startsMax: 2,
    lifetimeMsMax: 600_000,
  });
  const spec = { memoryMb: limits.memoryMbMax };
  const pool = new RecordingPool({
    factory,
    spec,
    sizeMin: poolSize,
    sizeMax: poolSize,
    capacity: poolSize + 8,
    startsMax: 2,
    idleMsMax: 300_000,
    preloadMsMax: 10_000,
    metrics,
    log,
  });
  pool.open();
  return pool;
}

async function runOnce(engine: Engine, limits: Limits, code: string, options: RunOptions): Promise<Ran> {
  const files = new Map<string, Buffer>();
  const emitted: Output[] = [];
  const inputs = new Map((options.files ?? []).map((file) => [newId("file"), file]));
  const ports: RunPorts = {
    openFile: async (fileId) => once(inputs.get(fileId)?.bytes ?? new Uint8Array()),
    async saveFile(file, bytes) {
      const stored = await collect(bytes, file.bytesMax);
      files.set(file.name, stored);
      const mime_type = file.mimeType ?? "application/octet-stream";
      return { file_id: newId("file"), url: `/v1/files/${file.name}`, mime_type, bytes: stored.length, sha256: "0".repeat(64) };
    },
    async emit(output) {
      emitted.push(structuredClone(output));
      await options.onEmit?.(output);
    },
  };
  const input = {
    id: newId("execution"),
    organization: "org_test",
    attempt: 1,
    code,
    args: options.args ?? [],
    stdin: options.stdin ?? "",
    env: options.env ?? {},
    timeoutMs: options.timeoutMs ?? limits.runTimeoutMsMax,
    memoryMb: options.memoryMb ?? limits.memoryMbMax,
    files: [...inputs].map(([file_id, file]) => ({ name: file.name, file_id })),
  };
  const end = await engine.run(input, ports, options.stop ?? new AbortController().signal);
  const text = (stream: "stdout" | "stderr" = "stdout") =>
    end.outputs.map((output) => (output.type === "text" && output.stream === stream ? output.text : "")).join("");
  return { end, files, emitted, text };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function collect(source: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) throw new RangeError(`more than ${bytesMax} bytes`);
    chunks.push(Uint8Array.from(chunk));
  }
  return Buffer.concat(chunks);
}

async function labelled(docker: EngineClient, workerId: string): Promise<string[]> {
  const found = await docker.control.listContainers({ all: true, filters: { label: [`${WORKER_LABEL}=${workerId}`] } });
  return found.map((container) => container.Id);
}

async function isThere(docker: EngineClient, containerId: string): Promise<boolean> {
  try {
    await docker.control.getContainer(containerId).inspect();
    return true;
  } catch (error) {
    if (hasStatus(error, 404)) return false;
    throw error;
  }
}
