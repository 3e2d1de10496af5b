import { existsSync } from "node:fs";
import { newId } from "../../../src/domain/ids.ts";
import { type Limits, makeLimits } from "../../../src/domain/limits.ts";
import { type Output, withoutFinalNewline } from "../../../src/domain/outputs.ts";
import type { SandboxPackages } from "../../../src/domain/packages.ts";
import type { ExecutionEnd } from "../../../src/domain/result.ts";
import type { Engine, RunPorts, SessionEngine } from "../../../src/domain/run.ts";
import type { ToolDeclaration, ToolPort } from "../../../src/domain/tools.ts";
import { makeLog } from "../../../src/observe/log.ts";
import { type Metrics, makeMetrics } from "../../../src/observe/metrics.ts";
import { connectEngine } from "../../../src/sandbox/docker/engine-client.ts";
import { hasOwnKernel } from "../../../src/sandbox/own-kernel.ts";
import { Pool } from "../../../src/sandbox/pool/pool.ts";
import { makeEngine } from "../../../src/sandbox/run/engine.ts";
import type { Sandbox, Taken } from "../../../src/sandbox/sandbox.ts";
import type { Backend } from "./backend.ts";
import { dockerBackend } from "./docker-backend.ts";
import { ociBackend } from "./oci-backend.ts";

/** The engine, image and runtimes under test, as set by `npm test`. */
export const engineName = process.env.ENGINE ?? "docker";
export const underOci = engineName === "oci";
export const sandboxImage = process.env.SANDBOX_IMAGE ?? "code-interpreter-sandbox:latest";
export const runtimesWanted = ((underOci ? process.env.OCI_RUNTIMES : process.env.SANDBOX_RUNTIMES) || (underOci ? "crun" : "runc"))
  .split(",")
  .map((name) => name.trim());
const sandboxRootfs = process.env.SANDBOX_ROOTFS ?? "";
const dockerHost = process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock";

export interface EngineUnderTestOptions {
  runtime?: string;
  limits?: Limits;
  poolSize?: number;
  /** Uses an address where no engine answers. */
  away?: boolean;
  /** What is known of the packages in the sandboxes. */
  packages?: () => SandboxPackages | null;
  /** Replaces the image's seccomp profile. */
  seccomp?: object;
}

export interface RunOptions {
  files?: ReadonlyArray<{ name: string; bytes: Uint8Array }>;
  args?: string[];
  stdin?: string;
  env?: Record<string, string>;
  timeoutMs?: number;
  memoryMb?: number;
  stop?: AbortSignal;
  tools?: { declared: readonly ToolDeclaration[]; port: ToolPort; answerMs: number };
  /** Called for each output as it appears. */
  onEmit?: (output: Output) => void | Promise<void>;
}

export interface Ran {
  end: ExecutionEnd;
  /** Bytes of stored files, including images, by name. */
  files: Map<string, Buffer>;
  emitted: Output[];
  /** The text of one stream in the result. */
  text(stream?: "stdout" | "stderr"): string;
}

/** Real sandboxes on a real engine, without a queue, with access to the containers behind them. */
export interface EngineUnderTest {
  engine: Engine & SessionEngine;
  pool: RecordingPool;
  metrics: Metrics;
  limits: Limits;
  run(code: string, options?: RunOptions): Promise<Ran>;
  /** Ids of all containers that it has created and not removed. */
  containers(): Promise<string[]>;
  exists(containerId: string): Promise<boolean>;
  /** Kills every process of a container from outside; `pause` freezes them. */
  kill(containerId: string): Promise<void>;
  pause(containerId: string): Promise<void>;
  /** Evidence of a sandbox that was killed from outside. */
  killedEvidence: object;
  close(): Promise<void>;
}

/** A pool that records the sandboxes it hands out. */
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

  /** Resolves when every discarded sandbox is destroyed. */
  async settled(): Promise<void> {
    await Promise.all(this.#gone.values());
  }
}

export async function startEngine(options: EngineUnderTestOptions = {}): Promise<EngineUnderTest> {
  const { runtime = runtimesWanted[0] ?? "runc", limits = makeLimits(), poolSize = 1, away = false, seccomp } = options;
  const metrics = makeMetrics();
  const log = makeLog(process.env.TEST_LOG_LEVEL ?? "silent");
  if (!away) await requireSandbox();
  const backend: Backend = underOci
    ? await ociBackend({
        rootfs: sandboxRootfs,
        runtime,
        limits,
        metrics,
        log,
        seccomp,
        ...(away ? { socket: "/nowhere/keeper.sock" } : {}),
      })
    : dockerBackend({
        host: away ? "unix:///nowhere/docker.sock" : dockerHost,
        image: sandboxImage,
        runtime,
        limits,
        metrics,
        log,
        seccomp,
      });
  const { factory, containers, exists, kill, pause, killedEvidence } = backend;
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
  const engine = makeEngine({ pool, limits, log, packages: options.packages, forksCheaply: !hasOwnKernel(runtime) });
  return {
    engine,
    pool,
    metrics,
    limits,
    run: (code, runOptions = {}) => runOnce(engine, limits, code, runOptions),
    containers,
    exists,
    kill,
    pause,
    killedEvidence,
    async close() {
      await pool.settled();
      await pool.close();
      await backend.close();
    },
  };
}

let required: Promise<void> | null = null;

/** Fails at once if the image or root file system is missing, and names the command that makes it. */
function requireSandbox(): Promise<void> {
  required ??= underOci ? requireRootfs() : requireImage();
  return required;
}

async function requireRootfs(): Promise<void> {
  if (!existsSync(sandboxRootfs)) throw new Error(`SANDBOX_ROOTFS=${sandboxRootfs} is not a folder. Run: npm test -- oci`);
}

async function requireImage(): Promise<void> {
  const { control, close } = connectEngine({ host: dockerHost }, makeMetrics());
  try {
    await control.getImage(sandboxImage).inspect();
  } catch (error) {
    throw new Error(`The engine at ${dockerHost} has no image ${sandboxImage}. Run: npm run image`, { cause: error });
  } finally {
    close();
  }
}

/** Names of the runtimes the engine under test has. */
export async function runtimesRegistered(): Promise<string[]> {
  if (underOci) return runtimesWanted;
  const docker = connectEngine({ host: dockerHost }, makeMetrics());
  try {
    const info = (await docker.control.info()) as { Runtimes?: Record<string, unknown> };
    return Object.keys(info.Runtimes ?? {});
  } finally {
    docker.close();
  }
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
    ...(options.tools === undefined ? {} : { tools: options.tools.port }),
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
    tools: options.tools,
  };
  const end = await engine.run(input, ports, options.stop ?? new AbortController().signal);
  /** What the code printed, without its final newline. */
  const text = (stream: "stdout" | "stderr" = "stdout") =>
    withoutFinalNewline(end.outputs.map((output) => (output.type === "text" && output.stream === stream ? output.text : "")).join(""));
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
