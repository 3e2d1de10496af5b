import { z } from "zod";
import { assistantIdPattern, containerIdPattern, conversationIdPattern, fileIdPattern, responseIdPattern } from "../../domain/ids.ts";
import type { Limits } from "../../domain/limits.ts";
import { memorySizePattern } from "../../domain/memory-size.ts";
import { serverLabelSchema } from "../../domain/tools.ts";
import type { Dialect } from "./items.ts";

/**
 * The body of POST /responses in both dialects. Our dialect has `inputs` and refuses unknown fields by name. OpenAI's has `input`
 * and accepts unknown fields, because newer clients may send them.
 */
export const modes = ["auto", "on", "off"] as const;
export type Mode = (typeof modes)[number];

const fileId = z.string().regex(fileIdPattern, "must be a file id");
const conversationId = z.string().regex(conversationIdPattern, "must be a conversation id");
const containerId = z.string().regex(containerIdPattern, "must be a container id");
const OUTPUTS = "code_interpreter_call.outputs";
const REASONING = "reasoning.encrypted_content";
/** All that OpenAI's API knows. What this service does not have is nowhere to be included. */
const includable = [
  OUTPUTS,
  REASONING,
  "computer_call_output.output.image_url",
  "file_search_call.results",
  "message.input_image.image_url",
  "message.output_text.logprobs",
  "web_search_call.action.sources",
  "web_search_call.results",
] as const;

export const includeSchema = z
  .array(z.enum(includable))
  .describe(`\`${OUTPUTS}\` adds the outputs of code in OpenAI's dialect, \`${REASONING}\` reasoning that can be sent back`);

/** Without either field the dialect is OpenAI's, unless a field of ours shows otherwise. */
export function dialectOf(body: unknown): Dialect {
  if (!isObject(body) || "inputs" in body) return "own";
  return !("input" in body) && ("assistant_id" in body || "organization_id" in body) ? "own" : "openai";
}

/**
 * Expands the short forms of a body, so that the schema can name errors in them: a string is a user's message, an item without a
 * type is a message, a string as content is one part. In OpenAI's dialect, items of unknown types are kept as they are.
 */
export function writtenOut(body: unknown): unknown {
  if (!isObject(body)) return body;
  const dialect = dialectOf(body);
  const field = dialect === "own" ? "inputs" : "input";
  const input = body[field];
  return input === undefined ? body : { ...body, [field]: writtenOutItems(input, dialect) };
}

export function writtenOutItems(input: unknown, dialect: Dialect): unknown {
  if (typeof input === "string") return [{ type: "message", role: "user", content: [{ type: "text", text: input }] }];
  return Array.isArray(input) ? input.map((item) => writtenOutItem(item, dialect)) : input;
}

const itemTypes = ["message", "function_call", "function_call_output", "code_interpreter_call", "reasoning", "item_reference"];

