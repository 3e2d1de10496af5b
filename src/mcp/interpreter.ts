import type { ExecutionRequest } from "../domain/request.ts";
import type { Execution, ExecutionEvent } from "../domain/result.ts";

/** A file as the tools describe it. */
export interface StoredFile {
  id: string;
  name: string;
  mimeType: string;
  bytes: number;
  /** Unix milliseconds. */
  createdAt: number;
}

export interface FilesPage {
  data: StoredFile[];
  hasMore: boolean;
}

/** Metadata field of an execution that identifies the call it runs for. */
export const CALL_LABEL = "mcp_call";

/**
 * What the tools need of the service, for one organization. Another organization's id is treated as unknown. Calls reject
 * with ServiceError when the caller needs to know the reason.
 */
export interface Interpreter {
  /** Runs an execution to its end. When `signal` aborts, cancels the execution and rejects. */
  execute(request: ExecutionRequest, onEvent: (event: ExecutionEvent) => void, signal: AbortSignal): Promise<Execution>;
  /** Labels of MCP servers whose tools the code may call. */
  toolServers(): string[];
  /** Cancels the running execution with this label, on any worker. Does nothing when there is none. */
  cancelLabelled(label: string): Promise<void>;
  storeFile(name: string, bytes: Uint8Array): Promise<StoredFile>;
  /** Newest first. Rejects with file_not_found when `after` is unknown. */
  listFiles(page: { after?: string | undefined; limit: number }): Promise<FilesPage>;
  getFile(id: string): Promise<StoredFile | null>;
  /** Bytes `start` to `end` inclusive; null when they are gone. Chunks are borrowed: valid only until the next read. */
  readFile(file: StoredFile, range: { start: number; end: number }): Promise<AsyncIterable<Uint8Array> | null>;
  /** Resolves with the id of a session that accepts code. */
  openSession(): Promise<string>;
  /** The files of a session's working folder after its last cell. */
  sessionFiles(sessionId: string): Promise<StoredFile[]>;
}
