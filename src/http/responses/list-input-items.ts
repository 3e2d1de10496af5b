import { z } from "zod";
import type { Item } from "../../assistant/views/items.ts";
import { viewOfItem } from "../../assistant/views/views.ts";
import { ServiceError } from "../../domain/errors.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { listBody, pageQuery } from "../core/paging.ts";
import { checked } from "../core/validate.ts";
import { queryOf } from "./get-response.ts";
import { ImageUrls } from "./image-urls.ts";
import { responseOf } from "./response-param.ts";

/** GET /v1/responses/:id/input_items: a page of the input of the request, newest first by default. */
export function listInputItems(deps: AppDeps): Route {
  const query = z.strictObject({
    ...pageQuery(deps.limits, /^[a-z]+_[0-9a-z]{24}$/, { lowers: true }),
    include: z.array(z.string()).optional(),
  });
  return {
    method: "get",
    path: "/v1/responses/:id/input_items",
    scope: "read",
    ofOpenai: true,
    handlers: [
      async (request, response) => {
        const page = checked(query, queryOf(request));
        const { input, dialect, echo } = await responseOf(deps.assistant, request, response);
        const items = page.order === "asc" ? input : input.toReversed();
        const start = startOf(items, page.after);
        const shown = items.slice(start, start + page.limit);
        const images = new ImageUrls(deps, callerOf(response).organization, request);
        const viewOf = async (item: Item) => {
          const view = viewOfItem(item, dialect, echo);
          return { ...(dialect === "own" ? view : await images.inItem(view)), id: item.id };
        };
        const data = await Promise.all(shown.map(viewOf));
        response.json(listBody({ data, hasMore: items.length > start + page.limit }));
      },
    ],
  };
}

function startOf(items: readonly Item[], after: string | undefined): number {
  if (after === undefined) return 0;
  const found = items.findIndex((item) => item.id === after);
  if (found === -1) throw new ServiceError("invalid_field", { detail: "`after`: must be the id of an input item.", param: "after" });
  return found + 1;
}
