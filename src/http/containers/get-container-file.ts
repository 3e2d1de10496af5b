import type { AppDeps, Route } from "../core/deps.ts";
import { containerFileOf, viewOfContainerFile } from "./container-view.ts";

/** GET /v1/containers/:id/files/:file_id */
export function getContainerFile(deps: AppDeps): Route {
  return {
    method: "get",
    path: "/v1/containers/:id/files/:file_id",
    scope: "read",
    ofOpenai: true,
    handlers: [
      async (request, response) => {
        response.json(viewOfContainerFile(await containerFileOf(deps.containers, request, response)));
      },
    ],
  };
}
