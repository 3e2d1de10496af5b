import type { EngineName } from "../domain/status.ts";
import type { InFrame, OutFrame } from "./wire/frames.ts";

export interface SandboxSpec {
  /** MiB, swap excluded; tmpfs counts. */
  memoryMb: number;
}

/** How a sandbox ended, as Docker or the keeper reports it. */
export interface SandboxEnd {
  exitCode: number | null;
  oomKilled: boolean;
}

/** A container with a runner. One execution or session takes it, sends files and code, reads until `done`, and destroys it. */
export interface Sandbox {
  readonly id: string;
  /** Only reported in the result; no code branches on it. */
  readonly engine: EngineName;
  readonly spec: SandboxSpec;
  /** Aborted once the stream has ended, for any reason. A sandbox without a stream is dead. */
  readonly lost: AbortSignal;
  /**
   * Forks the runner now, with or without preloaded modules. Without this call the first frame forks it. Absent where the
   * runner exists from the start.
   */
  open?(wantsPreloaded: boolean): void;
  /** Resolves when the next frame may be sent. Rejects when the sandbox is lost. */
  send(frame: InFrame): Promise<void>;
  /**
   * The next frame of the runner; null once the stream has ended. Rejects with WireError on malformed bytes.
   * One reader at a time. Backpressure stops the sandbox while there is no reader.
   */
  receive(): Promise<OutFrame | null>;
  /** Whether the engine still reaches the sandbox. Takes a bounded time, never throws. */
  reachable(): Promise<boolean>;
  /** How a lost sandbox ended. Waits a bounded time for the engine to report it. */
  end(): Promise<SandboxEnd>;
  /** Idempotent, never throws. Resolves when nothing of the sandbox is left, or when it is left to the reaper. */
  destroy(): Promise<void>;
}

/** What the pool needs of a container engine. */
export interface SandboxFactory {
  /** Resolves with a sandbox that accepts frames. When it rejects, the removal of anything it made has begun. */
  create(spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox>;
  /** Resolves when all removals after failed starts are done. */
  settled(): Promise<void>;
}

/** A sandbox taken from the pool. The code that takes it also discards it. */
export interface Taken {
  sandbox: Sandbox;
  /** True when it came from stock. */
  warm: boolean;
}
