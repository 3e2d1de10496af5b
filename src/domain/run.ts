import type { Output } from "./outputs.ts";
import type { ExecutionEnd } from "./result.ts";

/** One execution as a worker runs it: everything a sandbox needs, files by reference. */
export interface RunInput {
  id: string;
  organization: string;
  /** From 1; above 1 when an earlier worker was lost. */
  attempt: number;
  code: string;
  args: string[];
  stdin: string;
  env: Record<string, string>;
  timeoutMs: number;
  memoryMb: number;
  files: ReadonlyArray<{ name: string; file_id: string }>;
  /** The session it is a cell of; absent when it has a sandbox for itself. */
  session?: string | undefined;
}

export interface SavedFile {
  file_id: string;
  url: string;
  mime_type: string;
  bytes: number;
  sha256: string;
}

/** What a run asks of the world around it. Each call is bounded by the run's signal. */
export interface RunPorts {
  /** The bytes of an input file, each chunk good until the next is asked for; rejects when it is gone. */
  openFile(fileId: string): Promise<AsyncIterable<Uint8Array>>;
  /** Keeps one file of a run; rejects when it can not be stored, which the execution then says. */
  saveFile(
    file: { name: string /** From the name when absent. */; mimeType?: string; bytesMax: number },
    bytes: AsyncIterable<Uint8Array>,
  ): Promise<SavedFile>;
  /** Called for each output as it appears; text in pieces. Awaited, so that a slow reader slows the sandbox. */
  emit(output: Output): Promise<void>;
  /** Told when a phase begins, or that it began so many milliseconds ago. */
  phase?(name: RunPhase, agoMs?: number): void;
}

/** What a run goes through in its sandbox, in order. */
export type RunPhase = "acquire" | "send" | "run" | "collect";

/** Why a run is told to stop before its end. */
export type StopReason = "cancelled" | "lock_lost" | "shutdown";

/** What is known of an execution before its record is read. */
export interface RunNeeds {
  memoryMb: number;
  /** Whether the code looks as if it would import what is preloaded; a wrong guess costs time, never correctness. */
  preloaded: boolean;
}

/** What the queue needs of whoever runs code. */
export interface Engine {
  /**
   * A head start for an execution that is most likely about to run: a sandbox that stands ready is opened for it. `forget`
   * follows, whatever becomes of it. Both are absent where there is nothing to open.
   */
  prepare?(id: string, needs: RunNeeds): void;
  /** Gives up what was prepared and not used. */
  forget?(id: string): void;
  /**
   * Runs to its end whatever happens; rejects only with a bug of ours. `stop` is aborted with a StopReason.
   * Resolves before the sandbox is gone, but not for a stopped run: there, afterwards.
   */
  run(input: RunInput, ports: RunPorts, stop: AbortSignal): Promise<ExecutionEnd>;
}

/** Who keeps sandboxes alive between executions. */
export interface SessionEngine {
  /** Resolves with a session in a sandbox of its own; rejects when there is none before `signal` aborts. */
  openSession(spec: { id: string; memoryMb: number }, signal: AbortSignal): Promise<EngineSession>;
}

/** How a cell ended, and what else of the working folder it changed. */
export interface CellEnd extends ExecutionEnd {
  /** Names of files that are no longer there. */
  removedFiles: string[];
}

/** A sandbox that is kept alive. Its calls are made one after another; who opened it closes it. */
export interface EngineSession {
  /** Aborted once variables and files are gone, for whatever reason. */
  readonly ended: AbortSignal;
  /** As Engine.run, but the sandbox lives on unless the end's evidence says `session_alive: false`. */
  run(input: RunInput, ports: RunPorts, stop: AbortSignal): Promise<CellEnd>;
  /** Places a file before the next cell, over one of that name. Rejects when the bytes can not be read or the session has ended. */
  putFile(name: string, fileId: string, ports: Pick<RunPorts, "openFile">): Promise<void>;
  removeFile(name: string): Promise<void>;
  /** Idempotent; never throws. */
  close(): Promise<void>;
}
