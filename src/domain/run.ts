import type { Output } from "./outputs.ts";
import type { ExecutionEnd } from "./result.ts";
import type { ServerTools, ToolDeclaration, ToolPort } from "./tools.ts";

/** One execution as a worker runs it: everything a sandbox needs, files by reference. */
export interface RunInput {
  id: string;
  organization: string;
  /** From 1. Above 1 when an earlier worker was lost. */
  attempt: number;
  code: string;
  args: string[];
  stdin: string;
  env: Record<string, string>;
  timeoutMs: number;
  memoryMb: number;
  files: ReadonlyArray<{ name: string; file_id: string }>;
  /** Functions of the caller, MCP servers of the operator, and the time for one answer. Absent when there are none. */
  tools?: { declared: readonly ToolDeclaration[]; servers?: readonly ServerTools[] | undefined; answerMs: number } | undefined;
  /** The session of a cell. Absent when the execution has its own sandbox. */
  session?: string | undefined;
  /** In a session: a copy of its process is made after the cell and takes its place if the next cell kills it. */
  copies?: boolean | undefined;
}

export interface SavedFile {
  file_id: string;
  url: string;
  mime_type: string;
  bytes: number;
  sha256: string;
}

/** The ports of a run. The signal of the run bounds each call. */
export interface RunPorts {
  /** The bytes of an input file. Chunks are borrowed: valid only until the next read. Rejects when the file is gone. */
  openFile(fileId: string): Promise<AsyncIterable<Uint8Array>>;
  /** Stores one output file of a run. Rejects when it cannot be stored; the execution then reports that. */
  saveFile(
    file: { name: string /** Derived from the name when absent. */; mimeType?: string; bytesMax: number },
    bytes: AsyncIterable<Uint8Array>,
  ): Promise<SavedFile>;
  /** Called for each output as it appears; text comes in pieces. It is awaited, so backpressure reaches the sandbox. */
  emit(output: Output): Promise<void>;
  /** Brings the code's calls to its caller. Present when the input has tools. */
  tools?: ToolPort;
  /** Called when a phase begins. `agoMs`: the phase began that long ago. */
  phase?(name: RunPhase, agoMs?: number): void;
}

/** The phases of a run, in order. */
export type RunPhase = "acquire" | "send" | "run" | "collect";

/** Why a run is stopped before its end. */
export type StopReason = "cancelled" | "lock_lost" | "shutdown";

/** What a job says about its execution, before the record is read. */
export interface RunNeeds {
  memoryMb: number;
  /** Whether the code seems to import a preloaded package. A wrong guess costs time, never correctness. */
  preloaded: boolean;
  /** Whether the code may call tools of its caller, and so wait for a long time. */
  tools?: boolean;
}

/** What the queue needs from the component that runs code. */
export interface Engine {
  /**
   * Opens a ready sandbox ahead of an execution that will most likely run. Every `prepare` is followed by a `forget`.
   * Engines that open nothing ahead have neither.
   */
  prepare?(id: string, needs: RunNeeds): void;
  /** Gives up a prepared sandbox that was not used. */
  forget?(id: string): void;
  /**
   * Resolves with a result in every case; rejects only on a bug of the service. `stop` is aborted with a StopReason.
   * Resolves before the sandbox is removed, except for a stopped run, where it resolves afterwards.
   */
  run(input: RunInput, ports: RunPorts, stop: AbortSignal): Promise<ExecutionEnd>;
}

export interface SessionSpec {
  id: string;
  memoryMb: number;
  /** A cell that kills the session's process costs only the cell. */
  restoresCells: boolean;
}

/** Keeps sandboxes alive between executions. */
export interface SessionEngine {
  /** Resolves with a session in its own sandbox. Rejects when none is ready before `signal` aborts. */
  openSession(spec: SessionSpec, signal: AbortSignal): Promise<EngineSession>;
}

/** The result of a cell, and the files it removed from the working folder. */
export interface CellEnd extends ExecutionEnd {
  /** Names of files that no longer exist. */
  removedFiles: string[];
}

/** A sandbox that is kept alive. The caller makes one call at a time, and closes what it opened. */
export interface EngineSession {
  /** Aborted once variables and files are gone, for any reason. */
  readonly ended: AbortSignal;
  /** Like Engine.run, but the sandbox stays alive unless the evidence says `session_alive: false`. */
  run(input: RunInput, ports: RunPorts, stop: AbortSignal): Promise<CellEnd>;
  /**
   * Places a file before the next cell, replacing one of that name. Rejects when it cannot be read or the session ends.
   */
  putFile(name: string, fileId: string, ports: Pick<RunPorts, "openFile">): Promise<void>;
  removeFile(name: string): Promise<void>;
  /** Idempotent; never throws. */
  close(): Promise<void>;
}
