import { z } from "zod";
import { ServiceError } from "../../domain/errors.ts";
import { fileIdPattern } from "../../domain/ids.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { listBody, pageQuery } from "../core/paging.ts";
import { checkedQuery } from "../core/validate.ts";
import { containerIdOf, viewOfContainerFile } from "./container-view.ts";

/** GET /v1/containers/:id/files: a page of its files after the last cell. */
export function listContainerFiles(deps: AppDeps): Route {
  const query = z.strictObject(pageQuery(deps.limits, fileIdPattern, { lowers: true }));
  return {
    method: "get",
    path: "/v1/containers/:id/files",
    scope: "read",
    ofOpenai: true,
    handlers: [
      async (request, response) => {
        const { after, limit, order } = checkedQuery(query, request);
        const files = await deps.containers.listFiles(callerOf(response).organization, containerIdOf(request));
        if (order === "desc") files.reverse();
        const start = after === undefined ? 0 : files.findIndex((file) => file.id === after) + 1;
        if (after !== undefined && start === 0)
          throw new ServiceError("file_not_found", { param: "after", detail: "`after`: there is no such file." });
        const data = files.slice(start, start + limit).map(viewOfContainerFile);
        response.json(listBody({ data, hasMore: files.length > start + limit }));
      },
    ],
  };
}
