import { z } from "zod";
import { executionPieces } from "../../domain/execution-text.ts";
import { executionIdPattern } from "../../domain/ids.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { listPieces, pageQuery } from "../core/paging.ts";
import { sendJson } from "../core/send-json.ts";
import { checkedQuery } from "../core/validate.ts";

/** GET /v1/executions: a page of the organization's executions. */
export function listExecutions(deps: AppDeps): Route {
  const query = z.strictObject(pageQuery(deps.limits, executionIdPattern));
  return {
    method: "get",
    path: "/v1/executions",
    scope: "read",
    handlers: [
      async (request, response) => {
        const page = checkedQuery(query, request);
        const found = await deps.executions.list(callerOf(response).organization, page);
        await sendJson(response, listPieces(found, executionPieces));
      },
    ],
  };
}
