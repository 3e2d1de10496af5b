import { z } from "zod";
import { fileIdPattern } from "../../domain/ids.ts";
import type { Limits } from "../../domain/limits.ts";
import { wholeSeconds } from "../../domain/time.ts";
import { assistantToolsSchema, metadataSchema, type RequestTool } from "./request.ts";
import type { View } from "./views.ts";

/** A named set of defaults for responses. Kept until it is deleted. */
export interface StoredAssistant {
  id: string;
  organization: string;
  name: string | null;
  model: string | null;
  instructions: string | null;
  tools: RequestTool[];
  fileIds: string[];
  metadata: Record<string, string>;
  /** Unix milliseconds. */
  createdAt: number;
}

const NAME_CHARS_MAX = 256;

/** The body of POST /assistants, and of an update, which changes only the fields in it. */
export function assistantSchema(limits: Limits) {
  return z.strictObject({
    name: z.string().max(NAME_CHARS_MAX).nullish(),
    model: z.string().min(1).max(256).nullish(),
    instructions: z.string().max(limits.instructionsCharsMax).nullish(),
    tools: assistantToolsSchema(limits).optional(),
    file_ids: z.array(z.string().regex(fileIdPattern, "must be a file id")).max(limits.filesInCountMax).optional(),
    metadata: metadataSchema(limits).nullish(),
  });
}
export type AssistantRequest = z.infer<ReturnType<typeof assistantSchema>>;

export function applyChanges(assistant: StoredAssistant, request: AssistantRequest): StoredAssistant {
  return {
    ...assistant,
    ...(request.name === undefined ? {} : { name: request.name }),
    ...(request.model === undefined ? {} : { model: request.model }),
    ...(request.instructions === undefined ? {} : { instructions: request.instructions }),
    ...(request.tools === undefined ? {} : { tools: request.tools }),
    ...(request.file_ids === undefined ? {} : { fileIds: request.file_ids }),
    ...(request.metadata === undefined ? {} : { metadata: request.metadata ?? {} }),
  };
}

export function viewOfAssistant(assistant: StoredAssistant): View & { id: string } {
  const { id, name, model, instructions, tools, fileIds, metadata, createdAt } = assistant;
  return { id, object: "assistant", created_at: wholeSeconds(createdAt), name, model, instructions, tools, file_ids: fileIds, metadata };
}
