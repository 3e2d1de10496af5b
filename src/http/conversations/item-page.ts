import type { Request, Response } from "express";
import { z } from "zod";
import type { Dialect, Item } from "../../assistant/views/items.ts";
import { includeSchema, includesOutputs, includesReasoning } from "../../assistant/views/request.ts";
import { type Included, type View, viewOfItem } from "../../assistant/views/views.ts";
import { ServiceError } from "../../domain/errors.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps } from "../core/deps.ts";
import { listBody, pageQuery } from "../core/paging.ts";
import { checked } from "../core/validate.ts";
import { queryOf } from "../responses/get-response.ts";
import { ImageUrls } from "../responses/image-urls.ts";

/** Items of a response's input or of a conversation as callers see them. */
export function pageOfItems(deps: AppDeps) {
  const include = includeSchema.optional();
  const query = z.strictObject({ ...pageQuery(deps.limits, /^[a-z]+_[0-9a-z]{24}$/, { lowers: true }), include });
  const viewsOf = async (request: Request, response: Response, items: readonly Item[], shown: Shown) => {
    const images = new ImageUrls(deps, callerOf(response).organization, request);
    const viewOf = async (item: Item): Promise<View & { id: string }> => {
      const view = viewOfItem(item, shown.dialect, shown);
      return { ...(shown.dialect === "own" ? view : await images.inItem(view)), id: item.id };
    };
    return Promise.all(items.map(viewOf));
  };
  return {
    /** The page that the query asks for, newest first by default. */
    async one(request: Request, response: Response, items: readonly Item[], as: Partial<Shown> = {}) {
      const page = checked(query, queryOf(request));
      const ordered = page.order === "asc" ? items : items.toReversed();
      const start = startOf(ordered, page.after);
      const data = await viewsOf(request, response, ordered.slice(start, start + page.limit), shownWith(page.include, as));
      return listBody({ data, hasMore: ordered.length > start + page.limit });
    },
    async all(request: Request, response: Response, items: readonly Item[]) {
      const { include: included } = checked(z.object({ include }), queryOf(request));
      return listBody({ data: await viewsOf(request, response, items, shownWith(included)), hasMore: false });
    },
    async view(request: Request, response: Response, item: Item): Promise<View> {
      const { include: included } = checked(z.object({ include }), queryOf(request));
      return (await viewsOf(request, response, [item], shownWith(included)))[0] as View;
    },
  };
}

interface Shown extends Included {
  dialect: Dialect;
}

function shownWith(include: readonly string[] | undefined, as: Partial<Shown> = {}): Shown {
  return {
    dialect: as.dialect ?? "openai",
    includeOutputs: as.includeOutputs === true || includesOutputs(include),
    includeReasoning: as.includeReasoning === true || includesReasoning(include),
  };
}

function startOf(items: readonly Item[], after: string | undefined): number {
  if (after === undefined) return 0;
  const found = items.findIndex((item) => item.id === after);
  if (found === -1) throw new ServiceError("invalid_field", { detail: "`after`: must be the id of an item.", param: "after" });
  return found + 1;
}
