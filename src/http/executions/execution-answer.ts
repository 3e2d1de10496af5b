import type { Response } from "express";
import { type ErrorCode, ServiceError } from "../../domain/errors.ts";
import type { Execution } from "../../domain/result.ts";
import { isFinal } from "../../domain/status.ts";
import { writeProblem } from "../core/answer-error.ts";

export function pathOfExecution(id: string): string {
  return `/v1/executions/${id}`;
}

/**
 * Answers a caller that waited: 200 when the code ended in any way or calls a tool, 202 when it has not ended yet, 503 when the service
 * failed. The 503 contains the execution with its output from before the failure.
 */
export function answerExecution(response: Response, execution: Execution): void {
  if (!isFinal(execution.status)) {
    response.status(execution.status === "requires_action" ? 200 : 202).json(execution);
    return;
  }
  if (execution.status !== "errored") {
    response.status(200).json(execution);
    return;
  }
  // A retry with the same Idempotency-Key would return this same execution.
  const shouldRetry = execution.retry_safe && response.req.headers["idempotency-key"] === undefined;
  response.setHeader("x-should-retry", String(shouldRetry));
  writeProblem(response, new ServiceError(codeOfErrored(execution), { detail: detailOfErrored(execution) }), { execution });
}

function codeOfErrored(execution: Execution): ErrorCode {
  if (execution.evidence.limit === "queueWaitMsMax") return "queue_deadline_passed";
  if (execution.container_id !== null && execution.evidence.session_alive === false) return "container_lost";
  if (execution.cause === "sandbox_lost" || execution.cause === "worker_lost") return execution.cause;
  return "internal";
}

function detailOfErrored(execution: Execution): string {
  const ran = execution.outcome === "never_started" ? "The code did not run." : "The code may have run in part.";
  return execution.retry_safe ? `${ran} It is safe to send the request again.` : ran;
}
