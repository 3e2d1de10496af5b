import { z } from "zod";
import { dateOfDay, dayNumber, usageMeasures } from "../../domain/usage.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { checkedQuery } from "../core/validate.ts";

const LIMIT_DEFAULT = 20;
const LIMIT_MAX = 100;

export const topUsageQuery = {
  date: z.iso.date().optional().describe("UTC day, of the last 31; default: today"),
  by: z.enum(usageMeasures).default("executions").describe("what organizations are compared by"),
  limit: z.coerce.number().int().min(1).max(LIMIT_MAX).default(LIMIT_DEFAULT).describe("number of organizations"),
};

/** GET /v1/admin/usage: the organizations with the largest usage of a day. It needs the scope `admin`. */
export function getTopUsage({ topUsage }: AppDeps): Route {
  const query = z.strictObject(topUsageQuery);
  return {
    method: "get",
    path: "/v1/admin/usage",
    scope: "admin",
    handlers: [
      async (request, response) => {
        const { date, by, limit } = checkedQuery(query, request);
        const day = dayNumber(date === undefined ? Date.now() : Date.parse(date));
        response.json({ object: "admin.usage", date: dateOfDay(day), by, data: await topUsage({ day, by, limit }) });
      },
    ],
  };
}
