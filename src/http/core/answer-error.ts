import type { ErrorRequestHandler, Response } from "express";
import { catalogue, type ErrorCode, ServiceError } from "../../domain/errors.ts";
import { BlobStoreFailed } from "../../files/store.ts";
import type { Log } from "../../observe/log.ts";
import { redisTroubleOf } from "../../redis/trouble.ts";
import { requestIdOf } from "./request-id.ts";
import { traceIdIn } from "./trace-requests.ts";

/** Answers any exception with an entry of the catalogue. The cause is logged, never sent to the caller. */
export function answerError(log: Log): ErrorRequestHandler {
  return (thrown, request, response, _next) => {
    const error = serviceErrorOf(thrown);
    if (error.status >= 500) {
      log.error(
        { err: thrown, code: error.code, request: requestIdOf(response), route: request.route?.path, trace_id: traceIdIn(response) },
        "request failed",
      );
    }
    if (response.headersSent || response.destroyed) {
      // The response has begun. Cutting the connection shows the client that it is incomplete.
      response.destroy();
      return;
    }
    writeProblem(response, error);
  };
}

/** Whether errors of this request have the status that clients of OpenAI's API expect. */
export function answerLikeOpenai(response: Response, isLike: boolean): void {
  response.locals.likeOpenai = isLike;
}

const fieldErrors = new Set<ErrorCode>(["invalid_field", "unknown_field"]);

/** The status of an error. OpenAI's clients raise their BadRequestError for 400 only. */
function statusOf(code: ErrorCode, response: Response): number {
  return response.locals.likeOpenai === true && fieldErrors.has(code) ? 400 : catalogue[code].status;
}

/** Writes the error with these further members. */
export function writeProblem(response: Response, error: ServiceError, members: Record<string, unknown> = {}, openaiCode?: string): void {
  response.end(JSON.stringify({ ...beginProblem(response, error, openaiCode), ...members }));
}

/** Sets status and headers. Returns the body: the members of RFC 9457, and `error` for clients of the OpenAI API. */
export function beginProblem(response: Response, error: ServiceError, openaiCode?: string): Record<string, unknown> {
  const { title, type } = catalogue[error.code];
  const status = statusOf(error.code, response);
  if (status === 401 && !response.hasHeader("WWW-Authenticate")) response.setHeader("WWW-Authenticate", 'Bearer realm="code-interpreter"');
  const retryAfterSeconds = error.retryAfterSeconds ?? retryAfterDefaults[error.code];
  if (retryAfterSeconds !== undefined) response.setHeader("Retry-After", String(Math.max(1, Math.ceil(retryAfterSeconds))));
  // Clients of the OpenAI API would retry a 409 automatically.
  if (status < 500 && status !== 429 && !response.hasHeader("x-should-retry")) response.setHeader("x-should-retry", "false");
  const traceId = traceIdIn(response);
  response.status(status);
  response.setHeader("Content-Type", "application/problem+json");
  return {
    type: `urn:code-interpreter:error:${error.code}`,
    title,
    status,
    detail: error.detail,
    instance: requestIdOf(response),
    code: error.code,
    success: false,
    error: { message: error.detail, type, param: error.param, code: openaiCode ?? error.code, status },
    ...(error.faults.length === 0 ? {} : { errors: error.faults }),
    ...(traceId === undefined ? {} : { trace_id: traceId }),
  };
}

/** Every 429 and 503 has a Retry-After. These are the values when the error has none. */
const retryAfterDefaults: Partial<Record<ErrorCode, number>> = {
  packages_unknown: 5,
  rate_limited: 1,
  organization_queue_full: 5,
  // Stored bytes expire hourly, or the caller deletes something.
  organization_storage_full: 600,
  organization_requests_full: 1,
  organization_responses_full: 5,
  responses_full: 5,
  model_rate_limited: 5,
  // An operator has to act, so early retries are useless.
  model_not_configured: 60,
  organization_containers_full: 30,
  container_unavailable: 10,
  queue_full: 5,
  queue_unavailable: 2,
  // An operator has to act.
  queue_not_writable: 10,
  storage_unavailable: 5,
  queue_deadline_passed: 5,
  sandbox_lost: 1,
  worker_lost: 1,
  shutting_down: 5,
};

const redisErrors = { away: "queue_unavailable", refuses_writes: "queue_not_writable" } as const;

/** Translates exceptions of libraries. Unknown exceptions become `internal`. */
export function serviceErrorOf(thrown: unknown): ServiceError {
  if (thrown instanceof ServiceError) return thrown;
  if (thrown instanceof BlobStoreFailed) return new ServiceError("storage_unavailable", { cause: thrown });
  if (!(thrown instanceof Error)) return new ServiceError("internal", { cause: thrown });
  const trouble = redisTroubleOf(thrown);
  if (trouble !== null) return new ServiceError(redisErrors[trouble], { cause: thrown });
  return parserError(thrown) ?? new ServiceError("internal", { cause: thrown });
}

/** Errors of body-parser and of Express's path decoding. */
function parserError(thrown: Error & { type?: unknown; status?: unknown; limit?: unknown }): ServiceError | null {
  switch (thrown.type) {
    case "entity.too.large":
      return new ServiceError("body_too_large", { detail: `The body must have at most ${String(thrown.limit)} bytes.` });
    case "encoding.unsupported":
    case "charset.unsupported":
      return new ServiceError("unsupported_media_type", {
        detail: "Send the body in UTF-8, plain or compressed with gzip, deflate or br.",
      });
  }
  const { status } = thrown;
  if (typeof status !== "number" || status < 400 || status > 499) return null;
  return new ServiceError("malformed_request", { detail: "The request line, headers or body cannot be read.", cause: thrown });
}
