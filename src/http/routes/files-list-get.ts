import { z } from "zod";
import { ServiceError } from "../../errors.ts";
import { fileIdPattern } from "../../execution/ids.ts";
import { callerOf } from "../auth.ts";
import type { AppDeps, Route } from "../deps.ts";
import { purposes, viewOfFile } from "../file-view.ts";
import { listBody, pageQuery } from "../paging.ts";
import { checkedQuery } from "../validate.ts";

/** GET /v1/files: the organization's files, a page at a time, of one purpose if asked. */
export function filesListGet(deps: AppDeps): Route {
  const query = z.strictObject({ ...pageQuery(deps.limits, fileIdPattern), purpose: z.enum(purposes).optional() });
  return {
    method: "get",
    path: "/v1/files",
    scope: "read",
    handlers: [
      async (request, response) => {
        const page = await deps.files.list(callerOf(response).organization, checkedQuery(query, request));
        if (page === null) throw new ServiceError("file_not_found", { param: "after", detail: "`after` names no file." });
        response.json(listBody({ data: page.data.map(viewOfFile), hasMore: page.hasMore }));
      },
    ],
  };
}
