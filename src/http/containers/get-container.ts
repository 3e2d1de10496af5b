import { ServiceError } from "../../domain/errors.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { containerIdOf, viewOfContainer } from "./container-view.ts";

/** GET /v1/containers/:id */
export function getContainer(deps: AppDeps): Route {
  return {
    method: "get",
    path: "/v1/containers/:id",
    scope: "read",
    ofOpenai: true,
    handlers: [
      async (request, response) => {
        const found = await deps.containers.get(callerOf(response).organization, containerIdOf(request));
        if (found === null) throw new ServiceError("container_not_found");
        response.json(viewOfContainer(found));
      },
    ],
  };
}
