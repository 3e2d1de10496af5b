import { z } from "zod";
import { ServiceError } from "../../domain/errors.ts";
import { fileIdPattern } from "../../domain/ids.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { listBody, pageQuery } from "../core/paging.ts";
import { checkedQuery } from "../core/validate.ts";
import { purposes, viewOfFile } from "./file-view.ts";

/** GET /v1/files: a page of the organization's files, optionally of one purpose. */
export function listFiles(deps: AppDeps): Route {
  const query = z.strictObject({ ...pageQuery(deps.limits, fileIdPattern, { lowers: true }), purpose: z.enum(purposes).optional() });
  return {
    method: "get",
    path: "/v1/files",
    scope: "read",
    ofOpenai: true,
    handlers: [
      async (request, response) => {
        const page = await deps.files.list(callerOf(response).organization, checkedQuery(query, request));
        if (page === null) throw new ServiceError("file_not_found", { param: "after", detail: "`after`: there is no such file." });
        response.json(listBody({ data: page.data.map(viewOfFile), hasMore: page.hasMore }));
      },
    ],
  };
}
