import type { Request, Response } from "express";
import { ServiceError } from "../../domain/errors.ts";
import type { Limits } from "../../domain/limits.ts";
import { type ExecutionRequest, executionRequestSchema } from "../../domain/request.ts";
import type { Execution } from "../../domain/result.ts";
import { callerOf } from "../core/auth.ts";
import { callerGone } from "../core/caller-gone.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import type { Idempotency } from "../core/ports.ts";
import { streamEvents } from "../core/sse.ts";
import { refuseWhenStopping } from "../core/stopping.ts";
import { checked, jsonBody } from "../core/validate.ts";
import { answerExecution, pathOfExecution } from "./execution-answer.ts";
import { idempotencyOf } from "./idempotency.ts";
import { dropFiles, storeInputFiles } from "./inline-files.ts";
import { waitPreference } from "./prefer.ts";

/** POST /v1/executions: run code; wait for the end, for a while, not at all, or stream it. */
export function executionsPost(deps: AppDeps): Route {
  const schema = executionRequestSchema(deps.limits);
  const waitMsMax = wholeWayMs(deps.limits);
  const handler = async (request: Request, response: Response) => {
    const { organization } = callerOf(response);
    const body: unknown = request.body;
    const wanted = checked(schema, body);
    refuseOwnMemory(body);
    const idempotency = idempotencyOf(request, body);
    const { execution, replayed } = await accept(deps, organization, wanted, idempotency);
    response.setHeader("Location", pathOfExecution(execution.id));
    if (replayed) response.setHeader("Idempotency-Replayed", "true");
    if (wantsStream(request)) return stream(deps, organization, execution, response);
    const preferred = waitPreference(request.get("prefer"), waitMsMax);
    if (preferred !== null) response.setHeader("Preference-Applied", preferred.applied);
    const waitMs = preferred?.ms ?? waitMsMax;
    if (waitMs === 0) {
      response.status(202).json(execution);
      return;
    }
    await answerAtEnd(deps, { organization, execution, waitMs, cancelWhenGone: idempotency === null }, response);
  };
  return {
    method: "post",
    path: "/v1/executions",
    scope: "execute",
    handlers: [refuseWhenStopping(deps.stopping), ...jsonBody(deps.limits), handler],
  };
}

/** A cell has the memory of its container; the schema's default can not be told from a wish. */
function refuseOwnMemory(body: unknown): void {
  const { container, memory_mb } = body as { container?: unknown; memory_mb?: unknown };
  if (container === undefined || memory_mb === undefined) return;
  throw new ServiceError("invalid_field", {
    detail: "`memory_mb`: must not be given with `container`, which has its own.",
    param: "memory_mb",
  });
}

/** The longest an execution can take from acceptance to its stored result. */
export function wholeWayMs(limits: Limits): number {
  const run = limits.sandboxStartTimeoutMsMax + limits.runTimeoutMsMax + limits.runKillGraceMs + limits.collectTimeoutMsMax;
  return limits.queueWaitMsMax + run;
}

/** Stores what came inline and queues the execution; what no execution came to use is deleted again. */
export async function accept(
  deps: AppDeps,
  organization: string,
  request: ExecutionRequest,
  idempotency: Idempotency | null,
): Promise<{ execution: Execution; replayed: boolean }> {
  const earlier = idempotency === null ? null : await deps.executions.replay(organization, idempotency);
  if (earlier !== null) return { execution: earlier, replayed: true };
  const context = { organization, files: deps.files, limits: deps.limits };
  const { files, storedIds } = await storeInputFiles(request, context);
  let wanted = false;
  try {
    const submitted = await deps.executions.submit({ organization, request: withoutContents(request), files, idempotency });
    wanted = !submitted.replayed;
    if (wanted) await deps.files.own(organization, submitted.execution.id, storedIds);
    return submitted;
  } catch (error) {
    // With a key its record may be there, and is queued when the caller comes back; it will want its files.
    wanted ||= idempotency !== null && error instanceof ServiceError && error.code === "queue_unavailable";
    throw error;
  } finally {
    if (!wanted) await dropFiles(storedIds, context);
  }
}

/** Jobs carry references, not bytes. */
function withoutContents(request: ExecutionRequest): ExecutionRequest {
  return { ...request, files: [] };
}

function wantsStream(request: Request): boolean {
  return request.accepts(["application/json", "text/event-stream"]) === "text/event-stream";
}

/** A stream can be resumed, so a caller that goes away leaves the execution running. */
async function stream(deps: AppDeps, organization: string, execution: Execution, response: Response): Promise<void> {
  const signal = AbortSignal.any([callerGone(response), deps.stopping]);
  await streamEvents(response, deps.executions.events(organization, execution.id, null, signal), { signal });
}

interface Waiting {
  organization: string;
  execution: Execution;
  waitMs: number;
  /** Without an Idempotency-Key nobody can come back for the result of a broken connection. */
  cancelWhenGone: boolean;
}

async function answerAtEnd(deps: AppDeps, waiting: Waiting, response: Response): Promise<void> {
  const { organization, execution, waitMs } = waiting;
  const gone = callerGone(response);
  try {
    const ended = await deps.executions.waitForEnd(organization, execution.id, waitMs, gone, execution);
    if (!gone.aborted) answerExecution(response, ended);
  } catch (error) {
    if (!gone.aborted) throw error;
  }
  if (gone.aborted && waiting.cancelWhenGone) await deps.executions.cancel(organization, execution.id);
}
