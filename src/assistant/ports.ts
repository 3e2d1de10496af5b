import type { ExecutionRequest } from "../domain/request.ts";
import type { Execution, ExecutionEvent } from "../domain/result.ts";
import type { NewSession, Session, SessionFile } from "../domain/session.ts";
import type { StoredAssistant } from "./views/assistant.ts";
import type { StoredResponse } from "./views/response.ts";
import type { ResponseEvent } from "./views/views.ts";

/** What the assistant needs of the queue. Calls reject with ServiceError for what a caller has to be told. */
export interface Executions {
  submit(submission: {
    organization: string;
    request: ExecutionRequest;
    files: ReadonlyArray<{ name: string; file_id: string }>;
    idempotency: null;
  }): Promise<{ execution: Execution }>;
  waitForEnd(organization: string, id: string, timeoutMs: number, signal: AbortSignal): Promise<Execution>;
  events(
    organization: string,
    id: string,
    afterEventId: string | null,
    signal: AbortSignal,
  ): AsyncIterable<{ id: string; event: ExecutionEvent }>;
  cancel(organization: string, id: string): Promise<Execution | null>;
}

/** What the assistant needs of sessions. Every call names the organization; a foreign id is not there. */
export interface Sessions {
  /** Resolves once it takes code. */
  create(organization: string, session: NewSession): Promise<Session>;
  get(organization: string, id: string): Promise<Session | null>;
  /** Places a stored file in the working folder before the next code runs. */
  addFile(organization: string, id: string, file: { fileId: string }): Promise<unknown>;
  listFiles(organization: string, id: string): Promise<Array<Pick<SessionFile, "id" | "name">>>;
  /** Nobody uses it now: where room is needed, it may go. */
  release(organization: string, id: string): Promise<void>;
}

export interface StoredFile {
  id: string;
  name: string;
  mimeType: string;
  bytes: number;
}

export interface Files {
  getMany(organization: string, ids: readonly string[]): Promise<Array<StoredFile | null>>;
  save(organization: string, name: string, bytes: Uint8Array): Promise<StoredFile>;
  /** A chunk is good until the next is asked for. Null when the file is gone. */
  read(organization: string, id: string): Promise<AsyncIterable<Uint8Array> | null>;
}

type RunningId = Pick<StoredResponse, "organization" | "id">;

/** Responses and their events, kept for a while. The first end that is stored stays. */
export interface ResponseStore {
  /** Stores a response that runs in this process. */
  create(response: StoredResponse): Promise<void>;
  get(organization: string, id: string): Promise<StoredResponse | null>;
  /** Stores the end; false when there was another end before, or the response was deleted. */
  finish(response: StoredResponse): Promise<boolean>;
  delete(organization: string, id: string): Promise<boolean>;
  /** Says that the process which runs these is alive. */
  renew(running: readonly RunningId[]): Promise<void>;
  /** Those of them that somebody asked to cancel, at whatever process. */
  wantedCancelled(running: readonly RunningId[]): Promise<string[]>;
  isAlive(organization: string, id: string): Promise<boolean>;
  requestCancel(organization: string, id: string): Promise<void>;
  appendEvents(organization: string, id: string, events: readonly ResponseEvent[]): Promise<void>;
  /** Events after a sequence number, in order, at most a page of them. */
  eventsAfter(organization: string, id: string, after: number): Promise<ResponseEvent[]>;
}

export interface AssistantStore {
  put(assistant: StoredAssistant): Promise<void>;
  get(organization: string, id: string): Promise<StoredAssistant | null>;
  delete(organization: string, id: string): Promise<boolean>;
  count(organization: string): Promise<number>;
  /** A page by age; null when `after` names none. */
  list(
    organization: string,
    page: { after?: string; limit: number; order: "asc" | "desc" },
  ): Promise<{ data: StoredAssistant[]; hasMore: boolean } | null>;
}
