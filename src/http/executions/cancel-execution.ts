import { ServiceError } from "../../domain/errors.ts";
import { isFinal } from "../../domain/status.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { executionIdOf } from "./execution-param.ts";

/** POST /v1/executions/:id/cancel: answers once the execution has ended; one that had ended is left as it is. */
export function executionCancelPost(deps: AppDeps): Route {
  return {
    method: "post",
    path: "/v1/executions/:id/cancel",
    scope: "execute",
    handlers: [
      async (request, response) => {
        const execution = await deps.executions.cancel(callerOf(response).organization, executionIdOf(request));
        if (execution === null) throw new ServiceError("execution_not_found");
        response.status(isFinal(execution.status) ? 200 : 202).json(execution);
      },
    ],
  };
}
