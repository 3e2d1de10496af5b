import { z } from "zod";
import { assistantSchema } from "../../assistant/views/assistant.ts";
import { openaiRequestSchema, ownRequestSchema } from "../../assistant/views/request.ts";
import { responseStatuses } from "../../assistant/views/response.ts";
import { assistantIdPattern, responseIdPattern } from "../../domain/ids.ts";
import { errorResponses, jsonResponse, listOf, type PathContext } from "../core/openapi-parts.ts";
import { pageQuery } from "../core/paging.ts";
import { assistantExample, responseExample, responseRequestExample, responseStreamExample } from "./openapi-examples.ts";

const tags = ["assistant"];
const unixSeconds = z.number().int().describe("Unix time, seconds");

const codeCall = z.looseObject({
  type: z.literal("code_interpreter_call"),
  id: z.string(),
  status: z.enum(["in_progress", "interpreting", "completed", "incomplete", "failed"]),
  code: z.string().nullable(),
  container_id: z.string(),
  outputs: z
    .array(z.looseObject({ type: z.string() }))
    .nullable()
    .describe("ours: typed outputs; OpenAI's: logs and images, null unless included"),
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
const functionOutput = z.looseObject({ type: z.literal("function_call_output"), id: z.string(), call_id: z.string(), output: z.string() });

const response = z.looseObject({
  id: z.string(),
  object: z.literal("response"),
  created_at: unixSeconds,
  completed_at: unixSeconds.nullable(),
  status: z.enum(responseStatuses),
  background: z.boolean(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  incomplete_details: z.object({ reason: z.enum(["max_output_tokens", "content_filter", "max_tool_calls"]) }).nullable(),
  instructions: z.string().nullable(),
  metadata: z.record(z.string(), z.string()),
  model: z.string(),
  output: z.array(z.union([codeCall, message, functionCall])),
  previous_response_id: z.string().nullable(),
  usage: z.looseObject({ input_tokens: z.number().int(), output_tokens: z.number().int(), total_tokens: z.number().int() }).nullable(),
});

const assistant = z.strictObject({
  id: z.string(),
  object: z.literal("assistant"),
  created_at: unixSeconds,
  name: z.string().nullable(),
  model: z.string().nullable(),
  instructions: z.string().nullable(),
  tools: z.array(z.looseObject({ type: z.string() })),
  file_ids: z.array(z.string()),
  metadata: z.record(z.string(), z.string()),
});

const streamed = {
  "text/event-stream": {
    schema: z
      .string()
      .describe("`id`, `event` and `data` lines for each event; ends after response.completed, .failed, .incomplete or .cancelled"),
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
    summary: "List the models a request may name",
    responses: {
      200: jsonResponse(
        "The models; none when no model is configured.",
        z.object({ object: z.literal("list"), data: z.array(z.looseObject({ id: z.string() })) }).strict(),
      ),
      ...errorResponses([]),
    },
  });
}

function addResponsePaths({ registry, limits, security }: PathContext): void {
  const shown = registry.register("Response", response);
  const own = registry.register("ResponseRequest", ownRequestSchema(limits));
  const openai = registry.register("ResponseRequestOpenai", openaiRequestSchema(limits));
  const byId = { params: z.object({ id: z.string().regex(responseIdPattern) }) };

  registry.registerPath({
    method: "post",
    path: "/v1/responses",
    tags,
    security,
    summary: "Let the model answer, running code where it needs to",
    description:
      "Two dialects: `inputs` is ours, `input` is OpenAI's, and the answer speaks the one of the request. A message may leave out its `type`, and " +
      "a string may stand for a list of parts or for a single message of the user. `mode` of the tool: `auto` (the model decides), `on` (code runs before any " +
      "answer), `off` (never); `tool_choice` says the same and goes first. What the model or a sandbox failed at is a response with the status `failed`. " +
      "Without `background` a caller that goes away cancels the response.",
    request: {
      body: { required: true, content: { "application/json": { schema: z.union([own, openai]), example: responseRequestExample } } },
    },
    responses: {
      200: {
        description: "The response, ended unless it runs in the background; a stream with `stream`.",
        content: { "application/json": { schema: shown, example: responseExample }, ...streamed },
      },
      ...errorResponses([
        "malformed_json",
        "foreign_organization",
        "model_not_found",
        "assistant_not_found",
        "response_not_found",
        "container_not_found",
        "container_expired",
        "container_lost",
        "response_running",
        "body_too_large",
        "unsupported_media_type",
        "invalid_field",
        "unknown_field",
        "organization_responses_full",
        "organization_storage_full",
        "responses_full",
        "model_not_configured",
        "storage_unavailable",
        "shutting_down",
      ]),
    },
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
        starting_after: z.string().optional().describe("sequence number of the last event seen"),
        include: z.array(z.string()).optional(),
      }),
    },
    responses: {
      200: {
        description: "The response as it is now.",
        content: { "application/json": { schema: shown, example: responseExample }, ...streamed },
      },
      ...errorResponses(["response_not_found", "invalid_field", "unknown_field"]),
    },
  });

  registry.registerPath({
    method: "post",
    path: "/v1/responses/{id}/cancel",
    tags,
    security,
    summary: "Cancel a response",
    description: "Code that runs is interrupted; the container stays. A response that has ended stays as it is.",
    request: byId,
    responses: { 200: jsonResponse("The response, ended.", shown), ...errorResponses(["response_not_found"]) },
  });

  registry.registerPath({
    method: "delete",
    path: "/v1/responses/{id}",
    tags,
    security,
    summary: "Forget a response",
    description: "Its executions, files and container stay.",
    request: byId,
    responses: {
      200: jsonResponse("Deleted.", z.object({ id: z.string(), object: z.literal("response"), deleted: z.literal(true) }).strict()),
      ...errorResponses(["response_not_found", "response_running"]),
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
      200: jsonResponse("A page.", listOf(z.union([message, codeCall, functionCall, functionOutput]))),
      ...errorResponses(["response_not_found", "invalid_field", "unknown_field"]),
    },
  });
}

function addAssistantObjectPaths({ registry, limits, security }: PathContext): void {
  const shown = registry.register("Assistant", assistant);
  const request = registry.register("AssistantRequest", assistantSchema(limits));
  const byId = { params: z.object({ id: z.string().regex(assistantIdPattern) }) };
  const body = { required: true, content: { "application/json": { schema: request } } };
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
    description: "Defaults for responses that name it as `assistant_id`. Kept until it is deleted.",
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
    description: "Changes the fields that the body names.",
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
