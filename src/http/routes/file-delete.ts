import { ServiceError } from "../../errors.ts";
import { callerOf } from "../auth.ts";
import type { AppDeps, Route } from "../deps.ts";
import { fileIdOf } from "../file-view.ts";

/** DELETE /v1/files/:id */
export function fileDelete(deps: AppDeps): Route {
  return {
    method: "delete",
    path: "/v1/files/:id",
    scope: "execute",
    handlers: [
      async (request, response) => {
        const id = fileIdOf(request);
        if (!(await deps.files.delete(callerOf(response).organization, id))) throw new ServiceError("file_not_found");
        response.json({ id, object: "file", deleted: true });
      },
    ],
  };
}
