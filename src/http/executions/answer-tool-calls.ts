import type { Request, Response } from "express";
import { z } from "zod";
import { longestExecutionMs } from "../../app/run-execution.ts";
import { toolCallIdPattern } from "../../domain/ids.ts";
import type { Limits } from "../../domain/limits.ts";
import { callerOf } from "../core/auth.ts";
import { callerGone } from "../core/caller-gone.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { stepAside } from "../core/turns.ts";
import { checked, jsonBody } from "../core/validate.ts";
import { answerExecution } from "./execution-answer.ts";
import { executionOf } from "./execution-param.ts";
import { waitPreference } from "./prefer.ts";

export function toolOutputsSchema(limits: Limits) {
  const { toolValueBytesMax: bytesMax, toolCallsOpenMax: openMax } = limits;
  const output = z
    .strictObject({
      call_id: z.string().regex(toolCallIdPattern, "must be the id of a call"),
      output: z.unknown().optional().describe("what the call returns, any JSON value"),
      error: z.string().optional().describe("the call raises ToolError with this text"),
    })
    .refine(({ output, error }) => (output === undefined) !== (error === undefined), "must have exactly one of output, error")
    .refine(({ output, error }) => Buffer.byteLength(jsonOf(output, error)) <= bytesMax, `must have at most ${bytesMax} bytes`);
  return z.strictObject({
    outputs: z
      .array(output)
      .min(1)
      .max(openMax)
      .refine((outputs) => new Set(outputs.map(({ call_id }) => call_id)).size === outputs.length, "must answer each call once"),
  });
}

function jsonOf(output: unknown, error: string | undefined): string {
  return JSON.stringify(error ?? output ?? null);
}

/**
 * POST /v1/executions/:id/tool_outputs: answers some or all calls that wait, then waits like the request that made the execution.
 * Any api process takes it.
 */
export function answerToolCalls(deps: AppDeps): Route {
  const schema = toolOutputsSchema(deps.limits);
  const waitMsMax = longestExecutionMs(deps.limits);
  const handler = async (request: Request, response: Response) => {
    const { organization } = callerOf(response);
    const { outputs } = checked(schema, request.body);
    const { id } = await executionOf(deps.executions, request, response);
    const preferred = waitPreference(request.get("prefer"), waitMsMax);
    const answers = outputs.map(({ call_id, output, error }) => ({
      callId: call_id,
      outcome: error === undefined ? ("output" as const) : ("error" as const),
      json: jsonOf(output, error),
    }));
    await deps.executions.answerCalls(organization, id, answers);
    stepAside(response);
    if (preferred !== null) response.setHeader("Preference-Applied", preferred.applied);
    const gone = callerGone(response);
    const execution = await deps.executions.waitForEnd(organization, id, preferred?.ms ?? waitMsMax, gone);
    // The answers have been taken: a caller that is gone may read the execution later.
    if (!gone.aborted) await answerExecution(response, execution);
  };
  return {
    method: "post",
    path: "/v1/executions/:id/tool_outputs",
    scope: "execute",
    open: true,
    handlers: [...jsonBody({ ...deps.limits, requestBodyValuesMax: deps.limits.toolValueValuesMax }), handler],
  };
}
