import { z } from "zod";
import { type JsonPieces, withMember } from "../../domain/execution-text.ts";
import type { Limits } from "../../domain/limits.ts";

const LIMIT_DEFAULT = 20;

/**
 * Query parameters of every list. With `lowers`, a larger page than there can be is the largest one: clients of OpenAI's API ask for more,
 * and go on to the next page in any case.
 */
export function pageQuery(limits: Limits, idPattern: RegExp, { lowers = false } = {}) {
  const { listPageMax } = limits;
  const limit = z
    .string()
    .regex(/^\d{1,6}$/, "must be a whole number")
    .transform((text) => (lowers ? Math.min(Number(text), listPageMax) : Number(text)))
    .refine((count) => count >= 1 && count <= listPageMax, `must be ${lowers ? "at least 1" : `1 to ${listPageMax}`}`)
    .default(Math.min(LIMIT_DEFAULT, limits.listPageMax));
  return {
    after: z.string().regex(idPattern, "must be the last id of the previous page").optional(),
    limit,
    order: z.enum(["asc", "desc"]).default("desc"),
  };
}

/** A page in the format of the OpenAI API. `last_id` is the `after` of the next page. */
export function listBody<T extends { id: string }>(page: { data: T[]; hasMore: boolean }) {
  return {
    object: "list" as const,
    data: page.data,
    has_more: page.hasMore,
    first_id: page.data[0]?.id ?? null,
    last_id: page.data.at(-1)?.id ?? null,
  };
}

/** The same as JSON, of entries that may have stored pieces. */
export function listPieces<T extends { id: string }>(
  page: { data: T[]; hasMore: boolean },
  piecesOf: (entry: T) => JsonPieces,
): JsonPieces {
  const { data: _, ...rest } = listBody(page);
  const entries = page.data.flatMap((entry, at) => [...(at === 0 ? [] : [","]), ...piecesOf(entry)]);
  return [`${withMember(rest, "data")}[`, ...entries, "]}"];
}
