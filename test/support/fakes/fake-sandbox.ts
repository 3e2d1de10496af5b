import type { Sandbox, SandboxEnd, SandboxFactory, SandboxSpec } from "../../../src/sandbox/sandbox.ts";
import { type InFrame, type OutFrame, type OutKind, WireError } from "../../../src/sandbox/wire/frames.ts";
import { countJsonValues } from "../../../src/util/json-shape.ts";

/**
 * A scripted sandbox, for faults that a real one cannot be made to have.
 */
export type Script = (frame: InFrame, sandbox: FakeSandbox) => unknown;

export class FakeSandbox implements Sandbox {
  readonly id: string;
  readonly engine = "docker";
  readonly spec: SandboxSpec;
  readonly received: InFrame[] = [];
  destroyed = 0;
  reached = true;
  ending: SandboxEnd = { exitCode: 0, oomKilled: false };
  readonly #script: Script;
  readonly #lost = new AbortController();
  #frames: OutFrame[] = [];
  #failure: WireError | null = null;
  #wake: (() => void) | null = null;

  constructor(id: string, spec: SandboxSpec, script: Script) {
    this.id = id;
    this.spec = spec;
    this.#script = script;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async send(frame: InFrame): Promise<void> {
    if (this.#lost.signal.aborted) throw new WireError("the sandbox's stream has ended");
    this.received.push(frame);
    const taken = this.#script(frame, this);
    if (taken instanceof Promise) await Promise.race([taken, this.#lostWhileWriting()]);
  }

  #lostWhileWriting(): Promise<never> {
    return new Promise((_, reject) => {
      this.#lost.signal.addEventListener("abort", () => reject(new WireError("the sandbox's stream ended while it was written to")));
    });
  }

  async receive(): Promise<OutFrame | null> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) return frame;
      if (this.#failure !== null) throw this.#failure;
      if (this.#lost.signal.aborted) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async reachable(): Promise<boolean> {
    return this.reached;
  }

  async end(): Promise<SandboxEnd> {
    return this.ending;
  }

  async destroy(): Promise<void> {
    this.destroyed += 1;
    this.die();
  }

  /** Sends a frame, like the runner. */
  says(kind: OutKind, head: Record<string, unknown> = {}, body: Buffer = Buffer.alloc(0)): void {
    const text = Buffer.from(JSON.stringify(head));
    const values = countJsonValues(text, { valuesMax: Number.POSITIVE_INFINITY, depthMax: Number.POSITIVE_INFINITY }) as number;
    this.#frames.push({ kind, head, body, bytes: body.length + text.length, values });
    this.#notify();
  }

  /** Ends the stream without another frame. */
  die(ending?: SandboxEnd): void {
    if (ending !== undefined) this.ending = ending;
    this.#lost.abort();
    this.#notify();
  }

  /** Sends bytes that are not frames. */
  babble(): void {
    this.#failure = new WireError("unknown frame kind 0");
    this.#notify();
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}

/** Makes fake sandboxes; starts can be held back or made to fail. */
export class FakeFactory implements SandboxFactory {
  readonly made: FakeSandbox[] = [];
  failures = 0;
  #gate: Promise<void> = Promise.resolve();
  #open: () => void = () => undefined;
  readonly #script: Script;

  constructor(script: Script) {
    this.#script = script;
  }

  async create(spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox> {
    await this.#gate;
    signal.throwIfAborted();
    if (this.failures > 0) {
      this.failures -= 1;
      throw new Error("the engine is away");
    }
    const sandbox = new FakeSandbox(`sandbox-${this.made.length + 1}`, spec, this.#script);
    this.made.push(sandbox);
    return sandbox;
  }

  async settled(): Promise<void> {
    await this.#gate;
  }

  /** Starts wait from now on until `release`. */
  hold(): void {
    this.#gate = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  release(): void {
    this.#open();
  }
}

/** A runner that acknowledges preloads and completes every run. */
export const wellBehaved: Script = (frame, sandbox) => {
  if (frame.kind === "preload") sandbox.says("preloaded", { ...frame.head, ok: true });
  if (frame.kind === "run") sandbox.says("done", doneHead());
};

/** The head of a done frame with all fields that a runner reports, and changes to it. */
export function doneHead(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    end: "ok",
    exit_code: 0,
    signal: null,
    run_ms: 5,
    collect_ms: 1,
    cpu_ms: 4,
    memory_peak_bytes: 1000,
    oom_kills: 0,
    processes_refused: 0,
    full_folder: null,
    stdout_bytes: 0,
    stderr_bytes: 0,
    stdout_truncated: false,
    stderr_truncated: false,
    outputs_truncated: false,
    files_truncated: false,
    skipped_files: [],
    ...changes,
  };
}

/** Its sandboxes get their process when they are opened. */
export class OpeningFactory extends FakeFactory {
  readonly opened: Array<{ id: string; wantsPreloaded: boolean }> = [];

  override async create(...args: Parameters<FakeFactory["create"]>) {
    const sandbox = await super.create(...args);
    return Object.assign(sandbox, { open: (wantsPreloaded: boolean) => void this.opened.push({ id: sandbox.id, wantsPreloaded }) });
  }
}
