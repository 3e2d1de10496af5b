import type { ErrorRequestHandler, Response } from "express";
import { catalogue, type ErrorCode, ServiceError } from "../../domain/errors.ts";
import { BlobStoreFailed } from "../../files/store.ts";
import type { Log } from "../../observe/log.ts";
import { requestIdOf } from "./request-id.ts";
import { traceIdIn } from "./trace-requests.ts";

/** Answers whatever was thrown with a catalogue entry; the cause goes to the log, never to the caller. */
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
      // Half an answer can not be taken back; a cut connection says that it is not whole.
      response.destroy();
      return;
    }
    writeProblem(response, error);
  };
}

/** Writes the one error body: RFC 9457 members, and `error` for clients of the OpenAI API. */
export function writeProblem(response: Response, error: ServiceError, members: Record<string, unknown> = {}): void {
  const { status, title, type } = catalogue[error.code];
  if (status === 401 && !response.hasHeader("WWW-Authenticate")) response.setHeader("WWW-Authenticate", 'Bearer realm="code-interpreter"');
  const retryAfterSeconds = error.retryAfterSeconds ?? retryAfterDefaults[error.code];
  if (retryAfterSeconds !== undefined) response.setHeader("Retry-After", String(Math.max(1, Math.ceil(retryAfterSeconds))));
  // Clients of the OpenAI API would repeat a 409 by themselves.
  if (status < 500 && status !== 429 && !response.hasHeader("x-should-retry")) response.setHeader("x-should-retry", "false");
  const traceId = traceIdIn(response);
  response.status(status);
  response.setHeader("Content-Type", "application/problem+json");
  response.end(
    JSON.stringify({
      type: `urn:code-interpreter:error:${error.code}`,
      title,
      status,
      detail: error.detail,
      instance: requestIdOf(response),
      code: error.code,
      success: false,
      error: { message: error.detail, type, param: error.param, code: error.code, status },
      ...(traceId === undefined ? {} : { trace_id: traceId }),
      ...members,
    }),
  );
}

/** Every 429 and 503 says when to come back, also where whoever threw it could not compute it. */
const retryAfterDefaults: Partial<Record<ErrorCode, number>> = {
  rate_limited: 1,
  organization_queue_full: 5,
  // Something expires every hour, or the caller deletes something.
  organization_storage_full: 600,
  organization_responses_full: 5,
  responses_full: 5,
  // An operator has to act; a client that repeats by itself gains nothing.
  model_not_configured: 60,
  organization_containers_full: 30,
  container_unavailable: 10,
  queue_full: 5,
  queue_unavailable: 2,
  storage_unavailable: 5,
  queue_deadline_passed: 5,
  sandbox_lost: 1,
  worker_lost: 1,
  shutting_down: 5,
};

/** Translates what libraries throw; whatever nobody foresaw is `internal`. */
export function serviceErrorOf(thrown: unknown): ServiceError {
  if (thrown instanceof ServiceError) return thrown;
  if (thrown instanceof BlobStoreFailed) return new ServiceError("storage_unavailable", { cause: thrown });
  if (!(thrown instanceof Error)) return new ServiceError("internal", { cause: thrown });
  if (isRedisAway(thrown)) return new ServiceError("queue_unavailable", { cause: thrown });
  return parserError(thrown) ?? new ServiceError("internal", { cause: thrown });
}

/** Errors of body-parser and of Express's own path decoding. */
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
  return new ServiceError("malformed_request", { detail: "The request line, headers or body can not be read.", cause: thrown });
}

const connectionErrorCodes = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ETIMEDOUT",
  "EPIPE",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENOENT",
]);

/** ioredis has no common class for a server that is away, still loading, or read-only. */
function isRedisAway(error: Error & { code?: unknown; syscall?: unknown }): boolean {
  if (error.name === "MaxRetriesPerRequestError") return true;
  if (error.name === "ReplyError")
    return /^(LOADING|READONLY|MASTERDOWN|OOM|CLUSTERDOWN|NOREPLICAS|TRYAGAIN|MISCONF)\b/.test(error.message);
  if (/^(Connection is closed\.|Command timed out|Stream isn't writeable)/.test(error.message)) return true;
  if (
    /^(Too many Cluster redirections|Cluster isn't ready|Failed to refresh slots cache|All sentinels are unreachable)/.test(error.message)
  )
    return true;
  return error.syscall === "connect" && connectionErrorCodes.has(String(error.code));
}
