import { z } from "zod";
import { assistantSchema } from "../../assistant/views/assistant.ts";
import { openaiRequestSchema, ownRequestSchema } from "../../assistant/views/request.ts";
import { responseStatuses } from "../../assistant/views/response.ts";
import type { ErrorCode } from "../../domain/errors.ts";
import { assistantIdPattern, responseIdPattern } from "../../domain/ids.ts";
import { wholeTime } from "../../domain/time.ts";
import { addConversationPaths } from "../conversations/openapi.ts";
import { pageQuery } from "../core/paging.ts";
import { errorResponses, jsonResponse, listOf, openaiErrorResponses, type PathContext, problemWithResponse } from "../openapi/parts.ts";
import { assistantExample, responseExample, responseRequestExample, responseStreamExample } from "./openapi-examples.ts";

const tags = ["assistant"];

const codeCall = z.looseObject({
  type: z.literal("code_interpreter_call"),
  id: z.string(),
  status: z.enum(["in_progress", "interpreting", "completed", "incomplete", "failed"]),
  code: z.string().nullable(),
  container_id: z.string(),
  outputs: z
    .array(z.looseObject({ type: z.string() }))
    .nullable()
    .describe("with `inputs`: typed outputs; in OpenAI's format: logs and images, null unless included"),
});
const message = z.looseObject({
  type: z.literal("message"),
  id: z.string(),
  role: z.enum(["assistant", "user", "system", "developer"]),
  status: z.enum(["in_progress", "completed", "incomplete"]),
  content: z.array(z.looseObject({ type: z.string() })),
});
const functionCall = z.looseObject({
  type: z.literal("function_call"),
  id: z.string(),
  call_id: z.string(),
  name: z.string(),
  arguments: z.string(),
  status: z.string(),
});
const functionOutput = z.looseObject({
  type: z.literal("function_call_output"),
  id: z.string(),
  call_id: z.string(),
  output: z.union([z.string(), z.array(z.looseObject({ type: z.string() }))]),
});
const otherItem = z.looseObject({ type: z.string(), id: z.string() }).describe("an item of another kind, as it was sent");

const reasoning = z.looseObject({
  type: z.literal("reasoning"),
  id: z.string(),
  summary: z.array(z.unknown()),
  content: z.array(z.looseObject({ type: z.literal("reasoning_text"), text: z.string() })),
  encrypted_content: z
    .string()
    .nullable()
    .describe('with `include: ["reasoning.encrypted_content"]`: to be sent back when responses are not stored'),
  status: z.enum(["in_progress", "completed", "incomplete"]),
});

const model = z
  .object({ id: z.string(), object: z.literal("model"), created: wholeTime, owned_by: z.string() })
  .strict()
  .openapi("Model");
const modelExample = { id: "my-model", object: "model", created: 0, owned_by: "operator" };

const response = z.looseObject({
  id: z.string(),
  object: z.literal("response"),
  created_at: wholeTime,
  completed_at: wholeTime.nullable(),
  status: z.enum(responseStatuses),
  background: z.boolean(),
  error: z.object({ code: z.string(), message: z.string(), type: z.string().optional() }).nullable(),
  incomplete_details: z.object({ reason: z.enum(["max_output_tokens", "content_filter", "max_tool_calls"]) }).nullable(),
  instructions: z.string().nullable(),
  metadata: z.record(z.string(), z.string()),
  model: z.string(),
  output: z.array(z.union([codeCall, message, functionCall, reasoning])),
  previous_response_id: z.string().nullable(),
  usage: z.looseObject({ input_tokens: z.number().int(), output_tokens: z.number().int(), total_tokens: z.number().int() }).nullable(),
});

const assistant = z.strictObject({
  id: z.string(),
  object: z.literal("assistant"),
  created_at: wholeTime,
  name: z.string().nullable(),
  model: z.string().nullable(),
  instructions: z.string().nullable(),
  tools: z.array(z.looseObject({ type: z.string() })),
  file_ids: z.array(z.string()),
  metadata: z.record(z.string(), z.string()),
});

/** What can be wrong with a request before the model is called. */
const preparationErrors: ErrorCode[] = [
  "malformed_json",
  "foreign_organization",
  "model_not_found",
  "assistant_not_found",
  "response_not_found",
  "conversation_not_found",
  "container_not_found",
  "container_expired",
  "container_lost",
  "response_running",
  "body_too_large",
  "unsupported_media_type",
  "invalid_field",
  "unknown_field",
];

