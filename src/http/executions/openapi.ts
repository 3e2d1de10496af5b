import { z } from "zod";
import { executionIdPattern } from "../../domain/ids.ts";
import { executionRequestSchema } from "../../domain/request.ts";
import { execution, executionEvent } from "../../domain/result.ts";
import { errorResponses, jsonResponse, listOf, type PathContext, problemWithExecution } from "../core/openapi-parts.ts";
import { pageQuery } from "../core/paging.ts";
import { executionExample, requestExample, streamExample } from "./openapi-examples.ts";

const tags = ["executions"];

/** How an event looks in a stream; OpenAPI can not say it in a schema. */
const eventStream = {
  description:
    "`id`, `event` and `data` lines for each event, the data being JSON of ExecutionEvent; `: ping` comments in between. Ends after `execution.ended`.",
  content: { "text/event-stream": { schema: z.string(), example: streamExample } },
};

export function addExecutionPaths({ registry, limits, security, executionId }: PathContext): void {
  const shown = registry.register("Execution", execution.strict());
  // A clone, because the module that describes schemas extends only those made after it was loaded.
  registry.register("ExecutionEvent", executionEvent.clone());
  const request = registry.register("ExecutionRequest", executionRequestSchema(limits));

  registry.registerPath({
    method: "post",
    path: "/v1/executions",
    tags,
    security,
    summary: "Run code",
    description:
      "Waits for the end by default. `Prefer: respond-async` answers 202 at once, `Prefer: wait=5` after 5 s at most, " +
      "`Accept: text/event-stream` streams. A caller that goes away while it waits cancels the execution unless it sent an " +
      "`Idempotency-Key`; a stream that breaks leaves it running, and can be resumed at `/v1/executions/{id}/events`. " +
      "With `container` it runs in that container, after the cells before it, and finds their variables and files. The id is in `Location` in every case.",
    request: {
      headers: z.object({
        Prefer: z.string().optional().describe("`respond-async`, `wait=<seconds>` (RFC 7240)"),
        "Idempotency-Key": z.string().min(1).max(255).optional().describe("same key and same body give the same execution"),
      }),
      body: { required: true, content: { "application/json": { schema: request, example: requestExample } } },
    },
    responses: {
      200: {
        description: "The execution has ended, or is streamed. `Idempotency-Replayed: true` when it is an earlier one.",
        content: { "application/json": { schema: shown, example: executionExample }, ...eventStream.content },
      },
      202: jsonResponse("Accepted, and not ended yet; `Location` names it, `Preference-Applied` tells the preference.", shown),
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
        problemWithExecution(shown),
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
    responses: { 200: jsonResponse("The execution as it is now.", shown, executionExample), ...errorResponses(["execution_not_found"]) },
  });

  registry.registerPath({
    method: "get",
    path: "/v1/executions/{id}/events",
    tags,
    security,
    summary: "Stream the events of an execution",
    description:
      "From the start, or after the event named by `Last-Event-ID` or `after`. Once the events have expired, `execution.ended` is left.",
    request: {
      ...executionId,
      query: z.object({ after: z.string().optional().describe("id of the last event seen") }),
      headers: z.object({ "Last-Event-ID": z.string().optional() }),
    },
    responses: { 200: eventStream, ...errorResponses(["execution_not_found", "invalid_field", "unknown_field"]) },
  });

  registry.registerPath({
    method: "post",
    path: "/v1/executions/{id}/cancel",
    tags,
    security,
    summary: "Cancel an execution",
    description: "Waiting: it is removed. Running: the container is gone before the answer is sent. Ended: it stays as it is.",
    request: executionId,
    responses: {
      200: jsonResponse("The execution, ended.", shown),
      202: jsonResponse("The cancel has been passed on, and the end is not confirmed yet.", shown),
      ...errorResponses(["execution_not_found"]),
    },
  });

  registry.registerPath({
    method: "delete",
    path: "/v1/executions/{id}",
    tags,
    security,
    summary: "Forget an execution and its files",
    description: "Deletes the record, the files it produced and those sent inline with it. Uploaded files stay.",
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
