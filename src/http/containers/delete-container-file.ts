import { ServiceError } from "../../domain/errors.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { stepAside } from "../core/turns.ts";
import { containerFileOf } from "./container-view.ts";

/**
 * DELETE /v1/containers/:id/files/:file_id: removes the file before the next cell. A file that was added by its id
 * stays stored.
 */
export function deleteContainerFile(deps: AppDeps): Route {
  return {
    method: "delete",
    path: "/v1/containers/:id/files/:file_id",
    scope: "execute",
    open: true,
    ofOpenai: true,
    handlers: [
      async (request, response) => {
        const { organization } = callerOf(response);
        const { id, sessionId } = await containerFileOf(deps.containers, request, response);
        stepAside(response);
        if (!(await deps.containers.removeFile(organization, sessionId, id))) throw new ServiceError("file_not_found");
        response.json({ id, object: "container.file.deleted", deleted: true });
      },
    ],
  };
}
