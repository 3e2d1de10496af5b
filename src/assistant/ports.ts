import type { NewSession, Session, SessionFile } from "../domain/session.ts";
import type { StoredAssistant } from "./views/assistant.ts";
import type { StoredConversation } from "./views/conversation.ts";
import type { Item } from "./views/items.ts";
import type { StoredResponse } from "./views/response.ts";
import type { ResponseEvent } from "./views/views.ts";

/** What the assistant needs of sessions. Another organization's id is treated as unknown. */
export interface Sessions {
  /** Resolves once the session accepts code. */
  create(organization: string, session: NewSession): Promise<Session>;
  get(organization: string, id: string): Promise<Session | null>;
  /** Puts a stored file into the working folder before the next cell runs. */
  addFile(organization: string, id: string, file: { fileId: string }): Promise<unknown>;
  listFiles(organization: string, id: string): Promise<Array<Pick<SessionFile, "id" | "name">>>;
  /** Marks the session as unused, so that it may be closed when a worker needs the room. */
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
  /** Null when the file is gone. Chunks are borrowed: valid only until the next read. */
  read(organization: string, id: string): Promise<AsyncIterable<Uint8Array> | null>;
}

type RunningId = Pick<StoredResponse, "organization" | "id">;

/** Responses and their events, for the retention. The first stored end wins. */
export interface ResponseStore {
  /** Stores a response that runs in this process. */
  create(response: StoredResponse): Promise<void>;
  get(organization: string, id: string): Promise<StoredResponse | null>;
  /** Stores the end. False when an end was stored before, or the response was deleted. */
  finish(response: StoredResponse): Promise<boolean>;
  delete(organization: string, id: string): Promise<boolean>;
  /** Notes which response has the items of its output, so that `findItems` finds them. */
  indexItems(response: StoredResponse): Promise<void>;
  /** The items of ended responses that have these ids. Ids of items that are not stored are left out. */
  findItems(organization: string, ids: readonly string[]): Promise<ReadonlyMap<string, Item>>;
  /** Renews the leases of these responses: their process is alive. */
  renew(running: readonly RunningId[]): Promise<void>;
  /** Ids of these responses whose cancellation was requested, through any process. */
  wantedCancelled(running: readonly RunningId[]): Promise<string[]>;
  isAlive(organization: string, id: string): Promise<boolean>;
  requestCancel(organization: string, id: string): Promise<void>;
  appendEvents(organization: string, id: string, events: readonly ResponseEvent[]): Promise<void>;
  /** Events after a sequence number, in order, at most one page. */
  eventsAfter(organization: string, id: string, after: number): Promise<ResponseEvent[]>;
}

/** Conversations and their items, for the retention after their last use. */
export interface ConversationStore {
  create(conversation: StoredConversation, items: readonly Item[]): Promise<void>;
  /** Stores the record and adds items. False when the conversation is gone. */
  update(conversation: StoredConversation, added: readonly Item[]): Promise<boolean>;
  get(organization: string, id: string): Promise<StoredConversation | null>;
  items(organization: string, id: string): Promise<Item[]>;
  deleteItem(organization: string, id: string, itemId: string): Promise<boolean>;
  delete(organization: string, id: string): Promise<boolean>;
}

export interface AssistantStore {
  put(assistant: StoredAssistant): Promise<void>;
  get(organization: string, id: string): Promise<StoredAssistant | null>;
  delete(organization: string, id: string): Promise<boolean>;
  count(organization: string): Promise<number>;
  /** A page, sorted by age; null when `after` is unknown. */
  list(
    organization: string,
    page: { after?: string; limit: number; order: "asc" | "desc" },
  ): Promise<{ data: StoredAssistant[]; hasMore: boolean } | null>;
}
