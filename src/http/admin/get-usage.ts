import { z } from "zod";
import { ServiceError } from "../../domain/errors.ts";
import type { Limits } from "../../domain/limits.ts";
import { dateOfDay, dayNumber, sumUsage } from "../../domain/usage.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { checkedQuery } from "../core/validate.ts";

const DAYS_DEFAULT = 30;

export const usageQuery = {
  from: z.iso.date().optional().describe("first UTC day, as 2026-11-01; 29 days before `to` when absent"),
  to: z.iso.date().optional().describe("last UTC day, included; today when absent"),
};

/** GET /v1/usage: what the caller's organization used, by day. */
export function usageGet({ usage, limits }: AppDeps): Route {
  const query = z.strictObject(usageQuery);
  return {
    method: "get",
    path: "/v1/usage",
    scope: "read",
    handlers: [
      async (request, response) => {
        const range = rangeOf(checkedQuery(query, request), limits);
        const { organization } = callerOf(response);
        const data = await usage(organization, range);
        response.json({
          object: "usage",
          organization,
          from: dateOfDay(range.from),
          to: dateOfDay(range.to),
          data,
          total: sumUsage(data),
        });
      },
    ],
  };
}

function rangeOf(wanted: { from?: string | undefined; to?: string | undefined }, limits: Limits) {
  const to = wanted.to === undefined ? dayNumber(Date.now()) : dayNumber(Date.parse(wanted.to));
  const days = Math.min(DAYS_DEFAULT, limits.usageRangeDaysMax);
  const from = wanted.from === undefined ? to - days + 1 : dayNumber(Date.parse(wanted.from));
  if (from > to) throw new ServiceError("invalid_field", { detail: "`from`: must not be after `to`.", param: "from" });
  if (to - from + 1 > limits.usageRangeDaysMax) {
    throw new ServiceError("invalid_field", { detail: `\`from\`: at most ${limits.usageRangeDaysMax} days up to \`to\`.`, param: "from" });
  }
  return { from, to };
}
