import type { AppDeps, Route } from "../core/deps.ts";
import { fileOf, viewOfFile } from "./file-view.ts";

/** GET /v1/files/:id */
export function getFile(deps: AppDeps): Route {
  return {
    method: "get",
    path: "/v1/files/:id",
    scope: "read",
    ofOpenai: true,
    handlers: [
      async (request, response) => {
        response.json(viewOfFile(await fileOf(deps.files, request, response)));
      },
    ],
  };
}
