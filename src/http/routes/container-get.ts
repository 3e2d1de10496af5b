import { ServiceError } from "../../errors.ts";
import { callerOf } from "../auth.ts";
import { containerIdOf, viewOfContainer } from "../container-view.ts";
import type { AppDeps, Route } from "../deps.ts";

/** GET /v1/containers/:id */
export function containerGet(deps: AppDeps): Route {
  return {
    method: "get",
    path: "/v1/containers/:id",
    scope: "read",
    handlers: [
      async (request, response) => {
        const found = await deps.containers.get(callerOf(response).organization, containerIdOf(request));
        if (found === null) throw new ServiceError("container_not_found");
        response.json(viewOfContainer(found));
      },
    ],
  };
}
