import { type Output, withoutFinalNewline } from "../../domain/outputs.ts";
import { wholeSeconds } from "../../domain/time.ts";
import { readableText } from "../../readable/readable-text.ts";
import { openaiCodeOf, openaiTypeOf } from "./failure.ts";
import type { Citation, CodeCall, Dialect, Item, MessagePart, Reasoning } from "./items.ts";
import { carriedReasoning } from "./reasoning.ts";
import type { StoredResponse } from "./response.ts";

/** What callers see, in the dialect of their request. Pure functions of stored responses. */
export type View = Record<string, unknown>;
/** One server-sent event, numbered from 0 within its response. */
export type ResponseEvent = { type: string; sequence_number: number } & View;

/** What a view has beside what every view has. */
export interface Included {
  includeOutputs: boolean;
  /** Reasoning in a form that the client can send back when responses are not stored. */
  includeReasoning?: boolean;
}

export function viewOfResponse(response: StoredResponse, included: Included = response.echo): View {
  const { dialect, echo, settings, usage } = response;
  const view: View = {
    id: response.id,
    object: "response",
    created_at: wholeSeconds(response.createdAt),
    status: response.status,
    completed_at: response.completedAt === null ? null : wholeSeconds(response.completedAt),
    background: echo.background,
    error: failureView(response),
    incomplete_details: response.incomplete === null ? null : { reason: response.incomplete },
    instructions: settings.instructions,
    max_output_tokens: echo.maxOutputTokens,
    max_tool_calls: echo.maxToolCalls,
    metadata: echo.metadata,
    model: settings.model,
    output: response.output.map((item) => viewOfItem(item, dialect, included)),
    parallel_tool_calls: echo.parallelToolCalls,
    previous_response_id: echo.previousResponseId,
    store: echo.store,
    temperature: echo.temperature,
    tool_choice: echo.toolChoice,
    tools: echo.tools,
    top_p: echo.topP,
    usage: isCounted(response)
      ? {
          input_tokens: usage.input,
          input_tokens_details: { cached_tokens: usage.inputCached, cache_write_tokens: usage.inputCacheWritten ?? 0 },
          output_tokens: usage.output,
          output_tokens_details: { reasoning_tokens: usage.outputReasoning },
          total_tokens: usage.input + usage.output,
        }
      : null,
  };
  const conversation = echo.conversationId == null ? null : { id: echo.conversationId };
  if (dialect === "openai") return { ...defaultsOfOpenai, ...view, conversation, ...echo.others };
  return {
    ...view,
    organization_id: response.organization,
    assistant_id: echo.assistantId,
    container_id: response.containerId,
    expires_at: echo.store ? wholeSeconds(response.expiresAt) : null,
  };
}

/** Members that clients of OpenAI's API require. */
const defaultsOfOpenai: View = {
  reasoning: { effort: null, summary: null },
  service_tier: "default",
  text: { format: { type: "text" } },
  truncation: "disabled",
  user: null,
};

export function viewOfItem(item: Item, dialect: Dialect, included: Included): View {
  switch (item.type) {
    case "reasoning":
      return {
        type: "reasoning",
        id: item.id,
        summary: [],
        content: [viewOfReasoningPart(item)],
        encrypted_content: included.includeReasoning === true ? carriedReasoning(item) : null,
        status: item.status,
      };
    case "message":
      return {
        type: "message",
        id: item.id,
        role: "assistant",
        status: item.status,
        content: item.parts.map(viewOfPart),
      };
    case "code_call":
      return {
        type: "code_interpreter_call",
        id: item.id,
        status: item.status,
        code: item.code,
        container_id: item.containerId,
        outputs: outputsView(item, dialect, included.includeOutputs),
        ...(dialect === "own" ? { cause: item.cause, execution_id: item.executionId } : {}),
      };
    case "function_call":
      return {
        type: "function_call",
        id: item.id,
        call_id: item.callId,
        name: item.name,
        arguments: item.arguments,
        status: item.status,
        ...(item.program === undefined ? {} : { caller: { type: "program", caller_id: item.program } }),
      };
    case "function_output":
      return {
        type: "function_call_output",
        id: item.id,
        call_id: item.callId,
        output:
          item.parts === undefined
            ? item.text
            : [{ type: "text", text: item.text } as const, ...item.parts].map((part) => inputPartView(part, dialect)),
        status: "completed",
      };
    case "other":
      return { ...item.item, id: item.id };
    case "input_message":
      return {
        type: "message",
        id: item.id,
        role: item.role,
        status: "completed",
        content: item.parts.map((part) => inputPartView(part, dialect)),
      };
  }
}

