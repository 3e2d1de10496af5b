import type { ToolDeclaration } from "../../domain/tools.ts";
import type { ChatTool, TokenUsage } from "../model/model.ts";
import type { Failure } from "./failure.ts";
import type { Dialect, Item, OutputItem } from "./items.ts";
import type { Mode, RequestTool, ToolChoice } from "./request.ts";

export const responseStatuses = ["queued", "in_progress", "completed", "failed", "incomplete", "cancelled"] as const;
export type ResponseStatus = (typeof responseStatuses)[number];

export type IncompleteReason = "max_output_tokens" | "content_filter" | "max_tool_calls";

/** Labels of MCP servers, and their tools as the model is told of them. */
export interface NamedServers {
  labels: string[];
  tools: ToolDeclaration[];
  /** Why the tools of some are not known, one sentence each. */
  problems: string[];
}

/** The effective settings of a request and its assistant. */
export interface Settings {
  model: string;
  instructions: string | null;
  /** Off when the tool is withheld or not requested. */
  mode: Mode;
  /** The session to use; null for the service to choose. */
  container: string | null;
  memoryMb: number | null;
  /** Files for the working folder, in addition to those in the input. */
  fileIds: string[];
  functions: ChatTool[];
  /** The caller's functions that code may call. Absent in responses of older versions. */
  programFunctions?: ToolDeclaration[];
  /** MCP servers that code may call. Absent when there are none. */
  toolServers?: NamedServers;
  /** The caller's functions that the first turn must call; null when the model may choose. */
  functionChoice: "required" | { name: string } | null;
  codeCallsMax: number;
  tokensMax: number;
  /** Fields passed to the model unchanged. */
  passed: Record<string, unknown>;
}

/** The parts of a request that the HTTP response repeats. */
export interface Echo {
  assistantId: string | null;
  previousResponseId: string | null;
  conversationId?: string | null;
  tools: RequestTool[];
  toolChoice: ToolChoice;
  metadata: Record<string, string>;
  background: boolean;
  store: boolean;
  includeOutputs: boolean;
  includeReasoning?: boolean;
  maxToolCalls: number | null;
  maxOutputTokens: number | null;
  parallelToolCalls: boolean;
  temperature: number | null;
  topP: number | null;
  /** OpenAI's fields without a meaning here. */
  others: Record<string, unknown>;
}

export interface StoredResponse {
  id: string;
  organization: string;
  dialect: Dialect;
  status: ResponseStatus;
  /** Unix milliseconds. */
  createdAt: number;
  completedAt: number | null;
  expiresAt: number;
  settings: Settings;
  echo: Echo;
  /** The conversation before this request. */
  history: Item[];
  input: Item[];
  output: OutputItem[];
  containerId: string | null;
  /** Files placed in the container by this response or earlier ones. */
  placedFileIds: string[];
  failure: Failure | null;
  incomplete: IncompleteReason | null;
  usage: TokenUsage;
}

export function isEnded(response: StoredResponse): boolean {
  return response.status !== "queued" && response.status !== "in_progress";
}
