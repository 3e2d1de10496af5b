import type { AppDeps, Route } from "../core/deps.ts";
import { executionOf } from "./execution-param.ts";

/** GET /v1/executions/:id */
export function executionGet(deps: AppDeps): Route {
  return {
    method: "get",
    path: "/v1/executions/:id",
    scope: "read",
    handlers: [
      async (request, response) => {
        response.json(await executionOf(deps.executions, request, response));
      },
    ],
  };
}
