import { ServiceError } from "../../domain/errors.ts";
import type { Limits } from "../../domain/limits.ts";
import { memoryMbOf, memoryText } from "../../domain/memory-size.ts";
import { type ToolDeclaration, toolDeclarationSchema } from "../../domain/tools.ts";
import type { ChatTool } from "../model/model.ts";
import type { StoredAssistant } from "./assistant.ts";
import { includesOutputs, includesReasoning, type Mode, type RequestTool, type ResponseRequest, type ToolChoice } from "./request.ts";
import type { Echo, Settings } from "./response.ts";

export interface ModelChoice {
  fallback: string;
  allowed: readonly string[];
}

type FunctionTool = Extract<RequestTool, { type: "function" }>;
type CodeTool = Extract<RequestTool, { type: "code_interpreter" }>;

/** The effective settings: the request's fields take precedence over the assistant's. */
export function settingsOf(
  request: ResponseRequest,
  assistant: StoredAssistant | null,
  context: { models: ModelChoice; limits: Limits },
): { settings: Settings; echo: Echo } {
  const { limits } = context;
  const tools = request.tools ?? assistant?.tools ?? [];
  const choice = choiceOf(request, assistant, tools);
  const offered = choice.only === null ? tools : tools.filter((tool) => choice.only?.has(nameOf(tool)));
  const code = offered.find((tool): tool is CodeTool => tool.type === "code_interpreter");
  const isProgrammatic = offered.some((tool) => tool.type === "programmatic_tool_calling");
  const container = typeof code?.container === "object" ? code.container : null;
  const memoryMb = container?.memory_limit == null ? null : memoryGiven(container.memory_limit, limits);
  const functions = choice.mode === "none" ? [] : offered.filter((tool) => tool.type === "function");
  const settings: Settings = {
    model: modelOf(request.model ?? assistant?.model ?? null, context.models),
    instructions: request.instructions ?? assistant?.instructions ?? null,
    mode: (code === undefined && !isProgrammatic) || choice.mode === "none" ? "off" : choice.mode,
    container: typeof code?.container === "string" ? code.container : null,
    memoryMb,
    fileIds: [...new Set([...(assistant?.fileIds ?? []), ...(code?.file_ids ?? []), ...(container?.file_ids ?? [])])],
    functions: functions.filter((tool) => mayCall(tool, "direct")).map(chatTool),
    programFunctions: functions.filter((tool) => mayCall(tool, "programmatic")).map((tool) => programFunction(tool, tools)),
    functionChoice: choice.functionChoice,
    codeCallsMax: Math.min(request.max_tool_calls ?? limits.codeCallsPerResponseMax, limits.codeCallsPerResponseMax),
    tokensMax: Math.min(request.max_output_tokens ?? limits.modelOutputTokensMax, limits.modelOutputTokensMax),
    passed: passedOn(request, tools.length > 0),
  };
  return {
    settings,
    echo: echoOf(
      request,
      tools.map((tool) => withMemoryGiven(tool, limits)),
      choice.echo,
      settings,
    ),
  };
}

/** Clients ask for what OpenAI's sandboxes have, so a size above the operator's bound is lowered to it, and the answer says so. */
function memoryGiven(wanted: string, limits: Limits): number {
  return Math.min(Math.max(memoryMbOf(wanted), limits.memoryMbMin), limits.sessionMemoryMbMax);
}

function withMemoryGiven(tool: RequestTool, limits: Limits): RequestTool {
  if (tool.type !== "code_interpreter" || typeof tool.container !== "object" || tool.container.memory_limit == null) return tool;
  return { ...tool, container: { ...tool.container, memory_limit: memoryText(memoryGiven(tool.container.memory_limit, limits)) } };
}

interface Choice {
  mode: Mode | "none";
  functionChoice: Settings["functionChoice"];
  /** Names of the allowed tools; null for all. */
  only: ReadonlySet<string> | null;
  echo: ToolChoice;
}

/** Precedence: `tool_choice`, then the tool's mode, then the assistant's mode. */
function choiceOf(request: ResponseRequest, assistant: StoredAssistant | null, tools: readonly RequestTool[]): Choice {
  const { tool_choice: chosen } = request;
  const code = tools.find((tool): tool is CodeTool => tool.type === "code_interpreter");
  const ofAssistant = assistant?.tools.find((tool): tool is CodeTool => tool.type === "code_interpreter");
  const mode = code?.mode ?? ofAssistant?.mode ?? "auto";
  const plain = { functionChoice: null, only: null };
  if (chosen == null) {
    const echo: ToolChoice = code === undefined || mode === "auto" ? "auto" : mode === "on" ? { type: "code_interpreter" } : "none";
    return { ...plain, mode, echo: mode === "off" && tools.length > 1 ? "auto" : echo };
  }
  if (chosen === "none") return { ...plain, mode: "none", echo: chosen };
  if (chosen === "auto") return { ...plain, mode: code?.mode === "off" ? "off" : "auto", echo: chosen };
  if (chosen === "required") return { ...plain, ...required(tools), echo: chosen };
  if (chosen.type === "code_interpreter") {
    if (code === undefined) throw invalid("tool_choice", "names the code_interpreter, which is not among the tools");
    return { ...plain, mode: "on", echo: chosen };
  }
  if (chosen.type === "custom") throw invalid("tool_choice", "names a custom tool, which this service does not have; use a function");
  if (chosen.type === "function") {
    if (!tools.some((tool) => nameOf(tool) === chosen.name)) throw invalid("tool_choice.name", "must name one of the tools");
    return { mode: mode === "on" ? "auto" : mode, functionChoice: { name: chosen.name }, only: null, echo: chosen };
  }
  const only = new Set(chosen.tools.map((tool) => (tool.type === "function" ? (tool.name ?? "") : tool.type)));
  const allowed = tools.filter((tool) => only.has(nameOf(tool)));
  return { ...(chosen.mode === "required" ? required(allowed) : { mode, functionChoice: null }), only, echo: chosen };
}

