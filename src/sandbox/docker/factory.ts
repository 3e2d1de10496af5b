import { randomUUID } from "node:crypto";
import type { Duplex } from "node:stream";
import type { Container } from "dockerode";
import type { Limits } from "../../domain/limits.ts";
import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { deadlineAfter } from "../../util/deadline.ts";
import { Semaphore } from "../../util/semaphore.ts";
import type { Sandbox, SandboxEnd, SandboxFactory, SandboxSpec } from "../sandbox.ts";
import { FrameStream, frameBounds, type Unwrap } from "../wire/frame-stream.ts";
import type { InFrame, OutFrame } from "../wire/frames.ts";
import { Demux } from "./demux.ts";
import { type EngineClient, hasStatus } from "./engine-client.ts";
import { containerOptions, type ProfileOptions } from "./profile.ts";

const END_FACTS_TIMEOUT_MS = 5_000;
const REMOVE_ATTEMPTS = 3;
/** A runner that is well ends within a few milliseconds; any other is killed. */
const OWN_END_MS_MAX = 500;

export interface DockerFactoryOptions {
  engine: EngineClient;
  profile: Omit<ProfileOptions, "deadline">;
  limits: Limits;
  metrics: Metrics;
  log: Log;
  /** Containers created or started at one time; more of them slow each other down. */
  startsMax: number;
  /** How long a sandbox may exist before the reaper takes it for forgotten. */
  lifetimeMsMax: number;
}

/** Makes sandboxes out of containers of one Docker engine. */
export class DockerSandboxFactory implements SandboxFactory {
  readonly #options: DockerFactoryOptions;
  readonly #starts: Semaphore;
  readonly #removals: Semaphore;
  readonly #leaving = new Set<Promise<void>>();

  constructor(options: DockerFactoryOptions) {
    this.#options = options;
    this.#starts = new Semaphore(options.startsMax);
    this.#removals = new Semaphore(options.startsMax);
  }

