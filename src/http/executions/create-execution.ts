import type { Request, Response } from "express";
import { type FollowOptions, followExecution, longestExecutionMs, submitExecution } from "../../app/run-execution.ts";
import { ServiceError } from "../../domain/errors.ts";
import { executionPieces } from "../../domain/execution-text.ts";
import { executionRequestSchema } from "../../domain/request.ts";
import { callerOf } from "../core/auth.ts";
import { callerGone } from "../core/caller-gone.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { sendJson } from "../core/send-json.ts";
import { refuseWhenStopping } from "../core/stopping.ts";
import { stepAside } from "../core/turns.ts";
import { byLimits, checked, jsonBody } from "../core/validate.ts";
import { answerExecution, pathOfExecution } from "./execution-answer.ts";
import { streamExecution } from "./execution-stream.ts";
import { idempotencyOf } from "./idempotency.ts";
import { waitPreference } from "./prefer.ts";

/** POST /v1/executions: runs code. The caller waits for the end or a limited time, does not wait, or streams events. */
export function createExecution(deps: AppDeps): Route {
  const schemaOf = byLimits(executionRequestSchema);
  const waitMsMax = longestExecutionMs(deps.limits);
  const handler = async (request: Request, response: Response) => {
    const { organization } = callerOf(response);
    const body: unknown = request.body;
    const wanted = checked(schemaOf(deps.limitsOf(organization)), body);
    refuseMemoryOfCell(body);
    const idempotency = idempotencyOf(request, body);
    const { execution, replayed } = await submitExecution(deps, organization, wanted, idempotency);
    response.setHeader("Location", pathOfExecution(execution.id));
    if (replayed) response.setHeader("Idempotency-Replayed", "true");
    stepAside(response);
    // A stream can be resumed, so the execution continues when its caller disconnects.
    if (wantsStream(request)) return streamExecution(deps, { organization, id: execution.id, after: null }, response);
    const preferred = waitPreference(request.get("prefer"), waitMsMax);
    if (preferred !== null) response.setHeader("Preference-Applied", preferred.applied);
    const waitMs = preferred?.ms ?? waitMsMax;
    if (waitMs === 0) {
      response.status(202);
      return sendJson(response, executionPieces(execution));
    }
    // Without an Idempotency-Key, a caller that hung up cannot come back for the result.
    await answerAtEnd(deps, { organization, execution, waitMs, cancelOnAbort: idempotency === null }, response);
  };
  return {
    method: "post",
    path: "/v1/executions",
    scope: "execute",
    open: true,
    handlers: [refuseWhenStopping(deps.stopping), ...jsonBody(deps.limits), handler],
  };
}

/** A cell uses the memory of its container. Checked on the raw body, because the schema adds a default. */
function refuseMemoryOfCell(body: unknown): void {
  const { container, memory_mb } = body as { container?: unknown; memory_mb?: unknown };
  if (container === undefined || memory_mb === undefined) return;
  throw new ServiceError("invalid_field", {
    detail: "`memory_mb`: must not be given with `container`, which sets the memory.",
    param: "memory_mb",
  });
}

function wantsStream(request: Request): boolean {
  return request.accepts(["application/json", "text/event-stream"]) === "text/event-stream";
}

/** Answers with the result, or with the current state after `waitMs`. */
async function answerAtEnd(deps: AppDeps, follow: Omit<FollowOptions, "signal">, response: Response): Promise<void> {
  const gone = callerGone(response);
  try {
    await answerExecution(response, await followExecution(deps.executions, { ...follow, signal: gone }));
  } catch (error) {
    // The connection is closed, so an error response would have no reader.
    if (!gone.aborted) throw error;
  }
}
