import type { Response } from "express";
import { type ErrorCode, ServiceError } from "../../domain/errors.ts";
import type { Execution } from "../../domain/result.ts";
import { isFinal } from "../../domain/status.ts";
import { writeProblem } from "../core/answer-error.ts";

export function pathOfExecution(id: string): string {
  return `/v1/executions/${id}`;
}

/**
 * Answers a caller that waited: 200 whatever the code did, 202 when it has not ended yet, 503 when we failed at
 * it. The 503 carries the execution, because output from before the loss is in it.
 */
export function answerExecution(response: Response, execution: Execution): void {
  if (!isFinal(execution.status)) {
    response.status(202).json(execution);
    return;
  }
  if (execution.status !== "errored") {
    response.status(200).json(execution);
    return;
  }
  // A repeat under the same Idempotency-Key would be answered with this same execution.
  const worthRepeating = execution.retry_safe && response.req.headers["idempotency-key"] === undefined;
  response.setHeader("x-should-retry", String(worthRepeating));
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
  return execution.retry_safe ? `${ran} It is safe to post it again.` : ran;
}
