import { z } from "zod";
import { executionIdPattern } from "../../domain/ids.ts";
import { executionRequestSchema } from "../../domain/request.ts";
import { execution, executionEvent } from "../../domain/result.ts";
import { pageQuery } from "../core/paging.ts";
import { errorResponses, jsonResponse, listOf, type PathContext, problemWithExecution } from "../openapi/parts.ts";
import { toolOutputsSchema } from "./answer-tool-calls.ts";
import { executionExample, requestExample, streamExample, toolOutputsExample } from "./openapi-examples.ts";

const tags = ["executions"];

/** The format of an event stream, which an OpenAPI schema cannot express. */
const eventStream = {
  description:
    "`id`, `event` and `data` lines for each event. The data is an ExecutionEvent as JSON. `: ping` comments keep the connection open. " +
    "The stream ends after `execution.ended`.",
  content: { "text/event-stream": { schema: z.string(), example: streamExample } },
};

export function addExecutionPaths({ registry, limits, security, executionId }: PathContext): void {
  const shown = registry.register("Execution", execution.strict());
  // A clone, because zod-to-openapi extends only schemas that are created after it was loaded.
  registry.register("ExecutionEvent", executionEvent.clone());
  const request = registry.register("ExecutionRequest", executionRequestSchema(limits));

  registry.registerPath({
    method: "post",
    path: "/v1/executions",
    tags,
    security,
    summary: "Run code",
    description:
      "Waits for the end by default. `Prefer: respond-async` responds with 202 at once, `Prefer: wait=5` after at most 5 s. " +
      "`Accept: text/event-stream` streams the events. A caller that disconnects while waiting cancels the execution, unless it sent an " +
      "`Idempotency-Key`. A stream that breaks does not cancel it and can be resumed at `/v1/executions/{id}/events`. " +
      "With `container`, the code runs in that container, after earlier executions, with their variables and files. " +
      "`Location` contains the path of the execution in every case.",
    request: {
      headers: z.object({
        Prefer: z.string().optional().describe("`respond-async`, `wait=<seconds>` (RFC 7240)"),
        "Idempotency-Key": z.string().min(1).max(255).optional().describe("requests with the same key and body return the same execution"),
      }),
      body: { required: true, content: { "application/json": { schema: request, example: requestExample } } },
    },
    responses: {
      200: {
        description:
          "The ended execution, or one that waits for answers to tool calls, or the event stream. `Idempotency-Replayed: true` when an earlier request with the same key created it.",
        content: { "application/json": { schema: shown, example: executionExample }, ...eventStream.content },
      },
      202: jsonResponse("Accepted but not ended yet. `Location` is its path; `Preference-Applied` is the applied preference.", shown),
      ...errorResponses(
        [
          "malformed_json",
          "container_not_found",
          "container_expired",
          "container_lost",
          "body_too_large",
          "unsupported_media_type",
          "invalid_field",
          "unknown_field",
          "idempotency_mismatch",
          "organization_queue_full",
          "organization_storage_full",
          "queue_full",
          "storage_unavailable",
          "queue_deadline_passed",
          "sandbox_lost",
          "worker_lost",
          "shutting_down",
        ],
        { serverErrorBody: problemWithExecution(shown) },
      ),
    },
  });

  registry.registerPath({
    method: "get",
    path: "/v1/executions",
    tags,
    security,
    summary: "List executions",
    request: { query: z.object(pageQuery(limits, executionIdPattern)) },
    responses: {
      200: jsonResponse("A page.", listOf(shown)),
      ...errorResponses(["execution_not_found", "invalid_field", "unknown_field"]),
    },
  });

  registry.registerPath({
    method: "get",
    path: "/v1/executions/{id}",
    tags,
    security,
    summary: "Get an execution",
    request: executionId,
    responses: {
      200: jsonResponse("The current state of the execution.", shown, executionExample),
      ...errorResponses(["execution_not_found"]),
    },
  });

  registry.registerPath({
    method: "get",
    path: "/v1/executions/{id}/events",
    tags,
    security,
    summary: "Stream the events of an execution",
    description:
      "From the start, or after the event in `Last-Event-ID` or `after`. Once the events have expired, only `execution.ended` is sent.",
    request: {
      ...executionId,
      query: z.object({ after: z.string().optional().describe("id of the last received event") }),
      headers: z.object({ "Last-Event-ID": z.string().optional() }),
    },
    responses: { 200: eventStream, ...errorResponses(["execution_not_found", "invalid_field", "unknown_field"]) },
  });

  registry.registerPath({
    method: "post",
    path: "/v1/executions/{id}/tool_outputs",
    tags,
    security,
    summary: "Answer tool calls",
    description:
      "Answers some or all of the calls in `pending_calls`, then waits like the request that created the execution, with the same " +
      "`Prefer`. All answers are taken or none. The same answer may be sent again.",
    request: {
      ...executionId,
      headers: z.object({ Prefer: z.string().optional().describe("`respond-async`, `wait=<seconds>` (RFC 7240)") }),
      body: { required: true, content: { "application/json": { schema: toolOutputsSchema(limits), example: toolOutputsExample } } },
    },
    responses: {
      200: jsonResponse("The execution: ended, or with calls that wait for an answer.", shown),
      202: jsonResponse("The answers were taken, and the code runs on.", shown),
      ...errorResponses(
        [
          "malformed_json",
          "execution_not_found",
          "tool_call_not_waiting",
          "body_too_large",
          "unsupported_media_type",
          "invalid_field",
          "unknown_field",
          "sandbox_lost",
          "worker_lost",
        ],
        { serverErrorBody: problemWithExecution(shown) },
      ),
    },
  });

  registry.registerPath({
    method: "post",
    path: "/v1/executions/{id}/cancel",
    tags,
    security,
    summary: "Cancel an execution",
    description:
      "A waiting execution is removed from the queue. For a running one, the response is sent once its sandbox is gone. An ended one is unchanged.",
    request: executionId,
    responses: {
      200: jsonResponse("The ended execution.", shown),
      202: jsonResponse("The cancel was sent, but the end is not confirmed yet.", shown),
      ...errorResponses(["execution_not_found"]),
    },
  });

  registry.registerPath({
    method: "delete",
    path: "/v1/executions/{id}",
    tags,
    security,
    summary: "Delete an execution and its files",
    description: "Deletes the record, its output files and its inline input files. Uploaded files are kept.",
    request: executionId,
    responses: {
      200: jsonResponse(
        "Deleted.",
        z.object({ id: z.string(), object: z.literal("code_interpreter_call"), deleted: z.literal(true) }).strict(),
      ),
      ...errorResponses(["execution_not_found", "execution_running", "storage_unavailable"]),
    },
  });
}