const streamed = {
  "text/event-stream": {
    schema: z
      .string()
      .describe("`id`, `event` and `data` lines for each event. Ends after response.completed, .failed, .incomplete or .cancelled"),
    example: responseStreamExample,
  },
};

export function addAssistantPaths(context: PathContext): void {
  addResponsePaths(context);
  addAssistantObjectPaths(context);
  const { registry, security } = context;
  registry.registerPath({
    method: "get",
    path: "/v1/models",
    tags,
    security,
    summary: "List the models that a request can use",
    responses: {
      200: jsonResponse(
        "The models. Empty when none is configured.",
        z.object({ object: z.literal("list"), data: z.array(model) }).strict(),
        { object: "list", data: [modelExample] },
      ),
      ...openaiErrorResponses([]),
    },
  });
  registry.registerPath({
    method: "get",
    path: "/v1/models/{id}",
    operationId: "getModel",
    tags,
    security,
    summary: "Get a model that a request can use",
    description: "A slash in its id is encoded as `%2F`.",
    request: { params: z.object({ id: z.string() }) },
    responses: { 200: jsonResponse("The model.", model, modelExample), ...openaiErrorResponses(["model_not_found"]) },
  });
  addConversationPaths(context, z.union([message, codeCall, functionCall, functionOutput, reasoning, otherItem]));
}

function addResponsePaths({ registry, limits, security }: PathContext): void {
  const shown = registry.register("Response", response);
  const own = registry.register("ResponseRequest", ownRequestSchema(limits));
  const openai = registry.register("ResponseRequestOpenai", openaiRequestSchema(limits));
  const failed = problemWithResponse(shown);
  const byId = { params: z.object({ id: z.string().regex(responseIdPattern) }) };

  registry.registerPath({
    method: "post",
    path: "/v1/responses",
    tags,
    security,
    summary: "Create a response with a model that runs code",
    description:
      "A request with `inputs` uses this service's own format, one with `input` OpenAI's; the reply has the format of the request. A message " +
      "can omit its `type`, and a string can replace a list of parts or a single user message. `mode` of the tool: `auto` (the model decides), " +
      "`on` (code runs before any answer), `off` (never); `tool_choice` takes precedence. If the model or a sandbox fails, the response has " +
      "the status `failed`; a caller of OpenAI's format that waits for the end gets an error instead, which contains the response. Without `background`, a caller that disconnects cancels the response.",
    request: {
      body: { required: true, content: { "application/json": { schema: z.union([own, openai]), example: responseRequestExample } } },
    },
    responses: {
      200: {
        description: "The response, ended unless it runs in the background. With `stream`, its events.",
        content: { "application/json": { schema: shown, example: responseExample }, ...streamed },
      },
      ...errorResponses(
        [
          ...preparationErrors,
          "context_length_exceeded",
          "model_refused_request",
          "model_rate_limited",
          "model_unavailable",
          "model_refused",
          "model_broken_answer",
          "model_timeout",
          "code_not_run",
          "code_not_allowed",
          "execution_failed",
          "response_timeout",
          "container_unavailable",
          "organization_responses_full",
          "organization_storage_full",
          "responses_full",
          "model_not_configured",
          "storage_unavailable",
          "shutting_down",
        ],
        { fieldStatuses: [400, 422], serverErrorBody: failed, callerErrorBody: failed },
      ),
    },
  });

  registry.registerPath({
    method: "post",
    path: "/v1/responses/input_tokens",
    operationId: "countInputTokens",
    tags,
    security,
    summary: "Estimate the tokens of a request",
    description:
      "About as many as a model would count: a quarter of the bytes of conversation and tools. Only the model's server knows the " +
      "number; it is in the `usage` of a response.",
    request: {
      body: { required: true, content: { "application/json": { schema: z.union([own, openai]), example: responseRequestExample } } },
    },
    responses: {
      200: jsonResponse(
        "The estimate.",
        z.object({ object: z.literal("response.input_tokens"), input_tokens: z.number().int() }).strict(),
        { object: "response.input_tokens", input_tokens: 412 },
      ),
      ...errorResponses([...preparationErrors, "storage_unavailable", "model_not_configured"], { fieldStatuses: [400, 422] }),
    },
  });

  registry.registerPath({
    method: "post",
    path: "/v1/responses/compact",
    operationId: "compactResponse",
    tags,
    security,
    summary: "Compact a conversation: not supported",
    description: 'Always refused, so that clients of OpenAI\'s API learn why. `truncation: "auto"` leaves out what is too long.',
    request: { body: { required: true, content: { "application/json": { schema: z.looseObject({}), example: { model: "my-model" } } } } },
    responses: openaiErrorResponses(["not_supported", "malformed_json", "body_too_large", "unsupported_media_type"]),
  });

  registry.registerPath({
    method: "get",
    path: "/v1/responses/{id}",
    tags,
    security,
    summary: "Get a response, or stream its events",
    request: {
      ...byId,
      query: z.object({
        stream: z.enum(["true", "false"]).optional(),
        starting_after: z.string().optional().describe("sequence number of the last received event"),
        include: z.array(z.string()).optional(),
      }),
    },
    responses: {
      200: {
        description: "The current state of the response, or its events.",
        content: { "application/json": { schema: shown, example: responseExample }, ...streamed },
      },
      ...openaiErrorResponses(["response_not_found", "invalid_field", "unknown_field"]),
    },
  });

  registry.registerPath({
    method: "post",
    path: "/v1/responses/{id}/cancel",
    tags,
    security,
    summary: "Cancel a response",
    description: "Running code is interrupted; the container is kept. An ended response is unchanged.",
    request: byId,
    responses: { 200: jsonResponse("The ended response.", shown), ...openaiErrorResponses(["response_not_found"]) },
  });

  registry.registerPath({
    method: "delete",
    path: "/v1/responses/{id}",
    tags,
    security,
    summary: "Delete a response",
    description: "Its executions, files and container are kept.",
    request: byId,
    responses: {
      200: jsonResponse("Deleted.", z.object({ id: z.string(), object: z.literal("response"), deleted: z.literal(true) }).strict()),
      ...openaiErrorResponses(["response_not_found", "response_running"]),
    },
  });

  registry.registerPath({
    method: "get",
    path: "/v1/responses/{id}/input_items",
    tags,
    security,
    summary: "List the input of a response",
    request: { ...byId, query: z.object({ ...pageQuery(limits, responseIdPattern), include: z.array(z.string()).optional() }) },
    responses: {
      200: jsonResponse("A page.", listOf(z.union([message, codeCall, functionCall, functionOutput, reasoning, otherItem]))),
      ...openaiErrorResponses(["response_not_found", "invalid_field", "unknown_field"]),
    },
  });
}

