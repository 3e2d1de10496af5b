import type { AppDeps, Route } from "../core/deps.ts";
import { containerFileOf, viewOfContainerFile } from "./container-view.ts";

/** GET /v1/containers/:id/files/:file_id */
export function containerFileGet(deps: AppDeps): Route {
  return {
    method: "get",
    path: "/v1/containers/:id/files/:file_id",
    scope: "read",
    handlers: [
      async (request, response) => {
        response.json(viewOfContainerFile(await containerFileOf(deps.containers, request, response)));
      },
    ],
  };
}
