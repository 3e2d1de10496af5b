import { z } from "zod";
import { containerIdPattern } from "../../domain/ids.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { listBody, pageQuery } from "../core/paging.ts";
import { checkedQuery } from "../core/validate.ts";
import { viewOfContainer } from "./container-view.ts";

/** GET /v1/containers: a page of the organization's containers, optionally of one name. */
export function listContainers(deps: AppDeps): Route {
  const query = z.strictObject({ ...pageQuery(deps.limits, containerIdPattern, { lowers: true }), name: z.string().optional() });
  return {
    method: "get",
    path: "/v1/containers",
    scope: "read",
    ofOpenai: true,
    handlers: [
      async (request, response) => {
        const page = await deps.containers.list(callerOf(response).organization, checkedQuery(query, request));
        response.json(listBody({ data: page.data.map(viewOfContainer), hasMore: page.hasMore }));
      },
    ],
  };
}