export function viewOfReasoningPart(reasoning: Reasoning): View {
  return { type: "reasoning_text", text: reasoning.text };
}

export function viewOfPart(part: MessagePart): View {
  if (part.type === "refusal") return { type: "refusal", refusal: part.refusal };
  return { type: "output_text", text: part.text, annotations: part.citations.map(viewOfCitation), logprobs: [] };
}

export function viewOfCitation(citation: Citation): View {
  return {
    type: "container_file_citation",
    container_id: citation.containerId,
    file_id: citation.fileId,
    filename: citation.name,
    start_index: citation.start,
    end_index: citation.end,
  };
}

function inputPartView(part: Extract<Item, { type: "input_message" }>["parts"][number], dialect: Dialect): View {
  switch (part.type) {
    case "text":
      return { type: dialect === "own" ? "text" : "input_text", text: part.text };
    case "image":
      return { type: "input_image", image_url: part.url, detail: part.detail ?? "auto" };
    case "file":
      return dialect === "own"
        ? { type: "file", file_id: part.fileId, filename: part.name }
        : { type: "input_file", file_id: part.fileId, filename: part.name };
  }
}

/** Null until the code has ended; in OpenAI's dialect also unless the request includes outputs. */
function outputsView(call: CodeCall, dialect: Dialect, includeOutputs: boolean): View[] | null {
  const hasEnded = call.status !== "in_progress" && call.status !== "interpreting";
  if (dialect === "own") return hasEnded ? call.outputs.map(ownOutput) : null;
  return hasEnded && includeOutputs ? openaiOutputs(call.outputs) : null;
}

/** Our typed outputs. Text has no final newline, and names its stream only when that is stderr. */
export function ownOutput(output: Output): View {
  if (output.type !== "text") return output;
  const { stream, ...text } = { ...output, text: withoutFinalNewline(output.text) };
  return stream === "stderr" ? { stream, ...text } : text;
}

/** All text becomes logs, in order; images keep their place between them. */
function openaiOutputs(outputs: readonly Output[]): View[] {
  const views: Array<{ type: "logs"; logs: string } | { type: "image"; url: string }> = [];
  for (const output of outputs) {
    if (output.type === "image") {
      views.push({ type: "image", url: output.url });
      continue;
    }
    const text = logText(output);
    const last = views.at(-1);
    if (text === null) continue;
    if (last?.type === "logs") last.logs += `\n${text}`;
    else views.push({ type: "logs", logs: text });
  }
  return views;
}

/** Rows of one HTML table in logs. */
const LOG_ROWS_MAX = 1_000;

function logText(output: Exclude<Output, { type: "image" }>): string | null {
  switch (output.type) {
    case "text":
      return withoutFinalNewline(output.text);
    case "result":
    case "html":
    case "latex":
    case "markdown":
    case "json":
      return readableText(output, LOG_ROWS_MAX);
    case "table":
      return [output.columns.map((column) => column.name), ...output.rows]
        .map((row) => row.map((cell) => String(cell ?? "")).join("\t"))
        .join("\n");
    case "error":
      return output.traceback.length > 0 ? output.traceback.join("\n") : `${output.name}: ${output.value}`;
    case "chart":
    case "file":
      return null;
  }
}

function failureView({ dialect, failure }: StoredResponse): View | null {
  if (failure === null) return null;
  const { message } = failure;
  if (dialect === "own") return { code: failure.code, message };
  const code = openaiCodeOf(failure);
  return { code, message, type: openaiTypeOf(code) };
}

function isCounted(response: StoredResponse): boolean {
  return response.completedAt !== null;
}
