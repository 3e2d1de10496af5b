/**
 * Every error that a caller can receive. A code is never reused for another meaning. What user code did is a result,
 * not an error. `title` is a short summary. `detail`, given where the error is created, says what to change and names
 * the field and its bound.
 */
export const catalogue = {
  malformed_json: { status: 400, type: "invalid_request_error", title: "The body is not valid JSON" },
  malformed_request: { status: 400, type: "invalid_request_error", title: "The request cannot be read" },
  missing_key: { status: 401, type: "authentication_error", title: "No API key was sent" },
  invalid_key: { status: 401, type: "authentication_error", title: "The API key is invalid" },
  missing_scope: { status: 403, type: "permission_error", title: "The API key lacks the scope for this call" },
  foreign_organization: { status: 403, type: "permission_error", title: "The API key belongs to another organization" },
  origin_not_allowed: { status: 403, type: "permission_error", title: "Requests from this web page are not allowed" },
  route_not_found: { status: 404, type: "invalid_request_error", title: "There is no such path" },
  execution_not_found: { status: 404, type: "invalid_request_error", title: "There is no such execution" },
  file_not_found: { status: 404, type: "invalid_request_error", title: "There is no such file" },
  container_not_found: { status: 404, type: "invalid_request_error", title: "There is no such container" },
  response_not_found: { status: 404, type: "invalid_request_error", title: "There is no such response" },
  assistant_not_found: { status: 404, type: "invalid_request_error", title: "There is no such assistant" },
  conversation_not_found: { status: 404, type: "invalid_request_error", title: "There is no such conversation" },
  item_not_found: { status: 404, type: "invalid_request_error", title: "There is no such item" },
  model_not_found: { status: 404, type: "invalid_request_error", title: "There is no such model" },
  key_not_found: { status: 404, type: "invalid_request_error", title: "There is no such key" },
  method_not_allowed: { status: 405, type: "invalid_request_error", title: "The path does not support this method" },
  context_length_exceeded: { status: 400, type: "invalid_request_error", title: "The conversation is longer than the model's context" },
  model_refused_request: { status: 400, type: "invalid_request_error", title: "The model's API refused the request as invalid" },
  execution_running: { status: 409, type: "conflict_error", title: "The execution has not ended" },
  tool_call_not_waiting: { status: 409, type: "conflict_error", title: "The tool call does not wait for this answer" },
  keys_not_writable: { status: 409, type: "conflict_error", title: "The api cannot change its key file" },
  container_expired: { status: 410, type: "invalid_request_error", title: "The container has expired" },
  container_lost: { status: 410, type: "invalid_request_error", title: "The container was lost" },
  response_running: { status: 409, type: "conflict_error", title: "The response has not ended" },
  body_too_large: { status: 413, type: "invalid_request_error", title: "The body is too large" },
  file_too_large: { status: 413, type: "invalid_request_error", title: "The file is too large" },
  unsupported_media_type: { status: 415, type: "invalid_request_error", title: "The content type is not supported" },
  range_not_satisfiable: { status: 416, type: "invalid_request_error", title: "The range lies outside the file" },
  invalid_field: { status: 422, type: "invalid_request_error", title: "A field is invalid" },
  unknown_field: { status: 422, type: "invalid_request_error", title: "A field is unknown" },
  idempotency_mismatch: { status: 422, type: "invalid_request_error", title: "The Idempotency-Key was used with another body" },
  rate_limited: { status: 429, type: "rate_limit_error", title: "Too many requests for this key" },
  organization_queue_full: { status: 429, type: "rate_limit_error", title: "The organization's share of the queue is full" },
  organization_containers_full: { status: 429, type: "rate_limit_error", title: "The organization has too many containers" },
  organization_storage_full: { status: 429, type: "rate_limit_error", title: "The organization's storage is full" },
  organization_requests_full: { status: 429, type: "rate_limit_error", title: "The organization has too many requests in flight" },
  organization_responses_full: { status: 429, type: "rate_limit_error", title: "The organization has too many responses running" },
  model_rate_limited: { status: 429, type: "rate_limit_error", title: "The model's API is at its rate limit" },
  queue_full: { status: 503, type: "server_error", title: "The queue is full" },
  queue_unavailable: { status: 503, type: "server_error", title: "The queue cannot be reached" },
  queue_not_writable: { status: 503, type: "server_error", title: "The queue accepts nothing now; what it holds can be read" },
  storage_unavailable: { status: 503, type: "server_error", title: "The file store cannot be reached" },
  responses_full: { status: 503, type: "server_error", title: "Too many responses are running" },
  packages_unknown: { status: 503, type: "server_error", title: "No worker has announced its packages" },
  model_not_configured: { status: 503, type: "server_error", title: "No model is configured" },
  queue_deadline_passed: { status: 503, type: "server_error", title: "No worker took the execution in time; it did not run" },
  container_unavailable: { status: 503, type: "server_error", title: "No worker had room for the container in time" },
  sandbox_lost: { status: 503, type: "server_error", title: "The sandbox was lost" },
  worker_lost: { status: 503, type: "server_error", title: "The worker was lost" },
  shutting_down: { status: 503, type: "server_error", title: "The service is stopping" },
  model_unavailable: { status: 502, type: "server_error", title: "The model could not be reached" },
  model_refused: { status: 502, type: "server_error", title: "The model's API refused the request" },
  model_broken_answer: { status: 502, type: "server_error", title: "The model's answer was incomplete or malformed" },
  code_not_run: { status: 502, type: "server_error", title: "The model did not run code, although it had to" },
  code_not_allowed: { status: 502, type: "server_error", title: "The model called the code interpreter, although it was off" },
  execution_failed: { status: 502, type: "server_error", title: "The model's code could not be run" },
  model_timeout: { status: 504, type: "server_error", title: "The model did not answer in time" },
  response_timeout: { status: 504, type: "server_error", title: "The response took longer than allowed" },
  not_supported: { status: 400, type: "invalid_request_error", title: "This service does not have that function" },
  internal: { status: 500, type: "server_error", title: "The service failed" },
} as const satisfies Record<string, { status: number; type: string; title: string }>;

export type ErrorCode = keyof typeof catalogue;
export const errorCodes = Object.keys(catalogue) as ErrorCode[];

export interface FieldFault {
  param: string;
  message: string;
}

export interface ServiceErrorOptions {
  /** What the caller should change. Never contains code, outputs, file contents or secrets. */
  detail?: string;
  /** The field at fault, as a path like `files.0.name`. */
  param?: string;
  /** All fields at fault, when there may be several. */
  faults?: readonly FieldFault[];
  retryAfterSeconds?: number;
  /** For the log. */
  cause?: unknown;
}

/** An error that is reported to the caller. Any other exception becomes `internal`. */
export class ServiceError extends Error {
  override name = "ServiceError";
  readonly code: ErrorCode;
  readonly status: number;
  readonly detail: string;
  readonly param: string | null;
  readonly faults: readonly FieldFault[];
  readonly retryAfterSeconds: number | null;

  constructor(code: ErrorCode, options: ServiceErrorOptions = {}) {
    const entry = catalogue[code];
    const detail = options.detail ?? `${entry.title}.`;
    super(`${code}: ${detail}`, { cause: options.cause });
    this.code = code;
    this.status = entry.status;
    this.detail = detail;
    this.param = options.param ?? null;
    this.faults = options.faults ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds ?? null;
  }
}
