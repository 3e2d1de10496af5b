import { ServiceError } from "../../domain/errors.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { answerFileContent } from "../files/file-content.ts";
import { containerFileOf } from "./container-view.ts";

/**
 * GET /v1/containers/:id/files/:file_id/content: the bytes after the last cell, also of an expired or lost container.
 */
export function getContainerFileContent(deps: AppDeps): Route {
  return {
    method: "get",
    path: "/v1/containers/:id/files/:file_id/content",
    scope: "read",
    open: true,
    ofOpenai: true,
    handlers: [
      async (request, response) => {
        const { id } = await containerFileOf(deps.containers, request, response);
        const record = await deps.files.get(callerOf(response).organization, id);
        if (record === null) throw new ServiceError("file_not_found");
        await answerFileContent(deps.files, record, request, response);
      },
    ],
  };
}