  async create(spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox> {
    const release = await this.#starts.acquire(signal);
    const bounded = deadlineAfter(this.#options.limits.sandboxStartTimeoutMsMax, signal);
    // Named by us, so that it can be removed even when the engine's answer to "create" never arrives.
    const name = `code-interpreter-${randomUUID()}`;
    this.#options.metrics.sandboxesAlive.inc();
    try {
      return await this.#start(name, spec, bounded.signal);
    } catch (error) {
      // Not waited for here: with an engine that hangs, this would hold up who asked for long after it failed.
      const leaving = this.#remove(name);
      this.#leaving.add(leaving);
      void leaving.finally(() => this.#leaving.delete(leaving));
      throw error;
    } finally {
      bounded.clear();
      release();
    }
  }

  async settled(): Promise<void> {
    await Promise.all(this.#leaving);
  }

  async #start(name: string, spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox> {
    const { engine, profile, limits, metrics, lifetimeMsMax } = this.#options;
    const deadline = Date.now() + lifetimeMsMax;
    const container = await engine.call("create", () =>
      engine.control.createContainer({ name, ...containerOptions(spec, { ...profile, deadline }), abortSignal: signal }),
    );
    const socket = await engine.call("attach", () => attach(engine.stream.getContainer(container.id), signal));
    const onBytes = (direction: "in" | "out", count: number) => metrics.sandboxBytes.inc({ direction }, count);
    const stream = new FrameStream(socket, frameBounds(limits), onBytes, runnerOutput());
    try {
      await engine.call("start", () => container.start({ abortSignal: signal }));
      const sandbox = new DockerSandbox(container, spec, stream, engine, () => this.#remove(name));
      await untilReady(sandbox, signal);
      return sandbox;
    } catch (error) {
      stream.close();
      throw error;
    }
  }

  /** Leaves nothing of the container, or a warning for the reaper to act on. */
  async #remove(name: string): Promise<void> {
    const { engine, log, metrics } = this.#options;
    const release = await this.#removals.acquire();
    try {
      for (let attempt = 1; ; attempt++) {
        try {
          await engine.call("remove", () => engine.control.getContainer(name).remove({ force: true, v: true }));
          return;
        } catch (error) {
          // Gone already, or going: both are what was wanted.
          if (hasStatus(error, 404) || hasStatus(error, 409)) return;
          if (attempt === REMOVE_ATTEMPTS) {
            log.warn({ sandbox: name, err: error }, "sandbox not removed; left to the reaper");
            return;
          }
        }
      }
    } finally {
      metrics.sandboxesAlive.dec();
      release();
    }
  }
}

/**
 * Attached before the start, so that no output is lost. The client sends the options as a request body too, which
 * some engines let slip into stdin: the runner drops whatever comes before the preamble.
 */
function attach(container: Container, signal: AbortSignal): Promise<Duplex> {
  const options = { stream: true, hijack: true, stdin: true, stdout: true, stderr: true };
  const attaching = container.attach(options) as unknown as Promise<Duplex>;
  return new Promise((resolve, reject) => {
    // This call has no timeout of its own, as a socket timeout would end a quiet stream; a socket that comes late is closed.
    const giveUp = () => {
      reject(signal.reason as Error);
      attaching.then(
        (late) => late.destroy(),
        () => undefined,
      );
    };
    signal.addEventListener("abort", giveUp, { once: true });
    attaching.then(resolve, reject).finally(() => signal.removeEventListener("abort", giveUp));
  });
}

/** What the supervisor itself writes to stderr is of no use here and is never shown. */
function runnerOutput(): Unwrap {
  const demux = new Demux();
  return function* (data) {
    for (const slice of demux.push(data)) if (slice.stream !== "stderr") yield slice.data;
  };
}

async function untilReady(sandbox: DockerSandbox, signal: AbortSignal): Promise<void> {
  const giveUp = () => sandbox.abandon();
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    const frame = await sandbox.receive();
    signal.throwIfAborted();
    if (frame === null) throw new Error("the sandbox ended before it was ready");
    if (frame.kind !== "ready") throw new Error(`the sandbox began with a ${frame.kind} frame`);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

class DockerSandbox implements Sandbox {
  readonly id: string;
  readonly engine = "docker";
  readonly spec: SandboxSpec;
  readonly #container: Container;
  readonly #stream: FrameStream;
  readonly #engine: EngineClient;
  readonly #remove: () => Promise<void>;
  #running = false;
  #destroyed: Promise<void> | null = null;

  constructor(container: Container, spec: SandboxSpec, stream: FrameStream, engine: EngineClient, remove: () => Promise<void>) {
    this.id = container.id;
    this.spec = spec;
    this.#container = container;
    this.#stream = stream;
    this.#engine = engine;
    this.#remove = remove;
  }

  get lost(): AbortSignal {
    return this.#stream.lost;
  }

  async receive(): Promise<OutFrame | null> {
    const frame = await this.#stream.receive();
    if (frame?.kind === "done") this.#running = false;
    return frame;
  }

  send(frame: InFrame): Promise<void> {
    if (frame.kind === "run") this.#running = true;
    return this.#stream.send(frame);
  }

  /** Ends the stream without removing the container, so that a waiting reader is let go. */
  abandon(): void {
    this.#stream.close();
  }

  async end(): Promise<SandboxEnd> {
    try {
      const abortSignal = AbortSignal.timeout(END_FACTS_TIMEOUT_MS);
      await this.#engine.call("wait", () => this.#container.wait({ condition: "not-running", abortSignal }));
      const facts = await this.#engine.call("inspect", () => this.#container.inspect({ abortSignal }));
      return { exitCode: facts.State.ExitCode, oomKilled: facts.State.OOMKilled };
    } catch {
      // Counted as an engine error; a sandbox whose end is not known is one that was lost.
      return { exitCode: null, oomKilled: false };
    }
  }

  destroy(): Promise<void> {
    this.#destroyed ??= this.#destroy();
    return this.#destroyed;
  }

  /**
   * A container that ended by itself is removed for a tenth less of the engine's work than one that it has to kill; one in
   * which code still runs is killed at once.
   */
  async #destroy(): Promise<void> {
    if (!this.#running) await this.#stream.finish(OWN_END_MS_MAX);
    this.#stream.close();
    await this.#remove();
  }
}