/** Some tool must be called. When code is the only tool, that equals the mode on. */
function required(tools: readonly RequestTool[]): Pick<Choice, "mode" | "functionChoice"> {
  if (tools.length === 0) throw invalid("tool_choice", "must not require a tool when there is none");
  const isCodeAlone = tools.every((tool) => tool.type === "code_interpreter");
  return isCodeAlone ? { mode: "on", functionChoice: null } : { mode: "auto", functionChoice: "required" };
}

function nameOf(tool: RequestTool): string {
  return tool.type === "function" ? tool.name : tool.type;
}

/** Without `allowed_callers`, only the model calls a function. */
function mayCall({ allowed_callers: callers }: FunctionTool, caller: "direct" | "programmatic"): boolean {
  return callers == null ? caller === "direct" : callers.includes(caller);
}

/** A function as a tool of the code, where its name must be one of Python. */
function programFunction(tool: FunctionTool, tools: readonly RequestTool[]): ToolDeclaration {
  const { type, name, description, parameters } = tool;
  const declared = { type, name, ...(description == null ? {} : { description }), ...(parameters == null ? {} : { parameters }) };
  const checked = toolDeclarationSchema().safeParse(declared);
  if (checked.success) return checked.data;
  const rule = checked.error.issues[0]?.message ?? "cannot be a function in Python";
  throw invalid(`tools.${tools.indexOf(tool)}.name`, `${rule}, as code calls it`);
}

function chatTool(tool: Extract<RequestTool, { type: "function" }>): ChatTool {
  const { name, description, parameters, strict } = tool;
  return {
    type: "function",
    function: {
      name,
      ...(description == null ? {} : { description }),
      ...(parameters == null ? {} : { parameters }),
      ...(strict == null ? {} : { strict }),
    },
  };
}

function modelOf(wanted: string | null, models: ModelChoice): string {
  if (wanted === null) return models.fallback;
  if (models.allowed.includes(wanted)) return wanted;
  throw new ServiceError("model_not_found", { detail: `\`model\`: must be one of ${models.allowed.join(", ")}.`, param: "model" });
}

/** Fields of the chat-completions protocol, some under another name there. */
function passedOn(request: ResponseRequest, hasTools: boolean): Record<string, unknown> {
  const { temperature, top_p, parallel_tool_calls, reasoning, text, prompt_cache_key, service_tier, user } = request;
  const format = text?.format;
  return {
    ...(temperature == null ? {} : { temperature }),
    ...(top_p == null ? {} : { top_p }),
    ...(parallel_tool_calls == null || !hasTools ? {} : { parallel_tool_calls }),
    ...(reasoning?.effort == null ? {} : { reasoning_effort: reasoning.effort }),
    ...(text?.verbosity == null ? {} : { verbosity: text.verbosity }),
    ...(prompt_cache_key == null ? {} : { prompt_cache_key }),
    ...(service_tier == null ? {} : { service_tier }),
    ...(user == null ? {} : { user }),
    ...(format == null || format.type === "text" ? {} : { response_format: responseFormat(format) }),
  };
}

function responseFormat(format: { type: string; [member: string]: unknown }): unknown {
  const { type, ...schema } = format;
  return type === "json_schema" ? { type, json_schema: schema } : { type };
}

export function conversationIdOf({ conversation }: ResponseRequest): string | null {
  return typeof conversation === "string" ? conversation : (conversation?.id ?? null);
}

function echoOf(request: ResponseRequest, tools: RequestTool[], toolChoice: ToolChoice, settings: Settings): Echo {
  const others = Object.fromEntries(
    (["text", "reasoning", "truncation", "service_tier", "user", "safety_identifier", "prompt_cache_key", "top_logprobs"] as const).flatMap(
      (name) => (request[name] == null ? [] : [[name, request[name]]]),
    ),
  );
  return {
    assistantId: request.assistant_id ?? null,
    previousResponseId: request.previous_response_id ?? null,
    conversationId: conversationIdOf(request),
    tools,
    toolChoice,
    metadata: request.metadata ?? {},
    background: request.background ?? false,
    store: request.store ?? true,
    includeOutputs: includesOutputs(request.include),
    includeReasoning: includesReasoning(request.include),
    maxToolCalls: request.max_tool_calls == null ? null : settings.codeCallsMax,
    maxOutputTokens: request.max_output_tokens == null ? null : settings.tokensMax,
    parallelToolCalls: request.parallel_tool_calls ?? true,
    temperature: request.temperature ?? null,
    topP: request.top_p ?? null,
    others,
  };
}

function invalid(param: string, rule: string): ServiceError {
  return new ServiceError("invalid_field", { detail: `\`${param}\`: ${rule}.`, param });
}
