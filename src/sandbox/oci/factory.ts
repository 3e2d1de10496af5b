import type { Limits } from "../../domain/limits.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { deadlineAfter } from "../../util/deadline.ts";
import { within } from "../../util/race.ts";
import type { Sandbox, SandboxEnd, SandboxFactory, SandboxSpec } from "../sandbox.ts";
import { FrameStream, frameBounds } from "../wire/frame-stream.ts";
import { type InFrame, type OutFrame, WireError } from "../wire/frames.ts";
import { type Lease, takeLease } from "./lease.ts";

const MIB = 1024 * 1024;
const END_FACTS_TIMEOUT_MS = 5_000;

export interface OciFactoryOptions {
  /** The keeper's socket. */
  socket: string;
  /** The keeper's runtime gives each container its own kernel (gVisor). */
  ownKernel: boolean;
  limits: Limits;
  metrics: Metrics;
}

/**
 * Makes sandboxes from containers of the keeper. A sandbox in stock is an empty container. The runner, with all modules
 * loaded, is forked into it by `open` or by the first frame. With gVisor the runner starts with the container, and imports
 * modules on a `preload` frame.
 */
export class OciSandboxFactory implements SandboxFactory {
  readonly #options: OciFactoryOptions;
  readonly #removing = new Set<Promise<unknown>>();

  constructor(options: OciFactoryOptions) {
    this.#options = options;
  }

  async create(spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox> {
    const { socket, ownKernel, limits, metrics } = this.#options;
    const bounded = deadlineAfter(limits.sandboxStartTimeoutMsMax, signal);
    const stopTimer = metrics.engineCalls.startTimer({ operation: "create" });
    try {
      const lease = await takeLease(socket, spec.memoryMb, bounded.signal, (removal) => this.#trackRemoval(removal));
      metrics.sandboxesAlive.inc();
      metrics.sandboxesMemory.inc(spec.memoryMb * MIB);
      const sandbox = new OciSandbox(lease, spec, this.#options);
      try {
        if (lease.ownKernel !== ownKernel) throw new Error(`OCI_RUNTIME: ${lease.ownKernel ? "only " : "not "}the keeper's is runsc`);
        if (ownKernel) await sandbox.untilReady(bounded.signal);
        return sandbox;
      } catch (error) {
        this.#trackRemoval(sandbox.destroy());
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
    await Promise.all(this.#removing);
  }

  #trackRemoval(removal: Promise<unknown>): void {
    this.#removing.add(removal);
    void removal.finally(() => this.#removing.delete(removal));
  }
}

class OciSandbox implements Sandbox {
  readonly id: string;
  readonly engine = "oci";
  readonly spec: SandboxSpec;
  /** Absent where the runner starts with the container. */
  readonly open?: (wantsPreloaded: boolean) => void;
  readonly #lease: Lease;
  readonly #options: OciFactoryOptions;
  readonly #lost = new AbortController();
  #stream: FrameStream | null = null;
  #runnerReady = false;
  #destroyed: Promise<void> | null = null;

  constructor(lease: Lease, spec: SandboxSpec, options: OciFactoryOptions) {
    this.id = lease.id;
    this.spec = spec;
    this.#lease = lease;
    this.#options = options;
    if (!lease.ownKernel) {
      this.open = (wantsPreloaded) => {
        if (!this.#lost.signal.aborted) this.#openStream(wantsPreloaded);
      };
    }
    lease.lost.addEventListener("abort", () => this.#abandon(), { once: true });
    if (lease.lost.aborted) this.#abandon();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Resolves when the runner of a new container has sent its ready frame. */
  async untilReady(signal: AbortSignal): Promise<void> {
    const giveUp = () => this.#abandon();
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      const ready = await this.#readReadyFrame(this.#openStream(true));
      signal.throwIfAborted();
      if (!ready) throw new Error("the sandbox ended before it was ready");
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  async send(frame: InFrame): Promise<void> {
    await this.#openStream(true).send(frame);
  }

  async receive(): Promise<OutFrame | null> {
    const stream = this.#openStream(true);
    if (!this.#runnerReady && !(await this.#readReadyFrame(stream))) return null;
    return stream.receive();
  }

  /** False when the stream ended first. */
  async #readReadyFrame(stream: FrameStream): Promise<boolean> {
    const frame = await stream.receive();
    if (frame !== null && frame.kind !== "ready") throw new WireError(`the sandbox began with a ${frame.kind} frame`);
    this.#runnerReady = frame !== null;
    return this.#runnerReady;
  }

  /** The worker and the runner share a connection, which no other program carries. */
  async reachable(): Promise<boolean> {
    return true;
  }

  async end(): Promise<SandboxEnd> {
    const facts = await within(this.#lease.ended(), END_FACTS_TIMEOUT_MS);
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
    if (!(await this.#lease.release())) metrics.engineErrors.inc({ operation: "remove" });
    stopTimer();
    metrics.sandboxesAlive.dec();
    metrics.sandboxesMemory.dec(this.spec.memoryMb * MIB);
  }

  #openStream(preloaded: boolean): FrameStream {
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

  /** Ends the stream, so that a pending `receive` returns. */
  #abandon(): void {
    this.#stream?.close();
    this.#lost.abort();
  }
}
