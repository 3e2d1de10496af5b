import type { Assistants } from "../../assistant/assistants.ts";
import type { Responses } from "../../assistant/responses.ts";

/** What the API needs of the assistant. */
export interface AssistantPart {
  responses: Responses;
  assistants: Assistants;
  /** Models a request may name; empty when none is configured. */
  models: readonly string[];
}
