import type { ExecutionRequest } from "../../domain/request.ts";
import type { Execution, ExecutionEvent } from "../../domain/result.ts";
import type { NewSession, Session, SessionFile } from "../../domain/session.ts";

/** A caller's Idempotency-Key and what it was used for. */
export interface Idempotency {
  key: string;
  bodySha256: string;
}

export interface Submission {
  organization: string;
  request: ExecutionRequest;
  files: ReadonlyArray<{ name: string; file_id: string }>;
  idempotency: Idempotency | null;
}

/** What the API needs of sessions. Calls reject with ServiceError for what a caller has to be told. */
export interface Containers {
  /** Resolves once it takes cells. */
  create(organization: string, wanted: NewSession): Promise<Session>;
  get(organization: string, id: string): Promise<Session | null>;
  list(
    organization: string,
    page: { after?: string | undefined; limit: number; order: "asc" | "desc"; name?: string | undefined },
  ): Promise<{ data: Session[]; hasMore: boolean }>;
  delete(organization: string, id: string): Promise<boolean>;
  /** Rejects when it takes nothing any more, saying why. */
  ensureActive(organization: string, id: string): Promise<void>;
  /** By age, as they were after the last cell. */
  listFiles(organization: string, id: string): Promise<SessionFile[]>;
  addFile(organization: string, id: string, file: { fileId: string }): Promise<SessionFile>;
  removeFile(organization: string, id: string, fileId: string): Promise<boolean>;
}

/** What the API needs of the queue. Calls reject with ServiceError for what a caller has to be told. */
export interface Executions {
  submit(submission: Submission): Promise<{ execution: Execution; replayed: boolean }>;
  /** The execution that was made for this key before; rejects with idempotency_mismatch when the body was another. */
  replay(organization: string, idempotency: Idempotency): Promise<Execution | null>;
  get(organization: string, id: string): Promise<Execution | null>;
  list(
    organization: string,
    page: { after?: string; limit: number; order: "asc" | "desc" },
  ): Promise<{ data: Execution[]; hasMore: boolean }>;
  /** The execution once it has ended, or as it is when the time is over; `known` is it as it was a moment ago. */
  waitForEnd(organization: string, id: string, timeoutMs: number, signal: AbortSignal, known?: Execution): Promise<Execution>;
  /** From the event after the given one, or from the first; ends after `execution.ended`. */
  events(
    organization: string,
    id: string,
    afterEventId: string | null,
    signal: AbortSignal,
  ): AsyncIterable<{ id: string; event: ExecutionEvent }>;
  /** The execution after the cancel has taken effect; null when there is none. */
  cancel(organization: string, id: string): Promise<Execution | null>;
  delete(organization: string, id: string): Promise<Execution | null>;
}
