import type { Limits } from "../../domain/limits.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { deadlineAfter } from "../../util/deadline.ts";
import type { Sandbox, SandboxEnd, SandboxFactory, SandboxSpec } from "../sandbox.ts";
import { FrameStream, frameBounds } from "../wire/frame-stream.ts";
import { type InFrame, type OutFrame, WireError } from "../wire/frames.ts";
import { type Lease, takeLease } from "./lease.ts";

const END_FACTS_TIMEOUT_MS = 5_000;

export interface OciFactoryOptions {
  /** The keeper's socket. */
  socket: string;
  /** The keeper's containers have a kernel of their own. */
  ownKernel: boolean;
  limits: Limits;
  metrics: Metrics;
}

/**
 * Makes sandboxes out of containers of the keeper. One that stands ready is an empty container; the runner, with all
 * modules loaded, is forked into it when it is opened, or by the first frame. Only a container with a kernel of its own has
 * its runner from the start, and loads modules when it is told to.
 */
export class OciSandboxFactory implements SandboxFactory {
  readonly #options: OciFactoryOptions;
  readonly #leaving = new Set<Promise<void>>();

  constructor(options: OciFactoryOptions) {
    this.#options = options;
  }

  async create(spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox> {
    const { socket, ownKernel, limits, metrics } = this.#options;
    const bounded = deadlineAfter(limits.sandboxStartTimeoutMsMax, signal);
    const stopTimer = metrics.engineCalls.startTimer({ operation: "create" });
    try {
      const lease = await takeLease(socket, spec.memoryMb, bounded.signal, (gone) => this.#letGo(gone));
      metrics.sandboxesAlive.inc();
      const sandbox = new OciSandbox(lease, spec, this.#options);
      try {
        if (lease.ownKernel !== ownKernel) throw new Error(`OCI_RUNTIME: ${lease.ownKernel ? "only " : "not "}the keeper's is runsc`);
        if (ownKernel) await sandbox.greeted(bounded.signal);
        return sandbox;
      } catch (error) {
        this.#letGo(sandbox.destroy());
        throw error;
      }
    } catch (error) {
      metrics.engineErrors.inc({ operation: "create" });
      throw error;
    } finally {
      bounded.clear();
      stopTimer();
    }
  }

  async settled(): Promise<void> {
    await Promise.all(this.#leaving);
  }

  #letGo(gone: Promise<void>): void {
    this.#leaving.add(gone);
    void gone.finally(() => this.#leaving.delete(gone));
  }
}

class OciSandbox implements Sandbox {
  readonly id: string;
  readonly engine = "oci";
  readonly spec: SandboxSpec;
  /** Absent where the runner is there from the start. */
  readonly open?: (wantsPreloaded: boolean) => void;
  readonly #lease: Lease;
  readonly #options: OciFactoryOptions;
  readonly #lost = new AbortController();
  #stream: FrameStream | null = null;
  #greeted = false;
  #destroyed: Promise<void> | null = null;

  constructor(lease: Lease, spec: SandboxSpec, options: OciFactoryOptions) {
    this.id = lease.id;
    this.spec = spec;
    this.#lease = lease;
    this.#options = options;
    if (!lease.ownKernel) {
      this.open = (wantsPreloaded) => {
        if (!this.#lost.signal.aborted) this.#opened(wantsPreloaded);
      };
    }
    lease.lost.addEventListener("abort", () => this.#abandon(), { once: true });
    if (lease.lost.aborted) this.#abandon();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Resolves when a runner that is there before any frame has said so. */
  async greeted(signal: AbortSignal): Promise<void> {
    const giveUp = () => this.#abandon();
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      const greeted = await this.#readGreeting(this.#opened(true));
      signal.throwIfAborted();
      if (!greeted) throw new Error("the sandbox ended before it was ready");
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  async send(frame: InFrame): Promise<void> {
    await this.#opened(true).send(frame);
  }

  async receive(): Promise<OutFrame | null> {
    const stream = this.#opened(true);
    if (!this.#greeted && !(await this.#readGreeting(stream))) return null;
    return stream.receive();
  }

  /** False when the stream ends without one. */
  async #readGreeting(stream: FrameStream): Promise<boolean> {
    const frame = await stream.receive();
    if (frame !== null && frame.kind !== "ready") throw new WireError(`the sandbox began with a ${frame.kind} frame`);
    this.#greeted = frame !== null;
    return this.#greeted;
  }

  async end(): Promise<SandboxEnd> {
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), END_FACTS_TIMEOUT_MS);
    });
    const facts = await Promise.race([this.#lease.ended(), tooLate]);
    clearTimeout(timer);
    return { exitCode: facts?.exitCode ?? null, oomKilled: facts?.oomKilled ?? false };
  }

  destroy(): Promise<void> {
    this.#destroyed ??= this.#destroy();
    return this.#destroyed;
  }

  async #destroy(): Promise<void> {
    const { metrics } = this.#options;
    const stopTimer = metrics.engineCalls.startTimer({ operation: "remove" });
    this.#abandon();
    try {
      await this.#lease.release();
    } finally {
      stopTimer();
      metrics.sandboxesAlive.dec();
    }
  }

  #opened(preloaded: boolean): FrameStream {
    if (this.#stream !== null) return this.#stream;
    if (this.#lost.signal.aborted) throw new WireError("the sandbox has ended");
    const { limits, metrics } = this.#options;
    const stream = new FrameStream(this.#lease.attach(preloaded), frameBounds(limits), (direction, count) =>
      metrics.sandboxBytes.inc({ direction }, count),
    );
    stream.lost.addEventListener("abort", () => this.#lost.abort(), { once: true });
    this.#stream = stream;
    return stream;
  }

  /** The stream's end is the sandbox's end for whoever reads it. */
  #abandon(): void {
    this.#stream?.close();
    this.#lost.abort();
  }
}
