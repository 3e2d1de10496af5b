import type { Response } from "express";
import { type ErrorCode, ServiceError } from "../../domain/errors.ts";
import { executionPieces, withMember } from "../../domain/execution-text.ts";
import type { ReadExecution } from "../../domain/result.ts";
import { isFinal } from "../../domain/status.ts";
import { beginProblem } from "../core/answer-error.ts";
import { sendJson } from "../core/send-json.ts";

export function pathOfExecution(id: string): string {
  return `/v1/executions/${id}`;
}

/**
 * Answers a caller that waited: 200 when the code ended in any way or calls a tool, 202 when it has not ended yet, 503 when the service
 * failed. The 503 contains the execution with its output from before the failure.
 */
export async function answerExecution(response: Response, execution: ReadExecution): Promise<void> {
  if (!isFinal(execution.status)) {
    response.status(execution.status === "requires_action" ? 200 : 202);
    return sendJson(response, executionPieces(execution));
  }
  if (execution.status !== "errored") {
    response.status(200);
    return sendJson(response, executionPieces(execution));
  }
  // A retry with the same Idempotency-Key would return this same execution.
  const shouldRetry = execution.retry_safe && response.req.headers["idempotency-key"] === undefined;
  response.setHeader("x-should-retry", String(shouldRetry));
  const problem = beginProblem(response, new ServiceError(codeOfErrored(execution), { detail: detailOfErrored(execution) }));
  return sendJson(response, [withMember(problem, "execution"), ...executionPieces(execution), "}"]);
}

function codeOfErrored(execution: ReadExecution): ErrorCode {
  if (execution.evidence.limit === "queueWaitMsMax") return "queue_deadline_passed";
  if (execution.container_id !== null && execution.evidence.session_alive === false) return "container_lost";
  if (execution.cause === "sandbox_lost" || execution.cause === "worker_lost") return execution.cause;
  return "internal";
}

function detailOfErrored(execution: ReadExecution): string {
  const ran = execution.outcome === "never_started" ? "The code did not run." : "The code may have run in part.";
  return execution.retry_safe ? `${ran} It is safe to send the request again.` : ran;
}