function addAssistantObjectPaths({ registry, limits, security }: PathContext): void {
  const shown = registry.register("Assistant", assistant);
  const request = registry.register("AssistantRequest", assistantSchema(limits));
  const byId = { params: z.object({ id: z.string().regex(assistantIdPattern) }) };
  const { name, instructions, tools } = assistantExample;
  const body = { required: true, content: { "application/json": { schema: request, example: { name, instructions, tools } } } };
  const refusals = errorResponses([
    "malformed_json",
    "assistant_not_found",
    "model_not_found",
    "body_too_large",
    "unsupported_media_type",
    "invalid_field",
    "unknown_field",
  ]);

  registry.registerPath({
    method: "post",
    path: "/v1/assistants",
    tags,
    security,
    summary: "Create an assistant",
    description: "Stored defaults for responses that use it as `assistant_id`. Kept until it is deleted.",
    request: { body },
    responses: { 200: jsonResponse("The assistant.", shown, assistantExample), ...refusals },
  });
  registry.registerPath({
    method: "get",
    path: "/v1/assistants",
    tags,
    security,
    summary: "List assistants",
    request: { query: z.object(pageQuery(limits, assistantIdPattern)) },
    responses: {
      200: jsonResponse("A page.", listOf(shown)),
      ...errorResponses(["assistant_not_found", "invalid_field", "unknown_field"]),
    },
  });
  registry.registerPath({
    method: "get",
    path: "/v1/assistants/{id}",
    tags,
    security,
    summary: "Get an assistant",
    request: byId,
    responses: { 200: jsonResponse("The assistant.", shown, assistantExample), ...errorResponses(["assistant_not_found"]) },
  });
  registry.registerPath({
    method: "post",
    path: "/v1/assistants/{id}",
    tags,
    security,
    summary: "Change an assistant",
    description: "Changes the fields in the body.",
    request: { ...byId, body },
    responses: { 200: jsonResponse("The assistant.", shown, assistantExample), ...refusals },
  });
  registry.registerPath({
    method: "delete",
    path: "/v1/assistants/{id}",
    tags,
    security,
    summary: "Delete an assistant",
    request: byId,
    responses: {
      200: jsonResponse("Deleted.", z.object({ id: z.string(), object: z.literal("assistant"), deleted: z.literal(true) }).strict()),
      ...errorResponses(["assistant_not_found"]),
    },
  });
}
