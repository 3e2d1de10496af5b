import type { ExecutionRequest } from "../domain/request.ts";
import type { Execution, ExecutionEvent } from "../domain/result.ts";

/** A file as the tools tell of it. */
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

/** Under this name an execution's metadata says which call it was made for. */
export const CALL_LABEL = "mcp_call";

/**
 * What the tools need of the service, for one organization: a foreign id is not there. Calls reject with
 * ServiceError for what a caller has to be told.
 */
export interface Interpreter {
  /** Runs to its end, or rejects when `signal` aborts; then the execution has been cancelled. */
  execute(request: ExecutionRequest, onEvent: (event: ExecutionEvent) => void, signal: AbortSignal): Promise<Execution>;
  /** Cancels the running execution whose metadata has this label, wherever it runs; nothing when there is none. */
  cancelLabelled(label: string): Promise<void>;
  storeFile(name: string, bytes: Uint8Array): Promise<StoredFile>;
  /** Newest first; rejects with file_not_found when `after` names none. */
  listFiles(page: { after?: string | undefined; limit: number }): Promise<FilesPage>;
  getFile(id: string): Promise<StoredFile | null>;
  /** Bytes `start` to `end` inclusive, each chunk good until the next is asked for; null when they are gone. */
  readFile(file: StoredFile, range: { start: number; end: number }): Promise<AsyncIterable<Uint8Array> | null>;
  /** Resolves with the id of a session that takes code. */
  openSession(): Promise<string>;
  /** The files of a session's working folder as they were after its last code. */
  sessionFiles(sessionId: string): Promise<StoredFile[]>;
}
