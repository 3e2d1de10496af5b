import { ServiceError } from "../../domain/errors.ts";
import { isFinal } from "../../domain/status.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { executionOf } from "./execution-param.ts";

/** DELETE /v1/executions/:id: deletes the record, its output files and its inline input files. */
export function deleteExecution(deps: AppDeps): Route {
  return {
    method: "delete",
    path: "/v1/executions/:id",
    scope: "execute",
    handlers: [
      async (request, response) => {
        const { organization } = callerOf(response);
        const { id, status } = await executionOf(deps.executions, request, response);
        if (!isFinal(status)) throw new ServiceError("execution_running", { detail: "The execution has not ended; cancel it first." });
        // Files first: if that fails, the record still exists and the call can be retried.
        await deps.files.deleteOwnedBy(organization, id);
        if (!(await deps.executions.delete(organization, id))) throw new ServiceError("execution_not_found");
        response.json({ id, object: "code_interpreter_call", deleted: true });
      },
    ],
  };
}
