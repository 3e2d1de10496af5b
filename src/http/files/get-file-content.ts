import type { AppDeps, Route } from "../core/deps.ts";
import { answerFileContent } from "./file-content.ts";
import { fileOf } from "./file-view.ts";

/** GET /v1/files/:id/content: all bytes or a single range. */
export function getFileContent(deps: AppDeps): Route {
  return {
    method: "get",
    path: "/v1/files/:id/content",
    scope: "read",
    open: true,
    ofOpenai: true,
    handlers: [
      async (request, response) => {
        await answerFileContent(deps.files, await fileOf(deps.files, request, response), request, response);
      },
    ],
  };
}
