import type { ExecutionRequest } from "../domain/request.ts";
import type { ReadEvent, ReadExecution } from "../domain/result.ts";
import type { NewSession, Session, SessionFile } from "../domain/session.ts";
import type { ServerTools } from "../domain/tools.ts";

/** What the use cases need from the queue, sessions and stored files. Every call names the organization. */

/** A caller's Idempotency-Key, and the SHA-256 of the body sent with it, in hex. */
export interface Idempotency {
  key: string;
  bodySha256: string;
}

export interface Submission {
  organization: string;
  request: ExecutionRequest;
  files: ReadonlyArray<{ name: string; file_id: string }>;
  /** The MCP servers that the request names. */
  servers?: readonly ServerTools[];
  idempotency: Idempotency | null;
}

export interface Submitted {
  execution: ReadExecution;
  /** An earlier request with the same idempotency key created this execution. */
  replayed: boolean;
}

/** An answer to a tool call. `json` is any JSON value, or the text of an error. */
export interface CallAnswer {
  callId: string;
  outcome: "output" | "error";
  json: string;
}

export interface Page {
  after?: string;
  limit: number;
  order: "asc" | "desc";
}

/** The queue. Calls reject with ServiceError for errors that the caller sees. */
export interface Executions {
  submit(submission: Submission): Promise<Submitted>;
  /** The execution that this key created, or null. Rejects with `idempotency_mismatch` when the body differed. */
  replay(organization: string, idempotency: Idempotency): Promise<ReadExecution | null>;
  get(organization: string, id: string): Promise<ReadExecution | null>;
  list(organization: string, page: Page): Promise<{ data: ReadExecution[]; hasMore: boolean }>;
  /** The execution once it has ended or its caller must act, or its state after `timeoutMs`. Pass `known` to skip the first read. */
  waitForEnd(organization: string, id: string, timeoutMs: number, signal: AbortSignal, known?: ReadExecution): Promise<ReadExecution>;
  /** Passes answers to tool calls on to the running code, all or none. */
  answerCalls(organization: string, id: string, answers: readonly CallAnswer[]): Promise<void>;
  /** Events after `afterEventId`, or all when it is null. Ends after `execution.ended`. */
  events(
    organization: string,
    id: string,
    afterEventId: string | null,
    signal: AbortSignal,
  ): AsyncIterable<{ id: string; event: ReadEvent }>;
  /** The execution once the cancel has taken effect. Null when there is none. */
  cancel(organization: string, id: string): Promise<ReadExecution | null>;
  /** False when there is none. Rejects with `execution_running`. */
  delete(organization: string, id: string): Promise<boolean>;
}

/** Sessions. Calls reject with ServiceError for errors that the caller sees. */
export interface Containers {
  /** Resolves once the session accepts cells. */
  create(organization: string, wanted: NewSession): Promise<Session>;
  get(organization: string, id: string): Promise<Session | null>;
  list(
    organization: string,
    page: { after?: string | undefined; limit: number; order: "asc" | "desc"; name?: string | undefined },
  ): Promise<{ data: Session[]; hasMore: boolean }>;
  delete(organization: string, id: string): Promise<boolean>;
  /** Rejects with the reason when the session accepts no more cells. */
  ensureActive(organization: string, id: string): Promise<void>;
  /** Files after the last cell, oldest first. */
  listFiles(organization: string, id: string): Promise<SessionFile[]>;
  addFile(organization: string, id: string, file: { fileId: string }): Promise<SessionFile>;
  removeFile(organization: string, id: string, fileId: string): Promise<boolean>;
}

/** The part of the file store that inputs of executions need. */
export interface InputFileStore {
  getMany(organization: string, ids: readonly string[]): Promise<Array<{ bytes: number } | null>>;
  save(
    organization: string,
    file: { name: string; purpose: string; executionId: null; bytesMax: number },
    source: AsyncIterable<Uint8Array>,
  ): Promise<{ id: string }>;
  delete(organization: string, id: string): Promise<boolean>;
  /** Ties files to an execution: they are deleted with it. */
  own(organization: string, executionId: string, ids: readonly string[]): Promise<void>;
}

/** The MCP servers of the operator. */
export interface ToolServers {
  /**
   * The servers with these labels and their tools. A server that is away has a `problem` and perhaps no tools. Rejects with
   * `invalid_field` for a label that the organization may not use; `param` is the field that has the labels.
   */
  serversOf(organization: string, labels: readonly string[], param?: string): Promise<ServerTools[]>;
  /** Labels that the organization may use. */
  labelsFor(organization: string): string[];
  /** Labels of servers that the code of its responses may call without naming them. */
  labelsOfResponses(organization: string): string[];
}
