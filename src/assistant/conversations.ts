import { ServiceError } from "../domain/errors.ts";
import { conversationIdPattern, newId } from "../domain/ids.ts";
import type { Limits } from "../domain/limits.ts";
import type { ConversationStore, Files, ResponseStore } from "./ports.ts";
import type { ConversationRequest, StoredConversation } from "./views/conversation.ts";
import { inputItemsOf } from "./views/input.ts";
import type { Item } from "./views/items.ts";
import type { RequestItem } from "./views/request.ts";

export interface ConversationsDeps {
  store: ConversationStore;
  responses: Pick<ResponseStore, "findItems">;
  files: Files;
  limits: Limits;
  seesImages: boolean;
}

/** Conversations of organizations: items that responses continue and add to. Another organization's id is treated as unknown. */
export class Conversations {
  readonly #deps: ConversationsDeps;

  constructor(deps: ConversationsDeps) {
    this.#deps = deps;
  }

  async create(organization: string, { metadata, items }: ConversationRequest): Promise<StoredConversation> {
    const conversation: StoredConversation = {
      id: newId("conversation"),
      organization,
      metadata: metadata ?? {},
      createdAt: Date.now(),
      containerId: null,
      placedFileIds: [],
    };
    await this.#deps.store.create(conversation, await this.#itemsOf(organization, items ?? []));
    return conversation;
  }

  /** Rejects with `conversation_not_found`. */
  async get(organization: string, id: string): Promise<StoredConversation> {
    const found = conversationIdPattern.test(id) ? await this.#deps.store.get(organization, id) : null;
    if (found === null) throw new ServiceError("conversation_not_found");
    return found;
  }

  async setMetadata(organization: string, id: string, metadata: Record<string, string>): Promise<StoredConversation> {
    const changed = { ...(await this.get(organization, id)), metadata };
    await this.#deps.store.update(changed, []);
    return changed;
  }

  async delete(organization: string, id: string): Promise<void> {
    await this.get(organization, id);
    await this.#deps.store.delete(organization, id);
  }

  /** All items, oldest first. */
  async items(organization: string, id: string): Promise<Item[]> {
    await this.get(organization, id);
    return this.#deps.store.items(organization, id);
  }

  /** Rejects with `item_not_found`. */
  async item(organization: string, id: string, itemId: string): Promise<Item> {
    const found = (await this.items(organization, id)).find((item) => item.id === itemId);
    if (found === undefined) throw new ServiceError("item_not_found");
    return found;
  }

  async addItems(organization: string, id: string, items: readonly RequestItem[]): Promise<Item[]> {
    const conversation = await this.get(organization, id);
    const added = await this.#itemsOf(organization, items);
    ensureFits([...(await this.#deps.store.items(organization, id)), ...added], this.#deps.limits);
    await this.#deps.store.update(conversation, added);
    return added;
  }

  async deleteItem(organization: string, id: string, itemId: string): Promise<StoredConversation> {
    const conversation = await this.get(organization, id);
    if (!(await this.#deps.store.deleteItem(organization, id, itemId))) throw new ServiceError("item_not_found");
    return conversation;
  }

  #itemsOf(organization: string, items: readonly RequestItem[]): Promise<Item[]> {
    const { files, limits, seesImages, responses } = this.#deps;
    const findItems = (ids: readonly string[]) => responses.findItems(organization, ids);
    return inputItemsOf(items, { organization, files, limits, seesImages, field: "items", findItems });
  }
}

function ensureFits(items: readonly Item[], { responseBytesMax }: Limits): void {
  if (Buffer.byteLength(JSON.stringify(items)) <= responseBytesMax) return;
  throw new ServiceError("invalid_field", {
    param: "items",
    detail: `\`items\`: the conversation must have at most ${responseBytesMax} bytes.`,
  });
}
