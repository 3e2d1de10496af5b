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
import { reachesShim } from "./ping.ts";
import { containerOptions, type ProfileOptions, SANDBOX_LABEL } from "./profile.ts";
import { UidPool } from "./uids.ts";

const MIB = 1024 * 1024;
const END_FACTS_TIMEOUT_MS = 5_000;
const REMOVE_ATTEMPTS = 3;
/** A healthy runner exits within a few milliseconds; any other is killed. */
const RUNNER_EXIT_MS_MAX = 500;

export interface DockerFactoryOptions {
  engine: EngineClient;
  profile: Omit<ProfileOptions, "deadline">;
  limits: Limits;
  metrics: Metrics;
  log: Log;
  /** Concurrent container starts; more of them slow each other down. */
  startsMax: number;
  /** Age at which the reaper treats a sandbox as an orphan. */
  lifetimeMsMax: number;
}

/** Makes sandboxes from containers of one Docker engine. */
export class DockerSandboxFactory implements SandboxFactory {
  readonly #options: DockerFactoryOptions;
  readonly #uids = new UidPool();
  readonly #starts: Semaphore;
  readonly #removals: Semaphore;
  readonly #removing = new Set<Promise<void>>();

  constructor(options: DockerFactoryOptions) {
    this.#options = options;
    this.#starts = new Semaphore(options.startsMax);
    this.#removals = new Semaphore(options.startsMax);
  }

  async create(spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox> {
    const release = await this.#starts.acquire(signal);
    const bounded = deadlineAfter(this.#options.limits.sandboxStartTimeoutMsMax, signal);
    try {
      for (;;) {
        const made = await this.#tryUid(spec, bounded.signal);
        if (made !== "uid_taken") return made;
      }
    } finally {
      bounded.clear();
      release();
    }
  }

  async #tryUid(spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox | "uid_taken"> {
    const claim: Claim = { uid: this.#uids.take(), mark: randomUUID(), memoryBytes: spec.memoryMb * MIB, containerId: null };
    this.#options.metrics.sandboxesAlive.inc();
    this.#options.metrics.sandboxesMemory.inc(claim.memoryBytes);
    try {
      return await this.#start(claim, spec, signal);
    } catch (error) {
      // Another service or worker on this engine holds the name.
      const taken = claim.containerId === null && hasStatus(error, 409) && !signal.aborted;
      // Not awaited: with an engine that hangs, the caller would wait long after the start failed.
      const removal = taken ? this.#forget(claim) : this.#remove(claim);
      this.#removing.add(removal);
      void removal.finally(() => this.#removing.delete(removal));
      if (taken) return "uid_taken";
      throw error;
    }
  }

  async settled(): Promise<void> {
    await Promise.all(this.#removing);
  }

  async #start(claim: Claim, spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox> {
    const { engine, profile, limits, metrics, lifetimeMsMax } = this.#options;
    const deadline = Date.now() + lifetimeMsMax;
    const { uid, mark } = claim;
    const _body = containerOptions({ ...spec, uid, mark }, { ...profile, deadline });
    // dockerode would repeat the whole body, the seccomp profile included, in the address, which proxies limit to 8 or 16 KiB.
    const request = { _query: { name: nameOf(uid) }, _body, abortSignal: signal };
    const container = await engine.call("create", () => engine.control.createContainer(request));
    claim.containerId = container.id;
    const socket = await engine.call("attach", () => attach(engine.stream.getContainer(container.id), signal));
    const onBytes = (direction: "in" | "out", count: number) => metrics.sandboxBytes.inc({ direction }, count);
    const stream = new FrameStream(socket, frameBounds(limits), onBytes, runnerOutput());
    try {
      await engine.call("start", () => container.start({ abortSignal: signal }));
      const sandbox = new DockerSandbox(container, spec, stream, engine, () => this.#remove(claim));
      await untilReady(sandbox, signal);
      return sandbox;
    } catch (error) {
      stream.close();
      throw error;
    }
  }

  /** Removes the container, or logs a warning and leaves it to the reaper. Never throws. */
  async #remove(claim: Claim): Promise<void> {
    const { engine, log } = this.#options;
    const release = await this.#removals.acquire();
    try {
      for (let attempt = 1; ; attempt++) {
        try {
          const id = claim.containerId ?? (await this.#find(claim));
          if (id !== null) await engine.call("remove", () => engine.control.getContainer(id).remove({ force: true, v: true }));
          return;
        } catch (error) {
          // Already removed, or being removed.
          if (hasStatus(error, 404) || hasStatus(error, 409)) return;
          if (attempt === REMOVE_ATTEMPTS) {
            log.warn({ sandbox: claim.containerId ?? nameOf(claim.uid), err: error }, "sandbox not removed; left to the reaper");
            return;
          }
        }
      }
    } finally {
      release();
      await this.#forget(claim);
    }
  }

  /** The container whose creation was never answered, if it exists. Its name may belong to another service by now. */
  async #find({ uid, mark }: Claim): Promise<string | null> {
    const { engine } = this.#options;
    const found = await engine.call("inspect", () => engine.control.getContainer(nameOf(uid)).inspect());
    return found.Config.Labels[SANDBOX_LABEL] === mark ? found.Id : null;
  }

  async #forget({ uid, memoryBytes }: Claim): Promise<void> {
    this.#uids.giveBack(uid);
    this.#options.metrics.sandboxesAlive.dec();
    this.#options.metrics.sandboxesMemory.dec(memoryBytes);
  }
}

/** A user id, and the container that is to run under it. */
interface Claim {
  uid: number;
  /** Distinguishes this container from another of the same name. */
  mark: string;
  memoryBytes: number;
  /** Null until the engine has answered. */
  containerId: string | null;
}

/** The engine allows each name once, so no two of its containers share a user id, regardless of which service made them. */
function nameOf(uid: number): string {
  return `code-interpreter-uid-${uid}`;
}

/**
 * Attaches before the start, so that no output is lost. dockerode also sends the options as a request body, which some
 * engines pass into stdin; the runner drops all bytes before the preamble.
 */
function attach(container: Container, signal: AbortSignal): Promise<Duplex> {
  const options = { stream: true, hijack: true, stdin: true, stdout: true, stderr: true };
  const attaching = container.attach(options) as unknown as Promise<Duplex>;
  return new Promise((resolve, reject) => {
    // The call has no timeout of its own, because a socket timeout would end a silent stream. A late socket is closed.
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

/** Drops what the supervisor itself writes to stderr; it is never shown. */
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

  reachable(): Promise<boolean> {
    return reachesShim(this.#engine, this.id);
  }

  /** Ends the stream, so that a pending `receive` returns. Does not remove the container. */
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
      // Counted as an engine error. A sandbox whose end is unknown is treated as lost.
      return { exitCode: null, oomKilled: false };
    }
  }

  destroy(): Promise<void> {
    this.#destroyed ??= this.#destroy();
    return this.#destroyed;
  }

  /**
   * Removing a container that has exited costs the engine a tenth less work than killing it. A container in which code
   * still runs is killed immediately.
   */
  async #destroy(): Promise<void> {
    if (!this.#running) await this.#stream.finish(RUNNER_EXIT_MS_MAX);
    this.#stream.close();
    await this.#remove();
  }
}
