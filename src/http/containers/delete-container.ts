import { ServiceError } from "../../domain/errors.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { stepAside } from "../core/turns.ts";
import { containerIdOf } from "./container-view.ts";

/** DELETE /v1/containers/:id: deletes the container and the files it owns, and ends its running cell. */
export function deleteContainer(deps: AppDeps): Route {
  return {
    method: "delete",
    path: "/v1/containers/:id",
    scope: "execute",
    open: true,
    ofOpenai: true,
    handlers: [
      async (request, response) => {
        const id = containerIdOf(request);
        stepAside(response);
        if (!(await deps.containers.delete(callerOf(response).organization, id))) throw new ServiceError("container_not_found");
        response.json({ id, object: "container.deleted", deleted: true });
      },
    ],
  };
}
