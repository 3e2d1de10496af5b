import type { ErrorCode } from "../../domain/errors.ts";
import type { ModelFailure } from "../model/model.ts";

/** Why a response failed. A closed union, because metric labels and clients use these codes. */
export type FailureCode =
  | ModelFailure
  | "code_not_run"
  | "code_not_allowed"
  | "container_not_found"
  | "container_expired"
  | "container_lost"
  | "container_unavailable"
  | "execution_failed"
  | "response_timeout"
  | "process_lost"
  | "server_error";

/** How a response failed. */
export interface Failure {
  code: FailureCode;
  message: string;
  /** HTTP status with which the model's server refused the request. */
  refusedWith?: number;
  /** When the model's server takes requests again. */
  retryAfterMs?: number;
}

/** The code of a failure in OpenAI's API. Its clients know a closed set, which is coarser than ours. */
export type OpenaiCode = "context_length_exceeded" | "invalid_prompt" | "rate_limit_exceeded" | "server_error";

export function openaiCodeOf(failure: Failure): OpenaiCode {
  switch (failure.code) {
    case "context_length_exceeded":
      return failure.code;
    case "model_rate_limited":
      return "rate_limit_exceeded";
    case "model_refused":
      return isOfRequest(failure) ? "invalid_prompt" : "server_error";
    default:
      return "server_error";
  }
}

/** OpenAI's kind of error for a code. */
export function openaiTypeOf(code: OpenaiCode): string {
  if (code === "rate_limit_exceeded") return "rate_limit_error";
  return code === "server_error" ? "server_error" : "invalid_request_error";
}

/** The error of a caller that waited for a response that failed. */
export function errorCodeOf(failure: Failure): ErrorCode {
  switch (failure.code) {
    case "model_refused":
      return isOfRequest(failure) ? "model_refused_request" : "model_refused";
    case "process_lost":
      return "shutting_down";
    case "server_error":
      return "internal";
    default:
      return failure.code;
  }
}

/** The model's server found fault with the request, and not with the key or the address that the operator set. */
function isOfRequest({ refusedWith }: Failure): boolean {
  return refusedWith === 400 || refusedWith === 413 || refusedWith === 422;
}
