import { ServiceError } from "../../domain/errors.ts";
import { executionPieces } from "../../domain/execution-text.ts";
import { isFinal } from "../../domain/status.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { sendJson } from "../core/send-json.ts";
import { stepAside } from "../core/turns.ts";
import { executionIdOf } from "./execution-param.ts";

/** POST /v1/executions/:id/cancel: responds once the execution has ended. An ended execution is unchanged. */
export function cancelExecution(deps: AppDeps): Route {
  return {
    method: "post",
    path: "/v1/executions/:id/cancel",
    scope: "execute",
    open: true,
    handlers: [
      async (request, response) => {
        stepAside(response);
        const execution = await deps.executions.cancel(callerOf(response).organization, executionIdOf(request));
        if (execution === null) throw new ServiceError("execution_not_found");
        response.status(isFinal(execution.status) ? 200 : 202);
        await sendJson(response, executionPieces(execution));
      },
    ],
  };
}
