/** What the loop needs of a model: chat messages in, one streamed turn out. */
export type ChatPart = { type: "text"; text: string } | { type: "image_url"; image_url: { url: string; detail?: string } };

export type ChatMessage =
  | { role: "system"; content: string }
  | { role: "user"; content: string | ChatPart[] }
  | AssistantMessage
  | { role: "tool"; tool_call_id: string; content: string };

/** Other members are fields that the model's server needs back, see SentBack. */
export interface AssistantMessage {
  role: "assistant";
  content: string | null;
  tool_calls?: ChatToolCall[];
  [field: string]: unknown;
}

export interface ChatToolCall {
  id: string;
  type: "function";
  function: { name: string; arguments: string };
  extra_content?: unknown;
}

/** What a server needs back with the calls of a turn, or it refuses the next one: the field of its reasoning text, and others. */
export interface SentBack {
  textField: "reasoning_content" | "reasoning" | null;
  fields: Record<string, unknown> | null;
}

export interface ChatTool {
  type: "function";
  function: { name: string; description?: string; parameters?: unknown; strict?: boolean };
}

export type ChatToolChoice = "none" | "auto" | "required" | { type: "function"; function: { name: string } };

export interface ModelRequest {
  model: string;
  messages: readonly ChatMessage[];
  tools: readonly ChatTool[];
  toolChoice: ChatToolChoice;
  tokensMax: number;
  /** Fields of the caller's request that the model's API shares: temperature, top_p, response_format, … */
  passed: Readonly<Record<string, unknown>>;
}

export interface TokenUsage {
  input: number;
  inputCached: number;
  /** Absent in responses that an older version stored. */
  inputCacheWritten?: number;
  output: number;
  outputReasoning: number;
}

export type Finish = "stop" | "length" | "content_filter";

/** Events of one turn; `end` is last. Calls are numbered from 0 in the order in which they begin. */
export type ModelEvent =
  | { type: "text"; delta: string }
  | { type: "refusal"; delta: string }
  | { type: "reasoning"; delta: string }
  | { type: "call"; index: number; id: string; name: string }
  | { type: "arguments"; index: number; delta: string }
  | { type: "extra"; index: number; fields: Record<string, unknown> }
  | { type: "end"; finish: Finish; usage: TokenUsage | null; sentBack: SentBack | null };

export interface Model {
  /** Throws ModelFailed, or the signal's reason. */
  stream(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent>;
}

export const modelFailures = {
  model_unavailable: "The model could not be reached or answered with a server error.",
  model_rate_limited: "The model's API refused the request because of its rate limit.",
  model_timeout: "The model did not answer in time.",
  model_refused: "The model's API refused the request.",
  model_broken_answer: "The model's answer was incomplete or malformed.",
  // The first five words are how clients tell it from other refusals.
  context_length_exceeded: 'Input tokens exceed the configured limit of the model. Shorten the conversation or send `truncation: "auto"`.',
} as const;
export type ModelFailure = keyof typeof modelFailures;

/** A failed model call. Contains nothing of what the model sent, because a body may echo keys and conversations. */
export class ModelFailed extends Error {
  override name = "ModelFailed";
  readonly code: ModelFailure;
  /** HTTP status of the refusal; null when there was none. */
  readonly status: number | null;
  readonly retryAfterMs: number | null;

  constructor(code: ModelFailure, options: { status?: number; retryAfterMs?: number | null } = {}) {
    super(`${code}${options.status === undefined ? "" : ` (HTTP ${options.status})`}`);
    this.code = code;
    this.status = options.status ?? null;
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}
