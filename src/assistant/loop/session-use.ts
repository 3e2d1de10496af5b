import { type ErrorCode, ServiceError } from "../../domain/errors.ts";
import type { Session } from "../../domain/session.ts";
import { notes } from "../model/prompt.ts";
import type { Sessions } from "../ports.ts";

export interface SessionRequest {
  organization: string;
  /** The session that the caller named, which is never replaced; null to let the service choose. */
  named: string | null;
  /** The previous response's session, and the files in it: code may have changed them, so they are not placed again. */
  previous: string | null;
  placedFileIds: readonly string[];
  memoryMb: number | null;
  fileIds: readonly string[];
}

/**
 * The session of one response. It is created, or continued from the previous response, when code first runs. A session that is
 * gone is replaced, unless the caller named it, and the model gets a note of what is lost.
 */
export class SessionUse {
  readonly #sessions: Sessions;
  readonly #request: SessionRequest;
  #id: string | null = null;
  #lastId: string | null;
  #note: string | null = null;
  /** A new session has all files from the start. */
  #isNew = false;
  #placed: Set<string>;

  constructor(sessions: Sessions, request: SessionRequest) {
    this.#sessions = sessions;
    this.#request = request;
    this.#lastId = request.previous;
    this.#placed = new Set(request.placedFileIds);
  }

  /** Resolves with the id of a session that accepts code. Rejects with the ServiceError of sessions. */
  async ensure(): Promise<string> {
    if (this.#id !== null) return this.#id;
    const id = await this.#open().catch((error: unknown) => {
      if (this.#request.named !== null || !isSessionMissing(error)) throw error;
      // The session ended between lookup and use; the second attempt gets another one.
      return this.#open();
    });
    this.#placed = new Set([...this.#placed, ...this.#request.fileIds]);
    this.#id = id;
    this.#lastId = id;
    return id;
  }

  get placedFileIds(): string[] {
    return [...this.#placed];
  }

  /** Call when the session is gone, so that the next code gets another one. */
  forget(): void {
    this.#id = null;
  }

  /** Call when the response has ended. On failure the session is released later, by its idle time. */
  async release(): Promise<void> {
    if (this.#id === null || this.#request.named !== null) return;
    await this.#sessions.release(this.#request.organization, this.#id).catch(() => undefined);
  }

  /** A note for the model about its session, or null. Returns each note once. */
  takeNote(): string | null {
    const note = this.#note;
    this.#note = null;
    return note;
  }

  async #open(): Promise<string> {
    const id = this.#request.named ?? (await this.#continueOrCreate());
    if (!this.#isNew) await this.#placeMissing(id);
    return id;
  }

  async #continueOrCreate(): Promise<string> {
    const { organization } = this.#request;
    const last = this.#lastId === null ? null : await this.#sessions.get(organization, this.#lastId);
    if (last?.status === "active") return last.id;
    if (this.#lastId === null) return (await this.#create(undefined)).id;
    const isRestorable = last?.status === "expired" || last?.status === "lost";
    this.#note = isRestorable ? notes.replacedWithFiles : notes.replacedEmpty;
    if (!isRestorable) return (await this.#create(undefined)).id;
    try {
      return (await this.#create(last.id)).id;
    } catch (error) {
      // The stored files of the old session may have expired meanwhile.
      if (!(error instanceof ServiceError) || error.status >= 429) throw error;
      this.#note = notes.replacedEmpty;
      return (await this.#create(undefined)).id;
    }
  }

  async #create(restoreFrom: string | undefined): Promise<Session> {
    const { organization, memoryMb, fileIds } = this.#request;
    const session = await this.#sessions.create(organization, {
      givesWay: true,
      fileIds: restoreFrom === undefined ? [...fileIds] : this.#newFiles(),
      ...(memoryMb === null ? {} : { memoryMb }),
      ...(restoreFrom === undefined ? {} : { restoreFrom }),
    });
    this.#isNew = true;
    return session;
  }

  #newFiles(): string[] {
    return this.#request.fileIds.filter((id) => !this.#placed.has(id));
  }

  async #placeMissing(id: string): Promise<void> {
    const { organization, previous } = this.#request;
    const fileIds = id === previous ? this.#newFiles() : this.#request.fileIds;
    if (fileIds.length === 0) return;
    const there = new Set((await this.#sessions.listFiles(organization, id)).map((file) => file.id));
    for (const fileId of fileIds) if (!there.has(fileId)) await this.#sessions.addFile(organization, id, { fileId });
  }
}

const missingCodes = new Set<ErrorCode>(["container_not_found", "container_expired", "container_lost"]);

/** Whether a call failed because its session no longer exists. */
export function isSessionMissing(error: unknown): boolean {
  return error instanceof ServiceError && missingCodes.has(error.code);
}
