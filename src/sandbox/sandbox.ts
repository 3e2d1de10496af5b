import type { EngineName } from "../domain/status.ts";
import type { InFrame, OutFrame } from "./wire/frames.ts";

/**
 * What the engine needs of a container vendor. A sandbox is taken by one execution, sent its files and code,
 * read until it is done, and destroyed.
 */
export interface SandboxSpec {
  /** MiB, swap excluded; tmpfs counts. */
  memoryMb: number;
}

/** How a sandbox came to its end, as its vendor reports it. */
export interface SandboxEnd {
  exitCode: number | null;
  oomKilled: boolean;
}

export interface Sandbox {
  readonly id: string;
  /** For the result alone: nothing here asks which it is. */
  readonly engine: EngineName;
  readonly spec: SandboxSpec;
  /** Aborted once the stream has ended, for whatever reason: a sandbox whose stream has ended is dead. */
  readonly lost: AbortSignal;
  /**
   * Has the code's process made now, for code that does or does not import what is preloaded; else that is done by the first
   * frame. Absent where it is there from the start.
   */
  open?(wantsPreloaded: boolean): void;
  /** Resolves when the frame may be followed by the next one. Rejects when the sandbox is lost. */
  send(frame: InFrame): Promise<void>;
  /**
   * The next runner message, in order; null once the stream has ended. Rejects with WireError on bytes that are
   * no frames. One reader at a time; the stream is held back while nobody reads.
   */
  receive(): Promise<OutFrame | null>;
  /** Facts of the end, for a sandbox that is lost; waits for the vendor to report them, within a bound. */
  end(): Promise<SandboxEnd>;
  /** Idempotent; never throws; resolves when nothing of the sandbox is left, or when the reaper has to see to it. */
  destroy(): Promise<void>;
}

export interface SandboxFactory {
  /** Resolves with a sandbox whose runner is ready. When it rejects, whatever was made is on its way out. */
  create(spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox>;
  /** Resolves when nothing of starts that failed is left on its way out. */
  settled(): Promise<void>;
}

/** A sandbox that is its taker's, to run in and to give up. */
export interface Taken {
  sandbox: Sandbox;
  /** True when it stood ready. */
  warm: boolean;
}
