import { ServiceError } from "../../domain/errors.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { fileIdOf } from "./file-view.ts";

/** DELETE /v1/files/:id */
export function deleteFile(deps: AppDeps): Route {
  return {
    method: "delete",
    path: "/v1/files/:id",
    scope: "execute",
    ofOpenai: true,
    handlers: [
      async (request, response) => {
        const id = fileIdOf(request);
        if (!(await deps.files.delete(callerOf(response).organization, id))) throw new ServiceError("file_not_found");
        response.json({ id, object: "file", deleted: true });
      },
    ],
  };
}
