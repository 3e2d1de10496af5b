import type { ChatTool, ModelFailure, TokenUsage } from "../model/model.ts";
import type { Dialect, Item, OutputItem } from "./items.ts";
import type { Mode, RequestTool, ToolChoice } from "./request.ts";

export const responseStatuses = ["queued", "in_progress", "completed", "failed", "incomplete", "cancelled"] as const;
export type ResponseStatus = (typeof responseStatuses)[number];

/** Why a response failed or stayed incomplete: closed, since metric labels and clients share them. */
export type FailureCode =
  | ModelFailure
  | "code_not_run"
  | "code_not_allowed"
  | "container_not_found"
  | "container_expired"
  | "container_lost"
  | "container_unavailable"
  | "execution_failed"
  | "response_timeout"
  | "process_lost"
  | "server_error";
export type IncompleteReason = "max_output_tokens" | "content_filter" | "max_tool_calls";

/** What a request and its assistant come to. */
export interface Settings {
  model: string;
  instructions: string | null;
  /** Off when the tool is withheld or was not asked for. */
  mode: Mode;
  /** The session to use; null for the service to choose. */
  container: string | null;
  memoryMb: number | null;
  /** Files to place in the working folder, beside those the input names. */
  fileIds: string[];
  functions: ChatTool[];
  /** What the first turn must do about the caller's functions; null when it may do as it likes. */
  functionChoice: "required" | { name: string } | null;
  codeCallsMax: number;
  tokensMax: number;
  /** Fields for the model as they are. */
  passed: Record<string, unknown>;
}

/** The parts of a request that an answer repeats. */
export interface Echo {
  assistantId: string | null;
  previousResponseId: string | null;
  tools: RequestTool[];
  toolChoice: ToolChoice;
  metadata: Record<string, string>;
  background: boolean;
  store: boolean;
  includeOutputs: boolean;
  maxToolCalls: number | null;
  maxOutputTokens: number | null;
  parallelToolCalls: boolean;
  temperature: number | null;
  topP: number | null;
  /** Of OpenAI's fields, those without a meaning here. */
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
  /** Files that were placed in the container, by this response or those before it. */
  placedFileIds: string[];
  failure: { code: FailureCode; message: string } | null;
  incomplete: IncompleteReason | null;
  usage: TokenUsage;
}

export function isEnded(response: StoredResponse): boolean {
  return response.status !== "queued" && response.status !== "in_progress";
}
