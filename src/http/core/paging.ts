import { z } from "zod";
import type { Limits } from "../../domain/limits.ts";

const LIMIT_DEFAULT = 20;

/** Query parameters of every list. */
export function pageQuery(limits: Limits, idPattern: RegExp) {
  const limit = z
    .string()
    .regex(/^\d{1,6}$/, "must be a whole number")
    .transform(Number)
    .refine((count) => count >= 1 && count <= limits.listPageMax, `must be 1 to ${limits.listPageMax}`)
    .default(Math.min(LIMIT_DEFAULT, limits.listPageMax));
  return {
    after: z.string().regex(idPattern, "must be the last id of the page before").optional(),
    limit,
    order: z.enum(["asc", "desc"]).default("desc"),
  };
}

/** The list form that clients of the OpenAI API page through: `after` of the next page is `last_id`. */
export function listBody<T extends { id: string }>(page: { data: T[]; hasMore: boolean }) {
  return {
    object: "list" as const,
    data: page.data,
    has_more: page.hasMore,
    first_id: page.data[0]?.id ?? null,
    last_id: page.data.at(-1)?.id ?? null,
  };
}
