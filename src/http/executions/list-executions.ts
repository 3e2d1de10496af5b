import { z } from "zod";
import { executionIdPattern } from "../../domain/ids.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { listBody, pageQuery } from "../core/paging.ts";
import { checkedQuery } from "../core/validate.ts";

/** GET /v1/executions: the organization's executions, a page at a time. */
export function executionsListGet(deps: AppDeps): Route {
  const query = z.strictObject(pageQuery(deps.limits, executionIdPattern));
  return {
    method: "get",
    path: "/v1/executions",
    scope: "read",
    handlers: [
      async (request, response) => {
        const page = checkedQuery(query, request);
        response.json(listBody(await deps.executions.list(callerOf(response).organization, page)));
      },
    ],
  };
}
