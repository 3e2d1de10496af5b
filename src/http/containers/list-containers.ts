import { z } from "zod";
import { containerIdPattern } from "../../domain/ids.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { listBody, pageQuery } from "../core/paging.ts";
import { checkedQuery } from "../core/validate.ts";
import { viewOfContainer } from "./container-view.ts";

/** GET /v1/containers: the organization's containers, a page at a time, of one name if asked. */
export function containersListGet(deps: AppDeps): Route {
  const query = z.strictObject({ ...pageQuery(deps.limits, containerIdPattern), name: z.string().optional() });
  return {
    method: "get",
    path: "/v1/containers",
    scope: "read",
    handlers: [
      async (request, response) => {
        const page = await deps.containers.list(callerOf(response).organization, checkedQuery(query, request));
        response.json(listBody({ data: page.data.map(viewOfContainer), hasMore: page.hasMore }));
      },
    ],
  };
}
