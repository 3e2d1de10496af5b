import { z } from "zod";
import type { Limits } from "../../domain/limits.ts";
import { wholeSeconds } from "../../domain/time.ts";
import { inputItems, metadataSchema } from "./request.ts";
import type { View } from "./views.ts";

/** The record of a conversation. Its items are stored beside it, so that adding some does not write all. */
export interface StoredConversation {
  id: string;
  organization: string;
  metadata: Record<string, string>;
  /** Unix milliseconds. */
  createdAt: number;
  /** The session that its latest code ran in, and the files placed there. */
  containerId: string | null;
  placedFileIds: string[];
}

/** The body of POST /conversations. */
export function conversationSchema(limits: Limits) {
  return z.object({ metadata: metadataSchema(limits).nullish(), items: inputItems("openai", limits).nullish() });
}
export type ConversationRequest = z.infer<ReturnType<typeof conversationSchema>>;

/** The body of POST /conversations/{id}. */
export function conversationUpdateSchema(limits: Limits) {
  return z.object({ metadata: metadataSchema(limits).nullable() });
}

/** The body of POST /conversations/{id}/items. */
export function conversationItemsSchema(limits: Limits) {
  return z.object({ items: inputItems("openai", limits) });
}

export function viewOfConversation({ id, createdAt, metadata }: StoredConversation): View {
  return { id, object: "conversation", created_at: wholeSeconds(createdAt), metadata };
}
