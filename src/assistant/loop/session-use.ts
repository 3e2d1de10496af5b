import { type ErrorCode, ServiceError } from "../../domain/errors.ts";
import type { Session } from "../../domain/session.ts";
import { notes } from "../model/prompt.ts";
import type { Sessions } from "../ports.ts";

export interface SessionWish {
  organization: string;
  /** The caller's own choice, which is never replaced; null for the service to choose. */
  given: string | null;
  /** That of the response before, and the files it was given: code may have changed them since, so they are not placed again. */
  previous: string | null;
  placedFileIds: readonly string[];
  memoryMb: number | null;
  fileIds: readonly string[];
}

/**
 * The one session of a response: made, or taken over from the response before, when code is first to run. One that has gone is
 * replaced, unless the caller named it, and the model is told what is lost.
 */
export class SessionUse {
  readonly #sessions: Sessions;
  readonly #wish: SessionWish;
  #id: string | null = null;
  #lastId: string | null;
  #note: string | null = null;
  /** The session is a new one, which has all files from the start. */
  #made = false;
  #placed: Set<string>;

  constructor(sessions: Sessions, wish: SessionWish) {
    this.#sessions = sessions;
    this.#wish = wish;
    this.#lastId = wish.previous;
    this.#placed = new Set(wish.placedFileIds);
  }

  /** Returns the id of a session that takes code. Rejects with the ServiceError of sessions. */
  async ensure(): Promise<string> {
    if (this.#id !== null) return this.#id;
    const id = await this.#open().catch((error: unknown) => {
      if (this.#wish.given !== null || !isSessionMissing(error)) throw error;
      // It ended between two looks at it; the second look finds another.
      return this.#open();
    });
    this.#placed = new Set([...this.#placed, ...this.#wish.fileIds]);
    this.#id = id;
    this.#lastId = id;
    return id;
  }

  get placedFileIds(): string[] {
    return [...this.#placed];
  }

  /** Called when code found the session gone, for the next code to get another. */
  forget(): void {
    this.#id = null;
  }

  /** The response has ended. A session that can not be told gives way all the same, later. */
  async release(): Promise<void> {
    if (this.#id === null || this.#wish.given !== null) return;
    await this.#sessions.release(this.#wish.organization, this.#id).catch(() => undefined);
  }

  /** What the model must know of the session that its code ran in; told once. */
  takeNote(): string | null {
    const note = this.#note;
    this.#note = null;
    return note;
  }

  async #open(): Promise<string> {
    const id = this.#wish.given ?? (await this.#takeOver());
    if (!this.#made) await this.#placeMissing(id);
    return id;
  }

  async #takeOver(): Promise<string> {
    const { organization } = this.#wish;
    const last = this.#lastId === null ? null : await this.#sessions.get(organization, this.#lastId);
    if (last?.status === "active") return last.id;
    if (this.#lastId === null) return (await this.#create(undefined)).id;
    const isRestorable = last?.status === "expired" || last?.status === "lost";
    this.#note = isRestorable ? notes.replacedWithFiles : notes.replacedEmpty;
    if (!isRestorable) return (await this.#create(undefined)).id;
    try {
      return (await this.#create(last.id)).id;
    } catch (error) {
      // Its files may have gone in the meantime.
      if (!(error instanceof ServiceError) || error.status >= 429) throw error;
      this.#note = notes.replacedEmpty;
      return (await this.#create(undefined)).id;
    }
  }

  async #create(restoreFrom: string | undefined): Promise<Session> {
    const { organization, memoryMb, fileIds } = this.#wish;
    const session = await this.#sessions.create(organization, {
      givesWay: true,
      fileIds: restoreFrom === undefined ? [...fileIds] : this.#newFiles(),
      ...(memoryMb === null ? {} : { memoryMb }),
      ...(restoreFrom === undefined ? {} : { restoreFrom }),
    });
    this.#made = true;
    return session;
  }

  #newFiles(): string[] {
    return this.#wish.fileIds.filter((id) => !this.#placed.has(id));
  }

  async #placeMissing(id: string): Promise<void> {
    const { organization, previous } = this.#wish;
    const fileIds = id === previous ? this.#newFiles() : this.#wish.fileIds;
    if (fileIds.length === 0) return;
    const there = new Set((await this.#sessions.listFiles(organization, id)).map((file) => file.id));
    for (const fileId of fileIds) if (!there.has(fileId)) await this.#sessions.addFile(organization, id, { fileId });
  }
}

const missingCodes = new Set<ErrorCode>(["container_not_found", "container_expired", "container_lost"]);

/** Whether a call failed because the session it was about takes nothing any more. */
export function isSessionMissing(error: unknown): boolean {
  return error instanceof ServiceError && missingCodes.has(error.code);
}