function writtenOutItem(item: unknown, dialect: Dialect): unknown {
  if (!isObject(item)) return item;
  const typed: Record<string, unknown> =
    "type" in item && item.type != null ? item : { ...item, type: "content" in item ? "message" : "item_reference" };
  if (dialect === "openai" && typeof typed.type === "string" && !itemTypes.includes(typed.type)) return { type: "other", item: typed };
  const field = typed.type === "message" ? "content" : typed.type === "function_call_output" ? "output" : null;
  if (field === null || typeof typed[field] !== "string") return typed;
  return { ...typed, [field]: [{ type: "text", text: typed[field] }] };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Objects that refuse unknown members, and objects that drop them. */
const objects = {
  own: <S extends z.core.$ZodLooseShape>(shape: S) => z.strictObject(shape),
  openai: <S extends z.core.$ZodLooseShape>(shape: S) => z.object(shape),
};

export function inputItems(dialect: Dialect, limits: Limits) {
  const object = objects[dialect] as typeof objects.openai;
  const text = z.string().refine((value) => value.isWellFormed(), "must be well-formed Unicode");
  const image = object({
    type: z.literal("input_image"),
    image_url: z.string().nullish().describe("https, or a data URL"),
    file_id: fileId.nullish(),
    detail: z.enum(["auto", "low", "high", "original"]).nullish(),
  });
  const file = object({
    type: z.literal("input_file"),
    file_id: fileId.nullish(),
    file_data: z.string().nullish().describe("base64, or a data URL"),
    file_url: z.string().nullish().describe("refused: the service fetches nothing"),
    filename: z.string().max(255).nullish(),
    detail: z.string().nullish(),
  });
  const part = z.discriminatedUnion("type", [
    object({ type: z.literal("text"), text }),
    object({ type: z.literal("input_text"), text }),
    object({ type: z.literal("output_text"), text, annotations: z.array(z.unknown()).optional(), logprobs: z.unknown().optional() }),
    object({ type: z.literal("refusal"), refusal: text }),
    object({ type: z.literal("file"), file_id: fileId }),
    file,
    image,
  ]);
  const message = object({
    type: z.literal("message").describe("optional"),
    role: z.enum(["user", "assistant", "system", "developer"]),
    content: z.array(part).describe("or a string"),
    id: z.string().nullish(),
    status: z.string().nullish(),
    phase: z.string().nullish(),
  });
  const caller = z.discriminatedUnion("type", [
    object({ type: z.literal("direct") }),
    object({ type: z.literal("program"), caller_id: z.string().max(64) }),
  ]);
  return z
    .array(
      z.discriminatedUnion("type", [
        message,
        object({
          type: z.literal("function_call"),
          call_id: z.string().min(1).max(128),
          name: z.string().min(1).max(64),
          arguments: text,
          id: z.string().nullish(),
          status: z.string().nullish(),
          caller: caller.nullish().describe("as the response had it: code that calls the function, or the model"),
        }),
        object({
          type: z.literal("function_call_output"),
          call_id: z.string().min(1).max(128),
          output: z
            .array(z.discriminatedUnion("type", [object({ type: z.enum(["text", "input_text", "output_text"]), text }), file, image]))
            .describe("or a string"),
          id: z.string().nullish(),
          status: z.string().nullish(),
          caller: caller.nullish(),
        }),
        z.looseObject({
          type: z.literal("code_interpreter_call"),
          id: z.string().max(64),
          status: z.string().nullish(),
          code: text.nullish(),
          container_id: z.string().nullish(),
          outputs: z.array(z.unknown()).nullish(),
        }),
        z
          .looseObject({
            type: z.literal("reasoning"),
            id: z.string().nullish(),
            encrypted_content: z.string().nullish(),
            content: z.array(z.looseObject({ text: z.string().nullish() })).nullish(),
          })
          .describe("as a response had it; the model gets it back if its server needs it"),
        object({ type: z.literal("item_reference"), id: z.string().min(1).max(128) }).describe("an item of a stored response"),
        ...(dialect === "openai" ? [object({ type: z.literal("other"), item: z.looseObject({ type: z.string().max(64) }) })] : []),
      ]),
    )
    .min(1)
    .max(limits.inputItemsMax);
}

function tools(dialect: Dialect, limits: Limits) {
  const object = objects[dialect] as typeof objects.openai;
  const container = z.union(
    [
      containerId,
      object({
        type: z.literal("auto"),
        file_ids: z.array(fileId).max(limits.filesInCountMax).nullish(),
        memory_limit: z.string().regex(memorySizePattern, "must be a number with the unit `m` or `g`").nullish(),
        network_policy: z.looseObject({ type: z.literal("disabled", { error: "must be disabled: sandboxes have no network" }) }).nullish(),
      }),
    ],
    { error: 'must be a container id or {"type":"auto", …} without network' },
  );
  return z
    .array(
      z.discriminatedUnion(
        "type",
        [
          object({
            type: z.literal("code_interpreter"),
            mode: z.enum(modes).optional().describe("auto: when needed; on: before any answer; off: never"),
            container: container.optional(),
            file_ids: z.array(fileId).max(limits.filesInCountMax).optional(),
            mcp_servers: z
              .array(serverLabelSchema())
              .max(limits.toolServersPerExecutionMax)
              .optional()
              .describe("labels of MCP servers of the operator, whose tools the code may call; the operator's choice when absent"),
            allowed_callers: z.unknown().optional(),
          }),
          object({
            type: z.literal("function"),
            name: z
              .string()
              .regex(/^[A-Za-z0-9_-]{1,64}$/, "must have 1 to 64 letters, digits, _ or -")
              .refine((name) => name !== "code_interpreter", "is the name of the built-in tool"),
            description: z.string().nullish(),
            parameters: z.record(z.string(), z.unknown()).nullish(),
            strict: z.boolean().nullish(),
            allowed_callers: z
              .array(z.enum(["direct", "programmatic"]))
              .min(1)
              .nullish()
              .describe("`programmatic`: code may call it; `direct`: the model may call it, the default"),
          }),
          object({ type: z.literal("programmatic_tool_calling") }).describe("has code called functions, without a code_interpreter tool"),
        ],
        { error: "must be a tool of type code_interpreter, function or programmatic_tool_calling" },
      ),
    )
    .max(limits.functionToolsMax)
    .refine((list) => list.filter((tool) => tool.type === "code_interpreter").length <= 1, "must have the code_interpreter at most once")
    .refine(...bytesAtMost(limits.toolsBytesMax));
}

/** Bounds a value whose schema has no bound. */
function bytesAtMost(bytesMax: number): [(value: unknown) => boolean, string] {
  return [(value) => Buffer.byteLength(JSON.stringify(value) ?? "") <= bytesMax, `must have at most ${bytesMax} bytes as JSON`];
}

export function assistantToolsSchema(limits: Limits) {
  return tools("own", limits);
}

export function metadataSchema(limits: Limits) {
  return z
    .record(z.string().min(1).max(64), z.string().max(limits.metadataValueCharsMax))
    .refine((m) => Object.keys(m).length <= limits.metadataCountMax, `must have at most ${limits.metadataCountMax} entries`);
}

const toolChoice = z.union(
  [
    z.enum(["none", "auto", "required"]),
    z.object({ type: z.literal("code_interpreter") }),
    z.object({ type: z.literal("function"), name: z.string().max(64) }),
    z.object({ type: z.literal("custom"), name: z.string().max(64) }),
    z.object({
      type: z.literal("allowed_tools"),
      mode: z.enum(["auto", "required"]),
      tools: z.array(z.looseObject({ type: z.string(), name: z.string().optional() })),
    }),
  ],
  { error: "must be none, auto, required, or an object that names a tool" },
);

function commonFields(dialect: Dialect, limits: Limits) {
  return {
    model: z.string().min(1).max(256).nullish(),
    instructions: z.string().max(limits.instructionsCharsMax).nullish(),
    tools: tools(dialect, limits).nullish(),
    tool_choice: toolChoice.nullish(),
    previous_response_id: z.string().regex(responseIdPattern, "must be a response id").nullish(),
    include: includeSchema.max(32).nullish(),
    max_tool_calls: z.int().min(1).nullish().describe(`more than ${limits.codeCallsPerResponseMax} become that, as the answer shows`),
    max_output_tokens: z
      .int()
      .min(1)
      .nullish()
      .describe(`per turn of the model; more than ${limits.modelOutputTokensMax} become that, as the answer shows`),
    metadata: metadataSchema(limits).nullish(),
    store: z.boolean().nullish(),
    background: z.boolean().nullish(),
    stream: z.boolean().nullish(),
    temperature: z.number().min(0).max(2).nullish(),
    top_p: z.number().min(0).max(1).nullish(),
    parallel_tool_calls: z.boolean().nullish(),
    assistant_id: z.string().regex(assistantIdPattern, "must be an assistant id").nullish(),
    organization_id: z.string().min(1).max(128).nullish().describe("the key's own organization"),
  };
}

export function ownRequestSchema(limits: Limits) {
  const items = inputItems("own", limits);
  return z.strictObject({ inputs: items.describe("or a string"), ...commonFields("own", limits) });
}

/** OpenAI's fields without a meaning here are echoed. The model's own fields (`text`, `reasoning`) are passed on. */
export function openaiRequestSchema(limits: Limits) {
  const items = inputItems("openai", limits);
  return z.object({
    input: items.describe("or a string"),
    ...commonFields("openai", limits),
    conversation: z
      .union([conversationId, z.object({ id: conversationId })], { error: "must be a conversation id or an object with one" })
      .nullish()
      .describe("its items come before the input; input and output are added to it"),
    prompt: z.null({ error: "is not supported; use instructions" }).optional(),
    stream_options: z.unknown().optional(),
    text: z
      .looseObject({ format: z.looseObject({ type: z.string() }).nullish(), verbosity: z.string().nullish() })
      .refine(...bytesAtMost(limits.toolsBytesMax))
      .nullish(),
    reasoning: z
      .looseObject({ effort: z.string().nullish() })
      .refine(...bytesAtMost(limits.toolsBytesMax))
      .nullish(),
    truncation: z.enum(["auto", "disabled"]).nullish(),
    service_tier: z.string().max(32).nullish(),
    user: z.string().max(512).nullish(),
    safety_identifier: z.string().max(512).nullish(),
    prompt_cache_key: z.string().max(512).nullish(),
    top_logprobs: z.int().min(0).max(20).nullish(),
  });
}

type OwnRequest = z.infer<ReturnType<typeof ownRequestSchema>>;
type OpenaiRequest = z.infer<ReturnType<typeof openaiRequestSchema>>;
export type ResponseRequest = Partial<Omit<OpenaiRequest, "input" | keyof OwnRequest>> &
  Omit<OwnRequest, "inputs"> & { dialect: Dialect; input: OwnRequest["inputs"] };
export type RequestTool = NonNullable<OwnRequest["tools"]>[number];
export type RequestItem = OwnRequest["inputs"][number];
export type ToolChoice = z.infer<typeof toolChoice>;

export function includesOutputs(include: readonly string[] | null | undefined): boolean {
  return include?.includes(OUTPUTS) ?? false;
}

/** Reasoning that the client sends back itself: asked for, or needed because the response is not stored. */
export function includesReasoning(include: readonly string[] | null | undefined): boolean {
  return include?.includes(REASONING) ?? false;
}
