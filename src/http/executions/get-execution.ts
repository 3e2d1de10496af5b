import { executionPieces } from "../../domain/execution-text.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { sendJson } from "../core/send-json.ts";
import { executionOf } from "./execution-param.ts";

/** GET /v1/executions/:id */
export function getExecution(deps: AppDeps): Route {
  return {
    method: "get",
    path: "/v1/executions/:id",
    scope: "read",
    handlers: [
      async (request, response) => {
        await sendJson(response, executionPieces(await executionOf(deps.executions, request, response)));
      },
    ],
  };
}
