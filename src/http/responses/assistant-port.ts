import type { Assistants } from "../../assistant/assistants.ts";
import type { Conversations } from "../../assistant/conversations.ts";
import type { Responses } from "../../assistant/responses.ts";

/** What the API needs from the assistant. */
export interface AssistantPart {
  responses: Responses;
  assistants: Assistants;
  conversations: Conversations;
  /** Models that a request can use. Empty when none is configured. */
  models: readonly string[];
}
